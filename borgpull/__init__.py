"""Back up many servers with BorgBackup in pull mode, close to zero trust."""

__version__ = "0.1.0"

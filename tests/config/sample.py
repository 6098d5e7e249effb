"""A good config in the shape of the ancestor's README; {NAMES} in braces stand for keys made in the tests."""

from borgpull.config import Config, read

GOOD = """\
# what the operator wrote
[Borg]
RootDir = "/home/backups"
PruneSetting = "--keep-daily 7 --keep-weekly 20 --keep-monthly 12"
Jobs = 4

[Borg.Server]
Host = "backup.example.org:2222"
UserName = "borg"
KnownHost = \"""
# backup.example.org:2222 SSH-2.0-OpenSSH_9.2p1
[backup.example.org]:2222 {HOST_KEY}
[backup.example.org]:2222 {HOST_KEY_RSA}
\"""
PrivateKey = \"""
{B_KEY}\"""

[[Servers]]
Name = "web1"
SourcePaths = ["/etc", "/srv/my files"]
Excludes = ["/srv/**/*.tmp"]

[Servers.BorgTarget]
SubDir = "sub/web1"
Passphrase = "hunter2 and more"

[Servers.Connection]
Username = "backup"
Host = "web1.example.org"
KnownHost = \"""
web1.example.org {HOST_KEY}
\"""
PrivateKey = \"""
{T_KEY}\"""

[[Servers]]
Name = "db1"
SourcePaths = ["/var/lib"]
BorgPath = "/opt/borg/bin/borg"

[Servers.BorgTarget]
SubDir = "sub/db1"
Passphrase = 'swordfish'

[Servers.Connection]
Username = "backup"
Host = "10.0.0.7"
KnownHost = "10.0.0.7 {HOST_KEY}"
PrivateKey = \"""
{T_KEY}\"""
ProxyJumpHost = "jump.example.org"
ProxyJumpKnownHost = "jump.example.org {HOST_KEY}"
"""

PASSPHRASES = ("hunter2", "swordfish")


def filled(text: str, keys: dict[str, str]) -> str:
    """Return the text with the keys in the place of their names."""
    for name, key in keys.items():
        text = text.replace("{" + name + "}", key)
    return text


def fine(*_: object) -> None:
    """Find nothing wrong."""


def read_pure(text: str) -> Config:
    """Read a config whose keys nobody looks at."""
    return read(text, check_key=fine, check_known_host=fine)

"""The entry: `borgpull` and `python -m borgpull`."""

import signal
import sys

try:
    from .cli.app import main as run_app
except KeyboardInterrupt:
    sys.exit(128 + signal.SIGINT)


def main() -> None:
    """Run the command line of this process, and exit with its status."""
    sys.exit(run_app(sys.argv))


if __name__ == "__main__":
    main()

"""The entry: `borgpull` and `python -m borgpull`."""

import sys


def main() -> None:
    """Run the command line of this process, and exit with its status."""
    from .cli.app import main as run_app  # noqa: PLC0415 - `--help` shall answer at once

    sys.exit(run_app(sys.argv))


if __name__ == "__main__":
    main()

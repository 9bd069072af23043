"""The program `modelyard`, also as `python -m modelyard`."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Entry point. Imports inside, so that Ctrl-C is also understood while that still goes on."""
    try:
        from modelyard.cli.main import main as run  # noqa: PLC0415 - see above

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()

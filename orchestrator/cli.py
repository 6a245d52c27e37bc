"""The command line of Kweek."""

import sys


def main() -> None:
    """Say that no command exists yet."""
    print("kweek: no command is built yet; the demo comes with the first recipe.", file=sys.stdout)

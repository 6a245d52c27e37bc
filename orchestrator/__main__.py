"""`python -m orchestrator` is `kweek`."""

from orchestrator.cli import main

if __name__ == "__main__":
    main()

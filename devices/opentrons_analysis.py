"""The worker process that runs the Opentrons analysis: `python -m devices.opentrons_analysis FILE…`.

Each protocol file gets its analysis beside it, as FILE.analysis. The library opentrons 10.1.0 declares its
JSON types with `typing.TypedDict`, which pydantic refuses before Python 3.12 ("Please use
`typing_extensions.TypedDict`"). The two are the same type, so here, and only in this process, the name is
pointed at the other before the library is loaded. OT_API_CONFIG_DIR must name a scratch folder.
"""

import sys
import typing

import typing_extensions


def main(files: list[str]) -> None:
    """Analyse every file, one after another; what is wrong with one stands in its analysis or on stderr."""
    if sys.version_info < (3, 12):
        typing.TypedDict = typing_extensions.TypedDict
    from opentrons.cli.analyze import analyze

    for file in files:
        try:
            analyze.main(["--check", "--json-output", f"{file}.analysis", file], standalone_mode=False)
        except SystemExit as ended:  # not-ok with --check; the analysis says why
            if ended.code and ended.code != 255:
                print(f"{file}: the analysis ended with {ended.code}", file=sys.stderr)
        except Exception as error:  # one bad file does not keep the others from being analysed
            print(f"{file}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])

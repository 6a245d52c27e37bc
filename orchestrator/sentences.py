"""How every command of the command line fails: in one sentence, with the exit code that fits."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def sentences() -> Iterator[None]:
    """What goes wrong is one sentence on standard error, never a traceback."""
    from batches.errors import BadInput, KweekError

    try:
        yield
    except KweekError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, BadInput) else 1) from None

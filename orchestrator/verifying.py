"""Verify an exported record: read a PDF or a folder, and let `batches/verify.py` judge.

Needs neither database nor server nor plant. Where the PDF was made by the versions installed here, its
pages are made again and compared; what a checker reads is then what the record says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from batches.errors import KweekError, RecordError
from batches.report.bundle import read_bundle
from batches.report.files import FILES, RECORD
from batches.verify import (
    NOT_VERIFIED,
    UNREADABLE,
    Verdict,
    judged,
    other_software,
    unreadable,
    verify_bundle,
)

if TYPE_CHECKING:
    from batches.checkpoint import NoteKey

LARGEST = 500_000_000
"""Bytes: a larger file is not an export of a batch."""


def verify(path: Path, keys: "Sequence[NoteKey]" = ()) -> Verdict:
    """Check the PDF or the folder of an export. `keys`: public keys the checker trusts; without any,
    the key that the record names is used and the verdict says so. Raises nothing: what cannot be
    read is a verdict too."""
    from orchestrator.report_pdf import software
    from orchestrator.signing import read_key

    try:
        files = read_export(path)
    except RecordError as error:
        return unreadable(str(error))
    verdict = verify_bundle(files, read_key, keys, software=software())
    if verdict.exit_code == UNREADABLE or path.is_dir() or RECORD not in files:
        return verdict
    return _with_pages(verdict, path.read_bytes(), files)


def read_export(path: Path) -> dict[str, bytes]:
    """The files of an export: attached to a PDF, or in a folder. Raises RecordError."""
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in FILES if (path / name).is_file()}
    if not path.is_file():
        raise RecordError(f"There is no file {path}; give the PDF or the folder of an export.")
    if path.stat().st_size > LARGEST:
        raise RecordError(f"{path} is larger than any export of a batch; give the PDF or the folder of one.")
    return _attached(path)


def _attached(path: Path) -> dict[str, bytes]:
    import pikepdf

    try:
        with pikepdf.open(path) as pdf:
            return {name: found.get_file().read_bytes() for name, found in pdf.attachments.items()}
    except (pikepdf.PdfError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise RecordError(f"{path.name} is not a PDF that can be read: {reason}") from error


# --- pages ----------------------------------------------------------------------------------------


def _with_pages(verdict: Verdict, pdf: bytes, files: Mapping[str, bytes]) -> Verdict:
    """The verdict, with what can be said of the printed pages."""
    sentence, same = _pages(pdf, files)
    sentences = (*verdict.sentences, sentence)
    if same is not False:
        return replace(verdict, sentences=sentences)
    return replace(
        verdict, exit_code=NOT_VERIFIED, integrity="altered", sentences=(sentence, *verdict.sentences)
    )


def _pages(pdf: bytes, files: Mapping[str, bytes]) -> tuple[str, bool | None]:
    """A sentence, and whether the pages are those of the record; None where nobody can say here."""
    from orchestrator.report_pdf import report_pdf, software

    try:
        bundle = read_bundle(files[RECORD])
        if other := other_software(bundle, software()):
            return (
                f"The printed pages were not compared, because other software laid them out: {other}.",
                None,
            )
        made = report_pdf(bundle, judged(bundle), files)
    except (KweekError, KeyError) as error:
        return f"The printed pages were not compared: {error}", None
    if made == pdf:
        return "The printed pages are those of the record.", True
    return "The PDF was altered: its pages are not those that the record gives.", False

"""The PDF of a report: typst lays the pages out and attaches the files.

It declares PDF/A-3u. The same sources and the same version of typst give the same bytes, so that a
checker can make the pages again. No file, font or package from outside the sources is read.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import cast

from batches.conformance import Conformance
from batches.errors import RecordError
from batches.report.bundle import Bundle
from batches.report.files import pdf_sources

STANDARD = "a-3u"
DECIDING = ("kweek", "pint", "typst")
"""Software of which the version decides what the pages look like."""


@cache
def software() -> Mapping[str, str]:
    """What decides what an export looks like: versions, and the digest of the code that words it."""
    return {name: _version(name) for name in DECIDING} | {"report": _digest()}


def _digest() -> str:
    """SHA-256 over the source of `batches.report`, so that two versions run from source are told apart."""
    sources = [file for file in files("batches.report").iterdir() if file.name.endswith((".py", ".typ"))]
    digest = hashlib.sha256()
    for file in sorted(sources, key=lambda file: file.name):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "run from its source"


def report_pdf(bundle: Bundle, found: Conformance, attached: Mapping[str, bytes]) -> bytes:
    """The report of an export as PDF, with its files attached. Raises RecordError."""
    layout = files("batches.report").joinpath("report.typ").read_bytes()
    return compiled(pdf_sources(bundle, found, attached, layout), bundle.exported_at)


def compiled(sources: Mapping[str, bytes], at: datetime) -> bytes:
    """Lay out typst sources (the entry is 'main'); `at` is the date the PDF carries."""
    import typst

    try:
        compiler = typst.Compiler(
            cast("bytes", dict(sources)), ignore_system_fonts=True
        )  # its types lack files by name
        made = compiler.compile(format="pdf", pdf_standards=STANDARD, pdf_tags=False, timestamp=at)
    except typst.TypstError as error:
        raise RecordError(f"The pages of the report cannot be laid out: {error}") from error
    return cast("bytes", made)  # a PDF is one file; only pictures of pages come as a list

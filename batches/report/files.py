"""The files of an export, made from the bundle and the readings alone.

`rendered` is what `kweek verify` makes again and compares byte for byte; the manifest names them all
with their digests, and its signature covers what the chain of entries does not: readings and names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from batches.conformance import Conformance
from batches.plain import Plain, canonical
from batches.report.audit import audit_csv
from batches.report.batchml import record_xml
from batches.report.bundle import Bundle
from batches.report.contents import report
from batches.report.readings import read_readings
from batches.report.recipe_yaml import recipe_yaml

RECORD, READINGS, MANIFEST = "record.json", "readings.csv", "manifest.txt"


@dataclass(frozen=True, slots=True)
class About:
    """What a file of an export is: its media type and a line for people."""

    mime: str
    text: str


FILES: Mapping[str, About] = {
    RECORD: About("application/json", "The record: every entry with what proves it. Canonical JSON."),
    "record.xml": About(
        "application/xml", "The record as BatchML V0701 (B2MML, courtesy of MESA International)."
    ),
    "recipe.yaml": About("application/yaml", "The recipe the batch was made from."),
    "audit.csv": About("text/csv", "The audit trail: one line for each entry."),
    READINGS: About("text/csv", "Readings of the batch's equipment, from the historian."),
    "checkpoint.txt": About("text/plain", "The checkpoint of the batch's stream (C2SP tlog-checkpoint)."),
    MANIFEST: About(
        "text/plain", "The SHA-256 of every file above, signed where the site has a key (C2SP signed note)."
    ),
}
"""Every file of an export beside the PDF, in the order in which they are attached to it."""


def rendered(bundle: Bundle, found: Conformance) -> dict[str, bytes]:
    """The files that follow from record.json alone, record.json included."""
    return {
        RECORD: bundle.to_json(),
        "record.xml": record_xml(bundle, found.state),
        "recipe.yaml": recipe_yaml(found.state.known_recipe(), bundle.batch),
        "audit.csv": audit_csv(bundle),
        "checkpoint.txt": bundle.stream.checkpoint.encode("utf-8"),
    }


def manifest_text(batch: str, files: Mapping[str, bytes]) -> str:
    """The text of the manifest: a name, then a line for each file with its SHA-256."""
    named = [name for name in FILES if name in files and name != MANIFEST]
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in named]
    return f"kweek/record/{batch}\n" + "".join(lines)


def pdf_sources(
    bundle: Bundle, found: Conformance, files: Mapping[str, bytes], layout: bytes
) -> dict[str, bytes]:
    """What the page compiler is given: the layout, its contents, pictures, and the files to attach."""
    made = report(bundle, read_readings(files[READINGS]), found)
    attached: list[Plain] = [
        {"name": name, "mime": about.mime, "about": about.text}
        for name, about in FILES.items()
        if name in files
    ]
    contents = canonical(
        {**made.contents, "product": found.state.known_recipe().product.name, "files": attached}
    )
    return {"main": layout, "contents.json": contents, **made.pictures, **files}

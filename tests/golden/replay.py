"""Replay the golden records and print what comes of them, as one line each: the same on every machine."""

import hashlib
import sys
from pathlib import Path

from batches.integrity import Seal, check_streams
from batches.plain import canonical
from batches.report.bundle import read_bundle
from batches.steps import plain
from batches.verify import judged


def outcome(file: Path) -> str:
    """Name, entries, findings and the digest of everything the replay computed."""
    bundle = read_bundle(file.read_bytes())
    found = judged(bundle)
    computed = {
        "values": plain(found.state.progress.values), "finished": sorted(found.state.progress.finished),
        "results": plain(found.state.results), "deviations": [one.text for one in found.state.deviations.values()],
        "root": bundle.stream.root, "state": found.state.state,
    }  # fmt: skip
    digest = hashlib.sha256(canonical(computed)).hexdigest()
    findings = [*check_streams(bundle, Seal((), pinned=False)), *(one.sentence for one in found.findings)]
    return f"{file.stem} {len(bundle.entries)} entries, findings {findings}, computed {digest}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(outcome(Path(name)))

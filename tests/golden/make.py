"""Make the golden records anew: `python -m tests.golden.make`.

Only where a format changes on purpose before the first release. Afterwards a golden record that no
longer replays is a mistake in the software, and the record stays.
"""

from pathlib import Path

from batches.checkpoint import Checkpoint
from batches.ledger import Tree, leaf_hashes
from batches.report.bundle import Bundle, Person, StreamCopy
from tests.batches.eventful import eventful, small
from tests.batches.running import NAMES, Run

HERE = Path(__file__).parent
GOLDEN = {"small-culture": small, "eventful-culture": eventful}


def bundle(run: Run) -> Bundle:
    """The run as an unsigned export, all streams whole."""
    own = f"batch/{run.state.number}"
    names = [own, *sorted(name for name in run.streams if name != own)]
    copies = (_copy(run, name) for name in names)
    people = tuple(Person(one, name, name.split()[0].casefold()) for one, name in NAMES.items())
    return Bundle(run.state.number, run.now, people[4], {"kweek": "0.1.0"}, people, tuple(copies))


def _copy(run: Run, stream: str) -> StreamCopy:
    entries = run.streams[stream]
    root = Tree(leaf_hashes(entries)).root()
    text = Checkpoint(f"kweek/{stream}", len(entries), root).text()
    return StreamCopy(stream, len(entries), root.hex(), tuple(entries), text)


if __name__ == "__main__":
    for name, made in GOLDEN.items():
        (HERE / f"{name}.json").write_bytes(bundle(made()).to_json())

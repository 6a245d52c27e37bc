"""The command log: what it says is definite, whatever happened to the process that wrote it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.plain import PlainDict
from batches.quantities import parse
from devices import wire
from devices.base import DeviceFault, DeviceUnreachable, Outcome
from devices.command_log import CommandLog
from tests.conftest import ROOT
from tests.devices.handling import no_file_longer_than

DONE = Outcome("done", {"volume": parse("1.5 mL"), "wells": 3, "clean": True, "note": "µ"})


def finish(log: CommandLog, command: str, outcome: Outcome = DONE) -> None:
    log.write("finished", command, {"outcome": wire.plain_outcome(outcome)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sub" / "LH-01.commands.jsonl"


def opened(path: Path) -> tuple[CommandLog, list[PlainDict]]:
    log, lines = CommandLog(path, "LH-01"), list[PlainDict]()
    log.open(lines.append)
    return log, lines


def test_a_command_is_known_by_its_last_line(path: Path) -> None:
    log, lines = opened(path)
    assert (lines, log.born) == ([], True)
    log.write("started", "a", {"action": "pool"})
    assert log.outcome("a").status == "running"
    log.write("moved", "a", {"moves": []}, durable=False)
    finish(log, "a")
    log.write("refused", "b", {"text": "no tips"})
    told = log.outcome("a")
    assert (told.status, told.results) == ("done", DONE.results)
    assert told.evidence == path.read_bytes().splitlines(keepends=True)[0] + b"".join(
        path.read_bytes().splitlines(keepends=True)[1:3]
    )
    assert log.outcome("b") == Outcome("failed", text="no tips")
    log.close()


def test_a_new_log_does_not_vouch_for_what_was_before_it(path: Path) -> None:
    log, _ = opened(path)
    log.write("refused", "a", {"text": "no"})
    assert log.outcome("x").status == "unknown"
    assert "is new and knows nothing of before" in log.outcome("x").text
    log.close()
    log.open(lambda line: None)  # the same process, again: it is still the one that made it
    assert log.outcome("x").status == "unknown"
    log.close()
    later, _ = opened(path)
    assert later.outcome("x") == Outcome("not_seen")
    later.close()


def test_a_command_without_an_end_is_unknown_for_ever(path: Path) -> None:
    log, _ = opened(path)
    log.write("started", "a", {})
    log.close()
    assert CommandLog(path, "LH-01").outcome("a").status == "unknown"
    for _ in range(2):
        log, lines = opened(path)
        assert [line["kind"] for line in lines] == ["started", "interrupted"]
        assert log.outcome("a").status == "unknown"
        log.close()


def written_log(path: Path) -> bytes:
    log, _ = opened(path)
    log.write("started", "a", {"action": "pool"})
    log.write("moved", "a", {"moves": [["x", "y", "1.0"]]}, durable=False)
    finish(log, "a")
    log.write("refused", "b", {"text": "no"})
    log.write("started", "c", {})
    finish(log, "c", Outcome("failed", text="stopped"))
    log.close()
    return path.read_bytes()


@given(st.data())
def test_a_log_cut_anywhere_never_says_what_is_not_so(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    whole = written_log(path)
    cut = whole[: data.draw(st.integers(1, len(whole)))]
    path.write_bytes(cut)
    log, _ = opened(path)
    kept = cut[: cut.rfind(b"\n") + 1]
    for command, end in (("a", "done"), ("b", "failed"), ("c", "failed")):
        lines = [line for line in kept.splitlines() if b'"command":"%s"' % command.encode() in line]
        ended = bool(lines) and (b'"kind":"finished"' in lines[-1] or b'"kind":"refused"' in lines[-1])
        expected = end if ended else "unknown" if lines else None
        assert log.outcome(command).status in ((expected,) if expected else ("not_seen", "unknown"))
    log.write("refused", "d", {"text": "later"})
    log.close()
    again, lines = opened(path)
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    again.close()


@pytest.mark.parametrize("harm", ["drop", "double", "edit", "garbage"])
def test_a_damaged_log_stops_the_work(path: Path, harm: str) -> None:
    lines = written_log(path).splitlines(keepends=True)
    match harm:
        case "drop":
            del lines[1]
        case "double":
            lines.insert(1, lines[1])
        case "edit":
            lines[1] = lines[1].replace(b'"n":2', b'"n":"2"')
        case _:
            lines[1] = b"\xff\x00\n"
    path.write_bytes(b"".join(lines))
    log = CommandLog(path, "LH-01")
    with pytest.raises(
        DeviceFault, match=r"is damaged in line [23] of LH-01.commands.jsonl \(.*restore the file"
    ):
        log.open(lambda line: None)
    assert path.read_bytes() == b"".join(lines)


def test_one_process_at_a_time_holds_the_log(path: Path) -> None:
    log, _ = opened(path)
    log.write("started", "a", {})
    other = CommandLog(path, "LH-01")
    with pytest.raises(DeviceUnreachable, match="Another process works with LH-01; wait until it has ended"):
        other.open(lambda line: None)
    assert other.outcome("a").status == "running"
    log.close()
    assert other.outcome("a").status == "unknown"


def test_a_log_that_is_not_open_takes_nothing(path: Path) -> None:
    with pytest.raises(
        DeviceUnreachable, match="The command log of LH-01 is not open; connect to the unit first."
    ):
        CommandLog(path, "LH-01").write("started", "a", {})


def test_a_full_disk_stops_the_work_and_loses_nothing(path: Path) -> None:
    log, _ = opened(path)
    log.write("started", "a", {})
    finish(log, "a")
    with (
        no_file_longer_than(path.stat().st_size + 20),
        pytest.raises(
            DeviceFault, match=r"cannot be written \(File too large\); make room or repair the disk"
        ),
    ):
        log.write("started", "b", {})
    log, lines = opened(path)
    assert [line["kind"] for line in lines] == ["started", "finished"]
    assert log.outcome("b").status == "not_seen"
    log.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from devices.command_log import CommandLog
log = CommandLog(Path(sys.argv[1]), "LH-01")
log.open(lambda line: None)
log.write("started", "a", {})
log.write("moved", "a", {"moves": []}, durable=False)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_wrote_is_there(path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment, timeout=30)
    assert killed.returncode == -9
    log, lines = opened(path)
    assert [line["kind"] for line in lines] == ["started", "moved", "interrupted"]
    log.close()

"""The engine stopped at every commit and device call of the two whole recipes, and at pairs of them.

    python -m tests.benchmarks.crash [--pairs 20000] [--jobs 2] [--seed 4711] [--check 500] [--firsts N] [--keep FILE]

Each recipe runs four times: with equipment that can be asked for a command, as the drivers declare it, and with
equipment that never can (only set-points may be repeated); with commits at once, and with commits that come
later (tests/crash/late.py). `--keep`: results are kept in a file as they come, and what stands there is not run
again. `--check`: so many of the pairs are run again
from the very beginning, and must come to the same record. Exit code 1 if anything was lost or done twice.
"""

import argparse
import gc
import json
import os
import platform
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

from batches.entries import read
from batches.record import BatchState
from tests.crash.moments import Watched
from tests.crash.whole import RECIPES, Declared, whole_world
from tests.crash.world import Judgement, World, judge

NEAR = 40
"""Points after the first crash in which half of the second ones fall: recovery is there."""
SPARE = 100
"""Pairs drawn beyond those asked for: after the last points of a run there is hardly a second one."""
Case = tuple[str, Declared, bool]
"""A recipe, how its equipment may be asked again, and whether commits come late (tests/crash/late.py)."""


@dataclass
class Tally:
    """What the runs of one case came to."""

    points: int = 0
    singles: int = 0
    pairs: int = 0
    checked: int = 0
    lost: int = 0
    repeated: int = 0
    wrong: int = 0
    doubtful_runs: int = 0
    in_doubt: int = 0
    findings: list[str] = field(default_factory=list[str])

    def add(self, judged: Judgement, where: str) -> None:
        self.lost += len(judged.lost)
        self.repeated += len(judged.repeated)
        self.wrong += len(judged.wrong)
        self.in_doubt += judged.in_doubt
        self.doubtful_runs += judged.in_doubt > 0
        if not judged.good:
            self.findings.append(f"{where}: {judged}")

    def merge(self, other: "Tally") -> None:
        self.singles += other.singles
        self.pairs += other.pairs
        self.checked += other.checked
        self.lost += other.lost
        self.repeated += other.repeated
        self.wrong += other.wrong
        self.doubtful_runs += other.doubtful_runs
        self.in_doubt += other.in_doubt
        self.findings += other.findings


@dataclass(frozen=True)
class Job:
    """A first crash, and how many second ones to try after it; how many of those from the beginning too."""

    case: Case
    first: int
    seconds: int
    seed: str
    checks: int


@cache
def undisturbed(case: Case) -> Watched:
    return Watched(*case)


def work(job: Job) -> tuple[Job, Tally]:
    """All runs with one first crash."""
    tally, run = Tally(), undisturbed(job.case)
    where = f"{', '.join(map(str, job.case))}, crash at {job.first} ({run.world.points.names[job.first - 1]})"
    try:
        single = Watched(*job.case, run, job.first)
        tally.singles += 1
        tally.add(judge(single.world, single.state), where)
    except Exception as error:
        tally.wrong += 1
        tally.findings.append(f"{where}: {error!r}")
        return job, tally
    seconds = choose(random.Random(job.seed), job.first, single.last, job.seconds)
    for number, second in enumerate(seconds):
        try:
            _pair(tally, single, job.first, second, where, check=number < job.checks)
        except Exception as error:
            tally.wrong += 1
            tally.findings.append(f"{where} and {second}: {error!r}")
    return job, tally


def _pair(tally: Tally, single: Watched, first: int, second: int, where: str, *, check: bool) -> None:
    world = single.left_by(second)
    state = world.run()
    tally.pairs += 1
    tally.add(judge(world, state), f"{where} and {second}")
    if check:
        again = whole_world(single.name, single.declared, frozenset((first, second)), late=single.late)
        if story(again, again.run()) != story(world, state):
            tally.wrong += 1
            tally.findings.append(f"{where} and {second}: another record from the beginning")
        tally.checked += 1


def story(world: World, state: BatchState) -> list[object]:
    """Everything of a run that salts and hashes do not change: entries with their times, and the equipment's log."""
    entries = [
        (e.number, e.kind, e.recorded_at, e.actor, e.body)
        for part in world.disk.streams[f"batch/{state.number}"]
        for e in [read(part.leaf, part.entry.salt, part.body)]
    ]
    return [*entries, *world.equipment.log, world.crashes]


def choose(draw: random.Random, first: int, last: int, wanted: int) -> Sequence[int]:
    """Different second points: half soon after the first crash, half anywhere later. They are counted in
    the run that the first crash disturbed."""
    later = range(first + 1, last + 1)
    near = draw.sample(later[:NEAR], min(wanted - wanted // 2, len(later[:NEAR])))
    rest = [point for point in later if point not in near]
    return near + draw.sample(rest, min(wanted - len(near), len(rest)))


def jobs(cases: Sequence[Case], pairs: int, seed: int, checks: int, only: int | None) -> Iterator[Job]:
    """Every first crash once (or `only` so many of them, drawn); the pairs spread evenly over them."""
    firsts = [(case, point) for case in cases for point in range(1, undisturbed(case).last + 1)]
    random.Random(seed).shuffle(firsts)
    firsts = firsts[:only]
    for number, (case, point) in enumerate(firsts):
        share, check = (_share(total, number, len(firsts)) for total in (pairs, checks))
        yield Job(case, point, share, f"{seed}/{case}/{point}", check)


def _share(total: int, number: int, of: int) -> int:
    return total * (number + 1) // of - total * number // of


class Kept:
    """The results of jobs in a file, one a line, so that a long run can be stopped and taken up again."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file is not None and file.exists() else []
        self.known = {name: Tally(**found) for name, found in map(json.loads, lines)}

    def add(self, job: Job, tally: Tally) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as out:
                out.write(json.dumps([f"{job}", asdict(tally)]) + "\n")


def show(case: Case, tally: Tally) -> None:
    name, declared, late = case
    print(
        f"{name}, equipment as {'its drivers declare' if declared == 'declared' else 'bad as can be'}, "
        f"commits {'late' if late else 'at once'}: "
        f"{tally.points} crash points, {tally.singles} single crashes, {tally.pairs} pairs; "
        f"in doubt {tally.in_doubt} actions in {tally.doubtful_runs} runs"
    )


def _busy() -> float:
    """Seconds of the processor that this process and those it started have used: no other work counts."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--check", type=int, default=500)
    parser.add_argument("--firsts", type=int, help="so many of the first crashes only, drawn")
    parser.add_argument("--keep", type=Path, help="a file to keep results in, and to go on from")
    given = parser.parse_args(arguments)
    cases: list[Case] = [
        (name, declared, late)
        for name in RECIPES
        for declared in get_args(Declared)
        for late in (False, True)
    ]
    gc.set_threshold(100_000, 20, 50)  # the runs make little that must be looked for
    tallies, kept = {case: Tally(points=undisturbed(case).last) for case in cases}, Kept(given.keep)
    todo = [*jobs(cases, given.pairs + SPARE, given.seed, given.check, given.firsts)]
    for job in todo:
        tallies[job.case].merge(kept.known.get(f"{job}", Tally()))
    todo = [job for job in todo if f"{job}" not in kept.known]
    before = sum(map(runs, tallies.values()))
    print(
        f"seed {given.seed}, Python {platform.python_version()}, {given.jobs} processes, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    began, shown = time.perf_counter(), 0.0
    with get_context("fork").Pool(given.jobs) as pool:
        for number, (job, tally) in enumerate(pool.imap_unordered(work, todo, chunksize=4), 1):
            tallies[job.case].merge(tally)
            kept.add(job, tally)
            took = time.perf_counter() - began
            if took - shown > 30:
                shown = took
                done = sum(each.pairs for each in tallies.values())
                print(f"  {number} of {len(todo)} first crashes, {done} pairs, {took:.0f} s", flush=True)
    return conclude(tallies, before, time.perf_counter() - began)


def runs(tally: Tally) -> int:
    return tally.singles + tally.pairs + tally.checked


def conclude(tallies: dict[Case, Tally], before: int, took: float) -> int:
    """Print what was found; `before`: runs that a file of an earlier run held."""
    whole = Tally()
    for case, tally in tallies.items():
        show(case, tally)
        whole.merge(tally)
        whole.points += tally.points
    new = runs(whole) - before
    for finding in whole.findings[:20]:
        print(f"FOUND {finding}")
    print(
        f"{whole.points} crash points, {whole.singles} of them struck; {whole.pairs} pairs; {runs(whole)} runs, "
        f"{new} of them now in {_busy() / 60:.1f} minutes of one core, {took:.0f} s, {new / took:.1f} a second."
    )
    print(f"{whole.checked} pairs run again from the beginning: the same record each time, or named above.")
    print(
        f"Entries lost: {whole.lost}. Non-repeatable actions repeated: {whole.repeated}. Otherwise wrong: {whole.wrong}."
    )
    return int(whole.lost + whole.repeated + whole.wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

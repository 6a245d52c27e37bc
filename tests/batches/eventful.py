"""A batch in which everything happens that a reviewer looks for: the small culture, with trouble.

A note, a refusal, a time limit, departures, a failed step, a doubtful step, a hold and restart, an
excursion, a late entry, evidence, a correction, a repeated command, a closed deviation.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from batches import commands, corrections, departures
from batches.commands import Decision
from batches.entries import Actor, Draft, Entry, stamp
from batches.plain import PlainDict
from batches.recipe import Recipe
from batches.recipe_reader import read
from batches.states import Command
from batches.steps import Ask, Decide, Do, First, Value, plain
from tests.batches.running import Asked, Run, good, person, signature

SMALL = Path(__file__).parent / "report" / "small.yaml"
SUPERVISOR_SYSTEM = Actor("system", "kweek", "supervisor")


def small_recipe() -> Recipe:
    return read(SMALL.read_text(), "small.yaml")


def harvests(asked: Asked) -> Value:
    """As `good`, but the cells are harvested at the first look."""
    if isinstance(asked.step, Decide) and "harvest" in asked.step.options:
        return "harvest"
    return good(asked)


def small() -> Run:
    """The small culture, as it should go."""
    return Run(small_recipe(), harvests).to_the_end()


def eventful() -> Run:
    """The small culture, with all the trouble there is."""
    run = Run(small_recipe(), harvests).start()
    run.batch(
        iter(
            (
                Draft(
                    "note_added",
                    {"text": "Courier was 10 minutes early; = 2 + 3 °C <ok> & “fine”."},
                    person("operator"),
                ),
            )
        )
    )
    run.batch(
        iter(
            (
                commands.refused(
                    "answer to B-26-0001-T0001",
                    "Receipt",
                    "The label scanned is another.",
                    person("operator"),
                ),
            )
        )
    )
    _depart(run)
    until(run, lambda: "Receipt/Clear/clear_line" in run.state.progress.finished)
    run.now += timedelta(hours=3)  # beyond the 90 minutes that line clearance allows
    until(run, lambda: waits(run, "receipt", Ask))
    _late(run)
    until(run, lambda: waits(run, "inoculate", Do))
    _fails(run, "Culture/Seed/inoculate")
    until(run, lambda: bool(run.state.results))
    _excursion(run)
    _correct(run)
    until(run, lambda: waits(run, "harvested", Do))
    _doubt(run, "Culture/Take out/Enough/harvested")
    run.batch(
        departures.close_deviation(run.state, "D-B-26-0001-3", "No effect: nothing was open.", person("qa"))
    )
    while run.advance():
        pass
    return run


def stopped() -> Run:
    """The small culture: held and restarted by a person, then aborted and disposed of."""
    run = Run(small_recipe(), harvests).start()
    until(run, lambda: waits(run, "grown", First))
    command(run, "hold", "power cut announced")
    settle(run, "Culture")
    settle(run, "")
    command(run, "restart", "")
    _confirm(run, "Culture")
    settle(run, "Culture")
    settle(run, "")
    command(run, "abort", "contamination seen")
    settle(run, "Culture")
    settle(run, "")
    _dispose(run)
    return run


def command(run: Run, given: Command, reason: str) -> None:
    run.batch(commands.command(run.state, "", given, person("supervisor"), reason))


def _dispose(run: Run) -> None:
    """Cells are cared for until two people sign their disposal."""
    content: PlainDict = {"text": "Dispose of it, and sign, two people.", "units": ["REACTOR-01"]}
    run.batch(iter((commands.open_task(run.state, "", "dispose", "supervisor", content, people=2),)))
    task = next(task for task in run.state.tasks.values() if task.kind == "dispose")
    body: PlainDict = {"task": task.id, "signature": signature(task), "answer": {"confirmed": True}}
    second = Actor("person", "p-0009", "supervisor")

    def decision() -> Decision:
        yield Draft("task_answered", {**body, "closes": False}, person("supervisor"))
        yield Draft("task_answered", {**body, "closes": True}, second)
        yield Draft("disposed", {"units": ["REACTOR-01"]}, second)
        for role in list(run.state.units):
            yield Draft("unit_unbound", {"role": role, "unit": run.state.units[role]})

    run.batch(decision())


def until(run: Run, reached: Callable[[], bool]) -> None:
    while not reached():
        assert run.advance(), "the batch ended before that"


def waits(run: Run, phase: str, kind: type) -> bool:
    """Whether a phase of that name waits for such a step."""
    return any(one.path.endswith(phase) and isinstance(one.step, kind) for one in run.open.values())


def settle(run: Run, path: str) -> None:
    run.batch(commands.settle(run.state, path))


# --- what happens -------------------------------------------------------------------------------------


def _depart(run: Run) -> None:
    """A parameter is changed with QA's approval; a sample phase is added urgently and confirmed later."""
    change: PlainDict = {
        "kind": "parameter", "path": "Culture/Grow/Passages[1]/grown", "name": "look_every", "value": {"value": "20", "unit": "h"},
    }  # fmt: skip
    run.batch(
        departures.request(
            run.state, change, "the weekend shift ends earlier", False, person("operator"), run.now
        )
    )
    run.batch(
        departures.decide(run.state, "C-B-26-0001-1", True, "within the proven range", person("qa"), run.now)
    )
    extra: PlainDict = {
        "sample@1": {"sample": "count"},
        "as": "extra",
        "hold": {"safe": "keep_environment", "longest": "12 h"},
    }
    added: PlainDict = {"kind": "add", "after": "Finish/Control/Test/sample", "phase": extra}
    run.batch(
        departures.request(
            run.state, added, "one count more before disposal", True, person("operator"), run.now
        )
    )
    run.batch(
        departures.decide(
            run.state, "C-B-26-0001-2", True, "cells cannot wait", person("supervisor"), run.now
        )
    )
    run.now += timedelta(hours=1)
    run.batch(departures.decide(run.state, "C-B-26-0001-2", True, "agreed", person("qa"), run.now))


def _late(run: Run) -> None:
    """A step that was done on paper while the system was down."""
    opened = next(one for one in run.open.values() if one.path.endswith("receipt"))
    task = next(task for task in run.state.tasks.values() if task.path == opened.path)
    happened, run.now = run.now + timedelta(minutes=20), run.now + timedelta(hours=2)
    late: PlainDict = {
        "happened_at": stamp(happened), "performer": "p-0002", "checker": "p-0003", "transcriber": "p-0004",
        "reason": "network outage, see paper sheet 7",
    }  # fmt: skip
    more: PlainDict = {"task": task.id, "late": late}

    def decision() -> Decision:
        answer: PlainDict = {"values": _plain(opened.reply)}
        yield Draft(
            "task_answered",
            {**more, "answer": answer, "closes": False},
            person("operator"),
            happened_at=happened,
        )
        yield from commands.done(
            run.state,
            opened.path,
            opened.reply,
            person("supervisor"),
            happened,
            {**more, "performer": "p-0002"},
        )
        opened.send(opened.reply)
        yield from run.next(opened)

    run.batch(_recovered())
    run.batch(decision())


def _recovered() -> Decision:
    away = {"away_since": "2026-11-29T08:00:00.000000Z", "away_until": "2026-11-29T10:00:00.000000Z"}
    yield Draft("engine_recovered", away)


def _fails(run: Run, path: str) -> None:
    """A device reports a failure; a supervisor has it tried again."""
    up = path.split("/")[0]
    run.batch(commands.failed(run.state, path, "REACTOR-01 reports that the valve V3 did not open."))
    settle(run, up)
    _answer_trouble(run, path, "retry", {"retry": True})
    _restart(run, up)
    run.ask_again(path)


def _doubt(run: Run, path: str) -> None:
    """Nobody knows whether the harvest ran; a supervisor looks and says that it did."""
    up = path.split("/")[0]
    run.batch(iter((Draft("step_repeated", {**_key(run, path), "why": "the device never received it"}),)))
    run.batch(commands.in_doubt(run.state, path, "Nobody knows whether REACTOR-01 carried out harvest."))
    settle(run, up)
    task = next(task for task in run.state.tasks.values() if task.kind == "in_doubt")
    answer: PlainDict = {"choice": "it happened", "reason": "the vessel is empty", "values": {}}
    body: PlainDict = {"task": task.id, "signature": signature(task), "answer": answer, "closes": True}
    opened = run.open[path]

    def decision() -> Decision:
        yield Draft("task_answered", body, person("supervisor"))
        more: PlainDict = {"decision": "it happened", "reason": "the vessel is empty", "task": task.id}
        yield from commands.done(run.state, path, {}, person("supervisor"), more=more)

    run.batch(decision())
    _restart(run, up)
    opened.send({})
    run.batch(run.next(opened))


def _key(run: Run, path: str) -> PlainDict:
    step = run.state.step(path)
    return {"path": path, "number": step.number, "attempt": step.attempt, "command": step.command}


def _answer_trouble(run: Run, path: str, choice: str, more: PlainDict) -> None:
    task = next(task for task in run.state.tasks.values() if task.path == path and task.kind == "failed")
    answer: PlainDict = {"choice": choice, "reason": "the valve opens again after cleaning"}
    body: PlainDict = {
        "task": task.id,
        "signature": signature(task),
        "answer": answer,
        "closes": True,
        **more,
    }
    run.batch(iter((Draft("task_answered", body, person("supervisor")),)))


def _restart(run: Run, up: str) -> None:
    """The unit procedure goes on as a supervisor decided."""
    run.batch(commands.command(run.state, up, "restart", SUPERVISOR_SYSTEM, "as decided"))
    _confirm(run, up)
    settle(run, up)


def _confirm(run: Run, up: str) -> None:
    """A person confirms before set-points move."""
    text = f"Confirm that {up} is fit to go on."
    run.batch(iter((commands.open_task(run.state, up, "restart", "operator", {"text": text}),)))
    task = next(task for task in run.state.tasks.values() if task.kind == "restart")
    body: PlainDict = {"task": task.id, "answer": {"confirmed": True}, "closes": True}
    run.batch(iter((Draft("task_answered", body, person("operator")),)))
    value: PlainDict = {"value": "37.0", "unit": "degC"}
    restored: PlainDict = {
        "path": up,
        "unit": "REACTOR-01",
        "tag": "temperature",
        "value": value,
        "command": "c",
    }
    run.batch(iter((Draft("set_restored", restored),)))


def _excursion(run: Run) -> None:
    """Temperature leaves its limits and comes back; the device's log is kept."""
    reading: PlainDict = {"value": "38.4", "unit": "degC"}
    body: PlainDict = {
        "path": "Culture", "tag": "temperature", "unit": "REACTOR-01", "since": stamp(run.now), "side": "high",
        "value": reading, "worst": reading, "low": {"value": "36.0", "unit": "degC"}, "high": {"value": "38.0", "unit": "degC"},
    }  # fmt: skip
    text = "08:00 valve V3 stuck\n08:07 valve V3 open\n"
    evidence: PlainDict = {
        "path": "Culture/Seed/inoculate", "unit": "REACTOR-01", "command": "c", "text": text,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }  # fmt: skip

    def decision() -> Decision:
        yield Draft("excursion_started", body)
        yield commands.deviation(
            run.state,
            "major",
            "temperature of REACTOR-01 is 38.4 degC, beyond its high limit.",
            "Culture",
            run.state.entries,
        )
        yield Draft("excursion_ended", body)
        yield Draft("evidence_kept", evidence, Actor("device", "REACTOR-01"))

    run.batch(decision())


def _correct(run: Run) -> None:
    """A result was typed wrong: the correction names the entry and says why."""
    entry = next(e for e in reversed(run.entries) if e.kind == "step_done" and _is_result(e))
    new: PlainDict = {
        "viable_cells": {"value": "410000000000", "unit": "cell"},
        "viability": {"value": "91.5", "unit": "%"},
    }
    reason = "two digits were exchanged"
    run.batch(corrections.correct(run.state, entry, [*run.entries], new, reason, person("qc")))


def _is_result(entry: Entry) -> bool:
    reply = entry.content().get("reply")
    return isinstance(reply, dict) and "viability" in reply


def _plain(value: Value) -> PlainDict:
    found = plain(value)
    assert isinstance(found, dict)
    return found

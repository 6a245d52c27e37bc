"""What the demonstration shows: a live view in a terminal, lines elsewhere."""

import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

LINES = 8
SHOWN_KINDS = {
    "unit_procedure_started": "begins", "unit_procedure_finished": "ends", "phase_finished": "done",
    "calculated": "calculated", "chosen": "chosen", "deviation_opened": "DEVIATION", "excursion_started": "EXCURSION",
    "time_limit_exceeded": "TIME LIMIT", "time_limit_undercut": "TOO EARLY", "step_failed": "FAILED", "step_in_doubt": "IN DOUBT",
    "expiry_set": "expiry",
}  # fmt: skip


class View:
    """Shows the batch as it goes. Times in the story are process time."""

    def __init__(self, live: bool) -> None:
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, refresh_per_second=8, transient=True) if live else None
        self._lines: deque[str] = deque(maxlen=LINES)
        self._batch: dict[str, Any] = {}
        self._number, self._product, self._now = "", "", ""
        self._entries = 0
        self._kinds: Counter[str] = Counter()
        self._began = time.perf_counter()
        if self._live is not None:
            self._live.start()

    def say(self, sentence: str) -> None:
        """A sentence that stays."""
        self._console.print(sentence)

    def recipe(self, content: dict[str, Any]) -> None:
        """Which recipe is run."""
        self._product = f"{content['title']} (version {content['version']})"

    def batch(self, number: str) -> None:
        """Which batch is run."""
        self._number = number
        self.say(f"Batch {number} is created and started. Virtual time runs from here.")

    def entry(self, entry: dict[str, Any]) -> None:
        """One line of the record was written."""
        self._entries += 1
        self._kinds[entry["kind"]] += 1
        self._now = entry["recorded_at"]
        shown = SHOWN_KINDS.get(entry["kind"])
        if shown is not None:
            self._tell(f"{self._now[5:16].replace('T', ' ')}  {shown:<11} {_what(entry)}")
        self._draw()

    def state(self, batch: dict[str, Any]) -> None:
        """The batch as the API shows it."""
        self._batch = batch
        self._draw()

    def refused(self, person: str, sentence: str) -> None:
        """The API refused an answer."""
        self._tell(f"             refused     {person}: {sentence}")

    def _tell(self, line: str) -> None:
        self._lines.append(line)
        if self._live is None:
            self._console.print(line, overflow="ellipsis", no_wrap=True, crop=True)

    def _draw(self) -> None:
        if self._live is not None and self._batch:
            self._live.update(
                Panel(Group(self._head(), self._running(), Text("\n".join(self._lines))), title=self._title())
            )

    def _title(self) -> str:
        return f"{self._number} · {self._product} · simulated"

    def _head(self) -> Text:
        batch = self._batch
        deviations = len(batch["deviations"])
        return Text(
            f"{self._now[:16].replace('T', ' ')} UTC   {batch['state']}   {self._entries} entries   "
            f"{len(batch['tasks'])} open tasks   {deviations} deviations   units {', '.join(sorted(set(batch['units'].values())))}"
        )

    def _running(self) -> Table:
        table = Table("unit procedure / phase", "state", "unit", "waits for", expand=True, box=None)
        states = {element["path"]: element["state"] for element in self._batch["elements"]}
        for phase in self._batch["running"]:
            up = next((path for path in states if path and phase["path"].startswith(f"{path}/")), "")
            table.add_row(phase["path"], states.get(up, ""), phase["unit"], _waits(phase))
        for tag, value in _values(self._batch):
            table.add_row("", "", tag, value)
        return table

    def finish(
        self, number: str, out: Path, story: Counter[str], memory: float, verdict: str, code: int
    ) -> None:
        """The end: what was written, the verdict, what to try next."""
        if self._live is not None:
            self._live.stop()
        took = time.perf_counter() - self._began
        self.say(
            f"Batch {number} is complete: {self._entries} entries in {took:.0f} s; peak memory of the server {memory:.0f} MB."
        )
        self.say("People: " + ", ".join(f"{count} {what}" for what, count in sorted(story.items())) + ".")
        self.say(f"Record: {out / f'{number}.pdf'}, machine-readable: {out / number / 'record.json'}")
        self.say(f"Verdict (exit code {code}):\n{verdict}")
        self.say("Try next:")
        self.say(f"  .venv/bin/kweek verify {out / f'{number}.pdf'}")
        self.say("  .venv/bin/kweek demo --recipe cart-autologous")
        self.say("  docs/tutorial/first-batch.md: run a batch yourself, with kweek plant and kweek serve")


def _what(entry: dict[str, Any]) -> str:
    body = entry["body"] or {}
    match entry["kind"]:
        case "calculated":
            return f"{body['name']} = {_text(body['value'])}"
        case "deviation_opened" | "refused" | "step_failed" | "step_in_doubt":
            return str(body.get("text") or body.get("sentence"))
        case "expiry_set":
            return str(body["expires"])[:16]
        case "excursion_started":
            return f"{body['tag']} of {body['unit']}"
        case _:
            return str(body.get("path", ""))


def _text(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"value", "unit"}:
        return f"{value['value'][:12]} {value['unit']}"
    return str(value)


def _waits(phase: dict[str, Any]) -> str:
    step = phase["step"] or {}
    due = next((due for due in phase["dues"] if due), None)
    until = f" until {due[5:16].replace('T', ' ')}" if due else ""
    return f"{step.get('step', '')} {step.get('action') or step.get('name') or step.get('tag') or ''}{until}"


def _values(batch: dict[str, Any]) -> list[tuple[str, str]]:
    """Set-points and the last results: the key values."""
    points = [
        (f"{unit} {tag}", _text(v)) for unit, tags in batch["set_points"].items() for tag, v in tags.items()
    ]
    results = [
        (f"{sample} {name}", _text(v))
        for sample, found in batch["results"].items()
        for name, v in found.items()
    ]
    return [*points, *results][-6:]

"""The demonstration: a whole batch on the simulated plant, driven only through the HTTP API."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from devices.plant import DEMO
from orchestrator.demo.crew import Crew
from orchestrator.demo.processes import Processes
from orchestrator.demo.view import View
from orchestrator.recipe_files import recipe_text


def run(recipe: str, out: Path, *, seed: int, live: bool, plant: Path = DEMO) -> int:
    """Run the demonstration; gives the exit code of the verification. Raises KweekErrors."""
    text = recipe_text(recipe)
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="kweek-demo-"))
    try:
        return asyncio.run(_run(text, folder, out, View(live), seed, plant))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _run(text: str, folder: Path, out: Path, view: View, seed: int, plant: Path) -> int:
    async with Processes(folder, plant=plant) as processes:
        view.say(
            "The simulated plant serves the protocols of its units, and the server its HTTP API, in processes of their own."
        )
        async with Crew(processes, view, seed) as crew:
            await crew.prepare(text)
            number = await crew.run_batch()
        memory = processes.peak_memory()
    pdf = await processes.command("export", number, "--out", str(out))
    code, said = await processes.verify(pdf)
    view.finish(number, out, crew.story, memory, said, code)
    return code

"""The command line. Each command imports what it needs when it runs: `kweek --help` stays quick.

Exit codes: 0 done (verify: verified), 1 refused or not verified, 2 unusable input or usage.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator import plan_cli
from orchestrator.sentences import sentences

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
recipe_app = typer.Typer(no_args_is_help=True, help="Check and list master recipes.")
people_app = typer.Typer(no_args_is_help=True, help="Add the first administrator.")
upgrade_app = typer.Typer(no_args_is_help=True, help="Before an upgrade.")
app.add_typer(recipe_app, name="recipe")
app.add_typer(people_app, name="people")
app.add_typer(upgrade_app, name="upgrade")
clock_app = typer.Typer(no_args_is_help=True, help="For training: the virtual clock of a simulated plant.")
app.add_typer(clock_app, name="clock")

app.add_typer(plan_cli.app, name="simulate")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@app.callback()
def kweek() -> None:
    """Kweek runs cell and gene therapy manufacturing: recipe, record, plan."""


@app.command()
def demo(
    recipe: Annotated[
        str, typer.Option(help="kidney-organoid, cart-autologous or a recipe file.")
    ] = "kidney-organoid",
    out: Annotated[Path, typer.Option(help="Where the record is written.")] = Path("demo-out"),
    seed: Annotated[int, typer.Option(help="Seed of the scripted people.")] = 1,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live view.")] = False,
    plant: Annotated[
        Path | None, typer.Option(envvar="KWEEK_PLANT", help="Plant file; default: the demonstration plant.")
    ] = None,
) -> None:
    """Run a whole batch on the simulated plant: real protocols, HTTP API, record, export, verification."""
    with sentences():
        from devices.plant import DEMO
        from orchestrator.demo import run

        live = not plain and sys.stdout.isatty()
        raise typer.Exit(run(recipe, out, seed=seed, live=live, plant=plant or DEMO))


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve the API and the console. KWEEK_DATABASE_URL, KWEEK_PLANT and KWEEK_CLOCK say with what."""
    with sentences():
        from orchestrator.serving import serve as run

        run(host, port)


@app.command()
def plant(
    file: Annotated[Path | None, typer.Argument(help="Plant file; default: the demonstration plant.")] = None,
    virtual: Annotated[
        bool, typer.Option(help="Own a virtual clock that jumps when everybody rests.")
    ] = False,
    clock_port: Annotated[int, typer.Option(help="Port of the virtual clock.")] = 4839,
    folder: Annotated[Path, typer.Option(help="Where the simulated plant keeps its state.")] = Path(
        "kweek-plant"
    ),
) -> None:
    """Serve the simulated plant's twins on their protocols."""
    with sentences():
        from orchestrator.plant_serving import serve as run

        run(file, folder, virtual=virtual, clock_port=clock_port)


@recipe_app.command("check")
def recipe_check(
    files: list[Path],
    plant: Annotated[
        Path | None, typer.Option(help="Plant file; default KWEEK_PLANT, else the demonstration plant.")
    ] = None,
    json_: Json = False,
) -> None:
    """Check recipes: every finding with file, line, rule and a sentence. Exit 1 on errors."""
    with sentences():
        from orchestrator.recipe_files import check_files
        from orchestrator.settings import from_environment

        found = check_files(files, plant or from_environment().plant)
        if json_:
            typer.echo(json.dumps([finding.plain() for finding in found], indent=1))
        else:
            for finding in found:
                typer.echo(finding.text)
            typer.echo(
                f"{len(files)} recipe{'s' if len(files) != 1 else ''} checked, {len(found)} finding(s)."
            )
        raise typer.Exit(any(finding.error for finding in found))


@recipe_app.command("list")
def recipe_list(json_: Json = False) -> None:
    """The recipes that come with Kweek."""
    with sentences():
        from orchestrator.recipe_files import shipped

        rows = [
            {"recipe": r.name, "version": r.version, "title": r.title, "digest": r.digest} for r in shipped()
        ]
        if json_:
            typer.echo(json.dumps(rows, indent=1))
        else:
            for row in rows:
                typer.echo(
                    f"{row['recipe']:<18} {row['version']:>2}  {str(row['digest'])[:12]}  {row['title']}"
                )


@app.command()
def export(batch: str, out: Annotated[Path, typer.Option(help="Folder to write to.")]) -> None:
    """Export a batch record: PDF with the machine-readable record inside, and the same files beside it."""
    with sentences():
        from orchestrator.exporting import export_batch

        typer.echo(str(export_batch(batch, out)))


@app.command()
def verify(file: Path, json_: Json = False) -> None:
    """Check an exported record with nothing but the file. Exit 0 verified, 1 not, 2 unreadable."""
    with sentences():
        from orchestrator.verifying import verify as check

        verdict = check(file)
        if json_:
            typer.echo(json.dumps(verdict.plain(), indent=1))
        else:
            said = {0: "Verified", 1: "NOT VERIFIED", 2: "Unreadable"}[verdict.exit_code]
            typer.echo(f"{said}. Integrity: {verdict.integrity}. Conformance: {verdict.conformance}.")
            for sentence in verdict.sentences:
                typer.echo(sentence)
        raise typer.Exit(verdict.exit_code)


@people_app.command("add")
def people_add(
    user_name: str,
    full_name: Annotated[str, typer.Option(prompt=True, help="Name as it is printed with signatures.")],
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="KWEEK_PASSWORD")
    ],
) -> None:
    """Add the first person, an administrator who adds the others; refused once there is one."""
    with sentences():
        from orchestrator.serving import add_first_person

        typer.echo(f"{user_name} may sign in as {add_first_person(user_name, full_name, password)}.")


@clock_app.command("advance")
def clock_advance(
    by: Annotated[str, typer.Argument(help="How long, such as '2 h'.")],
    clock: Annotated[
        str, typer.Option(envvar="KWEEK_CLOCK", help="host:port of the plant's clock.")
    ] = "127.0.0.1:4839",
) -> None:
    """Let time pass while the server is down, as in an outage; refused while it runs."""
    with sentences():
        import asyncio

        from batches.quantities import duration, parse
        from orchestrator.clock import let_pass

        typer.echo(f"It is {asyncio.run(let_pass(clock, duration(parse(by)))).isoformat()} at the plant.")


@upgrade_app.command("check")
def upgrade_check() -> None:
    """Replay every open batch with this software; exit 1 if one would go another way."""
    with sentences():
        from orchestrator.upgrading import check_upgrade

        problems = check_upgrade()
        for problem in problems:
            typer.echo(problem)
        typer.echo(
            "Every open batch replays; this software may run them." if not problems else "Do not upgrade."
        )
        raise typer.Exit(bool(problems))


def main() -> None:
    """The entry point."""
    app()

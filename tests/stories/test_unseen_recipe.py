"""Recipes that nobody has seen run unchanged with the demonstration's scripted people, through `kweek demo`."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SMALL = ROOT / "tests" / "batches" / "recipes" / "msc-small.yaml"
TEMPLATE = """\
recipe: {recipe}
language: 1
version: 1
title: {title}
product: {{name: {product}, kind: allogeneic, expires: {{after: {kept}, within: 24 h}}}}
formula:
  {heat}: {{value: 37 degC, low: 36.5 degC, high: 37.5 degC, critical: true, assumed: true}}
materials:
  {seed}: {{class: starting, unit: vial, identity: donor, assumed: true}}
  {broth}: {{class: raw, unit: mL, assumed: true}}
  {product}: {{class: product, unit: mL, identity: donor, assumed: true}}
units: {{{vessel}: bioreactor/vertical_wheel, {bench}: room/grade_a}}
samples:
  {tally}:
    volume: 1 mL
    turnaround: 1 h
    tests:
      viable_cells: {{unit: cell/mL, plausible: [0 cell/mL, 1e8 cell/mL], method: counter, critical: true}}
    assumed: true
specification:
  viable_cells: {{sample: {tally}, at_least: 1 cell/mL, assumed: true}}
procedure:
  - unit_procedure: {first}
    unit: {bench}
    operations:
      - operation: {step}
        phases:
          - clear_line@1: {{area: a bench}}
            hold: {{safe: stand_still, longest: 12 h}}
  - unit_procedure: {second}
    unit: {vessel}
    operations:
      - operation: {step}
        phases:
          - clear_line@1: {{area: where the vessel stands}}
            hold: {{safe: keep_environment, longest: 12 h}}
          - inoculate@1: {{material: {seed}, amount: 1 vial, cells: 1e7 cell, volume: 100 mL, temperature: ${heat}}}
            hold: {{cannot: finish}}
          - clear_line@1: {{area: where the vessel stands}}
            hold: {{safe: keep_environment, longest: 12 h}}
{middle}
          - harvest@1: {{product: {product}}}
            as: {kept}
            hold: {{cannot: finish}}
"""
MIDDLE = (
    "hold_culture@1: {{duration: {hours} h, look_every: 9 h}}",
    "exchange_medium@1: {{medium: {broth}, quantity: 40 mL, fraction: 40 %}}",
    "sample@1: {{sample: {tally}, draw: true, volume: 1 mL, question: Go on?, options: {go} | stop, role: supervisor}}",
)


def unseen(seed: int) -> str:
    """A recipe with names of its own, and its middle in an order of its own."""
    draw = random.Random(seed)
    names = iter(
        dict.fromkeys("".join(draw.choices(("ka", "lo", "mi", "ru", "te", "vo"), k=5)) for _ in range(60))
    )
    words = (
        "recipe",
        "title",
        "product",
        "kept",
        "heat",
        "seed",
        "broth",
        "vessel",
        "bench",
        "tally",
        "first",
        "second",
        "step",
        "go",
    )
    chosen = {word: next(names) for word in words} | {"hours": str(draw.randrange(10, 40))}
    middle = draw.sample(MIDDLE, k=len(MIDDLE))
    phases = [
        f"          - {phase.format(**chosen)}\n            hold: {{safe: keep_environment, longest: 12 h}}"
        for phase in middle
    ]
    return TEMPLATE.format(**chosen, middle="\n".join(phases))


def kweek(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def demonstrated(recipe: Path, out: Path, seed: int) -> None:
    """The demonstration takes the recipe as it is; the record it leaves verifies and follows it to its end."""
    kweek("demo", "--plain", "--recipe", str(recipe), "--out", str(out), "--seed", str(seed))
    (pdf,) = out.glob("*.pdf")
    verdict = json.loads(kweek("verify", str(pdf), "--json"))
    assert (verdict["integrity"], verdict["conformance"]) == ("intact", "conforms"), verdict


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [20])
def test_a_recipe_made_just_now(tmp_path: Path, seed: int) -> None:
    recipe = tmp_path / "unseen.yaml"
    recipe.write_text(unseen(seed), encoding="utf-8")
    assert unseen(seed) != unseen(seed + 1)
    demonstrated(recipe, tmp_path / "out", seed)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_another_process_with_the_same_phases(tmp_path: Path) -> None:
    demonstrated(SMALL, tmp_path / "out", 7)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(30, 36))
def test_more_recipes_made_just_now(tmp_path: Path, seed: int) -> None:
    test_a_recipe_made_just_now(tmp_path, seed)

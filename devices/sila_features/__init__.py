"""The SiLA 2 features of Kweek's units, as XML that is loaded when it is used: no generated code."""

from pathlib import Path

UNIT_VALUES, UNIT_COMMANDS, SIMULATION = "UnitValues", "UnitCommands", "Simulation"
EQUIPMENT = "org.kweek/equipment"
"""Originator and category of the features."""


def definition(name: str) -> str:
    """The definition of a feature, XML."""
    return (Path(__file__).parent / f"{name}.sila.xml").read_text(encoding="utf-8")

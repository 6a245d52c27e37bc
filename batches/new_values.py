"""The values a departure brings into a running batch: each checked before anybody approves it.

What is approved is in the record for good, and the phase that meets a wrong value days later cannot
start; so a value has the kind its place needs, and an added phase can be begun as it stands.
"""

from collections.abc import Mapping

from batches.errors import BadInput, RecordError
from batches.phases import begin, checked, lookup
from batches.phases.base import Phase
from batches.plain import Plain
from batches.procedure_actions import resolve
from batches.quantities import Quantity, parse
from batches.recipe import PhaseCall, Recipe
from batches.record import BatchState
from batches.steps import Value, decode
from batches.time_limits import target


def formula_value(state: BatchState, name: str, given: Plain) -> Value:
    """A new value of the recipe's formula, of the kind the recipe gives it. Raises BadInput."""
    like = state.known_recipe().formula[name].value
    value = _read(given, isinstance(like, Quantity))
    if type(value) is not type(like):
        raise BadInput(f"The formula value '{name}' is {like}; give the new value in the same form.")
    if isinstance(like, Quantity) and isinstance(value, Quantity):
        value.to(like.unit)
    return value


def parameter_value(state: BatchState, call: PhaseCall, name: str, given: Plain) -> Value:
    """A new value of a phase's parameter, of the kind the phase declares. Raises BadInput."""
    phase = lookup(call.phase, call.version)
    declared = phase.parameters.get(name)
    if declared is None:
        raise BadInput(
            f"{call.phase}@{call.version} has no parameter '{name}'; it has {', '.join(phase.parameters)}."
        )
    value = _read(given, declared.kind == "quantity")
    checked(phase, name, value)
    _check_names(state.known_recipe(), phase, {name: value})
    return value


def check_added(state: BatchState, call: PhaseCall, path: str) -> None:
    """Whether an added phase can be begun with what is known now. Raises BadInput, NotFound."""
    phase = lookup(call.phase, call.version)
    resolved = resolve(call, path, state)
    for limit in call.then_within:
        if limit.to and target(state.known_recipe().procedure, limit.to) in state.progress.started:
            raise BadInput(f"'{limit.to}' has begun already; no time can run to it.")
    begin(phase, resolved).close()
    _check_names(state.known_recipe(), phase, resolved)


def _read(given: Plain, quantity: bool) -> Value:
    if quantity and isinstance(given, str):
        return parse(given)
    try:
        return decode(given)
    except RecordError as error:
        raise BadInput(str(error.__cause__ or error)) from error


def _check_names(recipe: Recipe, phase: Phase, values: Mapping[str, Value]) -> None:
    """Materials, samples and roles of units that are named exist in the recipe."""
    for name, value in values.items():
        declared = phase.parameters[name]
        known: Mapping[str, object] = {
            "material": recipe.materials, "sample": recipe.samples, "role": recipe.units,
        }.get(declared.kind, {})  # fmt: skip
        if declared.kind in ("material", "sample", "role") and value and value not in known:
            raise BadInput(
                f"The recipe has no {declared.kind} '{value}' for '{name}' of {phase.name}@{phase.version}; "
                f"it has {', '.join(known) or 'none'}."
            )

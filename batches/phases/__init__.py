"""Phase classes: one file per class and version, each a generator of steps.

`PHASES` is the table of all released phases; a recipe names one as `expand@1`. A released file never
changes (its digest stands in `released.txt`): what must change becomes `expand_2.py`, and the old
file stays as long as any record may have to be replayed.
"""

from collections.abc import Mapping

from batches.errors import BadInput, NotFound
from batches.phases import (
    activate_1,
    add_1,
    aggregate_1,
    centrifuge_1,
    clear_line_1,
    condition_1,
    cryopreserve_1,
    culture_1,
    decide_1,
    differentiate_1,
    dispose_1,
    dissociate_1,
    enrich_1,
    exchange_medium_1,
    expand_1,
    fill_1,
    formulate_1,
    harvest_1,
    hold_culture_1,
    inoculate_1,
    label_1,
    load_1,
    measure_1,
    pack_1,
    perform_1,
    pool_1,
    prepare_1,
    receive_1,
    run_program_1,
    sample_1,
    setup_1,
    store_1,
    take_sample_1,
    thaw_1,
    transduce_1,
    transfer_1,
    verify_identity_1,
    vitrify_1,
    wash_1,
)
from batches.phases.base import Declared, Phase
from batches.quantities import Quantity, dimension
from batches.steps import PhaseRun, Value

_ALL = (
    activate_1.PHASE,
    add_1.PHASE,
    aggregate_1.PHASE,
    centrifuge_1.PHASE,
    clear_line_1.PHASE,
    condition_1.PHASE,
    cryopreserve_1.PHASE,
    culture_1.PHASE,
    decide_1.PHASE,
    differentiate_1.PHASE,
    dispose_1.PHASE,
    dissociate_1.PHASE,
    enrich_1.PHASE,
    exchange_medium_1.PHASE,
    expand_1.PHASE,
    fill_1.PHASE,
    formulate_1.PHASE,
    harvest_1.PHASE,
    hold_culture_1.PHASE,
    inoculate_1.PHASE,
    label_1.PHASE,
    load_1.PHASE,
    measure_1.PHASE,
    pack_1.PHASE,
    perform_1.PHASE,
    pool_1.PHASE,
    prepare_1.PHASE,
    receive_1.PHASE,
    run_program_1.PHASE,
    sample_1.PHASE,
    setup_1.PHASE,
    store_1.PHASE,
    take_sample_1.PHASE,
    thaw_1.PHASE,
    transduce_1.PHASE,
    transfer_1.PHASE,
    verify_identity_1.PHASE,
    vitrify_1.PHASE,
    wash_1.PHASE,
)
PHASES: Mapping[tuple[str, int], Phase] = {(phase.name, phase.version): phase for phase in _ALL}


def lookup(name: str, version: int) -> Phase:
    """The phase class of that name and version. Raises NotFound."""
    found = PHASES.get((name, version))
    if found is None:
        known = ", ".join(f"{one}@{number}" for one, number in sorted(PHASES) if one == name)
        hint = f"known here: {known}" if known else "see docs/reference/phases.md for those there are"
        raise NotFound(f"There is no phase {name}@{version}; {hint}.")
    return found


def begin(phase: Phase, parameters: Mapping[str, Value]) -> PhaseRun:
    """Start a phase with its resolved parameters; those with a default may be left out.

    A material may be left empty only where the phase says so. Raises BadInput naming the parameter.
    """
    for name in parameters:
        if name not in phase.parameters:
            raise BadInput(
                f"{phase.name}@{phase.version} has no parameter '{name}'; it has {', '.join(phase.parameters)}."
            )
    given: dict[str, Value] = {}
    for name, declared in phase.parameters.items():
        value = parameters.get(name, declared.default)
        if value is not None:
            given[name] = checked(phase, name, value)
        elif not declared.optional:
            raise BadInput(
                f"{phase.name}@{phase.version} needs the parameter '{name}' ({declared.kind}); give it."
            )
    return phase.run(**given)


def checked(phase: Phase, name: str, value: Value) -> Value:
    """The value, if it is of the kind that the phase declares for the parameter. Raises BadInput."""
    declared = phase.parameters[name]
    if _fits(declared, value):
        return value
    wanted = f"one of: {', '.join(declared.options)}" if declared.options else declared.kind
    measure = f" in {declared.unit}" if declared.unit and not declared.unit.startswith("$") else ""
    shown = value if isinstance(value, (Quantity, str, int)) else repr(value)
    raise BadInput(
        f"The parameter '{name}' of {phase.name}@{phase.version} is {shown}, but should be {wanted}{measure}."
    )


def _fits(declared: Declared, value: Value) -> bool:
    match declared.kind:
        case "quantity":
            measured = isinstance(value, Quantity)
            return measured and (declared.unit.startswith("$") or value.dimension == dimension(declared.unit))
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "flag":
            return isinstance(value, bool)
        case "choice":
            return isinstance(value, str) and value in declared.options
        case "text" | "material" | "sample" | "role":
            return isinstance(value, str)

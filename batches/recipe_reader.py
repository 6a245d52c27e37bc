"""A master recipe from its YAML text, or from the content that a record keeps.

Both go the same way: named values with lines (`batches/written.py`) become the model of
`batches/recipe.py`; from a record there are no lines. Every mistake of form is a finding, and all of
them are raised together in one RecipeError. What a well-formed recipe means is `batches/check.py`.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal, cast

from batches.errors import BadInput
from batches.expressions import LANGUAGE
from batches.plain import PlainDict, canonical, from_json
from batches.procedure_reader import read_call, read_procedure
from batches.quantities import Quantity, quantity
from batches.recipe import Criterion, Material, Parameter, PhaseCall, Product, Recipe, SamplePlan, Test
from batches.recipe_form import UNIT_CLASS, Form, shown
from batches.written import Mistakes, Written, compose, from_plain

RECIPE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
MATERIAL_KINDS = ("starting", "raw", "consumable", "intermediate", "product")
TEST_KINDS = ("quantity", "text", "yes_no", "choice")


def read(text: str, file: str) -> Recipe:
    """The recipe in a YAML text; `file` is what findings call it. Raises RecipeError with findings."""
    mistakes = Mistakes(file)
    return _recipe(compose(text, mistakes), mistakes)


def from_content(content: PlainDict) -> Recipe:
    """The recipe whose content was recorded: the same model and the same digest, without lines."""
    return _kept(canonical(content))


@lru_cache(maxsize=64)
def _kept(content: bytes) -> Recipe:
    """Every batch keeps its recipe whole; many batches keep the same one, and all are read at a restart."""
    return _recipe(from_plain(from_json(content)), Mistakes(""))


def phase_call(content: PlainDict) -> PhaseCall:
    """One phase from the plain form of its item in a procedure. Raises RecipeError with findings."""
    mistakes = Mistakes("")
    found = read_call(from_plain(content), mistakes)
    mistakes.complain()
    return found


def _recipe(written: Written, mistakes: Mistakes) -> Recipe:
    form = Form(written, "The recipe", mistakes)
    mistakes.complain()
    content = cast("PlainDict", written.plain())
    digest = _digest(content, mistakes)
    _known_language(form)
    samples = {name: _sample(name, node, mistakes) for name, node in form.entries("samples", "sample")}
    units = list(form.entries("units", "role"))
    found = Recipe(
        name=form.name("recipe", "kidney-organoid", RECIPE_NAME),
        version=form.whole("version", 1, 9999),
        language=form.whole("language", 1, 9999),
        title=form.text("title", "what it makes, and how"),
        product=_product(form),
        formula={name: _parameter(name, node, mistakes) for name, node in form.entries("formula", "formula value")},
        materials={name: _material(name, node, mistakes) for name, node in form.entries("materials", "material")},
        units={role: _unit_class(role, node, mistakes) for role, node in units},
        samples=samples,
        specification={
            name: _criterion(name, node, samples, mistakes)
            for name, node in form.entries("specification", "specification attribute")
        },
        procedure=read_procedure(form),
        content=content,
        digest=digest,
        file=mistakes.file,
        notes=dict(_notes(form)),
        capacities=dict(_capacities(units)),
        lines=_lines(form, units),
    )  # fmt: skip
    form.close()
    mistakes.complain()
    return found


def _lines(form: Form, units: list[tuple[str, Written]]) -> dict[str, int]:
    lines = {key: node.line for key, node in form.members.items()}
    return lines | {f"units/{role}": node.line for role, node in units}


def _digest(content: PlainDict, mistakes: Mistakes) -> str:
    try:
        return hashlib.sha256(canonical(content)).hexdigest()
    except BadInput as error:
        mistakes.add(1, "yaml", str(error))
        return ""


def _known_language(form: Form) -> None:
    found = form.members.get("language")
    if found is not None and isinstance(found.value, int) and found.value != LANGUAGE:
        sentence = f"The recipe is written in language {found.value}; this Kweek knows language {LANGUAGE}."
        form.wrong(found, sentence, "language")


def _notes(form: Form) -> Iterator[tuple[str, str]]:
    inner = form.form("notes")
    for name in inner.members if inner else ():
        yield name, inner.text(name) if inner else ""


def _product(form: Form) -> Product:
    inner = form.form("product", "The product")
    if inner is None:
        form.missing("product", "{name: …, kind: autologous}")
        return Product("", "intermediate")
    store, expires = inner.form("store"), inner.form("expires")
    kind = inner.option("kind", ("autologous", "allogeneic", "intermediate"))
    found = Product(
        name=inner.text("name", "what the label calls it"),
        kind=cast("Literal['autologous', 'allogeneic', 'intermediate']", kind),
        store_low=store.quantity("at_least") if store else None,
        store_high=store.quantity("at_most") if store else None,
        expires_after=expires.text("after", "fill") if expires else "",
        expires_within=expires.quantity("within", "365 day") if expires else None,
    )
    for part in (inner, store, expires):
        if part:
            part.sourced()
            part.close()
    return found


def _unit_class(role: str, node: Written, mistakes: Mistakes) -> str:
    form = _unit(role, node, mistakes)
    found = form.name("class", "bioreactor", UNIT_CLASS)
    form.quantity("capacity")
    form.sourced()
    form.close()
    return found


def _unit(role: str, node: Written, mistakes: Mistakes) -> Form:
    """The long form of a unit: 'reactor: bioreactor' means 'reactor: {class: bioreactor}'."""
    long = node if isinstance(node.value, Mapping) else Written({"class": node}, node.line)
    return Form(long, f"The unit '{role}'", mistakes)


def _capacities(units: list[tuple[str, Written]]) -> Iterator[tuple[str, Quantity]]:
    unheard = Mistakes("")  # what is wrong was said by _unit_class
    for role, node in units:
        found = _unit(role, node, unheard).quantity("capacity")
        if found is not None:
            yield role, found


def _parameter(name: str, node: Written, mistakes: Mistakes) -> Parameter:
    form = Form(node, f"The formula value '{name}'", mistakes)
    value = form.scalar("value")
    if isinstance(value, str) and "$" in value:
        form.wrong(
            form.members["value"], f"{form.what} is an expression; write a calculation in the procedure."
        )
    source, assumed = form.sourced()
    low, high, critical = form.quantity("low"), form.quantity("high"), form.flag("critical")
    form.close()
    return Parameter(name, value, low, high, critical, source, assumed, form.place)


def _material(name: str, node: Written, mistakes: Mistakes) -> Material:
    form = Form(node, f"The material '{name}'", mistakes)
    source, assumed = form.sourced()
    kind, identity = form.option("class", MATERIAL_KINDS), form.option("identity", ("patient", "donor"), "")
    found = Material(
        name=name,
        kind=cast("Literal['starting', 'raw', 'consumable', 'intermediate', 'product']", kind),
        unit=form.measure("unit"),
        identity=cast("Literal['', 'patient', 'donor']", identity),
        status=form.option("status", ("released", "quarantine"), "released"),
        conditional=form.flag("conditional"),
        use_within=form.quantity("use_within"),
        source=source,
        assumed=assumed,
        place=form.place,
    )
    form.close()
    return found


def _sample(name: str, node: Written, mistakes: Mistakes) -> SamplePlan:
    form = Form(node, f"The sample '{name}'", mistakes)
    source, assumed = form.sourced()
    tests = {test: _test(test, part, mistakes) for test, part in form.entries("tests", "test")}
    if "tests" not in form.members:
        form.missing("tests", "{viability: {unit: '%', method: …}}")
    turnaround, volume = form.quantity("turnaround", "4 h") or quantity(0, ""), form.quantity("volume")
    form.close()
    return SamplePlan(name, tests, turnaround, volume, source, assumed, form.place)


def _test(name: str, node: Written, mistakes: Mistakes) -> Test:
    form = Form(node, f"The test '{name}'", mistakes)
    source, assumed = form.sourced()
    unit, options, bounds = form.measure("unit"), form.texts("options"), _bounds(form)
    implied = "choice" if options else "quantity" if unit or bounds else None
    kind = form.option("kind", TEST_KINDS, implied)
    found = Test(
        attribute=name,
        kind=cast("Literal['quantity', 'text', 'yes_no', 'choice']", kind),
        unit=unit,
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
        options=options,
        method=form.text("method"),
        critical=form.flag("critical"),
        source=source,
        assumed=assumed,
        place=form.place,
    )
    form.close()
    return found


def _bounds(form: Form) -> "tuple[Quantity | None, Quantity | None] | None":
    """'plausible: [low, high]'."""
    found = form.items("plausible")
    if found and len(found) != 2:
        form.wrong(
            form.members["plausible"],
            f"'plausible' of {form.within} has {len(found)} values; write [low, high].",
        )
        return None
    quantities = [form.as_quantity(node, f"'plausible' of {form.within}") for node in found]
    return (quantities[0], quantities[1]) if quantities else None


def _criterion(name: str, node: Written, samples: Mapping[str, SamplePlan], mistakes: Mistakes) -> Criterion:
    form = Form(node, f"The specification attribute '{name}'", mistakes)
    source, assumed = form.sourced()
    attribute = form.text("attribute") or name
    tested = [sample for sample, plan in samples.items() if attribute in plan.tests]
    found = Criterion(
        name=name,
        sample=form.text("sample") or (tested[0] if len(tested) == 1 else ""),
        attribute=attribute,
        at_least=form.quantity("at_least"),
        at_most=form.quantity("at_most"),
        equals=_equals(form),
        method=form.text("method"),
        blocking=form.flag("blocking", True),
        source=source,
        assumed=assumed,
        place=form.place,
    )
    form.close()
    return found


def _equals(form: Form) -> str:
    found = form.node("equals")
    if found is None:
        return ""
    if not isinstance(found.value, (str, bool)):
        form.wrong(found, f"'equals' of {form.within} is {shown(found.value)}; write text, true or false.")
        return ""
    return str(found.value).lower() if isinstance(found.value, bool) else found.value

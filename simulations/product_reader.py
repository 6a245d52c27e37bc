"""How the products of a scenario are made, from their mappings in the file."""

from typing import Literal, cast

from batches.written import Written
from simulations.figures import Part
from simulations.scenario import (
    Amount,
    FailureRule,
    LimitRule,
    OutcomeClass,
    OutcomeRule,
    ProductPlan,
    Release,
    Remake,
    Supply,
    WorkRule,
)
from simulations.site_reader import NOTHING, work, work_in

STEPS = ("Set", "Read", "Until", "Wait", "First", "Do", "Program", "Transfer", "Consume", "Produce",
         "Label", "Sample", "Result", "Ask", "Decide", "Scan", "Sign")  # fmt: skip
OUTCOMES = ("result", "field", "decision", "read", "told", "until")


def product(name: str, part: Part) -> ProductPlan:
    """A product: its recipe, its sites and the rules by which steps take time and turn out."""
    allocation = part.option("allocation", ("nearest", "least_loaded", "dedicated"), "nearest")
    found = ProductPlan(
        name=name,
        recipe=part.text("recipe", "cart-autologous"),
        made_at=part.texts("made_at"),
        allocation=cast("Literal['nearest', 'least_loaded', 'dedicated']", allocation),
        work=tuple(_rule(each) for each in part.listed("work", "Rule of work")),
        outcomes=tuple(_outcome(each) for each in part.listed("outcomes", "Outcome")),
        failures=tuple(_failure(each, inner) for each, inner in part.parts("failures", "failure")),
        limits=tuple(_limit(each) for each in part.listed("limits", "Limit")),
        tests=_tests(part),
        release=_release(part.part("release")),
        remake=_remake(part.part("remake")),
        supplies=tuple(_supply(each, inner) for each, inner in part.parts("supplies", "supply")),
        priority=part.whole("priority", 0, 99) if "priority" in part.members else 0,
        dedicated=_texts_by_name(part, "dedicated"),
        store=part.name("store", ""),
        positions=part.count("positions", 0),
        stored_for=part.time("stored_for"),
        batch_time=part.time("batch_time"),
        place=part.place,
    )
    part.close()
    return found


def _rule(part: Part) -> WorkRule:
    steps = ("", *STEPS)
    found = WorkRule(
        work=work_in(part, ""),
        step=part.option("step", steps, ""),
        role=part.name("of_role", ""),
        phase=part.name("phase", ""),
        path=part.text("path"),
        name=part.text("name"),
        place=part.place,
    )
    part.close()
    return found


def _outcome(part: Part) -> OutcomeRule:
    of = cast("Literal['result', 'field', 'decision', 'read', 'told', 'until']", part.option("of", OUTCOMES))
    classes = tuple(_class(each) for each in part.listed("classes", "Class"))
    if not classes and part.sound:
        part.missing("classes", "[{name: yes, probability: {value: 1, …}, value: …}]")
    total = sum(each.probability for each in classes)
    if classes and abs(total - 1) > 1e-6:
        sentence = f"The probabilities of {part.within} add up to {total:.4g}; they must add up to 1."
        part.wrong(part.members["classes"], sentence, "probability")
    found = OutcomeRule(
        of=of,
        name=part.text("name", "viability"),
        classes=classes,
        sample=part.name("sample", ""),
        phase=part.name("phase", ""),
        path=part.text("path"),
        levels=part.whole("levels", 1, 100) if "levels" in part.members else 1,
        place=part.place,
    )
    part.close()
    return found


def _class(part: Part) -> OutcomeClass:
    probability = part.share("probability", 1.0)
    name = part.text("name")
    node = part.members.get("amount")
    value: Amount | str | bool | None = part.amount("amount") if node else _word(part)
    part.close()
    return OutcomeClass(name, probability, "" if value is None else value)


def _word(part: Part) -> str | bool:
    found = part.node("value")
    if found is None or not isinstance(found.value, (str, bool)):
        part.wrong(found or Written(None, part.line), f"{part.what} has no value; write 'value: TEXT', true or false, or a quantity as 'amount: {{value: 92 %, …}}'.")  # fmt: skip
        return ""
    return found.value


def _failure(name: str, part: Part) -> FailureRule:
    then = part.option("then", ("lost", "out_of_specification"), "lost")
    found = FailureRule(
        cause=name,
        probability=part.share("probability", required=True),
        phase=part.name("phase", ""),
        path=part.text("path"),
        then="lost" if then == "lost" else "out_of_specification",
        place=part.place,
    )
    part.close()
    return found


def _limit(part: Part) -> LimitRule:
    found = LimitRule(part.text("to", "fill"), part.share("lost", required=True), part.place)
    part.close()
    return found


def _tests(part: Part) -> dict[str, tuple[str, ...]]:
    inner = part.part("tests")
    return {sample: inner.texts(sample) for sample in inner.members} if inner else {}


def _texts_by_name(part: Part, key: str) -> dict[str, str]:
    inner = part.part(key)
    return {name: inner.text(name) for name in inner.members} if inner else {}


def _release(part: Part | None) -> Release:
    if part is None:
        return Release()
    review, certify = work(part.part("review"), "qa"), work(part.part("certify"), "qp")
    found = Release(review, certify, part.flag("conditional", True))
    part.close()
    return found


def _remake(part: Part | None) -> Remake | None:
    if part is None:
        return None
    found = Remake(
        probability=part.share("probability", required=True),
        delay=part.time("delay", required=True) or NOTHING,
        attempts=part.count("attempts", 1),
        treated=part.share("treated"),
    )
    part.close()
    return found


def _supply(name: str, part: Part) -> Supply:
    found = Supply(name, part.name("product", "ipsc_bank"), part.number("count") or 1.0)
    part.close()
    return found

"""BatchML of what was executed: the recipe elements with their parameters, and the samples."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from batches.entries import Entry
from batches.plain import Plain, PlainDict, dict_in, text_in
from batches.procedure import owner
from batches.record import BatchState
from batches.report.batchml_parts import head, put, typed, value
from batches.report.bundle import Bundle
from batches.report.material import verdicts
from batches.report.sentences import Known
from batches.report.story import criterion_text


def recipe_elements(parent: ET.Element, bundle: Bundle, state: BatchState) -> None:
    """One record for each unit procedure that was begun, with its phases below it."""
    begun = {
        text_in(e.content(), "path"): e
        for e in bundle.entries
        if e.kind == "unit_procedure_started" and e.body
    }
    finished = {text_in(e.content(), "path") for e in bundle.entries if e.kind == "phase_finished" and e.body}
    phases = [e for e in bundle.entries if e.kind == "phase_started" and e.body]
    for path, entry in begun.items():
        record = put(parent, "RecipeElementRecord")
        head(record, f"element-{entry.number}", "Recipe Element", entry.recorded_at)
        element = _element(
            record, "RecipeElementType", path, "UnitProcedure", str(state.known_recipe().version)
        )
        for unit in dict_in(entry.content(), "units").values():
            put(element, "ActualEquipmentID", str(unit))
        put(put(element, "Header"), "Status", state.elements.get(path, "Running"))
        for phase in (one for one in phases if owner(text_in(one.content(), "path"), begun) == path):
            _phase(element, phase, text_in(phase.content(), "path") in finished)


def _element(parent: ET.Element, tag: str, path: str, kind: str, version: str) -> ET.Element:
    element = put(parent, tag)
    put(element, "ID", path)
    put(element, "Version", version)
    put(element, "RecipeElementType", kind)
    return element


def _phase(parent: ET.Element, entry: Entry, finished: bool) -> None:
    body = entry.content()
    element = _element(parent, "RecipeElement", text_in(body, "path"), "Phase", str(body.get("version")))
    put(element, "BuildingBlockElementID", text_in(body, "phase"))
    put(put(element, "Header"), "Status", "Complete" if finished else "Running")
    for name, given in dict_in(body, "parameters").items():
        _parameter(element, name, given)


def _parameter(parent: ET.Element, name: str, given: Plain) -> None:
    """All four parts of a recipe value are required."""
    made = put(parent, "Parameter")
    put(made, "ID", name)
    put(made, "ParameterType", "ProcessParameter")
    text, kind, measure = typed(given)
    found = put(made, "Value")
    put(found, "ValueString", text)
    put(found, "DataInterpretation", "Constant")
    put(found, "DataType", kind)
    put(found, "UnitOfMeasure", measure)


def samples(parent: ET.Element, bundle: Bundle, state: BatchState) -> None:
    """Each sample with its tests; a test carries the results entered for it, and the verdict."""
    known = Known(bundle.entries)
    taken: dict[str, ET.Element] = {}
    for entry in bundle.entries:
        step = known.step(entry.body) if entry.kind == "step_done" and entry.body is not None else None
        if step is not None and step.get("step") == "Sample":
            taken[text_in(step, "name")] = _sample(parent, entry, step, bundle)
        elif step is not None and step.get("step") == "Result" and text_in(step, "sample") in taken:
            _results(taken[text_in(step, "sample")], entry, text_in(step, "sample"), state)


def _sample(parent: ET.Element, entry: Entry, step: PlainDict, bundle: Bundle) -> ET.Element:
    body = entry.content()
    made = put(parent, "Sample")
    head(made, f"sample-{entry.number}", "Sample", entry.recorded_at, f"{step['name']} {body.get('reply')}")
    put(made, "SampleSourceID", bundle.batch)
    if step.get("volume") is not None:
        text, kind, measure = typed(step["volume"])
        size = put(made, "SampleSize")
        put(size, "QuantityString", text)
        put(size, "DataType", kind)
        put(size, "UnitOfMeasure", measure)
    put(made, "ProceduralElementReference", text_in(body, "path"))
    return made


def _results(parent: ET.Element, entry: Entry, sample: str, state: BatchState) -> None:
    reply = entry.content().get("reply")
    for number, (attribute, found) in enumerate(reply.items() if isinstance(reply, Mapping) else (), 1):
        test = put(parent, "SampleTest")
        head(test, f"test-{entry.number}-{number}", "Sample Test", None)
        put(test, "TestCode", attribute)
        result = put(test, "SampleTestResult")
        head(result, f"result-{entry.number}-{number}", "Sample Test Result", entry.recorded_at)
        _judged(result, sample, attribute, found, state)


def _judged(result: ET.Element, sample: str, attribute: str, found: Plain, state: BatchState) -> None:
    """The disposition is that of the last result of this attribute; earlier results carry none."""
    named = state.known_recipe().specification
    judged = [
        one
        for one in verdicts(state)
        if (named[one.criterion].sample, named[one.criterion].attribute) == (sample, attribute)
    ]
    for one in judged[:1]:
        put(result, "TestDisposition", one.verdict)
    value(result, "Results", found)
    for one in judged:
        value(result, "ExpectedResults", criterion_text(named[one.criterion]))

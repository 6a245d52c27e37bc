"""Fill the bulk into its final containers."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, mapping_of, quantity_in, scan_identity, takes_people, times
from batches.quantities import Quantity, parse
from batches.steps import Ask, Consume, Do, Field, PhaseRun, Produce, Value


def fill(
    *, bulk: str, volume: Quantity, container: str, containers: Quantity, product: str, cryoprotectant: str = "",
    cryoprotectant_volume: Quantity | None = None, unit: str = "",
) -> PhaseRun:  # fmt: skip
    yield from scan_identity(f"on {bulk} and on each labelled container")
    count = int(containers.value)
    yield Consume(container, containers)
    yield Consume(bulk, times(volume, count))
    given: dict[str, Value] = {"containers": containers, "volume": volume}
    each = volume
    if cryoprotectant and cryoprotectant_volume is not None:
        yield Consume(cryoprotectant, times(cryoprotectant_volume, count))
        given |= {"cryoprotectant": cryoprotectant, "cryoprotectant_volume": cryoprotectant_volume}
        each = volume + cryoprotectant_volume
    yield Do("fill", given, unit)
    found = mapping_of((yield Ask(f"Inspect the filled containers of {product}.", _checks(count))))
    lot = yield Produce(product, times(each, count), count)
    return {"lot": lot, "volume": each, "containers": count, "accepted": quantity_in(found, "accepted")}


def _checks(count: int) -> dict[str, Field]:
    return {
        "tight": Field("yes_no", critical=True, label="each container tight and sealed"),
        "clean": Field("yes_no", label="no particles, colour and turbidity as expected"),
        "accepted": Field(
            "quantity", "", parse("0"), parse(str(count)), critical=True, label="containers found good"
        ),
    }


PHASE = Phase(
    name="fill",
    version=1,
    run=fill,
    about="Fills the bulk into labelled containers, with cryoprotectant where one is given, and inspects them.",
    parameters={
        "bulk": Declared("material", about="the bulk, by volume"),
        "volume": Declared("quantity", "mL", about="bulk in each container"),
        "container": Declared("material", about="the containers, counted"),
        "containers": Declared("quantity", "$container", about="how many"),
        "product": Declared("material", about="the filled product, by volume"),
        "cryoprotectant": Declared("material", default="", optional=True),
        "cryoprotectant_volume": Declared("quantity", "mL", optional=True, about="in each container"),
        "unit": UNIT,
    },
    results={
        "lot": Declared("text"),
        "volume": Declared("quantity", "mL", about="in each container"),
        "containers": Declared("integer"),
        "accepted": Declared("quantity", "", about="containers found good"),
    },
    does=("fill",),
    consumes=("container", "bulk", "cryoprotectant"),
    produces=("product",),
    touches=("bulk",),
    verifies_identity=True,
    fills=True,
    holds=(),
    duration=takes_people,
)

"""The site: engine, executor and people's requests behind one object, for the API and the console.

Every method that changes something returns only when its entries are on disk.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from batches import by_hand, commands, materials
from batches import equipment as units
from batches.allocation import Grant
from batches.entries import SYSTEM, Actor, Draft, Entry, stamp
from batches.equipment import UnitState
from batches.errors import NotFound, Refused
from batches.materials import LotState
from batches.numbers import BATCH_PATTERN, IdentityScheme, SiteScheme, next_number
from batches.plain import PlainDict
from batches.quantities import Quantity
from batches.recipe import Material
from batches.record import BatchState
from batches.states import ENDED
from devices.base import Reading
from orchestrator.answers import Answers
from orchestrator.engine import OUTAGE, Engine, Event
from orchestrator.executor import BatchRunner
from orchestrator.recipes import RecipeBook
from orchestrator.replying import Replying

SOFTWARE = "0.1.0"
RESTS = ("Holding", "Held")
"""States in which a unit procedure stays after an absence until a person restarts it; others go on as soon as
they are reconciled."""
OWN_SCHEME = SiteScheme()
LotDecision: TypeAlias = Literal["release", "reject", "accept"]


class Site:
    """What people and programs may ask of this site."""

    def __init__(self, engine: Engine, scheme: IdentityScheme = OWN_SCHEME) -> None:
        self.engine, self.scheme = engine, scheme
        self.runners: dict[str, BatchRunner] = {}
        self.answers = Answers(engine, self.runners)
        engine.granted, engine.changed = self._granted, self._changed

    def open(self, away: tuple[datetime, datetime] | None = None) -> None:
        """Read the record and take up every open batch. `away`: since when and until when no engine ran.

        After a long absence people reconcile the equipment before anything moves.
        """
        self.engine.open()
        for state in [*self.engine.batches.values()]:
            if away is not None and away[1] - away[0] > OUTAGE:
                self._reconcile(state, *away)
            if not state.settled:  # what is in care is asked about until it is disposed of
                self._run(state)

    def _reconcile(self, state: BatchState, since: datetime, until: datetime) -> None:
        reconciled = [
            path for path, at in state.elements.items()
            if path and at not in (*ENDED, "Stopping", "Aborting") and not by_hand.reconciling(state, path)
        ]  # fmt: skip

        def decision() -> commands.Decision:
            yield Draft("engine_recovered", {"away_since": stamp(since), "away_until": stamp(until)}, SYSTEM)
            for path in reconciled:
                stays = state.elements[path] in RESTS
                yield from commands.hold_by_system(
                    state, path, f"No system from {stamp(since)} to {stamp(until)}."
                )
                text = (
                    f"The system was away from {stamp(since)} to {stamp(until)}. Enter what was done by hand for "
                    f"{path}, compare the equipment with the record, and confirm, two people."
                )
                content: PlainDict = {"text": text} | ({"stays_held": True} if stays else {})
                yield commands.open_task(state, path, "reconcile", "operator", content, people=2)

        self.engine.commit(self.engine.batch_part(state.number, decision()))

    def _run(self, state: BatchState) -> None:
        runner = BatchRunner(self.engine, state)
        self.runners[state.number] = runner
        self.engine.spawn(runner.run(), f"batch {state.number}")

    def _granted(self, grant: Grant) -> None:
        self.runners[grant.claim].granted(grant)

    def _changed(self, number: str) -> None:
        if number in self.runners:
            self.runners[number].changed()

    async def close(self) -> None:
        """Stop executing; everything resumes from the record."""
        await self.engine.close()

    # --- reading ------------------------------------------------------------------------------------

    @property
    def batches(self) -> Mapping[str, BatchState]:
        return self.engine.batches

    @property
    def lots(self) -> Mapping[str, LotState]:
        return self.engine.lots

    @property
    def equipment(self) -> Mapping[str, UnitState]:
        return self.engine.units

    @property
    def recipes(self) -> RecipeBook:
        return self.engine.recipes

    async def batch(self, number: str) -> BatchState:
        return await self.engine.batch(number)

    async def entries(self, stream: str, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        return await self.engine.entries(stream, after, limit)

    def subscribe(self) -> AsyncGenerator[Event]:
        return self.engine.subscribe()

    async def reading(self, unit: str, tag: str) -> Reading:
        return await self.engine.equipment.read(unit, tag)

    # --- recipes ------------------------------------------------------------------------------------

    async def submit_recipe(self, text: str, actor: Actor, reply: Replying | None = None) -> tuple[str, int]:
        """Submit a recipe (YAML). Raises RecipeError with findings."""
        stream, decision = self.recipes.submit(text, actor)
        submission = self.engine.commit((stream, decision), reply=reply)
        await submission.wait()
        body = submission.entries[0].content()
        return str(body["recipe"]), int(str(body["recipe_version"]))

    async def approve_recipe(
        self, name: str, version: int, actor: Actor, reply: Replying | None = None
    ) -> None:
        """Approval by a second person."""
        await self.engine.commit(self.recipes.approve(name, version, actor), reply=reply).wait()

    async def withdraw_recipe(
        self, name: str, version: int, reason: str, actor: Actor, reply: Replying | None = None
    ) -> None:  # fmt: skip
        """A version from which no batch is made any more."""
        await self.engine.commit(self.recipes.withdraw(name, version, reason, actor), reply=reply).wait()

    # --- batches ------------------------------------------------------------------------------------

    async def create_batch(
        self, recipe: str, version: int | None, identity: str, actor: Actor, reply: Replying | None = None, priority: int = 0
    ) -> str:  # fmt: skip
        """Make a batch from an approved recipe; it waits for its start command. Returns its number."""
        if actor.role not in ("supervisor", "planner", "operator"):
            raise Refused(
                f"A batch is made by a supervisor, planner or operator; your role is {actor.role or 'none'}."
            )
        found, now = self.recipes.approved(recipe, version), self.engine.clock.now()
        self._check_identity(identity)
        number = next_number(BATCH_PATTERN, now.year, self.engine.numbers)
        decision = commands.create(
            number, found, identity, self.engine.plant.simulated, SOFTWARE, actor, priority
        )
        drafts = [*decision]
        submission = self.engine.commit(self.engine.batch_part(number, iter(drafts)), reply=reply)
        self.engine.numbers.add(number)
        self._run(self.engine.batches[number])
        await submission.wait()
        return number

    def _check_identity(self, identity: str) -> None:
        """No name and no date of birth ever enters an entry. Raises BadInput."""
        if identity:
            self.scheme.check(identity)

    # --- lots ---------------------------------------------------------------------------------------

    def _material(self, name: str) -> Material:
        for version in reversed([*self.recipes.versions.values()]):
            if name in version.recipe.materials:
                return version.recipe.materials[name]
        raise NotFound(f"No recipe knows the material '{name}'; submit the recipe first, or check the name.")

    async def receive_lot(
        self, material: str, quantity: Quantity, expires: datetime | None, identity: str, supplier_lot: str,
        actor: Actor, reply: Replying | None = None,
    ) -> str:  # fmt: skip
        """A lot arrives, into quarantine. Returns its number."""
        self._check_identity(identity)
        number = self.engine.new_lot()
        drafts = materials.receive(
            number, self._material(material), quantity, expires, identity, supplier_lot, actor
        )
        await self.engine.commit((f"lot/{number}", drafts), reply=reply).wait()
        return number

    async def decide_lot(
        self, number: str, decision: LotDecision, signature: str, reason: str, actor: Actor, reply: Replying | None = None
    ) -> None:  # fmt: skip
        """Release, reject or conditionally accept a lot, under the signature of quality assurance."""
        lot = self.lots.get(number)
        if lot is None:
            raise NotFound(f"There is no lot {number}.")
        if actor.role not in ("qa", "qp"):
            raise Refused(f"Lots are decided on by quality assurance; your role is {actor.role or 'none'}.")
        decide = {
            "release": materials.release, "reject": materials.reject, "accept": materials.accept_conditionally
        }[decision]  # fmt: skip
        await self.engine.commit((f"lot/{number}", decide(lot, signature, reason, actor)), reply=reply).wait()

    # --- units --------------------------------------------------------------------------------------

    async def clean_unit(
        self, unit: str, performed: Actor, verified: Actor, method: str, reply: Replying | None = None
    ) -> None:  # fmt: skip
        """Two people have cleaned a unit; it may be given to the next batch."""
        if unit not in self.equipment:
            raise NotFound(f"There is no unit {unit}; look at the list of equipment.")
        drafts = units.clean(self.equipment[unit], performed, verified, method)
        await self.engine.commit((f"equipment/{unit}", drafts), reply=reply).wait()
        self.engine.allocate()

    def health(self) -> PlainDict:
        """What is wrong, if anything; for /healthz."""
        return {
            "ok": not self.engine.broken, "problem": self.engine.broken, "open_batches": sum(1 for runner in self.runners.values() if not runner.state.ended),
            "process_time": stamp(self.engine.clock.now()), "pending_commits": self.engine.store.pending(),
        }  # fmt: skip

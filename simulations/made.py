"""A product with its compiled recipe, and the rules of its scenario worked out as they are met."""

from fnmatch import fnmatchcase

from batches.recipe import Recipe
from batches.samples import verdict
from simulations.compiled import Compiled, CompiledPhase
from simulations.course import Rules, Task
from simulations.replies import Answer
from simulations.scenario import FailureRule, ProductPlan


class Made:
    """A product with its compiled recipe: shared by all its batches, in all replications of a process."""

    def __init__(self, plan: ProductPlan, recipe: Recipe) -> None:
        self.plan, self.recipe = plan, recipe
        self.rules = Rules(plan, recipe)
        self.compiled: Compiled[Task] = Compiled(recipe, self.rules)
        self.judged = frozenset(criterion.sample for criterion in recipe.specification.values())
        self.blocking = frozenset(c.sample for c in recipe.specification.values() if c.blocking)
        self._later: dict[int, dict[str, str]] = {}
        self._failures: dict[str, tuple[FailureRule, ...]] = {}
        self._answers: dict[str, Answer] = {}
        self._verdicts: dict[tuple[str, int], tuple[tuple[str, bool], ...]] = {}

    def later(self, finished: int) -> dict[str, str]:
        """Unit class by role that a batch may still need."""
        found = self._later.get(finished)
        if found is None:
            roles = sorted(self.compiled.later(finished))
            found = self._later[finished] = {role: self.recipe.units[role] for role in roles}
        return found

    def failures(self, phase: CompiledPhase[Task]) -> tuple[FailureRule, ...]:
        """The rules of failure that fit the end of a phase."""
        place = phase.place
        found = self._failures.get(place.path)
        if found is None:
            found = self._failures[place.path] = tuple(
                rule
                for rule in self.plan.failures
                if (rule.phase or rule.path)
                and rule.phase in ("", place.phase)
                and (not rule.path or fnmatchcase(place.path, rule.path))
            )
        return found

    def answer(self, sample: str) -> Answer:
        """The results of a sample that no phase waits for."""
        found = self._answers.get(sample)
        if found is None:
            tests = self.recipe.samples[sample].tests.items()
            parts = tuple(self.rules.result(None, sample, *test) for test in tests)
            found = self._answers[sample] = Answer("by_name", parts)
        return found

    def failed(self, sample: str, answer: Answer, index: int) -> tuple[tuple[str, bool], ...]:
        """The criteria that these results fail, each with whether release waits for it."""
        number = self.compiled.interned.number(answer.reply(index))
        found = self._verdicts.get((sample, number))
        if found is None:
            value = self.compiled.interned.values[number]
            results = {sample: value if isinstance(value, dict) else {}}
            criteria = [c for c in self.recipe.specification.values() if c.sample == sample]
            verdicts = [verdict(criterion, results) for criterion in criteria]
            found = tuple((each.criterion, each.blocking) for each in verdicts if each.verdict == "fail")
            self._verdicts[sample, number] = found
        return found

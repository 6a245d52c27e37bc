"""The recipe book: master recipes as the fold of the 'recipe/<name>' streams.

A version is submitted (after its checks), approved by a person who did not submit it (21 CFR 211.186:
prepared by one, independently checked by a second), and superseded or withdrawn.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from batches.check import UnitClass, check
from batches.entries import Actor, Draft, Entry
from batches.errors import BadInput, NotFound, NotPermitted, RecipeError, Refused
from batches.phases import PHASES
from batches.plain import canonical, dict_in, text_in, whole_in
from batches.recipe import Recipe
from batches.recipe_reader import from_content, read


@dataclass(slots=True)
class RecipeVersion:
    """One submitted version. `status`: submitted, approved, superseded, withdrawn."""

    recipe: Recipe
    status: str
    submitted_by: str
    approved_by: str = ""
    entry: int = 0


@dataclass(slots=True)
class RecipeBook:
    """Every version of every recipe."""

    versions: dict[tuple[str, int], RecipeVersion] = field(
        default_factory=dict[tuple[str, int], RecipeVersion]
    )
    offers: Mapping[str, UnitClass] | None = None
    """What the plant's unit classes offer; None where no plant is known."""

    def apply(self, entry: Entry) -> None:
        """Fold one entry of a recipe's stream."""
        body = entry.content()
        key = (text_in(body, "recipe"), whole_in(body, "recipe_version"))
        match entry.kind:
            case "recipe_submitted":
                recipe = from_content(dict_in(body, "content"))
                self.versions[key] = RecipeVersion(recipe, "submitted", entry.actor.id, entry=entry.number)
            case "recipe_approved":
                self.versions[key].status, self.versions[key].approved_by = "approved", entry.actor.id
            case "recipe_superseded" | "recipe_withdrawn":
                self.versions[key].status = entry.kind.removeprefix("recipe_")
            case _:
                return

    def version(self, name: str, version: int | None = None) -> RecipeVersion:
        """A version, or the newest approved one. Raises NotFound."""
        if version is None:
            approved = [
                v for (n, _), v in sorted(self.versions.items()) if n == name and v.status == "approved"
            ]
            if not approved:
                raise NotFound(
                    f"No version of the recipe '{name}' is approved; submit it and let a second person approve."
                )
            return approved[-1]
        if (name, version) not in self.versions:
            raise NotFound(
                f"There is no version {version} of the recipe '{name}'; look at the list of recipes."
            )
        return self.versions[name, version]

    def approved(self, name: str, version: int | None = None) -> Recipe:
        """A recipe a batch may be made from. Raises NotFound or Refused."""
        found = self.version(name, version)
        if found.status != "approved":
            raise Refused(
                f"Version {found.recipe.version} of '{name}' is {found.status}; only an approved one can be run."
            )
        return found.recipe

    def submit(self, text: str, actor: Actor) -> tuple[str, Iterator[Draft]]:
        """The stream and entry for a recipe text that passes its checks. Raises RecipeError, Refused."""
        recipe = read(text, "recipe")
        errors = [finding for finding in check(recipe, PHASES, self.offers) if finding.severity == "error"]
        if errors:
            raise RecipeError(
                "The recipe does not pass its checks: " + " ".join(f.sentence for f in errors), tuple(errors)
            )
        if b"\\u0000" in canonical(recipe.content):
            raise BadInput("The recipe holds a NUL character, which not every database can keep; remove it.")
        if (recipe.name, recipe.version) in self.versions:
            raise Refused(
                f"Version {recipe.version} of '{recipe.name}' exists already; give the recipe the next version."
            )
        body = {
            "recipe": recipe.name,
            "recipe_version": recipe.version,
            "digest": recipe.digest,
            "content": recipe.content,
        }
        return f"recipe/{recipe.name}", iter((Draft("recipe_submitted", body, actor),))

    def approve(self, name: str, version: int, actor: Actor) -> tuple[str, Iterator[Draft]]:
        """Approval by a second person of the quality unit; the version approved before is superseded."""
        if actor.role != "qa":
            raise NotPermitted("A recipe is approved by quality assurance; ask a person with the role qa.")
        found = self.version(name, version)
        if actor.id == found.submitted_by:
            raise NotPermitted("The person who submitted a recipe cannot approve it; ask a second person.")
        if found.status != "submitted":
            raise Refused(
                f"Version {version} of '{name}' is {found.status}; only a submitted version can be approved."
            )
        return f"recipe/{name}", self._approval(name, version, found, actor)

    def withdraw(self, name: str, version: int, reason: str, actor: Actor) -> tuple[str, Iterator[Draft]]:
        """No batch is made from this version any more; those made from it go on."""
        if actor.role != "qa":
            raise NotPermitted("A recipe is withdrawn by quality assurance; ask a person with the role qa.")
        found = self.version(name, version)
        if found.status not in ("submitted", "approved"):
            raise Refused(f"Version {version} of '{name}' is {found.status} already.")
        body = {"recipe": name, "recipe_version": version, "reason": reason}
        return f"recipe/{name}", iter((Draft("recipe_withdrawn", body, actor),))

    def _approval(self, name: str, version: int, found: RecipeVersion, actor: Actor) -> Iterator[Draft]:
        for (other, number), earlier in self.versions.items():
            if other == name and earlier.status == "approved":
                yield Draft(
                    "recipe_superseded", {"recipe": name, "recipe_version": number, "by": version}, actor
                )
        yield Draft(
            "recipe_approved",
            {"recipe": name, "recipe_version": version, "digest": found.recipe.digest},
            actor,
        )

"""Master recipes: check, submit, approve by a second person."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, StringConstraints

from batches.check import check
from batches.errors import RecipeError
from batches.phases import PHASES
from batches.recipe_reader import read
from orchestrator.api.common import (
    ActOnce,
    AsRole,
    Body,
    Cursor,
    Limit,
    Long,
    Page,
    PlainObject,
    TheHouse,
    ThePerson,
    as_role,
    page,
    permitted,
)
from orchestrator.recipes import RecipeVersion

router = APIRouter(prefix="/recipes", tags=["recipes"])
AUTHORS = ("engineer", "supervisor", "qa")


class RecipeText(Body):
    """A recipe as it is written: YAML."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=900_000)]


class Withdrawal(Body):
    """Why a version is withdrawn."""

    reason: Long


class FindingShown(BaseModel):
    """One thing that is wrong with a recipe, and where."""

    line: int
    rule: str
    sentence: str
    severity: str


class Checked(BaseModel):
    """Whether the recipe could be approved, and every finding."""

    ok: bool
    findings: list[FindingShown]


class RecipeName(BaseModel):
    """A version of a recipe."""

    recipe: str
    version: int


class RecipeSummary(BaseModel):
    """A version of a recipe. `status`: submitted, approved, superseded, withdrawn."""

    recipe: str
    version: int
    title: str
    status: str
    digest: str
    submitted_by: str
    approved_by: str


class RecipeShown(RecipeSummary):
    """With the content that was hashed."""

    content: PlainObject


def summary(found: RecipeVersion) -> RecipeSummary:
    """A version in the list."""
    return RecipeSummary.model_validate(_parts(found))


def _parts(found: RecipeVersion) -> dict[str, object]:
    recipe = found.recipe
    return {
        "recipe": recipe.name, "version": recipe.version, "title": recipe.title, "status": found.status,
        "digest": recipe.digest, "submitted_by": found.submitted_by, "approved_by": found.approved_by,
    }  # fmt: skip


@router.post("/check", operation_id="check_recipe")
async def check_recipe(body: RecipeText, house: TheHouse) -> Checked:
    """Run every check, those against this plant too; nothing is kept."""
    offers = house.site.recipes.offers
    try:
        findings = await asyncio.to_thread(lambda: check(read(body.text, "recipe"), PHASES, offers))
    except RecipeError as error:
        findings = list(error.findings)
    shown = [
        FindingShown(line=f.line, rule=f.rule, sentence=f.sentence, severity=f.severity) for f in findings
    ]
    return Checked(ok=all(f.severity != "error" for f in shown), findings=shown)


@router.post("", operation_id="submit_recipe", status_code=201, response_model=RecipeName)
async def submit_recipe(
    body: RecipeText, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Submit a recipe that passes its checks, for approval by a second person."""
    actor = permitted(person, AUTHORS, role)
    return await once.act(
        lambda reply: house.site.submit_recipe(body.text, actor, reply),
        lambda decided: {
            "recipe": decided[0][1].body["recipe"], "version": decided[0][1].body["recipe_version"]
        },
        201,
    )  # fmt: skip


@router.get("", operation_id="list_recipes")
async def list_recipes(house: TheHouse, cursor: Cursor = "", limit: Limit = 100) -> Page[RecipeSummary]:
    """Every version of every recipe."""
    found = [summary(version) for _, version in sorted(house.site.recipes.versions.items())]
    return page(found, lambda recipe: f"{recipe.recipe}@{recipe.version:06}", cursor, limit)


@router.get("/{name}", operation_id="get_recipe")
async def get_recipe(name: str, house: TheHouse) -> RecipeShown:
    """The approved version of a recipe."""
    return _shown(house.site.recipes.version(name))


@router.get("/{name}/{version}", operation_id="get_recipe_version")
async def get_recipe_version(name: str, version: int, house: TheHouse) -> RecipeShown:
    """One version of a recipe."""
    return _shown(house.site.recipes.version(name, version))


def _shown(found: RecipeVersion) -> RecipeShown:
    return RecipeShown.model_validate({**_parts(found), "content": found.recipe.content})


@router.post("/{name}/{version}/approval", operation_id="approve_recipe", response_model=RecipeName)
async def approve_recipe(
    name: str, version: int, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Approve a submitted version; the one approved before is superseded."""
    actor = as_role(person, ("qa",), role)
    return await once.act(
        lambda reply: house.site.approve_recipe(name, version, actor, reply),
        lambda _: {"recipe": name, "version": version},
    )


@router.post("/{name}/{version}/withdrawal", operation_id="withdraw_recipe", response_model=RecipeName)
async def withdraw_recipe(
    name: str,
    version: int,
    body: Withdrawal,
    house: TheHouse,
    person: ThePerson,
    once: ActOnce,
    role: AsRole = "",
) -> Response:
    """No batch is made from this version any more; those made from it go on."""
    actor = as_role(person, ("qa",), role)
    return await once.act(
        lambda reply: house.site.withdraw_recipe(name, version, body.reason, actor, reply),
        lambda _: {"recipe": name, "version": version},
    )

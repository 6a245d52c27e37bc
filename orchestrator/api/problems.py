"""Errors on the wire: RFC 9457 problem details, one table from error class to status."""

import json
from collections.abc import Mapping

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from batches.errors import (
    BadInput,
    Busy,
    Conflict,
    DeviceError,
    IdentityMismatch,
    KweekError,
    NotFound,
    NotPermitted,
    RecipeError,
    RecordError,
    Refused,
    StoreError,
)
from batches.plain import Plain
from devices.base import DeviceUnreachable
from orchestrator.api.house import House
from orchestrator.person import NotSignedIn, WaitFirst

MEDIA_TYPE = "application/problem+json"
LONGEST_DETAIL = 2000


class NotJson(BadInput):
    """A body that is not JSON of the kind taken here."""


class TooLarge(BadInput):
    """A body beyond the size that is taken."""


class Stale(Conflict):
    """What was to be changed has changed since it was read (If-Match)."""


class MissingMatch(BadInput):
    """A change of something that others may change too needs If-Match."""


class ReusedKey(BadInput):
    """An Idempotency-Key that was used for another request."""


class MissingKey(BadInput):
    """A request that acts needs an Idempotency-Key."""


KINDS: tuple[tuple[type[KweekError], int, str, str], ...] = (
    (NotSignedIn, 401, "not-signed-in", "Not signed in"),
    (WaitFirst, 429, "wait-first", "Too many failed attempts"),
    (NotPermitted, 403, "not-permitted", "Not permitted"),
    (IdentityMismatch, 409, "identity-mismatch", "Identity mismatch"),
    (Stale, 412, "stale", "Changed in between"),
    (Conflict, 409, "conflict", "Conflict"),
    (Refused, 409, "refused", "Refused in this state"),
    (Busy, 503, "busy", "Busy for a moment"),
    (NotFound, 404, "not-found", "Not found"),
    (NotJson, 400, "not-json", "Not plain JSON"),
    (MissingKey, 400, "idempotency-key-missing", "Idempotency-Key missing"),
    (MissingMatch, 428, "if-match-missing", "If-Match missing"),
    (ReusedKey, 422, "idempotency-key-reused", "Idempotency-Key used before"),
    (TooLarge, 413, "too-large", "Body too large"),
    (RecipeError, 422, "recipe", "The recipe does not pass its checks"),
    (BadInput, 422, "bad-input", "Bad input"),
    (DeviceUnreachable, 503, "device-unreachable", "Equipment not reached"),
    (DeviceError, 502, "device", "Equipment did not do it"),
    (StoreError, 503, "record-unavailable", "The record cannot be used"),
    (RecordError, 503, "record-broken", "The record does not add up"),
)
"""First match counts: class, status, type, title."""


class Problem(BaseModel):
    """An RFC 9457 problem: `detail` is one sentence that says what is wrong and what to do."""

    type: str
    title: str
    status: int
    detail: str
    findings: list[dict[str, str | int]] | None = None


def told(error: KweekError, house: House | None) -> KweekError:
    """What is said of an error: once the engine has stopped, why it did, and not what failed after it."""
    if house is not None and isinstance(error, StoreError) and (why := house.site.engine.broken):
        return StoreError(why)
    return error


def respond(error: KweekError) -> Response:
    """The response for an error."""
    for kind, status, name, title in KINDS:
        if isinstance(error, kind):
            return problem(status, name, title, str(error), _headers(error), _more(error))
    return problem(409, "refused", "Refused", str(error))


def problem(
    status: int, name: str, title: str, detail: str, headers: Mapping[str, str] | None = None,
    more: Mapping[str, Plain] | None = None,
) -> Response:  # fmt: skip
    """A problem response. What was sent may be quoted in it: any text must come out as JSON, and not all of it."""
    said = detail if len(detail) <= LONGEST_DETAIL else detail[:LONGEST_DETAIL] + " …"
    body = {
        "type": f"urn:kweek:problem:{name}",
        "title": title,
        "status": status,
        "detail": said,
        **(more or {}),
    }
    return Response(json.dumps(body), status, dict(headers or {}), MEDIA_TYPE)


def _headers(error: KweekError) -> dict[str, str]:
    if isinstance(error, NotSignedIn):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, Busy):
        return {"Retry-After": "1"}
    return {"Retry-After": str(error.seconds)} if isinstance(error, WaitFirst) else {}


def _more(error: KweekError) -> dict[str, Plain]:
    if not isinstance(error, RecipeError):
        return {}
    found = [
        {"file": f.file, "line": f.line, "rule": f.rule, "sentence": f.sentence, "severity": f.severity}
        for f in error.findings
    ]
    return {"findings": found}


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    app.add_exception_handler(KweekError, _kweek)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _kweek(request: Request, error: Exception) -> Response:
    assert isinstance(error, KweekError)
    return respond(told(error, request.app.state.house))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [_sentence(each) for each in error.errors()[:5]]
    return problem(422, "bad-input", "Bad input", " ".join(found))


def _sentence(error: Mapping[str, object]) -> str:
    place = error["loc"]
    assert isinstance(place, tuple)
    where = ".".join(str(part) for part in place[1:]) or str(place[0])
    match error["type"]:
        case "missing":
            return f"'{where}' is missing."
        case "extra_forbidden":
            return f"'{where}' is not known here; leave it out or correct its name."
        case _:
            return f"'{where}': {error['msg']}."


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(
            404, "not-found", "Not found", "There is nothing at this address; see docs/reference/api.md."
        )
    if error.status_code == 405:
        detail = f"{request.method} is not possible here; see docs/reference/api.md."
        return problem(405, "method", "Method not possible", detail, error.headers)
    return problem(error.status_code, "request", "Request refused", str(error.detail), error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    structlog.get_logger().error("request failed", error=repr(error), path=request.url.path, exc_info=error)
    return problem(
        500,
        "unexpected",
        "Unexpected error",
        "Kweek failed here, which is an error in Kweek; please report it.",
    )

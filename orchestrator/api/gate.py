"""The gate every request passes: who it is, how large and how plain its body is, and that it counts.

Closed by default: what is not in OPEN needs a sign-in, also an address that does not exist. While a
request is under way the process is not at rest, so that virtual time cannot jump under it; the stream
of events is the exception.
"""

import secrets
from typing import Protocol

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from batches.errors import BadInput, KweekError, NotFound, NotPermitted
from batches.plain import canonical, from_json
from orchestrator.api.house import House
from orchestrator.api.problems import NotJson, TooLarge, respond, told
from orchestrator.person import NotSignedIn

LARGEST_BODY = 1_000_000
OPEN = frozenset({("GET", "/healthz"), ("POST", "/api/v1/sign-in")})
"""What needs no sign-in. /metrics decides for itself."""
OWN_RULE = frozenset({("GET", "/metrics")})
STREAMS = frozenset({"/api/v1/events"})
WITH_A_GIVEN_PASSWORD = frozenset({"/api/v1/me", "/api/v1/me/password", "/api/v1/sign-out"})
"""What somebody may do whose password was set by an administrator."""
COOKIE = "__Host-kweek"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class _Has(Protocol):
    house: House


class Gate:
    """ASGI middleware, outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: _Has = scope["app"].state
        watched = _Watched(send, state.house)
        try:
            if scope["path"] in STREAMS:
                await self._pass(state.house, scope, receive, watched)
            else:
                async with state.house.clock.activity.request():
                    await self._pass(state.house, scope, receive, watched)
        finally:
            watched.log(scope)

    async def _pass(self, house: House, scope: Scope, receive: Receive, send: "_Watched") -> None:
        try:
            if scope["method"] not in SAFE:
                house.site.engine.check_takes()  # before anything is read: the database may be what is gone
            _authenticate(house, scope)
            if scope["method"] not in SAFE:
                receive = await _plain_body(scope, receive)
        except KweekError as error:
            await respond(told(error, house))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _authenticate(house: House, scope: Scope) -> None:
    state = scope.setdefault("state", {})
    state["person"], state["token"] = None, ""
    if not scope["path"].isprintable():
        raise NotFound("There is nothing at this address; see docs/reference/api.md.")
    where = (scope["method"].replace("HEAD", "GET"), scope["path"])
    if where in OPEN:
        return
    headers = Headers(scope=scope)
    token, by_cookie = token_of(headers)
    if where in OWN_RULE and not token:
        return
    if not token:
        raise NotSignedIn("Sign in first: POST /api/v1/sign-in, then send 'Authorization: Bearer TOKEN'.")
    person = house.people.signed_in(token)
    if by_cookie and scope["method"] not in SAFE:
        _check_origin(headers)
    if person.must_change and scope["path"] not in WITH_A_GIVEN_PASSWORD:
        raise NotPermitted(
            "Your password was set by somebody else; change it first: POST /api/v1/me/password."
        )
    state["person"], state["token"] = person, token


def token_of(headers: Headers) -> tuple[str, bool]:
    """The token of a request, and whether a cookie brought it. '' if there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if token:
        return (token.strip(), False) if scheme.lower() == "bearer" else ("", False)
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value, True
    return "", False


def _check_origin(headers: Headers) -> None:
    """A browser says where a request comes from; another site's page must not act in a person's name."""
    origin, host = headers.get("origin", ""), headers.get("host", "")
    same = headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    if not same or (origin and origin.partition("://")[2] != host):
        raise NotPermitted("This request comes from a page of another site; use Kweek's own pages.")


async def _plain_body(scope: Scope, receive: Receive) -> Receive:
    """Read the body, refuse what is no plain JSON, and give a `receive` that hands it on."""
    data = await _read(receive)
    value = None
    if data:
        try:
            value = from_json(data)
            if b"\\u0000" in canonical(value):
                raise BadInput("The text holds a NUL character; remove it.")
        except BadInput as error:
            raise NotJson(str(error)) from error
    scope["state"]["body"] = value
    handed = False

    async def again() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": data, "more_body": False}

    return again


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if sum(map(len, parts)) > LARGEST_BODY:
            raise TooLarge(f"The body is larger than {LARGEST_BODY} bytes; send less.")
        if not message.get("more_body", False):
            return b"".join(parts)


class _Watched:
    """`send` that adds headers and remembers the status."""

    def __init__(self, send: Send, house: House) -> None:
        self._send, self._house = send, house
        self.id = secrets.token_hex(8)
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    def log(self, scope: Scope) -> None:
        """One line per request, without headers, query or body: no secret can be in it."""
        self._house.count(scope["method"], self.status)
        person = scope.get("state", {}).get("person")
        structlog.get_logger().info(
            "request", id=self.id, method=scope["method"], path=scope["path"], status=self.status,
            person=None if person is None else person.id,
        )  # fmt: skip

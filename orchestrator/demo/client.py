"""A person's client of the HTTP API: signs in, asks, acts once."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx

from batches.errors import KweekError

API = "/api/v1"


class Problem(KweekError):
    """The API refused; `status` and its sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


PATIENCE, PAUSE = 60.0, 0.2  # s, real time: how long a server that does not answer is tried, and how often


class Client:
    """One person, signed in. Raises Problem for what the API refuses.

    A request that gets no answer, because the server went away, is sent again under the same
    Idempotency-Key until it does. `acknowledged`: the paths that were posted to and answered with success.
    """

    def __init__(self, http: httpx.AsyncClient, user_name: str) -> None:
        self._http, self.user_name = http, user_name
        self._token = ""
        self.acknowledged: list[str] = []

    async def sign_in(self, password: str, new_password: str = "") -> None:
        body = {"user_name": self.user_name, "password": password}
        found = await self.post("/sign-in", body | ({"new_password": new_password} if new_password else {}))
        self._token = found["token"]

    async def get(self, path: str) -> Any:
        return self._read(await self._send("GET", path, self.headers))

    async def post(self, path: str, body: object, key: str = "") -> Any:
        headers = self.headers | {"Idempotency-Key": key or str(uuid4())}
        found = self._read(await self._send("POST", path, headers, body))
        self.acknowledged.append(path)
        return found

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: object = None
    ) -> httpx.Response:
        ends = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                return await self._http.request(method, f"{API}{path}", headers=headers, json=body)
            except httpx.TransportError as error:
                if asyncio.get_running_loop().time() > ends:
                    raise KweekError(
                        f"The server at {self._http.base_url} does not answer: {error!r}"
                    ) from error
                await asyncio.sleep(PAUSE)

    async def every(self, path: str) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        cursor, joint = "", "&" if "?" in path else "?"
        while True:
            page = await self.get(f"{path}{joint}limit=100&cursor={cursor}")
            found += page["items"]
            cursor = page.get("next") or ""
            if not cursor:
                return found

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _read(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            detail = str(answer.json().get("detail", answer.text))
        except json.JSONDecodeError:
            detail = answer.text
        raise Problem(answer.status_code, detail)

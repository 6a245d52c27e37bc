"""A person's client of the HTTP API: signs in, asks, acts once."""

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


class Client:
    """One person, signed in. Raises Problem for what the API refuses."""

    def __init__(self, http: httpx.AsyncClient, user_name: str) -> None:
        self._http, self.user_name = http, user_name
        self._token = ""

    async def sign_in(self, password: str, new_password: str = "") -> None:
        body = {"user_name": self.user_name, "password": password}
        found = await self.post("/sign-in", body | ({"new_password": new_password} if new_password else {}))
        self._token = found["token"]

    async def get(self, path: str) -> Any:
        return self._read(await self._http.get(f"{API}{path}", headers=self.headers))

    async def post(self, path: str, body: object, key: str = "") -> Any:
        headers = self.headers | {"Idempotency-Key": key or str(uuid4())}
        return self._read(await self._http.post(f"{API}{path}", json=body, headers=headers))

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

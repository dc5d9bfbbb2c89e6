"""What a person does at the receiver, by its API."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from .people import Person

API = "/api/v1"


class Desk:
    """The receiver as one person has it: logged in when first needed, and again where the session has ended."""

    def __init__(self, session: aiohttp.ClientSession, url: str, person: Person, password: Path) -> None:
        self.person = person
        self._session, self._url, self._base, self._password = session, url, url + API, password
        self._token = ""

    async def get(self, path: str, **parameters: str) -> Any:
        """The answer. Raises aiohttp.ClientError where it is none."""
        return await self._asked("GET", path, params=parameters)

    async def post(self, path: str, **body: object) -> Any:
        """The answer. Raises aiohttp.ClientError where it is none."""
        return await self._asked("POST", path, json=body)

    async def page(self, path: str) -> str:
        """A page as text. Raises aiohttp.ClientError where there is none."""
        if not self._token:
            await self._log_in()
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.get(self._url + path, headers=headers, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise aiohttp.ClientResponseError(response.request_info, (), status=response.status)
            return await response.text()

    async def _asked(self, method: str, path: str, **given: Any) -> Any:
        if not self._token:
            await self._log_in()
        try:
            return await self._sent(method, path, **given)
        except aiohttp.ClientResponseError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
        await self._log_in()
        return await self._sent(method, path, **given)

    async def _log_in(self) -> None:
        self._token = ""
        known = {"person": self.person.id, "password": self._password.read_text()}
        self._token = (await self._sent("POST", "/sessions", json=known))["token"]

    async def _sent(self, method: str, path: str, **given: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with self._session.request(method, self._base + path, headers=headers, **given) as response:
            return await response.json() if response.content_type == "application/json" else await response.text()

"""Alerts, time and people around the incidents of a real receiver. What Prometheus says of sight is put in as its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from receiver.incidents.members import Stand
from receiver.incidents.store import Incident
from receiver.policy import Escalation
from receiver.reconciliation import note_sights, unasked
from receiver.rulebook import Rulebook
from receiver.sight import Sight
from receiver.store import Delivery, record
from tests.receiver import support
from tests.receiver.house import House, Moving, Place, world

GROUPS = {"oncall": ("opal", "otto"), "everybody": ("*",)}
WITHIN = 300
"""Seconds until what nobody acknowledges escalates."""


def escalation(within: str, *then: str) -> Escalation:
    """As the policy's file says it."""
    return Escalation.model_validate({"severity": "page", "acknowledge_within": within, "then": then})


ESCALATION = (escalation("5m", "oncall", "commander", "everybody"),)


@dataclass
class Scene:
    """A receiver whose incidents are looked after when a test says so."""

    house: House

    @property
    def clock(self) -> Moving:
        return self.house.place.clock

    async def fire(
        self, name: str = "NodeLagging", entity: str = "ethereum/alchemy", *, ago: float = 0, **labels: str
    ) -> None:
        """An alert of severity page began to fire, or did so `ago` seconds before."""
        await self._say(support.alert(name, starts=self._since(ago), labels={"entity": entity, **labels}))

    async def recover(
        self, name: str = "NodeLagging", entity: str = "ethereum/alchemy", *, ago: float = 0, **labels: str
    ) -> None:
        """It fires no more; it began `ago` seconds before."""
        starts, ends = self._since(ago), self.clock()
        await self._say(support.alert(name, starts=starts, ends=ends, labels={"entity": entity, **labels}))

    async def _say(self, alert: Mapping[str, Any]) -> None:
        delivery = Delivery("alertmanager", self.clock(), support.message(alert))
        await self.house.writer.run(lambda connection: record(connection, delivery))

    def _since(self, ago: float) -> int:
        return self.clock() - int(ago * support.MINUTE / 60)

    async def answered(self, sight: Sight) -> None:
        """Prometheus is asked of every end that it was not asked of yet, and says this."""
        now = self.clock()
        await self.house.writer.run(
            lambda connection: note_sights(connection, dict.fromkeys(unasked(connection, now), sight), now)
        )

    async def look(self) -> None:
        await self.house.watch.look()

    async def stands(self) -> list[Stand]:
        """All incidents, what goes on first."""
        return await self.house.room.incidents(1000)

    async def one(self) -> Incident:
        """The only one."""
        [stand] = await self.stands()
        return stand.incident

    def kinds(self, incident: Incident) -> list[str]:
        """What the audit tells of it, from the beginning."""
        entries = (entry for entry in self.house.recorded() if entry["subject"] == incident.subject)
        return [entry["kind"].removeprefix("incident.") for entry in entries]

    def told(self) -> list[str]:
        """What people were told about incidents, from the first: of what kind."""
        return [kind.removeprefix("incident_") for kind, _, _ in self.house.notices() if kind.startswith("incident")]

    def notice(self, number: int = -1) -> dict[str, Any]:
        """A row of the outbox, the newest where none is said."""
        row = self.house.rows("SELECT * FROM outbox ORDER BY id")[number]
        return {**row, "text": orjson.loads(row["text"])}


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """With a policy that escalates."""
    async with world(folder) as outside, at_work(outside) as made:
        yield made


@asynccontextmanager
async def at_work(outside: Place) -> AsyncIterator[Scene]:
    """A receiver of this world, until the end of the context."""
    async with outside.house() as house:
        book = house.desk.rules.current
        policy = book.policy.model_copy(update={"groups": GROUPS, "escalation": ESCALATION})
        await house.desk.adopt(Rulebook(book.catalogue, policy), "receiver")
        yield Scene(house)

"""Canaries that tell whether it is them or us. The far side is a server in the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from occ import egress
from occ.config import Canary, ExporterConfig, Secret
from occ.metrics import KERNEL_FAMILIES, Catalogue
from occ.page import Page
from occ.poller import Poller
from tests.occ.samples import rows, sample
from tests.occ.servers import listening

CANARY = "c4n4ry-k3y"


@asynccontextmanager
async def answering(status: int) -> AsyncIterator[str]:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "http://127.0.0.1:1/"} if status < 400 else {})

    async with listening(handler) as port:
        yield f"http://127.0.0.1:{port}/{CANARY}"


async def page(**urls: str) -> bytes:
    canaries = tuple(Canary.model_construct(name=name, url=Secret(url)) for name, url in urls.items())
    config = ExporterConfig.model_construct(egress=canaries)
    async with aiohttp.ClientSession() as session:
        poller = Poller("nodes", [egress.job(config, session)], Page(Catalogue(KERNEL_FAMILIES)))
        await poller.once()
        return poller.render()


@pytest.mark.parametrize("status", [200, 302, 404, 503])
async def test_any_answer_proves_that_our_way_out_works(status: int) -> None:
    async with answering(status) as url:
        assert rows(await page(a=url), "occ_egress_up") == {"a": 1}


async def test_no_answer_is_0_for_that_canary_alone() -> None:
    async with answering(200) as url:
        found = await page(a=url, b="http://127.0.0.1:1/", c="http://no.such.host.invalid/")
    assert rows(found, "occ_egress_up") == {"a": 1, "b": 0, "c": 0}


async def test_a_canary_that_does_not_answer_is_a_finding_and_no_failed_read() -> None:
    found = await page(b=f"http://127.0.0.1:1/{CANARY}")
    assert sample(found, "occ_target_up", target="egress/b", check="egress") == 1
    assert CANARY.encode() not in found

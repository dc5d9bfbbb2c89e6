from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.furnished import furnish
from tests.browser.site import Site, site
from tests.browser.tabs import browsing


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def furnished(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A receiver with something of every kind in it; nothing in it is changed by the tests that share it."""
    async with site(tmp_path_factory.mktemp("site")) as made:
        await furnish(made)
        yield made

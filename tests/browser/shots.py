"""Pictures of every page: `python -m tests.browser.shots FOLDER [PERSON]`, on a phone and on a desk, light and dark.

Other people see other buttons: opal is an operator, tara a trader, rita risk, cora a commander.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from tests.browser.furnished import furnish
from tests.browser.site import site
from tests.browser.tabs import DESK, PHONE, browsing, tab

LOOKS = ((PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark"))


async def shoot(folder: Path, person: str) -> int:
    """How many pictures it has made."""
    made = 0
    with tempfile.TemporaryDirectory() as place:
        async with site(Path(place)) as found, browsing() as browser:
            await furnish(found)
            for width, scheme in LOOKS:
                async with tab(browser, found.url, width=width, scheme=scheme) as one:  # type: ignore[arg-type]
                    await found.log_in(one, person)
                    for path in found.pages:
                        await one.open(path)
                        await one.page.evaluate("[...document.images].forEach(one => { one.loading = 'eager' })")
                        await one.page.wait_for_load_state("networkidle")
                        name = re.sub(r"\W+", "-", path).strip("-") or "now"
                        await one.page.screenshot(path=folder / f"{name}.{width}.{scheme}.png", full_page=True)
                        made += 1
    return made


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder, person = Path(sys.argv[1]), (sys.argv[2:] or ["rita"])[0]
    print(f"{asyncio.run(shoot(folder, person))} pictures in {folder}")  # noqa: T201

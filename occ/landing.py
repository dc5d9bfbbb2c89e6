"""`/`: what this is, how it is doing, and where its parts are."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Sequence

from aiohttp import web

from occ import __version__
from occ.html import ago, page
from occ.state import JobState, TargetState
from occ.web import Handler

MOST_NAMED = 20

LINKS = (
    ("/metrics", "what Prometheus scrapes"),
    ("/debug", "jobs with their timing, recent complaints, the configuration without its secrets"),
    ("/probe", "reads one target now: <code>/probe?target=NAME</code>, more with <code>&amp;debug=true</code>"),
    ("/-/healthy", "whether the process runs"),
    ("/-/ready", "whether everything was read once"),
)


def handler(name: str, summary: str, jobs: Callable[[], Sequence[JobState]], digest: Callable[[], str]) -> Handler:
    """The landing page of an exporter."""
    links = "".join(f'<li><a href="{path}">{path}</a> <span class="soft">{text}</span></li>' for path, text in LINKS)

    async def landing(_: web.Request) -> web.Response:
        states = jobs()
        return page(
            f"occ {name}",
            f"<h1>occ {html.escape(name)}</h1>",
            f'<p class="soft">{html.escape(summary)}</p>',
            _standing([target for job in states for target in job.targets]),
            *map(_down, states),
            f"<h2>Here</h2><ul>{links}</ul>",
            f'<p class="soft foot">Version {__version__} · configuration <code>{html.escape(digest())}</code></p>',
        )

    return landing


def _standing(targets: Sequence[TargetState]) -> str:
    up = sum(target.up for target in targets)
    last = max((target.attempt_at for target in targets if target.attempt_at is not None), default=None)
    mood = "good" if up == len(targets) else "bad"
    return f'<p class="big {mood}">{up:,} of {len(targets):,} targets up</p><p class="soft">last read: {ago(last)}</p>'


def _down(job: JobState) -> str:
    """Those that are down, by reason; a crowd of them by number."""
    down = [target for target in job.targets if not target.up]
    if not down:
        return ""
    reasons = Counter(_reason(target) for target in down)
    counted = ", ".join(f"{number:,} {reason}" for reason, number in reasons.most_common())
    rows = "".join(
        f'<li><span class="bad">{html.escape(_reason(target))}</span> {html.escape(target.id)} '
        f'<span class="soft">last success: {ago(target.success_at)}</span></li>'
        for target in down[:MOST_NAMED]
    )
    more = f'<li class="soft">and {len(down) - MOST_NAMED:,} more</li>' if len(down) > MOST_NAMED else ""
    return f"<h2>Down in {html.escape(job.check)}: {counted}</h2><ul>{rows}{more}</ul>"


def _reason(target: TargetState) -> str:
    return str(target.reason) if target.reason else "not read yet"

"""`/debug`: what somebody wants to know who looks into why a process does not do as it should. Never a URL, never a key."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from occ import __version__, auth
from occ.connections import Connections
from occ.html import ago, facts, instant, page, table
from occ.logs import Recent
from occ.process import Beat
from occ.reload import Reloader
from occ.state import JobState, TargetState
from occ.web import qualities
from occ.webconfig import WebConfigFile

MOST_SHOWN = 200


@dataclass(eq=False)
class Debug:
    """Gathers and shows it. `jobs` are as they stand, `shown` is the configuration as it may be seen."""

    name: str
    jobs: Callable[[], tuple[JobState, ...]]
    render: Callable[[], bytes]
    reloader: Reloader[Any]
    rules: WebConfigFile
    beat: Beat
    recent: Recent
    shown: Callable[[], object]
    connections: list[Connections] = field(default_factory=list)
    started_at: float = field(default_factory=time.time)

    async def handle(self, request: web.Request) -> web.Response:
        """`GET /debug`, in HTML, or in JSON where that is asked for."""
        if not auth.trusted(request):
            return web.Response(status=403, text="only from this machine, or with a login (--web.config.file)\n")
        found = self.gathered()
        accepted = qualities(request.headers.get("Accept", ""))
        as_json = accepted.get("application/json", 0.0) > accepted.get("text/html", 0.0)
        if request.query.get("format", "json" if as_json else "html") == "json":
            headers = {"Cache-Control": "no-store"}
            return web.Response(body=orjson.dumps(found), content_type="application/json", headers=headers)
        return shown(found)

    def gathered(self) -> dict[str, Any]:
        """Everything, as plain data. Times are Unix seconds."""
        body, jobs, lags = self.render(), self.jobs(), self.beat.lags
        last, rules = self.reloader.last, self.rules.current()
        return {
            "process": {"name": self.name, "version": __version__, "started_at": self.started_at},
            "configuration": {
                "hash": self.reloader.loaded.digest,
                "loaded_at": self.reloader.loaded_at,
                "last_reload": None if last is None else {"at": last.at, "problems": last.problems},
                "values": self.shown(),
            },
            "web": {
                "tls": rules.tls is not None,
                "client_auth_type": rules.client_auth,
                "users": len(rules.users),
                "problems": self.rules.problems,
                "connections": sum(map(len, self.connections)),
                "turned_away": sum(each.turned_away for each in self.connections),
            },
            "event_loop_lag_seconds": {
                "last": lags[-1] if lags else None,
                "worst_of_a_minute": max(lags, default=None),
            },
            "page": {
                "bytes": len(body),
                "series": body.count(b"\n") - body.count(b"\n#") - body.startswith(b"#"),
                "series_by_check": series_by_check(jobs),
            },
            "jobs": [_job(job) for job in jobs],
            "recent": list(self.recent.complaints),
        }


def series_by_check(jobs: tuple[JobState, ...]) -> dict[str, int]:
    """How many series each check shows."""
    found: dict[str, int] = {}
    for job in jobs:
        found[job.check] = found.get(job.check, 0) + job.series
    return found


def _job(job: JobState) -> dict[str, Any]:
    down = [target for target in job.targets if not target.up]
    return {
        "check": job.check,
        "targets": len(job.targets),
        "up": len(job.targets) - len(down),
        "stale": sum(target.stale for target in job.targets),
        "interval_seconds": job.pace.interval,
        "timeout_seconds": job.pace.timeout,
        "stale_after_seconds": job.pace.stale_after,
        "last_duration_seconds": job.took,
        "due_in_seconds": job.due_in,
        "failures_in_a_row": max((target.failures for target in job.targets), default=0),
        "stream": {None: "none", True: "followed", False: "lost"}[job.stream],
        "series": job.series,
        "down": [_target(target) for target in down[:MOST_SHOWN]],
    }


def _target(target: TargetState) -> dict[str, Any]:
    return {
        "target": target.id,
        "reason": target.reason,
        "failures_in_a_row": target.failures,
        "last_success_at": target.success_at,
        "last_attempt_at": target.attempt_at,
    }


# --- in HTML ---------------------------------------------------------------------------------------------------------


def shown(found: dict[str, Any]) -> web.Response:
    """The page of what was gathered."""
    return page(
        f"occ {found['process']['name']}: debug",
        f'<h1><a href="/">occ {html.escape(found["process"]["name"])}</a>: debug</h1>',
        _facts(found),
        "<h2>Jobs</h2>",
        _jobs(found["jobs"]),
        _down(found["jobs"]),
        "<h2>Recent complaints</h2>",
        _text("\n".join(found["recent"]) or "none"),
        "<h2>Configuration, without its secrets</h2>",
        _text(json.dumps(found["configuration"]["values"], indent=2, ensure_ascii=False)),
        '<p class="soft">The same for programs: <a href="/debug?format=json">/debug?format=json</a></p>',
    )


def _text(text: str) -> str:
    return f'<div class="wide"><pre>{html.escape(text)}</pre></div>'


def _facts(found: dict[str, Any]) -> str:
    config, served, size, lag = (found[key] for key in ("configuration", "web", "page", "event_loop_lag_seconds"))
    by_check = ", ".join(f"{check} {number:,}" for check, number in size["series_by_check"].items())
    rows = [
        ("version", found["process"]["version"]),
        ("started", f"{instant(found['process']['started_at'])}, {ago(found['process']['started_at'])}"),
        ("configuration", f"{config['hash']}, loaded {ago(config['loaded_at'])}"),
        ("last reload", _reload(config["last_reload"])),
        ("TLS and logins", _served(served)),
        ("connections", f"{served['connections']:,} open, {served['turned_away']:,} turned away"),
        ("event loop lag", f"last {_ms(lag['last'])}, worst of a minute {_ms(lag['worst_of_a_minute'])}"),
        ("page", f"{size['bytes']:,} bytes, {size['series']:,} series"),
        ("series by check", by_check),
    ]
    return facts(rows)


def _reload(last: dict[str, Any] | None) -> str:
    if last is None:
        return "none"
    return f"{ago(last['at'])}: {'; '.join(last['problems']) or 'in force'}"


def _served(served: dict[str, Any]) -> str:
    problems = "; ".join(served["problems"])
    login = f"{served['users']} users" if served["users"] else "no login"
    tls = f"TLS, {served['client_auth_type']}" if served["tls"] else "no TLS"
    return f"{tls}; {login}{f'; its file is refused: {problems}' if problems else ''}"


def _ms(seconds: float | None) -> str:
    return "not known yet" if seconds is None else f"{1000 * seconds:.1f} ms"


def _jobs(jobs: list[dict[str, Any]]) -> str:
    head = (
        "check",
        "up",
        "of",
        "stale",
        "every s",
        "timeout s",
        "took s",
        "due in s",
        "failures in a row",
        "stream",
        "series",
    )
    keys = ("check", "up", "targets", "stale", "interval_seconds", "timeout_seconds", "last_duration_seconds",
            "due_in_seconds", "failures_in_a_row", "stream", "series")  # fmt: skip
    return table(head, [tuple(job[key] for key in keys) for job in jobs])


def _down(jobs: list[dict[str, Any]]) -> str:
    rows: list[tuple[object, ...]] = [
        (
            down["target"],
            job["check"],
            down["reason"] or "not read yet",
            down["failures_in_a_row"],
            ago(down["last_success_at"]),
        )
        for job in jobs
        for down in job["down"]
    ]
    if not rows:
        return ""
    return "<h2>Down</h2>" + table(
        ("target", "check", "reason", "failures in a row", "last success"), rows[:MOST_SHOWN]
    )

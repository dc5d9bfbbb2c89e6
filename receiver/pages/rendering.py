"""Templates, and what they may use."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from yarl import URL

from occ import __version__
from receiver import clock
from receiver.api.errors import Failure
from receiver.config import ReceiverConfig, Server
from receiver.requests import new_id
from receiver.text import shown
from receiver.why import SENTENCES, Why

from . import text

HERE = Path(__file__).parents[1]

MENU = (
    ("/", "Now"),
    ("/incidents", "Incidents"),
    ("/approvals", "Approvals"),
    ("/actions", "Actions"),
    ("/freeze", "Freeze"),
)
MORE = (("/history", "History"), ("/automation", "Automation"), ("/audit", "Audit"), ("/health", "Health"))
"""The pages that every page leads to: those that are needed in a hurry, and the others."""


@cache
def templates() -> Environment:
    """All of them, compiled: nobody waits for that at the first look. Everything is escaped; a name that is not there is an error."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"rfc3339": text.rfc3339, "readable": text.readable, "length": clock.span}
    made.filters |= {"ago": text.ago, "until": text.between, "sentence": text.sentence, "meaning": _meaning}
    made.filters |= {"link": text.web_link, "host": text.host_of, "clip": text.clip, "shown": shown}
    made.filters |= {
        "length_of": len,
        "trimmed": text.trimmed,
        "flat": text.flat,
        "in_order": text.in_order,
        "paired": _paired,
    }
    made.tests |= {"failure": lambda value: isinstance(value, Failure)}
    made.globals |= {"version": __version__, "new_id": new_id, "menu": MENU, "more": MORE}
    for name in made.list_templates():
        made.get_template(name)
    return made


def servers(config: ReceiverConfig) -> dict[str, str]:
    """Names and addresses of the servers that the pages link to."""
    known = {"Prometheus": config.prometheus, "Alertmanager": config.alertmanager, "Grafana": config.grafana}
    return {name: _public(server) for name, server in known.items() if server}


def _paired(value: str) -> tuple[str, str]:
    """An option of a form that says what it is."""
    return value, value


def _meaning(why: Why) -> str:
    return text.sentence(SENTENCES[why])


def _public(server: Server) -> str:
    """The server's address as a page may show it: keys can stand in user info and query."""
    return str(URL(server.url.reveal()).with_user(None).with_query(None).with_fragment(None))


def render(template: str, values: dict[str, Any]) -> str:
    return templates().get_template(template).render(**values)

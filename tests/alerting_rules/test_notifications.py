"""The shipped routing in a real Alertmanager: what is muted, what never is, and what each receiver gets.

Addresses and secrets lead to a sink of ours; every wait is divided by 30, inhibition and grouping are as shipped.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from demo import timescale
from demo.parts import locate
from demo.processes import Part, Supervisor, free_ports
from demo.relocate import relocated
from demo.until import until
from tests.alerting_rules import checks
from tests.alerting_rules.checks import ALERTMANAGER, Document

TOKEN = "the-token-of-the-file"
FASTER = 30
WITHIN = 60.0

Alert = dict[str, str]

ANNOTATIONS = {
    name: f"https://occ.example/its-{name}?a=b&c=d" if name.endswith("_url") else f"its {name}"
    for name in checks.ANNOTATIONS
}


@dataclass
class Sink:
    """Whatever Alertmanager posts, by path."""

    url: str = ""
    got: list[tuple[str, str, Any]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.got.append((request.path, request.headers.get("Authorization", ""), json.loads(body)))
        return web.json_response({"status": "success"}, status=202 if request.path == "/v2/enqueue" else 200)

    def at(self, path: str) -> list[Any]:
        return [body for where, _, body in self.got if where == path]


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    application = web.Application()
    application.router.add_post("/{path:.*}", sink.take)
    async with TestServer(application) as server:
        sink.url = str(server.make_url("")).rstrip("/")
        yield sink


def led_to(sink: Sink, secrets: Path, shipped: Any) -> Any:
    """The configuration with its addresses and files replaced, at every depth."""
    if isinstance(shipped, dict):
        return {key: led_to(sink, secrets, value) for key, value in shipped.items()}
    if isinstance(shipped, list):
        return [led_to(sink, secrets, value) for value in shipped]
    for here, there in (
        ("/run/secrets", str(secrets)),
        ("https://receiver:9720", sink.url),
        ("https://dead-mans-switch.example", sink.url),
    ):
        shipped = shipped.replace(here, there) if isinstance(shipped, str) else shipped
    return shipped


@pytest.fixture
def configuration(sink: Sink, tmp_path: Path) -> Path:
    config = led_to(sink, tmp_path, checks.load(ALERTMANAGER))
    config["global"]["pagerduty_url"] = f"{sink.url}/v2/enqueue"
    config["templates"] = [str(ALERTMANAGER.parent / pattern) for pattern in config["templates"]]
    config["route"] = timescale.routing(config["route"], FASTER)
    # Tickets are looked at too, whatever the day and hour of this test.
    config["time_intervals"][0]["time_intervals"] = [{"weekdays": ["sunday:saturday"]}]
    for name, secret in (
        ("am_token", TOKEN),
        ("pagerduty_routing_key", "the-routing-key"),
        ("slack_url", f"{sink.url}/slack"),
        ("receiver.crt", trustme.CA().cert_pem.bytes().decode()),
    ):
        (tmp_path / name).write_text(secret)
    written = tmp_path / "alertmanager.yml"
    written.write_text(yaml.safe_dump(config))
    return written


@dataclass(frozen=True)
class Alertmanager:
    session: aiohttp.ClientSession
    url: str

    async def fire(self, alerts: Iterable[Alert], annotations: Document | None = None) -> None:
        body = [{"labels": labels, "annotations": annotations or {}} for labels in alerts]
        async with self.session.post(f"{self.url}/api/v2/alerts", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def muted(self) -> dict[bool, list[Alert]]:
        """What it knows, split by whether it is inhibited."""
        async with self.session.get(f"{self.url}/api/v2/alerts") as answer:
            known = await answer.json()
        states: dict[bool, list[Alert]] = {True: [], False: []}
        for alert in known:
            states[bool(alert["status"]["inhibitedBy"])].append(alert["labels"])
        return states


@pytest.fixture
async def alertmanager(configuration: Path, tmp_path: Path) -> AsyncIterator[Alertmanager]:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = (
        relocated(locate("alertmanager")),
        f"--config.file={configuration}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    async with Supervisor(tmp_path / "logs") as supervisor, aiohttp.ClientSession() as session:
        await supervisor.start(Part("alertmanager", command, f"{url}/-/ready"))
        yield Alertmanager(session, url)


def alert(name: str, parent: str, child: str = "", **changed: str) -> Alert:
    """As the rules make it: of a chain or one of its nodes, of a venue or one of its symbols."""
    (rule,) = (one for one in checks.shipped_alerts() if one.name == name)
    entity = f"{parent}/{child}" if child else parent
    exporter = {"exporter": "nodes"} if name in ("SightLost", "EgressDown") else {}
    severity = {"severity": "page"} if rule.labels["severity"] == checks.BY_TIER else {}
    return {"alertname": name, **rule.labels, "entity": entity, "parent": parent, **exporter, **severity, **changed}


def told(alerts: Iterable[Alert]) -> list[str]:
    return sorted(f"{one['alertname']} {one['entity']} {one['domain']}" for one in alerts)


# Each chain and each venue is a story of its own; nothing of one may touch another.
FIRING = [
    alert("ChainBlind", "blind"),
    alert("NodeDown", "blind", "a"),
    alert("NodeLagging", "blind", "b"),
    alert("SightLost", "blind", "a"),
    alert("NodeWrongChain", "blind", "c"),
    alert("ChainStalled", "stalled"),
    alert("ChainBlind", "stalled"),
    alert("NodeLagging", "stalled", "a"),
    alert("NodeWrongChain", "stalled", "b"),
    alert("NodeDown", "well", "a"),
    alert("SightLost", "well", "a"),
    alert("SightLost", "well", "b"),
    alert("SightLost", "well", "a", exporter="pools"),
    alert("NodeWrongChain", "well", "c"),
    alert("NodeLagging", "well", "c"),
    alert("NodeLagging", "well", "d"),
    alert("NodeDown", "other", "a"),
    alert("NodeForked", "split", "a"),
    alert("ChainForked", "split"),
    alert("FinalityStalled", "split"),
    alert("FinalityLagging", "split"),
    alert("RpcAvailabilityBurning", "other"),
    alert("RpcAvailabilityEroding", "other"),
    alert("HeadFreshnessEroding", "other"),
    alert("VenueDown", "closed"),
    alert("FeedSilent", "closed", "BTC/USDT"),
    alert("SightLost", "closed", exporter="exchange"),
    alert("WithdrawalsHalted", "closed"),
    alert("VenueMaintenance", "repaired"),
    alert("SpreadWide", "repaired", "BTC/USDT"),
    alert("WithdrawalsSuspended", "repaired", "BTC"),
    alert("FeedFrozen", "stuck"),
    alert("BookFrozen", "stuck", "BTC/USDT"),
]
MUTED = [
    alert("NodeDown", "blind", "a"),
    alert("NodeLagging", "blind", "b"),
    alert("SightLost", "blind", "a"),
    alert("ChainBlind", "stalled"),
    alert("NodeLagging", "stalled", "a"),
    alert("SightLost", "well", "a"),
    alert("NodeLagging", "well", "c"),
    alert("NodeForked", "split", "a"),
    alert("FinalityLagging", "split"),
    alert("RpcAvailabilityEroding", "other"),
    alert("FeedSilent", "closed", "BTC/USDT"),
    alert("SightLost", "closed", exporter="exchange"),
    alert("SpreadWide", "repaired", "BTC/USDT"),
    alert("BookFrozen", "stuck", "BTC/USDT"),
]
# Of the exporter that has lost its way out; another exporter's alerts are not concerned.
BLINDED = [
    alert("NodeDown", "ethereum", "a"),
    alert("ChainBlind", "base"),
    alert("ChainStalled", "gnosis"),
    alert("RpcAvailabilityBurning", "base"),
    alert("SightLost", "ethereum", "b"),
    alert("ManyNodesDown", "nodes"),
]
UNCONCERNED = [
    alert("NodeWrongChain", "ethereum", "c"),
    alert("ChainForked", "arbitrum"),
    alert("SightLost", "binance", "a", exporter="exchange"),
    alert("ExporterAbsent", "receiver"),
]


def untouchable() -> list[Alert]:
    """Watchdog and security pages, by every name and with every entity and parent that mutes somebody."""
    names = [one.name for one in checks.shipped_alerts()] + ["ImplementationChanged"]
    sources = [*FIRING, *BLINDED]
    places = [{"entity": source["entity"], "parent": source["parent"], "exporter": "nodes"} for source in sources]
    security = {"severity": "page", "domain": "security"}
    watchdog = {"severity": "none", "domain": "meta", "alertname": "Watchdog"}
    bare = [{"alertname": name, **security} for name in names]
    return [
        *({**watchdog, **place} for place in places),
        *({"alertname": name, **security, **place} for name in names for place in places),
        *({**one, "exporter": "nodes"} for one in bare),
        {"alertname": "Watchdog", "severity": "none", "domain": "meta"},
    ]


async def test_a_cause_mutes_its_consequences_and_nothing_else(alertmanager: Alertmanager) -> None:
    await alertmanager.fire(FIRING)

    async def settled() -> bool:
        return told((await alertmanager.muted())[True]) == told(MUTED)

    await until(settled, WITHIN)
    assert len((await alertmanager.muted())[False]) == len(FIRING) - len(MUTED)


async def test_without_our_own_way_out_one_page_stands_for_all(alertmanager: Alertmanager) -> None:
    egress = alert("EgressDown", "nodes", entity="egress")
    protected = {json.dumps(one, sort_keys=True) for one in untouchable()}
    await alertmanager.fire([egress, *BLINDED, *UNCONCERNED, *untouchable()])

    async def settled() -> bool:
        return told((await alertmanager.muted())[True]) == told(BLINDED)

    await until(settled, WITHIN)
    assert protected <= {json.dumps(one, sort_keys=True) for one in (await alertmanager.muted())[False]}


async def test_many_nodes_down_hides_no_chain(alertmanager: Alertmanager, sink: Sink) -> None:
    """An outage of testnets lasts and is known; then one more chain goes blind."""
    tickets = [alert("NodeDown", "testnet", "a"), alert("SightLost", "testnet", "b"), alert("ChainFewNodes", "base")]
    chains = [
        alert("ChainBlind", "ethereum"),
        alert("RpcAvailabilityBurning", "base"),
        alert("HeadFreshnessBurning", "gnosis"),
    ]
    await alertmanager.fire([alert("ManyNodesDown", "nodes"), *tickets, *chains])

    async def settled() -> bool:
        return told((await alertmanager.muted())[True]) == told(tickets)

    await until(settled, WITHIN)
    await until(arrived(sink, "/v2/enqueue", 4), WITHIN)
    paged = {page["payload"]["component"] for page in sink.at("/v2/enqueue")}
    assert paged == {"nodes", "ethereum", "base", "gnosis"}


async def test_most_venues_down_is_one_page_for_all_and_hides_no_money(alertmanager: Alertmanager) -> None:
    hidden = [
        alert("VenueDown", "a"),
        alert("FeedSilent", "b", "BTC/USDT"),
        alert("SightLost", "c", exporter="exchange"),
    ]
    seen = [alert("ManyVenuesDown", "exchange"), alert("WithdrawalsHalted", "a"), alert("NodeDown", "ethereum", "a")]
    await alertmanager.fire([*hidden, *seen])

    async def settled() -> bool:
        return told((await alertmanager.muted())[True]) == told(hidden)

    await until(settled, WITHIN)
    assert told((await alertmanager.muted())[False]) == told(seen)


def of_accounts_and_the_engine() -> list[Alert]:
    """Every one of them, of one account, and each page a page."""
    files = (checks.RULES / f"alerts/exchange_{name}.yml" for name in ("accounts", "engine"))
    names = [one.name for file in files for one in checks.alerts_of(checks.load(file))]
    return [alert(name, *(("engine",) if name.startswith("Engine") else ("a", "desk"))) for name in names]


async def test_nothing_that_a_venue_is_or_says_mutes_what_concerns_money(alertmanager: Alertmanager) -> None:
    venue = [alert(name, "a") for name in ("VenueDown", "VenueMaintenance", "RateLimitBanned", "WithdrawalsHalted")]
    many = alert("ManyVenuesDown", "exchange")
    hidden = [
        alert("VenueDown", "a"),
        alert("SpreadWide", "a", "BTC/USDT"),
        alert("MarkDeviating", "a", "BTC/USDT:USDT"),
        alert("SightLost", "a", "desk", exporter="exchange"),
        alert("MarginUsageRising", "a", "desk"),
        alert("EnginePositionUnchecked", "engine"),
    ]
    told_of = [*of_accounts_and_the_engine(), *venue, many, *hidden]
    every = {json.dumps(one, sort_keys=True): one for one in told_of}.values()
    await alertmanager.fire(every)

    async def settled() -> bool:
        return told((await alertmanager.muted())[True]) == told(hidden)

    await until(settled, WITHIN)
    assert len((await alertmanager.muted())[False]) == len(every) - len(hidden) > 20


async def test_without_our_own_way_out_blind_accounts_are_no_news_and_all_else_about_them_is(
    alertmanager: Alertmanager,
) -> None:
    egress = alert("EgressDown", "exchange", entity="egress", exporter="exchange")
    hidden = [alert("AccountBlind", "a", "desk"), alert("VenueDown", "b")]
    seen = [
        alert("KeyMayWithdraw", "a", "desk"),
        alert("MarginUsageHigh", "a", "desk"),
        alert("EngineSilent", "engine"),
    ]
    await alertmanager.fire([egress, *hidden, *seen])

    async def settled() -> bool:
        return told((await alertmanager.muted())[True]) == told(hidden)

    await until(settled, WITHIN)
    assert told((await alertmanager.muted())[False]) == told([egress, *seen])


async def test_what_is_wrong_with_a_chain_stands_for_its_pools(alertmanager: Alertmanager) -> None:
    def lost(chain: str, child: str = "", check: str = "state") -> Alert:
        return alert("SightLost", chain, child, exporter="pools", check=check)

    hidden = [
        lost("blind", "weth-usdc"),
        lost("blind", check="head"),
        alert("PoolEventsBehind", "stalled"),
        lost("stalled", "weth-usdc"),
        lost("unheard", "feeds/eth-usd"),
        lost("unheard", check="events"),
        alert("OracleStale", "rollup", "eth-usd"),
        alert("OracleDeviating", "well", "btc-usd"),
    ]
    seen = [
        alert("ChainBlind", "blind"),
        alert("ChainStalled", "stalled"),
        lost("unheard", check="head"),
        alert("SequencerDown", "rollup"),
        alert("OracleAtBound", "well", "btc-usd"),
        *(alert(name, "blind", "weth-usdc") for name in ("PoolDrained", "PoolManipulated", "PoolDepegged")),
        alert("PositionOutOfRange", "blind", "lp-1"),
        lost("well", "weth-usdc"),
        alert("OracleStale", "well", "eth-usd"),
        alert("OracleDeviating", "well", "usdc-usd"),
    ]
    await alertmanager.fire([*hidden, *seen])

    async def settled() -> bool:
        return told((await alertmanager.muted())[True]) == told(hidden)

    await until(settled, WITHIN)
    assert told((await alertmanager.muted())[False]) == told(seen)


async def test_nothing_mutes_security_pages_or_the_watchdog(alertmanager: Alertmanager) -> None:
    protected = {json.dumps(one, sort_keys=True) for one in untouchable()}
    await alertmanager.fire([*untouchable(), *FIRING])

    async def inhibition_works() -> dict[bool, list[Alert]]:
        states = await alertmanager.muted()
        seen = len(states[True]) + len(states[False])
        return states if len(states[True]) >= len(MUTED) and seen == len(protected) + len(FIRING) else {}

    states = await until(inhibition_works, WITHIN)
    assert told(states[True]) == told(MUTED)
    assert protected <= {json.dumps(one, sort_keys=True) for one in states[False]}


async def test_the_receiver_gets_each_alert_with_the_token_and_is_told_of_the_end(
    alertmanager: Alertmanager, sink: Sink
) -> None:
    await alertmanager.fire([alert("NodeLagging", "well", "a"), alert("NodeDown", "well", "b")])
    await until(arrived(sink, "/alertmanager", 2), WITHIN)
    assert {header for path, header, _ in sink.got if path == "/alertmanager"} == {f"Bearer {TOKEN}"}
    assert [len(body["alerts"]) for body in sink.at("/alertmanager")] == [1, 1]
    ended = [{"labels": alert("NodeDown", "well", "b"), "endsAt": "2020-01-01T00:00:00Z"}]
    async with alertmanager.session.post(f"{alertmanager.url}/api/v2/alerts", json=ended) as answer:
        assert answer.status == 200
    await until(arrived(sink, "/alertmanager", 3), WITHIN)
    assert [body["status"] for body in sink.at("/alertmanager")] == ["firing", "firing", "resolved"]


async def test_the_watchdog_is_repeated_to_both_who_wait_for_it(alertmanager: Alertmanager, sink: Sink) -> None:
    await alertmanager.fire([alert("Watchdog", "watchdog")])
    await until(arrived(sink, "/ping", 2), WITHIN)
    await until(arrived(sink, "/alertmanager", 2), WITHIN)
    assert not sink.at("/v2/enqueue")


async def test_a_page_tells_what_to_do_first_and_where_to_read_on(alertmanager: Alertmanager, sink: Sink) -> None:
    await alertmanager.fire([alert("ChainStalled", "base"), alert("NodeWrongChain", "base", "a")], ANNOTATIONS)
    await until(arrived(sink, "/v2/enqueue", 1), WITHIN)
    (page,) = sink.at("/v2/enqueue")
    assert page["routing_key"] == "the-routing-key"
    assert page["payload"]["summary"] == "its summary; its summary"
    assert (page["payload"]["severity"], page["payload"]["component"]) == ("critical", "base")
    first = page["payload"]["custom_details"]["first_action"]
    assert "ChainStalled base: its first_action" in first
    assert "NodeWrongChain base/a: its first_action" in first
    assert re.fullmatch(r"https://occ\.example/a/[0-9a-f]{16}", page["client_url"])
    assert len(set(re.findall(r"https://occ\.example/a/[0-9a-f]{16}", first))) == 2
    assert page["links"] == [
        {"text": "Runbook", "href": "https://occ.example/its-runbook_url?a=b&c=d"},
        {"text": "Board", "href": "https://occ.example/its-dashboard_url?a=b&c=d"},
    ]


async def test_a_ticket_and_an_alert_of_no_known_severity_are_heard_of(alertmanager: Alertmanager, sink: Sink) -> None:
    await alertmanager.fire([alert("NodeDown", "base", "a")], ANNOTATIONS)
    await alertmanager.fire([alert("NodeDown", "base", "a", severity="critical")])
    await until(arrived(sink, "/slack", 1), WITHIN)
    (attachment,) = sink.at("/slack")[0]["attachments"]
    assert attachment["title"] == "its summary"
    assert attachment["fallback"] == "its summary"
    description, first, links = attachment["text"].splitlines()
    assert (description, first) == ("its description", "First: its first_action")
    page, *rest = links.split(" ")
    assert re.fullmatch(r"<https://occ\.example/a/[0-9a-f]{16}\|Open>", page)
    assert page == f"<{attachment['title_link']}|Open>"
    assert rest == [
        "<https://occ.example/its-runbook_url?a=b&amp;c=d|Runbook>",
        "<https://occ.example/its-dashboard_url?a=b&amp;c=d|Board>",
    ]
    await until(arrived(sink, "/v2/enqueue", 1), WITHIN)
    assert sink.at("/v2/enqueue")[0]["payload"]["summary"] == "An alert of no known severity: NodeDown"


HOSTILE = {
    "summary": "<!channel> <@U1> @here *bold* [x](https://evil.example) \u202e\u200b&amp;\nsecond line",
    "description": "<https://evil.example|our page> " + "x" * 5000,
    "first_action": "{{ .ExternalURL }} `x` <script>alert(1)</script>",
    "runbook_url": "javascript:alert(1)",
    "dashboard_url": "https://evil.example/|x> <!here",
    "action_url": "https://evil.example/",
}


async def test_words_of_others_lead_nobody_astray(alertmanager: Alertmanager, sink: Sink) -> None:
    named = {"alertname": "<!everyone>", "entity": "a|b><!here>"}
    await alertmanager.fire([alert("NodeDown", "base", "a", **named), alert("ChainStalled", "base", **named)], HOSTILE)
    await until(arrived(sink, "/slack", 1), WITHIN)
    await until(arrived(sink, "/v2/enqueue", 1), WITHIN)
    (attachment,) = sink.at("/slack")[0]["attachments"]
    (page,) = sink.at("/v2/enqueue")
    assert attachment["mrkdwn_in"] == ["pretext"]
    for text in (attachment["title"], attachment["fallback"], attachment["text"]):
        assert not re.search(r"@\w|://evil|[\u202e\u200b]", text)
        assert re.findall(r"<[^>]*>?|>", text) in ([], [f"<{page_of(attachment['title_link'])}|Open>"])
    assert attachment["title"].startswith("&lt;!channel&gt; &lt;@\u2060U1&gt; @\u2060here *bold* ")
    assert len(attachment["text"]) < 2000
    assert page_of(page["client_url"])
    assert not page.get("links")


def page_of(link: str) -> str:
    """The link, which leads to an alert's page of ours."""
    assert re.fullmatch(r"https://occ\.example/a/[0-9a-f]{16}", link)
    return link


def arrived(sink: Sink, path: str, count: int) -> Callable[[], Any]:
    async def enough() -> bool:
        return len(sink.at(path)) >= count

    return enough

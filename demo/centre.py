"""The demo's centre: which parts there are, where each listens, and what is written for them before they start."""

import contextlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from . import actions, grafana, parts, people, settings, timescale
from .chain import anvil_part
from .parts import ROOT, locate, web_assets
from .processes import Part, free_ports, living
from .venue.binance.venue import ACCOUNTS, VIEWER

NODES = settings.NODES
CANARIES = ("canary-a", "canary-b", "canary-c")
VENUES = {"binance": "binance", "bourse": "binance", "kraken": "kraken"}
"""Three venues by name, and what each speaks."""
TRADED, ACCOUNT = "binance", "trader"
"""Where the desk's engine has orders, and as whom."""
HELD = tuple(name for name, kind in VENUES.items() if kind == "binance")
"""Where that account is: what is there counts, whether or not anybody trades with it."""
CONTRACT, POSITION, WALLET = settings.CONTRACT, "2", "20000"
"""What it holds there, in BTC, and what the account for contracts has to begin with, in USDT: enough, and not by much."""
PARTS = (
    "anvil",
    "fork",
    "market",
    "proxy",
    "pager",
    "venues",
    "engine",
    "nodes",
    "exchange",
    "pools",
    "receiver",
    "alertmanager",
    "prometheus",
    "grafana",
)
SCRAPED = ("nodes", "exchange", "pools", "engine", "receiver", "prometheus", "alertmanager")
RULES = ROOT / "alerting-rules"
RUNS = ROOT / ".demo"
NOTHING: Mapping[str, str] = {}
_STATE = "demo.json"


class NoDemo(Exception):  # noqa: N818 - it names what is the matter
    """There is no demo running."""


class Centre:
    """One run of the demo in a folder of its own; every address is on loopback, every port free a moment ago."""

    def __init__(self, run: Path, scale: float, ports: Mapping[str, int] | None = None) -> None:
        self.run, self.scale = run, scale
        self.logs, self._config = run / "logs", run / "config"
        self.secrets = run / "secrets"
        self._token, self._engine_token = self.secrets / "am_token", self.secrets / "engine_token"
        self._venue_key, self._venue_secret = self.secrets / "venue_key", self.secrets / "venue_secret"
        self._trade_key, self._trade_secret = self.secrets / "trade_key", self.secrets / "trade_secret"
        self.script = run / "scripts/evidence"
        names = (*PARTS, *NODES, *CANARIES)
        self._ports = dict(ports or zip(names, free_ports(len(names)), strict=True))
        self.jobs = {name: self.address(name) for name in SCRAPED}

    @classmethod
    def running(cls, run: Path | None = None) -> Self:
        """The centre of the running demo in this folder, or of the one that was started last. Raises NoDemo."""
        states = [run / _STATE] if run else sorted(RUNS.glob(f"*/{_STATE}"), reverse=True)
        for state in states:
            with contextlib.suppress(FileNotFoundError):
                told = json.loads(state.read_text())
                if any(process.pid == told["pid"] for process in living()):
                    return cls(state.parent, told["scale"], told["ports"])
        where = f" in {run}" if run else ""
        raise NoDemo(f"no demo is running{where}: start one with `make demo` in another terminal")

    def announce(self) -> None:
        """From now on the centre is found by `running`."""
        state = {"pid": os.getpid(), "scale": self.scale, "ports": self._ports}
        (self.run / _STATE).write_text(json.dumps(state))

    def address(self, name: str) -> str:
        """HOST:PORT of a part or of one of the three nodes."""
        return f"127.0.0.1:{self._ports[name]}"

    def url(self, name: str) -> str:
        return f"http://{self.address(name)}"

    def write(self) -> None:
        """The run's folder: configuration, and a token that only this user can read."""
        for folder in (self.run, self.logs, self._config / "rules", self._token.parent):
            folder.mkdir(parents=True, mode=0o700)
        for file, text in self._secrets().items():
            file.touch(mode=0o600)
            file.write_text(text)
        self.script.parent.mkdir(mode=0o700)
        self.script.write_text(actions.SCRIPT.format(folder=self.run))
        self.script.chmod(0o700)
        for name, document in self._documents().items():
            self._write(name, document)
        if self._shows_boards:
            own, prometheus = self.url("receiver"), self.url("prometheus")
            grafana.write(self.run / "grafana", prometheus=prometheus, occ_url=own, repo_url=ROOT.as_uri())

    def write_rules(self) -> None:
        """The shipped rules on the time scale; Prometheus reads them when it is told to reload."""
        for pattern in _load(RULES / "prometheus.yml")["rule_files"]:
            for file in sorted(RULES.glob(pattern)):
                self._write(f"rules/{file.parent.name}-{file.name}", timescale.rules(_load(file), self.scale))

    def stages(self) -> tuple[tuple[Part, ...], ...]:
        """What may start at once, stage by stage: the chain, then all that look at it and at each other."""
        chains = anvil_part(self._ports["anvil"]), anvil_part(self._ports["fork"], name="fork")
        pager = self._module("pager", "demo.pager", "--port", str(self._ports["pager"]))
        first = *chains, self._market(), self._venues(), self._engine(), pager
        exporters = (self._exporter(name) for name in ("nodes", "exchange", "pools"))
        ours = self._proxy(), *exporters, self._receiver()
        return first, (*ours, self._prometheus(), self._alertmanager(), *self._grafana())

    def addresses(self) -> Mapping[str, str]:
        listed = {part.name: self.url(part.name) for stage in self.stages() for part in stage}
        return {**listed, "rules": self.url("prometheus") + "/api/v1/rules"}

    def _secrets(self) -> Mapping[Path, str]:
        trader = next(account for account in ACCOUNTS if account.name == ACCOUNT)
        return {
            self._trade_key: trader.api_key,
            self._trade_secret: trader.secret,
            **people.secret_files(self.secrets),
            self._token: secrets.token_urlsafe(32),
            self._engine_token: secrets.token_urlsafe(32),
            self._venue_key: VIEWER.api_key,
            self._venue_secret: VIEWER.secret,
        }

    def _documents(self) -> Mapping[str, dict[str, Any]]:
        own, prometheus, alertmanager = (self.url(name) for name in ("receiver", "prometheus", "alertmanager"))
        return {
            "nodes.yml": settings.nodes(
                {name: self.address(name) for name in NODES}, {name: self.url(name) for name in CANARIES}
            ),
            "exchange.yml": settings.exchange(
                {name: f"{self.url('venues')}/{name}" for name in VENUES},
                VENUES,
                self._venue_key,
                self._venue_secret,
                ACCOUNT,
            ),
            "receiver.yml": settings.receiver(
                self.run, self.secrets, own=own, prometheus=prometheus, alertmanager=alertmanager
            )
            | {"venues": {TRADED: self._traded()}},
            "actions.yml": actions.document(
                {"url": self.url("engine"), "token": {"file": str(self._engine_token)}},
                alertmanager,
                venues=tuple(VENUES),
                traded=(TRADED, ACCOUNT),
                script=self.script,
            ),
            "policy.yml": people.policy(self.secrets, self.run / "freeze"),
            "prometheus.yml": settings.prometheus(
                _load(RULES / "prometheus.yml"),
                self._config / "rules",
                self.jobs,
                urls={"occ_url": own, "repo_url": ROOT.as_uri()}
                | ({"grafana_url": self.url("grafana")} if self._shows_boards else {}),
            ),
            "alertmanager.yml": settings.alertmanager(
                _load(RULES / "alertmanager/alertmanager.yml"),
                self.scale,
                webhook=f"{own}/alertmanager",
                token=self._token,
                pager=self.url("pager"),
            ),
        }

    def _traded(self) -> dict[str, Any]:
        """The venue where the receiver may cancel what the engine has."""
        keys = {"api_key": {"file": str(self._trade_key)}, "secret": {"file": str(self._trade_secret)}}
        account = {**keys, "markets": [*settings.TRADED_MARKETS]}
        base_url = f"{self.url('venues')}/{TRADED}"
        return {"exchange": VENUES[TRADED], "base_url": base_url, "accounts": {ACCOUNT: account}}

    def _write(self, name: str, document: dict[str, Any]) -> None:
        (self._config / name).write_text(yaml.safe_dump(document, sort_keys=False, width=120))

    def _proxy(self) -> Part:
        offered = (f"{name}={self._ports[name]}" for name in (*NODES, *CANARIES))
        upstream = ("--upstream", self.url("anvil"), "--fork", self.url("fork"))
        return self._module("proxy", "demo.proxy", *upstream, "--admin-port", str(self._ports["proxy"]), *offered)

    def _market(self) -> Part:
        """A chain with pools, which writes the configuration of who reads them."""
        files = ("--config", str(self._config / "pools.yml"), "--state", str(self.run / "pools.db"))
        return self._module("market", "demo.pools", "--port", str(self._ports["market"]), *files)

    def _venues(self) -> Part:
        served = (word for name, kind in VENUES.items() for word in ("--venue", f"{name}={kind}"))
        # As deep as DepthThin wants it of a venue that is well.
        deep = "--symbols", "4", "--clip", "300000", "--wallet", WALLET
        return self._module("venues", "demo.venue", "--port", str(self._ports["venues"]), *deep, *served)

    def _exporter(self, name: str) -> Part:
        return self._module(name, f"exporters.{name}", *self._own_flags(name))

    def _engine(self) -> Part:
        """The desk's own: it quotes on every venue what the exporter follows there."""
        markets = (f"--venue={name}={','.join(settings.books(kind))}" for name, kind in VENUES.items())
        counted = (
            f"--{'trades' if name == TRADED else 'counts'}={name}={VENUES[name]}@{self.url('venues')}/{name}"
            for name in HELD
        )
        holds = f"--holds={TRADED}={CONTRACT}={POSITION}"
        file = str(self.run / "engine.json")
        flags = "--port", str(self._ports["engine"]), "--state", file, holds, *counted, *markets
        trader = next(account for account in ACCOUNTS if account.name == ACCOUNT)
        keys = {"ENGINE_TOKEN": self.engine_token, "VENUE_KEY": trader.api_key, "VENUE_SECRET": trader.secret}
        return self._module("engine", "demo.engine", *flags, **keys)

    @property
    def engine_token(self) -> str:
        """What lets in at the engine; empty before the run's folder is written."""
        return self._engine_token.read_text() if self._engine_token.exists() else ""

    def _receiver(self) -> Part:
        return self._module("receiver", "receiver", *self._own_flags("receiver"))

    def _module(self, name: str, module: str, *flags: str, **environment: str) -> Part:
        return self._part(name, [sys.executable, "-m", module, *flags], environment)

    def _own_flags(self, name: str) -> list[str]:
        return ["--config", str(self._config / f"{name}.yml"), "--web.listen-address", self.address(name)]

    def _alertmanager(self) -> Part:
        flags = ["--storage.path", str(self.run / "alertmanager"), "--cluster.listen-address="]
        return self._part("alertmanager", [locate("alertmanager"), *self._go_flags("alertmanager"), *flags])

    def _prometheus(self) -> Part:
        binary = locate("prometheus")
        flags = ["--storage.tsdb.path", str(self.run / "prometheus"), "--rules.alert.resend-delay=1s"]
        if assets := web_assets(binary):
            flags += [f"--web.local-assets={assets}/"]
        return self._part("prometheus", [binary, *self._go_flags("prometheus"), *flags])

    def _grafana(self) -> tuple[Part, ...]:
        """One, or none where this machine has none."""
        binary = parts.grafana()
        return () if binary is None else (grafana.grafana_part(binary, self.address("grafana"), self.run / "grafana"),)

    @property
    def _shows_boards(self) -> bool:
        return parts.grafana() is not None

    def _go_flags(self, name: str) -> list[str]:
        listen = ["--web.listen-address", self.address(name), "--web.external-url", self.url(name)]
        return ["--config.file", str(self._config / f"{name}.yml"), *listen]

    def _part(self, name: str, command: list[str | Path], environment: Mapping[str, str] = NOTHING) -> Part:
        return Part(name, command, f"{self.url(name)}/-/ready", environment={"PYTHONUNBUFFERED": "1", **environment})


def _load(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text())
    return loaded

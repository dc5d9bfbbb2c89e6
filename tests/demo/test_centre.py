"""What is written for the parts before they start, read by the parts themselves; and a verdict that can be bad."""

import io
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from demo import settings
from demo.centre import CANARIES, NODES, PARTS, RULES, Centre, NoDemo
from demo.parts import locate
from demo.scenario import Scenario, StepFailed
from demo.screen import Timeline, guide
from demo.views import Views


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    centre = Centre(tmp_path / "run", scale=10)
    centre.write()
    centre.write_rules()
    return centre


def config(centre: Centre, name: str) -> Path:
    return centre.run / "config" / name


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_prometheus_accepts_its_configuration_and_every_scaled_rule(centre: Centre) -> None:
    said = subprocess.run(
        [locate("promtool"), "check", "config", config(centre, "prometheus.yml")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    shipped = [*RULES.glob("alerts/*.yml"), *RULES.glob("recording/*.yml"), *RULES.glob("slo/generated.yml")]
    assert f"SUCCESS: {config(centre, 'prometheus.yml')} is valid" in said
    assert said.count(" rules found") == len(shipped) > 1


def test_alertmanager_accepts_its_configuration(centre: Centre) -> None:
    subprocess.run(
        [locate("amtool"), "check-config", config(centre, "alertmanager.yml")], check=True, capture_output=True
    )


@pytest.mark.parametrize(
    ("module", "name"),
    [("exporters.nodes", "nodes.yml"), ("exporters.exchange", "exchange.yml"), ("receiver", "receiver.yml")],
)
def test_our_own_processes_accept_theirs(centre: Centre, module: str, name: str) -> None:
    command = [sys.executable, "-m", module, "--config", str(config(centre, name)), "--check-config"]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_rules_are_on_the_time_scale(centre: Centre) -> None:
    shipped = load(RULES / "alerts/nodes.yml")["groups"][0]["rules"]
    scaled = load(config(centre, "rules/alerts-nodes.yml"))["groups"][0]["rules"]
    waits = [(old["for"], new["for"]) for old, new in zip(shipped, scaled, strict=True) if "for" in old]
    assert ("1m", "6s") in waits
    assert len(scaled) == len(shipped)


def test_nothing_can_be_sent_but_to_the_demos_receiver_and_its_pager(centre: Centre) -> None:
    written = load(config(centre, "alertmanager.yml"))
    names = {each["name"] for each in load(RULES / "alertmanager/alertmanager.yml")["receivers"]}
    sending = {each["name"]: each["webhook_configs"][0] for each in written["receivers"] if set(each) != {"name"}}
    assert {each["name"] for each in written["receivers"]} == names
    assert {name: hook["url"] for name, hook in sending.items()} == {
        "occ": f"{centre.url('receiver')}/alertmanager",
        "pager": centre.url("pager"),
    }
    addresses = re.findall(r"https?://([^/:]+)", config(centre, "alertmanager.yml").read_text())
    assert set(addresses) == {"127.0.0.1"}
    assert "global" not in written


def test_routes_without_the_occ_receiver_are_refused() -> None:
    shipped = {"route": {"receiver": "pager"}, "receivers": [{"name": "pager"}]}
    with pytest.raises(ValueError, match="no receiver occ"):
        settings.alertmanager(
            shipped, 10, webhook="http://127.0.0.1:1", token=Path("/token"), pager="http://127.0.0.1:2"
        )


def test_secrets_are_for_this_user_and_the_token_for_this_run(centre: Centre, tmp_path: Path) -> None:
    token = centre.run / "secrets/am_token"
    assert {stat.S_IMODE(secret.stat().st_mode) for secret in token.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(centre.run.stat().st_mode) == 0o700
    other = Centre(tmp_path / "other", scale=1)
    other.write()
    assert len(token.read_text()) > 40
    assert token.read_text() != (other.run / "secrets/am_token").read_text()


def test_every_part_has_an_address_of_its_own_on_loopback(centre: Centre) -> None:
    parts = [part for stage in centre.stages() for part in stage]
    addresses = [centre.url(name) for name in (*NODES, *CANARIES, *(part.name for part in parts))]
    assert len(set(addresses)) == len(addresses) == 3 + 3 + len({*PARTS} - {"grafana"})
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+", address) for address in addresses)
    assert not any("0.0.0.0" in str(word) for part in parts for word in part.command)


def test_the_guide_names_every_page_and_the_scale(centre: Centre) -> None:
    text = guide(centre)
    assert f"curl -X PUT {centre.url('proxy')}/nodes/beta/fault/stall" in text
    assert f"curl -X PUT {centre.url('venues')}/venues/binance/fault/frozen" in text
    assert f"{centre.url('nodes')}/metrics, {centre.url('exchange')}/metrics" in text
    assert "time scale    10:" in text


def test_a_running_centre_is_found_by_what_it_has_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.centre.RUNS", tmp_path)
    with pytest.raises(NoDemo, match="start one with `make demo`"):
        Centre.running()
    for name in ("2026-01-01", "2026-01-02"):
        centre = Centre(tmp_path / name, scale=7)
        centre.write()
        centre.announce()
    found = Centre.running()
    assert (found.run, found.scale, found.addresses()) == (centre.run, 7, centre.addresses())
    state = centre.run / "demo.json"
    state.write_text(state.read_text().replace(f'"pid": {os.getpid()}', '"pid": 4194305'))
    assert Centre.running().run == tmp_path / "2026-01-01"


def test_there_are_no_rules_before_there_is_something_to_judge(tmp_path: Path) -> None:
    centre = Centre(tmp_path / "run", scale=10)
    centre.write()
    assert list(config(centre, "rules").iterdir()) == []
    assert load(config(centre, "prometheus.yml"))["rule_files"] == [f"{config(centre, 'rules')}/*.yml"]


async def test_a_step_that_is_not_seen_is_named_with_its_part(centre: Centre) -> None:
    out = io.StringIO()
    timeline = Timeline(Console(file=out, width=160))
    async with Views(centre) as views:
        with pytest.raises(
            StepFailed, match=r"^not seen within 0\.1 s: every part is scraped \(prometheus up\)$"
        ) as failed:
            await Scenario(centre, views, timeline, spare=0.1).run()
    assert failed.value.part == "prometheus"
    assert "before  every part is scraped" in out.getvalue()
    assert "NOT SEEN at prometheus up" in out.getvalue()

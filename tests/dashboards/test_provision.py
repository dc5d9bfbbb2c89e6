"""What a Grafana is given: the boards, where Prometheus is, where links lead. No Grafana can be had to read it here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import provision
from dashboards.kit.addresses import Addresses
from demo.parts import ROOT
from tests.dashboards import checks

ADDRESSES = Addresses("http://127.0.0.1:9720", "file:///srv/occ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a $folder"
    provision.write(made, prometheus_url="http://127.0.0.1:9090", scrape_interval="1s", addresses=ADDRESSES)
    return made


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_data_source_is_the_prometheus_that_was_given(folder: Path) -> None:
    (source,) = load(folder / "datasources/occ.yml")["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://127.0.0.1:9090", True)
    assert source["jsonData"]["timeInterval"] == "1s"


def test_the_provider_reads_the_boards_that_lie_beside_it(folder: Path) -> None:
    (provider,) = load(folder / "dashboards/occ.yml")["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    path = Path(provider["options"]["path"].replace("$$", "$"))
    boards = ["accounts", "command-center", "exchange", "meta", "nodes", "pools", "response"]
    assert sorted(file.name for file in path.iterdir()) == [f"occ-{board}.json" for board in boards]
    assert "$$folder" in provider["options"]["path"], "Grafana would take $folder from its environment"


def test_links_lead_to_the_given_addresses_and_nothing_else_differs(folder: Path) -> None:
    for board in checks.boards():
        written = json.loads((folder / f"boards/{board['uid']}.json").read_text())
        constants = {each["name"]: each for each in written["templating"]["list"] if each["type"] == "constant"}
        assert {name: each["query"] for name, each in constants.items()} == {
            "occ_url": ADDRESSES.occ_url,
            "repo_url": ADDRESSES.repo_url,
        }
        assert all(
            each["current"]["value"] == each["options"][0]["value"] == each["query"] for each in constants.values()
        )
        assert {**written, "templating": board["templating"]} == board


def test_the_provisioned_boards_have_no_fault(folder: Path) -> None:
    assert checks.faults(checks.boards(folder / "boards"), checks.known()) == []


def test_the_shipped_files_are_for_docker_compose() -> None:
    compose = load(ROOT / "docker-compose.yml")
    mounted = {
        each["target"]: each["source"] for each in compose["services"]["grafana"]["volumes"] if isinstance(each, dict)
    }
    (provider,) = load(provision.SHIPPED / "dashboards/occ.yml")["providers"]
    (source,) = load(provision.SHIPPED / "datasources/occ.yml")["datasources"]
    assert mounted[provider["options"]["path"]] == "./dashboards/generated"
    assert mounted["/etc/grafana/provisioning"] == "./dashboards/provisioning"
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["timeInterval"] == load(checks.RULES / "prometheus.yml")["global"]["scrape_interval"]

"""Boards as files: what is refused, what is left out, what is compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dashboards.kit.addresses import Addresses, of_prometheus
from dashboards.kit.emit import Board, Refused, Variable, differences, document, rendered, write
from dashboards.kit.layout import Row
from dashboards.kit.panels import Header, Query, Scale, stat, text
from dashboards.kit.theme import Unit

ADDRESSES = Addresses("https://occ.example", "https://git.example/occ")
KNOWN = {
    "up": frozenset({"job", "instance"}),
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "entity", "domain"}),
}


def board(expr: str = "sum by (job) (up)", legend: str = "{{job}}", series: str = "up") -> Board:
    panel = stat(Header("Up", "What is up?", ()), Scale(Unit.COUNT), Query(expr, legend))
    rows = [Row("Row", 4, [panel, text("Words", "What is this?", "*words*")])]
    return Board("occ-test", "Test", "A board.", rows, [Variable("job", "Job", series)])


def made(**changes: str) -> dict[str, Any]:
    return document(board(**changes), KNOWN, ADDRESSES)


def test_what_nobody_declares_is_refused_with_its_place() -> None:
    with pytest.raises(Refused, match=r"^occ-test: Up A: nobody declares upp$"):
        made(expr="sum by (job) (upp)")
    with pytest.raises(Refused, match=r"^occ-test: Up A: the legend shows node, which the series do not have$"):
        made(legend="{{ node }}")
    with pytest.raises(Refused, match=r"^occ-test: variable job: nobody declares upp$"):
        made(series="upp")
    with pytest.raises(Refused, match=r"^occ-test: Up A: no PromQL: "):
        made(expr="sum(")


def test_every_place_is_told_at_once() -> None:
    with pytest.raises(Refused) as refused:
        made(expr="upp", series="uppp")
    assert str(refused.value).splitlines() == [
        "occ-test: Up A: nobody declares upp",
        "occ-test: variable job: nobody declares uppp",
    ]


def test_nulls_and_keys_of_the_past_are_left_out() -> None:
    document = made()
    assert {"rows", "__inputs", "gnetId", "hideControls", "sharedCrosshair", "style", "id"}.isdisjoint(document)
    for panel in document["panels"]:
        assert {"span", "height", "error", "editable", "minSpan", "maxDataPoints"}.isdisjoint(panel)
        assert None not in panel.values()
    for variable in document["templating"]["list"]:
        assert {"useTags", "tagsQuery", "auto", "auto_min"}.isdisjoint(variable)


def test_links_lead_where_the_addresses_say() -> None:
    constants = {each["name"]: each["query"] for each in made()["templating"]["list"] if each["type"] == "constant"}
    assert constants == {"occ_url": ADDRESSES.occ_url, "repo_url": ADDRESSES.repo_url}


def test_a_variable_offers_the_values_of_its_label_and_all_of_them() -> None:
    (job,) = (each for each in made()["templating"]["list"] if each["type"] == "query")
    assert job["query"]["query"] == "label_values(up, job)"
    assert job["current"] == {"selected": True, "text": ["All"], "value": ["$__all"]}
    assert (job["multi"], job["includeAll"], job["allValue"]) == (True, True, ".*")


def test_a_file_is_sorted_and_ends_with_a_line() -> None:
    written = rendered({"b": 1, "a": {"d": 1, "c": "é"}})
    assert written == '{\n  "a": {\n    "c": "é",\n    "d": 1\n  },\n  "b": 1\n}\n'


def test_what_generating_would_change_is_told_by_file(tmp_path: Path) -> None:
    document = made()
    assert differences([document], tmp_path) == ["occ-test.json: is missing"]
    (path,) = write([document], tmp_path / "new")
    assert json.loads(path.read_text()) == document
    assert differences([document], tmp_path / "new") == []
    path.write_text(path.read_text().replace("What is up?", "What is down?"))
    (tmp_path / "new/other.json").write_text("{}")
    assert differences([document], tmp_path / "new") == [
        "other.json: no board has this name",
        "occ-test.json: is not what its board says",
    ]


def test_addresses_are_those_of_the_alerts_links(tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_text("global: {external_labels: {occ_url: https://a, repo_url: https://b}}")
    assert of_prometheus(config) == Addresses("https://a", "https://b")
    config.write_text("global: {external_labels: {occ_url: https://a}}")
    with pytest.raises(LookupError, match=r"prometheus.yml: global.external_labels lacks repo_url$"):
        of_prometheus(config)

"""actions.yml: what is offered, what a parameter may be, and what an approval of it covers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from occ.config import Context
from receiver.actions import Step
from receiver.actions.http import Options
from receiver.catalogue import Action, BadParameters, Catalogue
from tests.receiver import corpus, rules
from tests.receiver.rules import ACTIONS

CORPUS = sorted((corpus.FOLDER / "actions").glob("*.yml"))


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return rules.catalogue(tmp_path)


def action(catalogue: Catalogue, name: str) -> Action:
    found = catalogue.action(name)
    assert found is not None
    return found


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_and_its_place(path: Path) -> None:
    corpus.check(path, Catalogue, rules.ENV)


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 40


def test_whatever_stands_in_the_file_is_accepted_or_refused_with_its_place(tmp_path: Path) -> None:
    first = ACTIONS.partition("    undo: resume")[0]
    corpus.check_oddly(tmp_path, first, Catalogue, rules.ENV)


# --- what an alert offers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "offered"),
    [
        ({"alertname": "BookFrozen", "severity": "page"}, ["halt"]),
        ({"alertname": "BookFrozen", "severity": "page", "venue": "kraken"}, ["halt"]),
        ({"alertname": "BookFrozen", "severity": "ticket"}, []),
        ({"alertname": "BookFrozen"}, []),
        ({"alertname": "MarginUsageHigh"}, ["halt"]),
        ({"alertname": "marginusagehigh"}, []),
        ({}, []),
    ],
)
def test_an_action_is_offered_where_every_label_of_one_matcher_agrees(
    catalogue: Catalogue, labels: dict[str, str], offered: list[str]
) -> None:
    assert [found.name for found in catalogue.offered(labels)] == offered


def test_an_action_that_is_not_there_is_none(catalogue: Catalogue) -> None:
    assert catalogue.action("halt-all") is None


# --- parameters ------------------------------------------------------------------------------------------------------


def refused(
    catalogue: Catalogue, name: str, given: dict[str, str], labels: dict[str, str] | None = None
) -> dict[str, str]:
    with pytest.raises(BadParameters) as caught:
        catalogue.resolve(action(catalogue, name), given, labels or {})
    return dict(caught.value.problems)


def test_the_alert_fills_in_what_its_labels_say(catalogue: Catalogue) -> None:
    assert catalogue.resolve(action(catalogue, "halt"), {}, {"venue": "deribit"}) == {"venue": "deribit"}
    assert catalogue.resolve(action(catalogue, "order-size"), {}, {"size": "100.50"}) == {"size": "100.5"}


def test_without_an_alert_or_its_label_the_person_chooses(catalogue: Catalogue) -> None:
    assert catalogue.resolve(action(catalogue, "halt"), {"venue": "binance"}) == {"venue": "binance"}
    assert catalogue.resolve(action(catalogue, "halt"), {"venue": "binance"}, {"venue": ""}) == {"venue": "binance"}
    assert refused(catalogue, "halt", {}) == {"venue": "is needed: one of binance, deribit"}


def test_the_person_can_not_say_otherwise_than_the_alert(catalogue: Catalogue) -> None:
    assert catalogue.resolve(action(catalogue, "halt"), {"venue": "binance"}, {"venue": "binance"}) == {
        "venue": "binance"
    }
    assert refused(catalogue, "halt", {"venue": "binance"}, {"venue": "deribit"}) == {
        "venue": "is taken from the alert's label venue, which says another"
    }


HOSTILE = [
    "kraken",
    "Binance",
    " binance",
    "binance\n",
    "binance\0",
    'binance"} or vector(1) #',
    "../binance",
    "$venue",
    "%62inance",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_label_out_of_bounds_is_refused_even_if_the_person_chooses_rightly(catalogue: Catalogue, value: str) -> None:
    expected = {"venue": "the alert's label venue is not one of binance, deribit"}
    assert refused(catalogue, "halt", {}, {"venue": value}) == expected
    assert refused(catalogue, "halt", {"venue": "binance"}, {"venue": value}) == expected


def test_all_that_is_wrong_is_told_at_once_without_a_value(catalogue: Catalogue) -> None:
    with pytest.raises(BadParameters) as caught:
        catalogue.resolve(action(catalogue, "halt"), {"venue": "canary", "venu": "canary"})
    assert str(caught.value) == "venu: is no parameter of this action; venue: is not one of binance, deribit"


def test_what_a_number_may_be_is_said(catalogue: Catalogue) -> None:
    bounds = "a number from 0 to 50000 in steps of 0.5"
    assert refused(catalogue, "order-size", {"size": "7.3"}) == {"size": f"is not {bounds}"}
    assert refused(catalogue, "order-size", {}, {"size": "1e3"}) == {"size": f"the alert's label size is not {bounds}"}


# --- steps -----------------------------------------------------------------------------------------------------------


def test_a_step_has_the_parameters_in_place(catalogue: Catalogue) -> None:
    (step,) = catalogue.steps(action(catalogue, "halt"), {"venue": "deribit"})
    options = {"target": "engine", "path": "/halt", "body": {"venue": "deribit"}, "expect": {"status": 200}}
    assert step == Step(0, "http", Options.model_validate(options, context=Context.none()))


def test_what_verifies_it_has_them_too(catalogue: Catalogue) -> None:
    filled = action(catalogue, "halt").verify.filled({"venue": "deribit"})
    assert filled.query == 'engine_quoting{venue="deribit"} == 0'
    assert filled.fresh is not None
    assert (filled.fresh.exporter, filled.fresh.target, filled.within) == ("engine", "deribit/all", 30.0)


@pytest.mark.parametrize("bounds", ["min: 0, max: 60000", "min: -1, max: 50000"])
def test_bounds_that_a_step_would_refuse_are_found_at_load(tmp_path: Path, bounds: str) -> None:
    with pytest.raises(Exception, match=r"actions\[2\].steps\[0\].value: must be from 0 to 50000"):
        rules.catalogue(tmp_path, ACTIONS.replace("number: {min: 0, max: 50000", f"number: {{{bounds}"))


# --- what an approval covers -----------------------------------------------------------------------------------------

CHANGES = {
    "title": ("Stop the engine on a venue", "Stop it"),
    "protective": ("    protective: true\n", ""),
    "step": ("path: /halt", "path: /stop"),
    "body": ("body: {venue: $venue}, expect", "body: {venue: $venue, now: true}, expect"),
    "expected answer": ("expect: {status: 200}", "expect: {status: 202}"),
    "another step": (
        "expect: {status: 200}}",
        "expect: {status: 200}}\n      - {executor: http, target: engine, path: /x}",
    ),
    "choices": ("choices: [binance, deribit]}\n    limits", "choices: [binance]}\n    limits"),
    "where from": (
        "from_label: venue, choices: [binance, deribit]}\n    limits",
        "choices: [binance, deribit]}\n    limits",
    ),
    "offered by": ("severity: page", "severity: ticket"),
    "cooldown": ("cooldown: 1m", "cooldown: 2m"),
    "per day": ("per_day: 20", "per_day: 21"),
    "approval": ("approval: 10m", "approval: 11m"),
    "execution": ("execution: 2m", "execution: 3m"),
    "query": ("== 0'", "== 0 or x'"),
    "freshness": ("check: quoting", "check: orders"),
    "within": ("check: quoting}\n      within: 30s", "check: quoting}\n      within: 31s"),
    "undo": ("    undo: resume", "    undo: order-size"),
    "deadline": ("    undo: resume", "    undo: resume\n    deadline: 3s"),
    "firing": ("    undo: resume", "    undo: resume\n    requires_firing: true"),
    "the target's address": ("engine.example", "other.example"),
    "where it is asked": ("operations: /operations", "operations: /ops"),
    "its promise": ("operations: /operations", "operations: /operations, idempotent: true"),
    "its window": ("operations: /operations", "operations: /operations, receive_window: 9s"),
    "no token": ("token: {env: ENGINE_TOKEN}, ", ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_an_action_or_its_target_is_another_definition(
    catalogue: Catalogue, tmp_path: Path, change: str
) -> None:
    was, becomes = CHANGES[change]
    assert ACTIONS.count(was) == 1
    other = rules.catalogue(tmp_path, ACTIONS.replace(was, becomes))
    assert other.definition_hash(action(other, "halt")) != catalogue.definition_hash(action(catalogue, "halt"))
    assert other.hash != catalogue.hash


def test_a_change_of_another_action_is_none_of_this_one(catalogue: Catalogue, tmp_path: Path) -> None:
    other = rules.catalogue(tmp_path, ACTIONS.replace("path: /resume", "path: /go"))
    assert other.definition_hash(action(other, "halt")) == catalogue.definition_hash(action(catalogue, "halt"))
    assert other.hash != catalogue.hash


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("cooldown: 1m, per_day: 20", "per_day: 20, cooldown: 60s"),
        ("{executor: http, target: engine, path: /halt,", "{path: /halt, target: engine, executor: http,"),
        ("token: {env: ENGINE_TOKEN}", "token: {env: MAC_KEY}"),
        ("min: 0, max: 50000, step", "min: 0.0, max: '50000', step"),
    ],
)
def test_what_says_the_same_is_the_same_definition(
    catalogue: Catalogue, tmp_path: Path, was: str, becomes: str
) -> None:
    assert was in ACTIONS
    assert rules.catalogue(tmp_path, ACTIONS.replace(was, becomes)).hash == catalogue.hash


def test_a_definition_shows_no_secret_and_no_address(catalogue: Catalogue) -> None:
    definition = catalogue.definition(action(catalogue, "halt"))
    assert json.loads(definition)["targets"]["engine"]["token"] is True
    assert b"engine-token" not in definition
    assert b"example" not in definition
    assert "example" not in repr(catalogue)

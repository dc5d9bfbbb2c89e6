"""The receiver's three files together: loaded, refused and replaced as one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from occ.config import Loaded, load
from occ.errors import ConfigError
from receiver.actions import executors
from receiver.config import ReceiverConfig
from receiver.policy import Policy, Rule
from receiver.rulebook import BY_ITSELF as BY_ITSELF_EXECUTORS
from receiver.rulebook import Rulebook, dead_ends
from tests.receiver import rules
from tests.receiver.rules import ACTIONS, ENV, POLICY, RECEIVER, receiver_files


def loaded(
    folder: Path, *, actions: str = ACTIONS, policy: str = POLICY, receiver: str = RECEIVER
) -> Loaded[ReceiverConfig]:
    return load(receiver_files(folder, actions=actions, policy=policy, receiver=receiver), ReceiverConfig, ENV)


def rulebook(folder: Path, *, actions: str = ACTIONS, policy: str = POLICY) -> Rulebook:
    found = loaded(folder, actions=actions, policy=policy).config.rulebook
    assert found is not None
    return found


def complaints(folder: Path, *, actions: str = ACTIONS, policy: str = POLICY, receiver: str = RECEIVER) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, actions=actions, policy=policy, receiver=receiver)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def without(text: str, *keys: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(keys))


def test_what_can_be_done_and_who_may_do_it_are_there_together(tmp_path: Path) -> None:
    found = rulebook(tmp_path)
    assert [action.name for action in found.catalogue.actions] == ["halt", "resume", "order-size"]
    assert found.policy.rule("halt") is not None


def test_without_a_policy_nobody_may_do_anything(tmp_path: Path) -> None:
    assert loaded(tmp_path, receiver=without(RECEIVER, "policy:")).config.rulebook is None
    bare = without(RECEIVER, "policy:", "actions:", "mac_key:", "audit:", "prometheus:")
    assert loaded(tmp_path, receiver=bare).config.rulebook is None


@pytest.mark.parametrize("key", ["actions", "mac_key", "audit", "prometheus"])
def test_a_policy_needs_all_that_acting_leans_on(tmp_path: Path, key: str) -> None:
    (said,) = complaints(tmp_path, receiver=without(RECEIVER, f"{key}:"))
    assert re.fullmatch(rf"receiver\.yml:\d: policy: needs {key} as well", said)


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    assert complaints(tmp_path, receiver=without(RECEIVER, "actions:", "mac_key:", "audit:", "prometheus:")) == [
        "receiver.yml:3: policy: needs actions as well",
        "receiver.yml:3: policy: needs audit as well",
        "receiver.yml:3: policy: needs mac_key as well",
        "receiver.yml:3: policy: needs prometheus as well",
    ]


def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    path = receiver_files(tmp_path)
    with pytest.raises(ConfigError, match="mac_key: expected 32 characters or more, as `openssl rand -hex 32`"):
        load(path, ReceiverConfig, {**ENV, "MAC_KEY": "k" * 31})


@pytest.mark.parametrize("key", ["canary", "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----"])
def test_a_key_that_can_not_sign_is_found_at_load(tmp_path: Path, key: str) -> None:
    path = receiver_files(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(path, ReceiverConfig, {**ENV, "AUDIT_KEY": key})
    (problem,) = caught.value.problems
    assert (problem.path, "Ed25519" in problem.message) == ("audit.signing_key", True)
    assert "canary" not in str(problem)


# --- the other files -------------------------------------------------------------------------------------------------


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rulebook(tmp_path)
    monkeypatch.chdir("/")
    assert load(tmp_path / "receiver.yml", ReceiverConfig, ENV).config.rulebook is not None


NO_PATH = "expected a path such as /halt or /venues/$venue: no `//`, `?`, `#`, `%` or space"


def test_problems_of_the_other_files_have_their_own_place(tmp_path: Path) -> None:
    actions, policy = ACTIONS.replace("path: /halt", "path: halt"), POLICY.replace("roles: [viewer]", "roles: [guest]")
    assert complaints(tmp_path, actions=actions, policy=policy) == [
        "receiver.yml:6: actions: the file named here can not be used",
        "receiver.yml:7: policy: the file named here can not be used",
        f"actions.yml:8: actions[0].steps[0].path: {NO_PATH}",
        "policy.yml:10: people[8].roles[0]: expected 'viewer', 'operator', 'trader', 'risk', 'commander' or 'admin'",
    ]


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    assert complaints(tmp_path, receiver=RECEIVER.replace("policy.yml", "nowhere.yml")) == [
        "receiver.yml:7: policy: the file named here can not be used",
        "nowhere.yml: can not be read: No such file or directory",
    ]


@pytest.mark.parametrize("value", ['""', "5", '"a\\0b"', "[policy.yml]"])
def test_what_is_no_path_is_refused(tmp_path: Path, value: str) -> None:
    assert complaints(tmp_path, receiver=RECEIVER.replace("policy: policy.yml", f"policy: {value}")) == [
        "receiver.yml:7: policy: expected the path of a file, relative to this one"
    ]


def test_secrets_of_all_files_are_masked_together(tmp_path: Path) -> None:
    secrets = loaded(tmp_path).secrets
    assert {ENV["MAC_KEY"], ENV["ENGINE_TOKEN"], ENV["HASH_0"], ENV["AM_TOKEN"], ENV["AUDIT_KEY"]} <= secrets


def test_nothing_of_them_shows_in_what_is_loaded(tmp_path: Path) -> None:
    shown = repr(loaded(tmp_path).config)
    assert [name for name, value in ENV.items() if value in shown] == []


def test_a_change_of_any_of_the_files_is_another_configuration(tmp_path: Path) -> None:
    digests = {
        loaded(tmp_path).digest,
        loaded(tmp_path, actions=ACTIONS + "# later\n").digest,
        loaded(tmp_path, policy=POLICY + "# later\n").digest,
        loaded(tmp_path, receiver=RECEIVER + "# later\n").digest,
    }
    assert len(digests) == 4


# --- the policy fits the actions -------------------------------------------------------------------------------------


def test_a_rule_about_an_action_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, policy=POLICY.replace("action: halt", "action: hlat")) == [
        "policy.yml:13: rules[0].action: there is no such action; there are: halt, resume, order-size"
    ]


def test_no_approval_at_all_is_for_protective_actions_alone(tmp_path: Path) -> None:
    message = "may be empty for protective actions alone, and these are not"
    assert complaints(tmp_path, policy=POLICY.replace("action: halt", "action: resume")) == [
        f"policy.yml:13: rules[0].approvals: {message}: resume"
    ]
    nobody_asked = POLICY.replace("approvals: [{role: trader}, {role: risk}]", "approvals: []")
    assert complaints(tmp_path, policy=nobody_asked) == [
        f"policy.yml:14: rules[1].approvals: {message}: resume, order-size"
    ]


def test_there_is_no_rulebook_whose_parts_do_not_fit(tmp_path: Path) -> None:
    catalogue = rules.catalogue(tmp_path)
    for was, becomes in (("action: halt", "action: resume"), ("action: halt", "action: hlat")):
        policy = rules.policy(tmp_path, POLICY.replace(was, becomes))
        with pytest.raises(ValueError, match=r"may be empty for protective actions alone|there is no such action"):
            Rulebook(catalogue, policy)


def test_an_action_that_is_protective_no_more_needs_its_approvals_again(tmp_path: Path) -> None:
    assert complaints(tmp_path, actions=ACTIONS.replace("    protective: true\n", "")) == [
        "policy.yml:13: rules[0].approvals: may be empty for protective actions alone, and these are not: halt"
    ]


def test_for_all_others_it_may_be_empty_where_all_others_are_protective(tmp_path: Path) -> None:
    protective = ACTIONS.replace("    steps:", "    protective: true\n    steps:").replace(
        "    protective: true\n    protective: true\n", "    protective: true\n"
    )
    policy = POLICY.replace("approvals: [{role: trader}, {role: risk}]", "approvals: []")
    assert (
        rulebook(tmp_path, actions=protective, policy=policy).policy.missing(rule_of(policy, tmp_path), "otto", [])
        == ()
    )


def rule_of(policy: str, folder: Path) -> Rule:
    found = rules.policy(folder, policy).rule("resume")
    assert found is not None
    return found


# --- hashes ----------------------------------------------------------------------------------------------------------


def test_the_hash_of_both_changes_with_either(tmp_path: Path) -> None:
    first = rulebook(tmp_path)
    assert rulebook(tmp_path).hash == first.hash
    other = rulebook(tmp_path, actions=ACTIONS.replace("per_day: 20", "per_day: 2"))
    assert (other.catalogue.hash != first.catalogue.hash, other.policy.hash) == (True, first.policy.hash)
    third = rulebook(tmp_path, policy=POLICY.replace("id: vera,", "id: vito,"))
    assert (third.catalogue.hash, third.policy.hash != first.policy.hash) == (first.catalogue.hash, True)
    assert len({first.hash, other.hash, third.hash}) == 3


# --- what the people of a policy can never do ------------------------------------------------------------------------


def notes(folder: Path, text: str) -> list[str]:
    (folder / "policy.yml").write_text(text)
    return [str(note).removeprefix(f"{folder}/") for note in dead_ends(load(folder / "policy.yml", Policy, ENV))]


def test_a_policy_whose_people_are_enough_leads_nowhere_wrong(tmp_path: Path) -> None:
    assert notes(tmp_path, POLICY) == []


@pytest.mark.parametrize(
    ("was", "becomes", "note"),
    [
        ("roles: [operator]", "roles: [viewer]", None),
        ("request: [operator], approvals: []", "request: [admin, viewer], approvals: []", None),
        ("{role: risk}]", "{role: risk, count: 2}]", None),
        ("{role: risk}]", "{role: risk, count: 3}]", "14: rules[1].approvals: whoever requests it, the others are not enough to approve it"),
        ("{role: risk}]", "{role: operator, count: 2}]", "14: rules[1].approvals: whoever requests it, the others are not enough to approve it"),
        ("by: [oncall]", "by: [oncall], unfreeze: {role: commander, count: 3}", "15: freeze: the others are not enough to lift a freeze by: carl"),
        ("by: [oncall]", "by: [oncall], unfreeze: {role: risk, count: 3}", "15: freeze: the others are not enough to lift a freeze by: otto, carl, receiver"),
    ],
)  # fmt: skip
def test_what_nobody_could_bring_about_is_told(tmp_path: Path, was: str, becomes: str, note: str | None) -> None:
    assert was in POLICY
    assert notes(tmp_path, POLICY.replace(was, becomes)) == ([] if note is None else [f"policy.yml:{note}"])


def test_a_desk_of_one_learns_what_it_can_not_do(tmp_path: Path) -> None:
    alone = """\
people: [{id: otto, password: {env: HASH_0}, roles: [operator, trader, risk, commander]}]
rules:
  - {action: halt, request: [operator], approvals: []}
  - {action: "*", request: [operator], approvals: [{role: trader}]}
  - {action: resume, request: [admin], approvals: [{role: trader}]}
"""
    assert notes(tmp_path, alone) == [
        "policy.yml:4: rules[1].approvals: whoever requests it, the others are not enough to approve it",
        "policy.yml:5: rules[2].request: nobody among the people may request it",
        "policy.yml:1: freeze: the others are not enough to lift a freeze by: otto, receiver",
        "policy.yml:1: release: the others are not enough to release a request by: otto",
    ]


# --- what is done by itself ------------------------------------------------------------------------------------------

AUTOMATION = """\
    automation:
      confirm: 'max_over_time(feed_frozen{venue="$venue"}[1m]) == 1'
      fresh: {exporter: exchange, target: $venue, check: book}
    undo: resume
"""
BY_ITSELF = ACTIONS.replace("    undo: resume\n", AUTOMATION)
HALT = "{action: halt, request: [operator], approvals: []"


def by_itself(mode: str, rule: str = HALT) -> str:
    assert rule in POLICY
    return POLICY.replace(rule, f"{rule}, automation: {mode}")


@pytest.mark.parametrize("mode", ["off", "shadow", "propose", "auto"])
def test_an_action_that_says_what_must_hold_may_be_done_by_itself(tmp_path: Path, mode: str) -> None:
    found = rulebook(tmp_path, actions=BY_ITSELF, policy=by_itself(mode)).policy.rule("halt")
    assert found is not None
    assert found.automation == mode


@pytest.mark.parametrize("mode", ["propose", "auto"])
@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        (AUTOMATION, "    undo: resume\n", "halt: has no automation, which says what must hold before"),
        ("offered_by: [{alertname: BookFrozen, severity: page}, {alertname: MarginUsageHigh}]", "offered_by: []", "halt: no alert offers it"),
        ("venue: {from_label: venue, choices: [binance, deribit]}", "venue: {choices: [binance, deribit]}", "halt: no label fills venue"),
    ],
)  # fmt: skip
def test_what_could_never_be_done_by_itself_is_told_at_load(
    tmp_path: Path, mode: str, was: str, becomes: str, message: str
) -> None:
    assert was in BY_ITSELF
    actions = BY_ITSELF.replace(was, becomes, 1)
    assert complaints(tmp_path, actions=actions, policy=by_itself(mode)) == [
        f"policy.yml:13: rules[0].automation: {message}"
    ]
    assert rulebook(tmp_path, actions=actions, policy=by_itself("shadow")).policy.rule("halt") is not None


HUSH = """\
  - name: hush
    title: Stop an engine and hide its alerts
    protective: true
    offered_by: [{alertname: MarginUsageHigh}]
    steps:
      - {executor: http, target: engine, path: /halt, body: {venue: binance}}
      - {executor: EXECUTOR}
    verify: {query: up == 1, heartbeat: up, within: 30s}
    automation: {confirm: up == 1, fresh: {exporter: exchange, target: binance, check: book}}
"""


def test_only_what_a_person_need_not_look_at_may_be_done_by_itself() -> None:
    known = set(executors())
    assert known >= BY_ITSELF_EXECUTORS
    assert BY_ITSELF_EXECUTORS.isdisjoint({"script", "silence", "expire_silence", "reduce_position", "evm_call"})


@pytest.mark.parametrize("mode", ["propose", "auto"])
def test_a_silence_is_for_people_alone(tmp_path: Path, mode: str) -> None:
    step = "executor: silence, target: engine, matchers: {alertname: MarginUsageHigh}, lasts: 1h"
    actions = BY_ITSELF + HUSH.replace("executor: EXECUTOR", step)
    rule = "  - {action: hush, request: [operator], approvals: [], automation: MODE}\nfreeze:"
    policy = POLICY.replace("freeze:", rule.replace("MODE", mode))
    assert complaints(tmp_path, actions=actions, policy=policy) == [
        "policy.yml:15: rules[2].automation: hush: silence is for people alone"
    ]


def test_a_rule_for_all_others_is_checked_for_each_of_them(tmp_path: Path) -> None:
    policy = by_itself("propose", '{action: "*", request: [operator], approvals: [{role: trader}, {role: risk}]')
    said = complaints(tmp_path, actions=BY_ITSELF, policy=policy)
    assert [line.partition("automation: ")[2].partition(":")[0] for line in said] == ["resume"] * 2 + ["order-size"] * 2


def test_a_proposal_that_nobody_can_approve_is_told(tmp_path: Path) -> None:
    rule = '{action: "*", request: [operator], approvals: [{role: trader}, {role: risk}]'
    impossible = POLICY.replace(
        rule, '{action: "*", request: [operator], approvals: [{role: admin, count: 2}], automation: propose'
    )
    assert notes(tmp_path, impossible) == [
        "policy.yml:14: rules[1].approvals: whoever requests it, the others are not enough to approve it",
        "policy.yml:14: rules[1].automation: all together are not enough to approve what is proposed",
    ]

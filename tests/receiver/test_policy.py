"""Who may do what."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from occ.config import load
from receiver.policy import ROLES, Approval, Clause, Person, Policy, Rule, unfilled
from receiver.why import Why
from tests.receiver import corpus, rules
from tests.receiver.rules import POLICY, approved


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return rules.policy(tmp_path)


def person(policy: Policy, name: str) -> Person:
    found = policy.person(name)
    assert found is not None
    return found


def rule(policy: Policy, action: str) -> Rule:
    found = policy.rule(action)
    assert found is not None
    return found


def left(clauses: tuple[Clause, ...]) -> dict[str, int]:
    return {clause.role: clause.count for clause in clauses}


BAD_HASHES = {
    "PLAIN": "just-a-canary",
    "BCRYPT": "$2b$10$abcdefghijklmnopqrstuuKX1Uu4yRIiWEmDkcvBXCPZ7sOJv.OJK",
    "ARGON2I": rules.password_hash(0).replace("argon2id", "argon2i"),
    "WEAK": rules.password_hash(0).replace("m=19456", "m=4096"),
    "HEAVY": rules.password_hash(0).replace("m=19456", "m=4194304"),
}
CORPUS = sorted((corpus.FOLDER / "policy").glob("*.yml"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_and_its_place(path: Path) -> None:
    corpus.check(path, Policy, {**rules.ENV, **BAD_HASHES})


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 28


def test_whatever_stands_in_the_file_is_accepted_or_refused_with_its_place(tmp_path: Path) -> None:
    corpus.check_oddly(tmp_path, POLICY, Policy, rules.ENV)


def test_without_secrets_no_hash_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    path.write_text(POLICY)
    assert load(path, Policy, {}, secrets=False).config.person("otto") is not None


# --- which rule ------------------------------------------------------------------------------------------------------


def test_the_rule_about_an_action_replaces_the_one_about_all(policy: Policy) -> None:
    assert rule(policy, "halt").approvals == ()
    assert left(rule(policy, "resume").approvals) == {"trader": 1, "risk": 1}
    assert rule(policy, "resume").action == "*"


def test_what_no_rule_is_about_nobody_may_do(tmp_path: Path) -> None:
    text = "".join(line for line in POLICY.splitlines(keepends=True) if 'action: "*"' not in line)
    policy = rules.policy(tmp_path, text)
    assert policy.rule("resume") is None
    assert policy.may_request(person(policy, "otto"), policy.rule("resume")) is Why.NO_RULE


def test_a_rule_for_nobody_in_particular_is_not_the_one_for_all(policy: Policy) -> None:
    assert rule(policy, "").action == "*"
    assert policy.person("") is None
    assert policy.person("*") is None


# --- who may, by hand: person x ruling, for a request of otto's ------------------------------------------------------

NO, OWN = Why.NOT_PERMITTED, Why.OWN_REQUEST
MAY = {
    #         request halt, approve, review halt, cancel, freeze, unfreeze, release
    "otto": (None, OWN, OWN, None, None, OWN, OWN),
    "tom": (None, None, NO, NO, NO, NO, NO),
    "tara": (NO, None, NO, NO, NO, NO, NO),
    "rita": (NO, None, None, NO, NO, NO, NO),
    "both": (NO, None, None, NO, NO, NO, NO),
    "carl": (NO, NO, NO, NO, None, None, None),
    "cora": (NO, NO, NO, NO, NO, None, None),
    "cleo": (NO, NO, NO, NO, NO, None, None),
    "vera": (NO, NO, NO, NO, NO, NO, NO),
}


@pytest.mark.parametrize("name", MAY)
def test_who_may_do_what(policy: Policy, name: str) -> None:
    one, halt, other = person(policy, name), rule(policy, "halt"), rule(policy, "resume")
    assert (
        policy.may_request(one, halt),
        policy.may_approve(one, other, "otto"),
        policy.may_review(one, halt, "otto"),
        policy.may_cancel(one, "otto"),
        policy.may_freeze(one),
        policy.may_unfreeze(one, "otto"),
        policy.may_release(one, "otto"),
    ) == MAY[name]


def test_the_table_is_about_everybody(policy: Policy) -> None:
    assert {one.id for one in policy.people} == set(MAY)


def test_where_no_approval_is_needed_nobody_is_asked_for_one(policy: Policy) -> None:
    halt = rule(policy, "halt")
    assert {policy.may_approve(one, halt, "otto") for one in policy.people if one.id != "otto"} == {NO}
    assert policy.missing(halt, "otto", []) == ()


def test_who_has_left_the_file_may_nothing_whatever_they_were(policy: Policy, tmp_path: Path) -> None:
    tom = person(policy, "tom")
    gone = rules.policy(tmp_path, POLICY.replace("id: tom,", "id: tim,"))
    halt, resume = rule(gone, "halt"), rule(gone, "resume")
    assert gone.may_request(tom, halt) is NO
    assert gone.may_approve(tom, resume, "otto") is NO
    assert gone.may_cancel(tom, "tom") is NO
    everybody = rules.policy(
        tmp_path, POLICY.replace("id: tom,", "id: tim,").replace("by: [oncall]", "by: [everybody]")
    )
    assert everybody.may_freeze(tom) is NO


def test_rights_are_those_of_the_roles_now_and_not_of_an_older_file(policy: Policy, tmp_path: Path) -> None:
    tara = person(policy, "tara")
    later = rules.policy(tmp_path, POLICY.replace("roles: [trader]}", "roles: [viewer]}"))
    assert policy.may_approve(tara, rule(policy, "resume"), "otto") is None
    assert later.may_approve(tara, rule(later, "resume"), "otto") is NO


def test_a_group_of_all_is_everybody_in_the_file(tmp_path: Path) -> None:
    policy = rules.policy(
        tmp_path, POLICY.replace("request: [operator], approvals: []", "request: [everybody], approvals: []")
    )
    assert {policy.may_request(one, rule(policy, "halt")) for one in policy.people} == {None}


# --- approvals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "missing"),
    [
        ([], {"trader": 1, "risk": 1}),
        (["tara"], {"risk": 1}),
        (["rita"], {"trader": 1}),
        (["tara", "rita"], {}),
        (["tara", "tom"], {"risk": 1}),
        (["both"], {"risk": 1}),
        (["both", "both"], {"risk": 1}),
        (["both", "tara"], {}),
        (["tara", "both"], {}),
        (["both", "rita"], {}),
        (["otto", "rita"], {"trader": 1}),
        (["carl", "vera", "nobody", ""], {"trader": 1, "risk": 1}),
    ],
)
def test_an_and_of_clauses_and_each_person_fills_one_place(
    policy: Policy, people: list[str], missing: dict[str, int]
) -> None:
    assert left(policy.missing(rule(policy, "resume"), "otto", approved(*people))) == missing


def test_the_requester_never_counts(policy: Policy) -> None:
    assert left(policy.missing(rule(policy, "resume"), "tom", approved("tom", "rita"))) == {"trader": 1}
    assert left(policy.missing(rule(policy, "resume"), "both", approved("both", "rita"))) == {"trader": 1}


def test_a_role_that_was_taken_away_since_does_not_count(policy: Policy, tmp_path: Path) -> None:
    given = approved("tara", "rita")
    later = rules.policy(tmp_path, POLICY.replace("roles: [risk]}", "roles: [viewer]}"))
    assert policy.missing(rule(policy, "resume"), "otto", given) == ()
    assert left(later.missing(rule(later, "resume"), "otto", given)) == {"risk": 1}


def test_a_role_that_was_given_since_does_not_count_either(policy: Policy) -> None:
    given = [Approval("both", {"trader"}), Approval("tara", {"trader"})]
    assert left(policy.missing(rule(policy, "resume"), "otto", given)) == {"risk": 1}


def test_who_was_removed_since_does_not_count(tmp_path: Path) -> None:
    policy = rules.policy(tmp_path, POLICY.replace("id: rita,", "id: rosa,"))
    assert left(policy.missing(rule(policy, "resume"), "otto", approved("tara", "rita"))) == {"risk": 1}


def test_those_are_asked_whose_word_would_help(policy: Policy) -> None:
    resume = rule(policy, "resume")
    assert policy.approvers(resume, "otto", []) == ("tara", "tom", "rita", "both")
    assert policy.approvers(resume, "tom", []) == ("tara", "rita", "both")
    assert policy.approvers(resume, "otto", approved("tara")) == ("rita", "both")
    assert policy.approvers(resume, "otto", approved("both")) == ("tara", "tom", "rita"), (
        "both may move to the other place"
    )
    assert policy.approvers(resume, "otto", approved("tara", "rita")) == ()


def test_unfreezing_and_release_take_two_others(policy: Policy) -> None:
    assert left(policy.missing_unfreeze("otto", [])) == {"commander": 2}
    assert left(policy.missing_unfreeze("otto", approved("carl"))) == {"commander": 1}
    assert policy.missing_unfreeze("otto", approved("carl", "cora")) == ()
    assert left(policy.missing_unfreeze("carl", approved("carl", "cora"))) == {"commander": 1}
    assert policy.missing_unfreeze("receiver", approved("carl", "cora")) == ()
    assert left(policy.missing_release("carl", approved("carl", "cora", "vera"))) == {"commander": 1}
    assert policy.missing_release("otto", approved("cora", "cleo")) == ()
    assert policy.may_unfreeze(person(policy, "carl"), "carl") is OWN
    assert policy.may_unfreeze(person(policy, "carl"), "receiver") is None


# --- one place each, against trying every way ------------------------------------------------------------------------

SOME_ROLES = st.frozensets(st.sampled_from(["trader", "risk", "commander"]))
HELD = st.dictionaries(st.sampled_from("abcde"), SOME_ROLES, max_size=5)
PLACES = st.lists(st.sampled_from(["trader", "risk", "commander"]), max_size=4)


def most(places: list[str], held: Mapping[str, frozenset[str]]) -> int:
    """How many places can be filled at most, by trying every order of people with gaps."""
    seats = [*held, *[None] * len(places)]
    return max(
        sum(who is not None and place in held[who] for place, who in zip(places, order, strict=False))
        for order in itertools.permutations(seats, len(places))
    )


@given(PLACES, HELD)
@example(["trader", "risk"], {"a": frozenset({"trader", "risk"}), "b": frozenset({"trader"})})
def test_as_few_places_stay_empty_as_can_be(places: list[str], held: dict[str, frozenset[str]]) -> None:
    assert len(places) - len(unfilled(places, held)) == most(places, held)


@given(PLACES, HELD)
def test_the_order_of_approvals_changes_nothing(places: list[str], held: dict[str, frozenset[str]]) -> None:
    expected = unfilled(places, held)
    assert {unfilled(places, dict(order)) for order in itertools.permutations(held.items())} == {expected}


@given(PLACES, HELD, st.sampled_from("abcde"))
def test_one_more_person_fills_one_more_place_at_most(
    places: list[str], held: dict[str, frozenset[str]], name: str
) -> None:
    fewer = {who: roles for who, roles in held.items() if who != name}
    assert 0 <= len(unfilled(places, fewer)) - len(unfilled(places, held)) <= 1


@given(
    st.lists(
        st.builds(Approval, st.sampled_from([*MAY, "stranger"]), st.frozensets(st.sampled_from(ROLES))), max_size=6
    ),
    st.sampled_from([*MAY]),
)
def test_enough_is_two_different_others_with_the_roles_at_both_times(
    tmp_path_factory: pytest.TempPathFactory, approvals: list[Approval], requester: str
) -> None:
    policy = rules.policy(tmp_path_factory.getbasetemp())
    last = {it.person: set(it.roles) & set(found.roles) for it in approvals if (found := policy.person(it.person))}
    pairs = itertools.permutations([who for who in last if who != requester], 2)
    enough = any("trader" in last[one] and "risk" in last[other] for one, other in pairs)
    assert (policy.missing(rule(policy, "resume"), requester, approvals) == ()) is enough


# --- hashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("approvals: [{role: trader}", "approvals: [{role: trader, count: 2}"),
        ("{role: risk}]", "{role: commander}]"),
        ("request: [operator], approvals: [{", "request: [trader], approvals: [{"),
        ("{role: risk}]}", "{role: risk}], review: [risk]}"),
        ("{role: risk}]}", "{role: risk}], automation: shadow}"),
    ],
)
def test_a_rule_that_is_changed_has_another_hash(policy: Policy, tmp_path: Path, was: str, becomes: str) -> None:
    assert was in POLICY
    other = rules.policy(tmp_path, POLICY.replace(was, becomes))
    assert other.rule_hash(rule(other, "resume")) != policy.rule_hash(rule(policy, "resume"))
    assert other.rule_hash(rule(other, "halt")) == policy.rule_hash(rule(policy, "halt"))
    assert other.hash != policy.hash


def test_who_there_is_changes_the_policy_and_no_rule(policy: Policy, tmp_path: Path) -> None:
    other = rules.policy(tmp_path, POLICY.replace("id: vera,", "id: vito,"))
    assert other.hash != policy.hash
    assert other.rule_hash(rule(other, "resume")) == policy.rule_hash(rule(policy, "resume"))


def test_another_password_is_another_policy_and_no_hash_shows_in_it(policy: Policy, tmp_path: Path) -> None:
    other = rules.policy(tmp_path, POLICY.replace("HASH_8", "HASH_9"))
    assert other.hash != policy.hash
    assert other.rule_hash(rule(other, "halt")) == policy.rule_hash(rule(policy, "halt"))
    assert "argon2" not in repr(policy)
    assert b"argon2" not in policy.definition(rule(policy, "halt"))


# --- what a file need not say ----------------------------------------------------------------------------------------

BRIEF = "people: [{id: otto, password: {env: HASH_0}, roles: [operator]}]\nrules: []\n"


def test_without_a_word_about_it_whoever_acts_may_freeze_and_two_commanders_let_go(tmp_path: Path) -> None:
    policy = rules.policy(tmp_path, BRIEF)
    assert policy.may_freeze(person(policy, "otto")) is None
    assert left(policy.missing_unfreeze("otto", [])) == left(policy.missing_release("otto", [])) == {"commander": 2}
    assert policy.freeze_file is None


def test_a_viewer_does_not_freeze_unless_the_file_says_so(tmp_path: Path) -> None:
    policy = rules.policy(tmp_path, BRIEF.replace("[operator]", "[viewer]"))
    assert policy.may_freeze(person(policy, "otto")) is NO


def test_the_file_that_freezes_is_named(tmp_path: Path) -> None:
    assert rules.policy(tmp_path, BRIEF + "freeze: {file: /run/occ/freeze}\n").freeze_file == Path("/run/occ/freeze")


# --- what the receiver asks for by itself ----------------------------------------------------------------------------

HALT = "{action: halt, request: [operator], approvals: []"


def asking(folder: Path, mode: str) -> Policy:
    """Where operators, and who is on call, may ask for what needs no approval."""
    assert HALT in POLICY
    wider = HALT.replace("[operator]", "[operator, oncall]")
    return rules.policy(folder, POLICY.replace(HALT, f"{wider}, automation: {mode}"))


def test_with_auto_nobody_has_to_approve_it(tmp_path: Path) -> None:
    found = asking(tmp_path, "auto")
    assert found.missing(rule(found, "halt"), "receiver", []) == ()


@pytest.mark.parametrize("mode", ["off", "shadow", "propose"])
def test_without_auto_one_who_might_have_asked_for_it_has_to_say_yes(tmp_path: Path, mode: str) -> None:
    found = asking(tmp_path, mode)
    halt = rule(found, "halt")
    assert left(found.missing(halt, "receiver", [])) == {"operator or oncall": 1}
    assert left(found.missing(halt, "receiver", approved("vera", "tara", "cora", "nobody"))) == {
        "operator or oncall": 1
    }
    assert found.missing(halt, "receiver", approved("otto")) == ()
    assert found.missing(halt, "receiver", approved("carl")) == (), "who is on call"
    assert found.missing(halt, "otto", []) == (), "a person's own word is enough"


def test_the_role_counts_that_was_held_then_and_is_held_now(tmp_path: Path) -> None:
    found = asking(tmp_path, "propose")
    halt = rule(found, "halt")
    assert left(found.missing(halt, "receiver", approved("tom", roles="trader"))) == {"operator or oncall": 1}
    assert found.missing(halt, "receiver", approved("tom", roles="operator")) == ()
    assert left(found.missing(halt, "receiver", approved("tara", roles="operator"))) == {"operator or oncall": 1}


def test_whose_word_would_do_is_told(tmp_path: Path) -> None:
    found = asking(tmp_path, "propose")
    halt = rule(found, "halt")
    assert found.approvers(halt, "receiver", []) == ("otto", "tom", "carl")
    assert found.approvers(halt, "receiver", approved("otto")) == ()


def test_who_may_approve_it_may_reject_it_also_where_nobody_has_to_approve(tmp_path: Path) -> None:
    for mode in ("propose", "auto"):
        found = asking(tmp_path, mode)
        may = {it.id for it in found.people if found.may_approve(it, rule(found, "halt"), "receiver") is None}
        assert may == {"otto", "tom", "carl"}


def test_what_needs_approvals_needs_them_all_the_same(tmp_path: Path) -> None:
    found = asking(tmp_path, "propose")
    assert left(found.missing(rule(found, "resume"), "receiver", [])) == {"trader": 1, "risk": 1}
    assert left(found.missing(rule(found, "resume"), "receiver", approved("both"))) == {"risk": 1}
    assert found.missing(rule(found, "resume"), "receiver", approved("tara", "rita")) == ()

"""Whether nodes that have the same block tell the same state of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporters.nodes.ballots import KEPT, Ballots, dissenters, majority
from exporters.nodes.reading import Pinned
from occ.job import Target


def node(name: str, provider: str = "") -> Target:
    return Target(f"eth/{name}", {"chain": "eth", "node": name}, {"provider": provider or name})


A, B, C, D = map(node, "abcd")
X, Y = Pinned(10, "x"), Pinned(11, "y")


class TestMajority:
    def test_more_than_half_of_the_providers(self) -> None:
        assert majority({A: "1", B: "1", C: "2"}) == "1"

    def test_half_is_none(self) -> None:
        assert majority({A: "1", B: "2"}) is None
        assert majority({A: "1", B: "1", C: "2", D: "2"}) is None

    def test_nobody_says_nothing(self) -> None:
        assert majority({}) is None

    def test_a_provider_has_one_vote_however_many_nodes_it_has(self) -> None:
        many = {node(f"a{n}", "a"): "1" for n in range(9)}
        assert majority({**many, B: "2", C: "2"}) == "2"

    def test_a_provider_says_what_most_of_its_nodes_do(self) -> None:
        mostly: dict[Target, str] = {node("a1", "a"): "1", node("a2", "a"): "1", node("a3", "a"): "2"}
        assert majority({**mostly, B: "1"}) == "1"
        assert majority({**mostly, B: "2"}) is None

    def test_a_provider_whose_nodes_are_torn_is_counted_and_has_no_vote(self) -> None:
        torn: dict[Target, str] = {node("a1", "a"): "1", node("a2", "a"): "2"}
        assert majority({**torn, B: "1"}) is None
        assert majority({**torn, B: "1", C: "1"}) == "1"

    @given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz")), max_size=12))
    def test_there_are_never_two(self, said: list[tuple[str, str]]) -> None:
        votes = {node(f"n{place}", provider): value for place, (provider, value) in enumerate(said)}
        right = majority(votes)
        if right is not None:
            providers = {provider for provider, _ in said}
            own = {p: [value for q, value in said if q == p] for p in providers}
            behind_it = [p for p, values in own.items() if 2 * values.count(right) > len(values)]
            assert 2 * len(behind_it) > len(providers)
            assert dissenters(votes) == {target for target, value in votes.items() if value != right}


class TestBallots:
    def test_a_ballot_is_judged_when_the_next_is_open(self) -> None:
        ballots = Ballots()
        assert [ballots.cast(each, X, "1") for each in (A, B)] == [False, False]
        assert ballots.cast(C, X, "2") is False
        assert [ballots.cast(each, Y, "1") for each in (A, B, C)] == [False, False, True]

    def test_a_node_is_judged_once_for_each(self) -> None:
        ballots = Ballots()
        for target, state in ((A, "1"), (B, "1"), (C, "2")):
            ballots.cast(target, X, state)
        assert ballots.cast(C, Y, "1") is True
        assert ballots.cast(C, Y, "1") is False

    def test_nodes_on_different_blocks_are_not_compared(self) -> None:
        ballots = Ballots()
        for target, pinned in ((A, X), (B, X), (C, Pinned(10, "other"))):
            ballots.cast(target, pinned, pinned.hash)
        assert [ballots.cast(each, Y, "1") for each in (A, B, C)] == [False, False, False]

    def test_the_same_height_asked_again_is_still_open(self) -> None:
        ballots = Ballots()
        for _ in range(3):
            for target, state in ((A, "1"), (B, "1"), (C, "2")):
                assert ballots.cast(target, X, state) is False

    def test_only_the_latest_are_remembered(self) -> None:
        ballots = Ballots()
        for height in range(100):
            ballots.cast(A, Pinned(height, "x"), "1")
        assert len(ballots) == KEPT

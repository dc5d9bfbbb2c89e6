"""What the engine does with what it is told: once per key, never for somebody who has been replaced, never out of bounds."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from demo.engine.faults import Befalls, Fault, Trouble
from demo.engine.state import Engine, Operation, Order, RefusalError

MARKETS = {"binance": ("BTC/USDT",), "deribit": ("BTC-PERPETUAL",)}


def halt(key: str = "a", fence: int = 1, venue: object = "binance") -> Order:
    return Order(key, fence, "halt", {"venue": venue})


def to(value: object, version: str = "1", key: str = "a", name: str = "max_order_usd") -> Order:
    return Order(key, 1, "set", {"value": value}, name, version)


def test_it_quotes_until_it_is_halted_and_again_when_it_is_told_to() -> None:
    engine = Engine(MARKETS)
    assert engine.take(halt()).answer == {"venue": "binance", "quoting": False}
    assert (engine.quoting("binance"), engine.quoting("deribit")) == (False, True)
    assert engine.take(Order("b", 1, "resume", {"venue": "binance"})).answer == {"venue": "binance", "quoting": True}


def test_the_kill_switch_stops_all_whatever_it_is_told() -> None:
    engine = Engine(MARKETS)
    engine.take(Order("a", 1, "kill-switch", {"on": True}))
    engine.take(Order("b", 1, "resume", {"venue": "binance"}))
    assert not any(map(engine.quoting, MARKETS))
    engine.take(Order("c", 1, "kill-switch", {"on": False}))
    assert all(map(engine.quoting, MARKETS))


def test_the_same_key_is_the_same_thing() -> None:
    engine = Engine(MARKETS)
    first = engine.take(halt())
    assert engine.take(halt()) is first
    assert (engine.effects, engine.received) == (Counter(a=1), Counter(a=2))
    with pytest.raises(RefusalError, match="something else before") as caught:
        engine.take(halt(venue="deribit"))
    assert caught.value.status == 422
    assert engine.quoting("deribit")


def test_a_lower_fence_than_one_seen_is_refused() -> None:
    engine = Engine(MARKETS)
    engine.take(halt(fence=8))
    with pytest.raises(RefusalError, match="taken over") as caught:
        engine.take(halt("b", 7, "deribit"))
    assert caught.value.status == 412
    assert engine.quoting("deribit")
    assert "b" not in engine.operations
    engine.take(halt("c", 8, "deribit"))


def test_forgetful_it_does_again_what_is_sent_again() -> None:
    engine = Engine(MARKETS)
    for _ in range(2):
        engine.take(halt(), forgetful=True)
    assert engine.effects == Counter(a=2)


@pytest.mark.parametrize("venue", ["kraken", None, 1, ["binance"], {"a": 1}])
def test_a_refusal_is_remembered_and_has_no_effect(venue: object) -> None:
    engine = Engine(MARKETS)
    refused = engine.take(halt(venue=venue))
    assert (refused.applied, refused.status) == (False, 422)
    assert engine.take(halt(venue=venue)) is refused
    assert engine.effects["a"] == 0


def test_a_parameter_is_changed_only_by_who_has_seen_it() -> None:
    engine = Engine(MARKETS)
    changed = engine.take(to("20000", "1"))
    assert changed.answer == {"value": "20000", "version": "2", "min": "0", "max": "100000"}
    stale = engine.take(to("30000", "1", "b"))
    assert (stale.applied, stale.status) == (False, 412)
    assert engine.parameters["max_order_usd"].value == "20000"


@pytest.mark.parametrize("value", ["-1", "100001", "NaN", "Infinity", "sNaN", "", "much", 5, None, True])
def test_a_parameter_stays_within_its_bounds(value: object) -> None:
    engine = Engine(MARKETS)
    refused = engine.take(to(value))
    assert (refused.applied, refused.status) == (False, 422)
    assert engine.parameters["max_order_usd"].version == 1


def test_a_parameter_that_is_not_there_is_404() -> None:
    assert Engine(MARKETS).take(to("1", name="other")).status == 404


def test_where_it_is_to_be_flat_it_does_not_quote_until_it_goes_on(tmp_path: Path) -> None:
    engine = Engine({"binance": ("BTC/USDT",), "kraken": ("BTC/USD",)}, file=tmp_path / "state")
    assert engine.take(Order("a", 1, "flatten", {"venue": "binance"})).answer == {"venue": "binance", "quoting": False}
    again = Engine(engine.markets, file=engine.file)
    assert (again.flat, again.halted) == ({"binance"}, {"binance"})
    again.take(Order("b", 1, "resume", {"venue": "binance"}))
    assert (again.flat, again.halted) == (set(), set())


def test_who_stops_by_itself_quotes_nowhere() -> None:
    engine = Engine({"binance": ("BTC/USDT",)})
    engine.faults.set(Trouble(Fault.STOPPED, Befalls.ITSELF))
    assert not engine.quoting("binance")
    engine.faults.clear()
    assert engine.quoting("binance")


def test_all_that_it_was_told_outlives_it(tmp_path: Path) -> None:
    file = tmp_path / "engine.json"
    engine = Engine(MARKETS, file=file)
    engine.take(halt(fence=8))
    engine.take(Order("b", 8, "set", {"value": "7"}, "max_order_usd", "1"))
    engine.take(Order("c", 8, "kill-switch", {"on": True}))
    again = Engine(MARKETS, file=file)
    for name in ("halted", "killed", "fence", "parameters", "operations", "effects"):
        assert getattr(again, name) == getattr(engine, name)
    with pytest.raises(RefusalError):
        again.take(halt("d", 7))


class Machine(RuleBasedStateMachine):
    """Any orders in any order, from holders of which the latest counts."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine(MARKETS)
        self.highest = 0
        self.first: dict[str, Operation] = {}

    @rule(
        key=st.sampled_from("abcdef"),
        fence=st.integers(0, 5),
        verb=st.sampled_from(["halt", "resume", "flatten"]),
        venue=st.sampled_from([*MARKETS, "nowhere"]),
    )
    def tell(self, key: str, fence: int, verb: str, venue: str) -> None:
        before = set(self.engine.halted)
        known = key in self.first
        try:
            done = self.engine.take(Order(key, fence, verb, {"venue": venue}))
        except RefusalError:
            assert known or fence < self.highest
            assert self.engine.halted == before
            return
        assert done is self.first.setdefault(key, done)
        if known:
            assert self.engine.halted == before
        else:
            assert fence >= self.highest
            self.highest = fence

    @rule(value=st.decimals(-10, 200_000, places=2), version=st.integers(1, 4), key=st.uuids())
    def set_parameter(self, value: Decimal, version: int, key: object) -> None:
        held = self.engine.parameters["max_order_usd"]
        old = held.version
        order = Order(str(key), self.highest, "set", {"value": str(value)}, "max_order_usd", str(version))
        applied = self.engine.take(order).applied
        assert applied == (version == old and 0 <= value <= 100_000)
        assert held.version == old + applied

    @invariant()
    def nothing_took_effect_twice(self) -> None:
        assert all(count <= 1 for count in self.engine.effects.values())
        assert self.engine.fence == self.highest

    @invariant()
    def who_is_to_be_flat_does_not_quote(self) -> None:
        assert self.engine.flat <= self.engine.halted


TestMachine = Machine.TestCase

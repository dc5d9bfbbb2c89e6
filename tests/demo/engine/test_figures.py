"""What the engine shows: every series that can be foreseen from the start, and nothing that nobody knows."""

from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.engine.figures import Figures
from demo.engine.ledger import Ledger
from demo.engine.state import Engine
from occ.errors import Reason

MARKETS = {"binance": ("BTC/USDT", "BTC/USDT:USDT"), "kraken": ("ETH/USD",)}


def shown(figures: Figures) -> dict[str, dict[tuple[str, ...], float]]:
    """By name and the values of its labels, in order of the labels' names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(figures.shown(12.5).decode()):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(["binance"])


@pytest.fixture
def figures(ledger: Ledger) -> Figures:
    return Figures(Engine(MARKETS), ledger)


def test_what_can_be_foreseen_is_there_from_the_start(figures: Figures) -> None:
    page = shown(figures)
    assert page["engine_heartbeat_timestamp_seconds"] == {(): 12.5}
    assert page["engine_quoting"].keys() == {
        ("BTC/USDT", "binance"),
        ("BTC/USDT:USDT", "binance"),
        ("ETH/USD", "kraken"),
    }
    assert set(page["engine_orders_total"].values()) == {0}
    assert {(outcome, reason) for outcome, reason, _ in page["engine_orders_total"]} >= {
        ("accepted", ""),
        ("rejected", "rpc_error"),
        ("unknown", "timeout"),
    }
    assert len(page["engine_orders_total"]) == len(MARKETS) * (1 + len(Reason))
    assert page["engine_order_ack_seconds_count"] == {("binance",): 0, ("kraken",): 0}


def test_a_position_is_shown_once_it_is_known_for_every_base_also_where_it_is_flat(
    figures: Figures, ledger: Ledger
) -> None:
    assert "engine_position_base" not in shown(figures)
    ledger.open("binance", {"BTC": Decimal("1.5"), "BTC/USDT:USDT": Decimal(-2)})
    assert shown(figures)["engine_position_base"] == {("BTC",): -0.5, ("ETH",): 0}
    ledger.forget("binance")
    assert "engine_position_base" not in shown(figures)


def test_an_order_is_counted_once_by_what_became_of_it(figures: Figures) -> None:
    figures.accepted("binance", 0.02)
    figures.failed("binance", Reason.RPC_ERROR)
    figures.failed("kraken", Reason.TIMEOUT)
    page = shown(figures)
    assert {labels: count for labels, count in page["engine_orders_total"].items() if count} == {
        ("accepted", "", "binance"): 1,
        ("rejected", "rpc_error", "binance"): 1,
        ("unknown", "timeout", "kraken"): 1,
    }
    assert page["engine_order_ack_seconds_count"][("binance",)] == 1
    assert page["engine_order_ack_seconds_sum"][("binance",)] == 0.02

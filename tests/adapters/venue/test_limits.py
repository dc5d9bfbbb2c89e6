"""What a venue's headers and bodies say of its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue.limits import BANNED, LONGEST_BAN, LONGEST_PATIENCE, counts_apart, patience, shares, used

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("host", "headers", "expected"),
    [
        ("api.binance.com", {"X-MBX-USED-WEIGHT-1M": "1500"}, {"1m": 0.25}),
        ("fapi.binance.com", {"X-MBX-USED-WEIGHT-1M": "600"}, {"1m": 0.25}),
        ("elsewhere.example", {"X-MBX-USED-WEIGHT-1M": "600"}, {}),
        ("api.bybit.com", {"X-Bapi-Limit-Status": "9", "X-Bapi-Limit": "10"}, {"1s": pytest.approx(0.1)}),
        ("api.kucoin.com", {"gw-ratelimit-remaining": "1500", "gw-ratelimit-limit": "2000"}, {"30s": 0.25}),
        ("api.bybit.com", {"X-Bapi-Limit-Status": "9", "X-Bapi-Limit": "0"}, {}),
        ("api.binance.com", {"X-MBX-USED-WEIGHT-1M": "-5"}, {}),
        ("api.binance.com", {"X-MBX-USED-WEIGHT-1M": "nan"}, {}),
        ("api.binance.com", {}, {}),
    ],
)
def test_used_share_by_window(host: str, headers: dict[str, str], expected: dict[str, float]) -> None:
    assert used(host, headers) == expected


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (429, {"Retry-After": "30"}, b"", 30),
        (418, {"Retry-After": "259200"}, b"", 259200),
        (418, {}, b"IP banned until 1700000060000.", 60),
        (418, {"Retry-After": "10"}, b"IP banned until 1700000060000.", 60),
        (418, {}, b"IP banned until 1600000000000.", 0),
        (418, {"Retry-After": "999999999999"}, b"", LONGEST_BAN),
        (429, {"Retry-After": "259200"}, b"", LONGEST_PATIENCE),
        (429, {}, b"banned until 1700259200000", LONGEST_PATIENCE),
        (503, {"Retry-After": "86400"}, b"", LONGEST_PATIENCE),
        (429, {"Retry-After": "soon"}, b"", None),
        (429, {"Date": "Tue, 14 Nov 2023 22:13:20 GMT", "Retry-After": "Tue, 14 Nov 2023 22:14:20 GMT"}, b"", 60),
        (429, {}, b"", None),
        (503, {"Retry-After": "30"}, b"", 30),
        (200, {"Retry-After": "30"}, b"until 1700000060000", None),
        (400, {}, b"until 1700000060000", None),
    ],
)
def test_how_long_to_wait(status: int, headers: dict[str, str], body: bytes, expected: float | None) -> None:
    assert patience(status, headers, body, NOW) == expected


@given(st.integers(100, 999), st.text(), st.binary())
def test_nothing_that_a_venue_may_send_does_harm(status: int, header: str, body: bytes) -> None:
    asked = patience(status, {"Retry-After": header, "Date": header}, body, NOW)

    assert asked is None or 0 <= asked <= (LONGEST_BAN if status == BANNED else LONGEST_PATIENCE)


@pytest.mark.parametrize(
    ("exchange", "keys", "expected"),
    [
        ("binance", False, (0.1, 0.0)),
        ("binance", True, (0.05, 0.05)),
        ("somewhere-else", True, (0.05, 0.05)),
        ("okx", True, (0.1, 0.1)),
        ("kraken", True, (0.1, 1.0)),
    ],
)
def test_who_counts_what_for_whom(exchange: str, keys: bool, expected: tuple[float, float]) -> None:  # noqa: FBT001 - a case
    """One count for an address is divided; an account, or a key, that is counted apart has a share of its own."""
    assert shares(exchange, 0.1, keys=keys) == pytest.approx(expected)


@given(st.sampled_from(["binance", "binanceusdm", "gate"]), st.floats(0.001, 1), st.booleans())
def test_of_one_count_all_together_never_take_more_than_the_share(exchange: str, share: float, keys: bool) -> None:  # noqa: FBT001 - by hypothesis
    assert not counts_apart(exchange)
    assert sum(shares(exchange, share, keys=keys)) <= share * (1 + 1e-9)

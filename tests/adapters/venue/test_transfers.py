"""Deposits and withdrawals, as exchanges list them. The wire is replayed: answers in the shapes of the pages that are named, read by
ccxt's classes. Binance's and Kraken's lists are on the venue server as well (tests/exporters/exchange/test_transfers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue import Venue
from adapters.venue.account import Keyed
from adapters.venue.listing import DAY, HORIZON, Listing, Transfer, canonical, destination
from adapters.venue.transfers import LISTINGS, listed
from occ.errors import Reason, SourceError
from tests.adapters.venue.replays import Answer, Replay, by, replayed

AT = 1_750_000_000
ETHEREUM = "0x99cED129603Abc771c0Dabe935c326ff6c86645D"


async def found(exchange: str, answers: Mapping[str, Answer]) -> Mapping[str, Transfer]:
    """By id."""
    async with replayed(exchange, answers) as replay:
        return {each.id: each for each in await _listed(replay)}


async def _listed(replay: Replay) -> Sequence[Transfer]:
    told = await listed(replay.keyed)
    assert told is not None
    return told


async def refusal(exchange: str, answers: Mapping[str, Answer]) -> SourceError:
    async with replayed(exchange, answers) as replay:
        with pytest.raises(SourceError) as caught:
            await listed(replay.keyed)
    return caught.value


def withdrawal(name: str, currency: str, to: str, *, pending: bool = False, at: float = AT) -> Transfer:
    return Transfer(name, "withdrawal", currency, at, pending, to)


# --- where a withdrawal goes -----------------------------------------------------------------------------------------

HEX = st.text("0123456789abcdefABCDEF", min_size=1, max_size=40).map("0x".__add__)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters=":"), min_size=1, max_size=40)
PLAIN = WORDS.filter(lambda text: not text.lower().startswith("0x"))


@given(HEX, st.sampled_from([str.lower, str.upper, str.swapcase]))
def test_hexadecimal_addresses_are_the_same_in_any_case(address: str, change: Callable[[str], str]) -> None:
    assert canonical(change(address)) == canonical(address) == destination(address)
    assert canonical(f"{change(address)}:Tag") == destination(address, "Tag") == f"{address.lower()}:Tag"


@given(PLAIN, PLAIN)
def test_all_others_are_the_same_to_the_letter_alone(one: str, other: str) -> None:
    assert (destination(one) == canonical(other)) == (one == other)


@given(WORDS, WORDS)
def test_with_a_tag_it_is_another_place(address: str, tag: str) -> None:
    assert destination(address, tag) == canonical(f"{address}:{tag}")
    assert destination(address, tag) != destination(address)


@given(PLAIN, PLAIN, PLAIN)
def test_tags_are_the_same_to_the_letter_alone(address: str, one: str, other: str) -> None:
    assert (destination(address, one) == destination(address, other)) == (one == other)


def test_a_place_that_is_not_told_is_none() -> None:
    assert destination(None, "tag") == destination("", "tag") == destination(7) == ""
    assert destination("rEb8", None, "", 101764890) == "rEb8:101764890"


# --- bybit: "Get Withdrawal Records", "Get Deposit Records (on-chain)" -----------------------------------------------

BYBIT_SENT, BYBIT_RECEIVED = "GET /v5/asset/withdraw/query-record", "GET /v5/asset/deposit/query-record"


def bybit(*rows: Any, cursor: str = "") -> Any:
    result = {"rows": [*rows], "nextPageCursor": cursor}
    return {"retCode": 0, "retMsg": "success", "result": result, "retExtInfo": {}, "time": 1672194949928}


def bybit_sent(name: str = "9976", status: str = "success", **more: Any) -> Mapping[str, Any]:
    return {
        "coin": "USDT",
        "chain": "ETH",
        "amount": "77",
        "txID": "",
        "status": status,
        "toAddress": ETHEREUM,
        "tag": "",
        "withdrawFee": "10",
        "createTime": str(AT * 1000),
        "updateTime": str(AT * 1000),
        "withdrawId": name,
        "withdrawType": 0,
        **more,
    }


def bybit_received(name: str, status: int) -> Mapping[str, Any]:
    return {
        "id": name,
        "coin": "USDT",
        "chain": "ETH",
        "amount": "10000",
        "txID": "0x57fd704d",
        "status": status,
        "toAddress": "test-amount-address",
        "tag": "",
        "depositFee": "",
        "successAt": str(AT * 1000),
        "confirmations": "10000",
        "txIndex": "",
        "blockHash": "",
        "batchReleaseLimit": "-1",
        "depositType": "0",
        "fromAddress": "",
    }


async def test_bybit_lists_what_goes_to_other_users_as_well() -> None:
    inside = bybit_sent("13310", chain="internalAddressChain", toAddress="999805", withdrawType=1)
    tagged = bybit_sent("3", coin="XRP", toAddress="rEb8", tag="101764890")
    answers = {BYBIT_SENT: bybit(inside, bybit_sent(status="SecurityCheck"), tagged), BYBIT_RECEIVED: bybit()}
    async with replayed("bybit", answers) as replay:
        assert {each.id: each for each in await _listed(replay)} == {
            "13310": withdrawal("13310", "USDT", "999805"),
            "9976": withdrawal("9976", "USDT", ETHEREUM.lower(), pending=True),
            "3": withdrawal("3", "XRP", "rEb8:101764890"),
        }
        assert "withdrawType=2" in next(each for each in replay.asked if each.startswith(BYBIT_SENT))


@pytest.mark.parametrize("status", ["success", "CancelByUser", "Reject", "Fail", "BlockchainConfirmed"])
async def test_a_withdrawal_at_bybit_that_is_finished(status: str) -> None:
    told = await found("bybit", {BYBIT_SENT: bybit(bybit_sent(status=status)), BYBIT_RECEIVED: bybit()})
    assert not told["9976"].pending


@pytest.mark.parametrize("status", ["SecurityCheck", "Pending", "MoreInformationRequired", "Unknown", "NewWord"])
async def test_what_is_not_known_to_be_finished_is_pending(status: str) -> None:
    told = await found("bybit", {BYBIT_SENT: bybit(bybit_sent(status=status)), BYBIT_RECEIVED: bybit()})
    assert told["9976"].pending


@pytest.mark.parametrize(("status", "pending"), [(0, 1), (1, 1), (2, 1), (3, 0), (4, 0), (10011, 1), (10012, 0)])
async def test_a_deposit_at_bybit(status: int, pending: int) -> None:
    told = await found("bybit", {BYBIT_SENT: bybit(), BYBIT_RECEIVED: bybit(bybit_received("1319723", status))})
    assert told == {"USDT/1319723": Transfer("USDT/1319723", "deposit", "USDT", AT, bool(pending))}


@pytest.mark.parametrize("told", ["", "0"])
async def test_a_deposit_that_tells_no_time_is_pending_all_the_same(told: str) -> None:
    row = {**bybit_received("1319723", 1), "successAt": told}
    (only,) = (await found("bybit", {BYBIT_SENT: bybit(), BYBIT_RECEIVED: bybit(row)})).values()
    assert (only.pending, only.at) == (True, None)


async def test_bybit_is_read_to_the_last_page() -> None:
    full = [bybit_sent(str(number)) for number in range(50)]
    pages = {
        "": bybit(*full[:20], cursor="two"),
        "two": bybit(*full[20:], cursor="three"),
        "three": bybit(bybit_sent("50"), cursor="four"),
    }
    told = await found("bybit", {BYBIT_SENT: by("cursor", pages, bybit()), BYBIT_RECEIVED: bybit()})
    assert len(told) == 51


async def test_pages_without_an_end_are_no_answer() -> None:
    full = bybit(*(bybit_sent(str(number)) for number in range(50)), cursor="again")
    error = await refusal("bybit", {BYBIT_SENT: full, BYBIT_RECEIVED: bybit()})
    assert error.reason is Reason.BAD_RESPONSE


# --- okx: "Get withdrawal history", "Get deposit history" ------------------------------------------------------------

OKX_SENT, OKX_RECEIVED = "GET /api/v5/asset/withdrawal-history", "GET /api/v5/asset/deposit-history"


def okx(*rows: Any) -> Any:
    return {"code": "0", "msg": "", "data": [*rows]}


def okx_sent(name: str, state: str = "2", *, at: float = AT, **more: Any) -> Mapping[str, Any]:
    return {
        "note": "",
        "chain": "ETH-Ethereum",
        "fee": "0.007",
        "feeCcy": "ETH",
        "ccy": "ETH",
        "clientId": "",
        "toAddrType": "1",
        "amt": "0.029809",
        "txId": "0x35c******b360a174d",
        "from": "156****359",
        "areaCodeFrom": "86",
        "to": ETHEREUM,
        "areaCodeTo": "",
        "state": state,
        "ts": str(round(at * 1000)),
        "nonTradableAsset": False,
        "wdId": name,
        **more,
    }


def okx_received(name: str, state: str) -> Mapping[str, Any]:
    return {
        "actualDepBlkConfirm": "2",
        "amt": "1",
        "areaCodeFrom": "",
        "ccy": "USDT",
        "chain": "USDT-TRC20",
        "depId": name,
        "from": "",
        "fromWdId": "",
        "state": state,
        "to": "TN4hGjVXMzy*********9b4N1aGizqs",
        "ts": str(AT * 1000),
        "txId": "16f36383292f451*****",
    }


async def test_okx_lists_addresses_tags_and_accounts() -> None:
    sent = okx(
        okx_sent("1", "0"),
        okx_sent("2", ccy="XRP", to="rEb8", tag="1"),
        okx_sent("3", ccy="EOS", to="eosbndeposit", memo="2"),
        okx_sent("4", ccy="XMR", to="47sghzuf", pmtId="3"),
        okx_sent("5", toAddrType="2", to="someone@example.org"),
    )
    told = await found("okx", {OKX_SENT: sent, OKX_RECEIVED: okx()})
    assert {name: (each.destination, each.pending) for name, each in told.items()} == {
        "1": (ETHEREUM.lower(), True),
        "2": ("rEb8:1", False),
        "3": ("eosbndeposit:2", False),
        "4": ("47sghzuf:3", False),
        "5": ("someone@example.org", False),
    }


OKX_STATES = [("-3", 1), ("-2", 0), ("-1", 0), ("0", 1), ("1", 1), ("2", 0), ("4", 1), ("17", 1), ("99", 1)]


@pytest.mark.parametrize(("state", "pending"), OKX_STATES)
async def test_a_withdrawal_at_okx(state: str, pending: int) -> None:
    told = await found("okx", {OKX_SENT: okx(okx_sent("1", state)), OKX_RECEIVED: okx()})
    assert told["1"].pending == bool(pending)


ATTACHED = [({"comment": "123456"}, "UQBx:123456"), (None, "UQBx"), ("", "UQBx"), ({}, "UQBx")]


@pytest.mark.parametrize(("attachment", "expected"), ATTACHED)
async def test_what_is_attached_to_an_address_at_okx_belongs_to_it(attachment: Any, expected: str) -> None:
    """`addrEx`, which the page shows for TONCOIN."""
    row = okx_sent("1", ccy="TON", to="UQBx", addrEx=attachment)
    told = await found("okx", {OKX_SENT: okx(row), OKX_RECEIVED: okx()})
    assert told["1"].destination == expected


@pytest.mark.parametrize(("state", "pending"), [("0", 1), ("1", 0), ("2", 0), ("8", 1), ("12", 1)])
async def test_a_deposit_at_okx(state: str, pending: int) -> None:
    told = await found("okx", {OKX_SENT: okx(), OKX_RECEIVED: okx(okx_received("88", state))})
    assert told == {"88": Transfer("88", "deposit", "USDT", AT, bool(pending))}


def _okx_history(times: Sequence[float]) -> Callable[[web.Request], Any]:
    """A hundred rows at most, newest first, of those before `after`."""
    rows = [okx_sent(str(number), at=at) for number, at in enumerate(times)]

    def answer(request: web.Request) -> Any:
        before = int(request.query.get("after", 10**15))
        return okx(*[row for row in rows if int(row["ts"]) < before][:100])

    return answer


async def test_pages_at_okx_overlap_where_several_were_begun_at_once() -> None:
    times = sorted((AT - number // 3 for number in range(250)), reverse=True)
    assert len(await found("okx", {OKX_SENT: _okx_history(times), OKX_RECEIVED: okx()})) == 250


async def test_what_lies_beyond_the_horizon_is_left_out_on_every_page() -> None:
    times = [AT, *(AT - HORIZON - number for number in range(-20, 150))]
    async with replayed("okx", {OKX_SENT: _okx_history(times), OKX_RECEIVED: okx()}) as replay:
        assert len(await _listed(replay)) == 22
        assert replay.paths().count(OKX_SENT) == 1


# --- kraken: "Get Status of Recent Withdrawals", "Get Status of Recent Deposits" -------------------------------------

KRAKEN_SENT, KRAKEN_RECEIVED = "POST /0/private/WithdrawStatus", "POST /0/private/DepositStatus"


def kraken(name: str, status: str = "Success", **more: Any) -> Mapping[str, Any]:
    return {
        "method": "Bitcoin",
        "aclass": "currency",
        "asset": "XXBT",
        "refid": name,
        "txid": "29323ce235cee8dae22503caba7",
        "info": "bc1qm32pq3ewt0j37s2g",
        "amount": "0.72485000",
        "fee": "0.00020000",
        "time": AT,
        "status": status,
        "key": "btc-wallet-1",
        **more,
    }


def kraken_page(name: str, *rows: Any, cursor: str | None = None) -> Any:
    return {"error": [], "result": {name: [*rows], "next_cursor": cursor}}


async def test_kraken_lists_both_and_names_assets_in_its_own_way() -> None:
    held = kraken("D2", asset="USDT", **{"status-prop": "onhold"})
    told = await found(
        "kraken",
        {
            KRAKEN_SENT: kraken_page("withdrawals", kraken("W1", "Pending"), kraken("W2", asset="XETH", info=ETHEREUM)),
            KRAKEN_RECEIVED: kraken_page("deposit", kraken("D1", asset="ZUSD"), held),
        },
    )
    assert told == {
        "W1": withdrawal("W1", "BTC", "bc1qm32pq3ewt0j37s2g", pending=True),
        "W2": withdrawal("W2", "ETH", ETHEREUM.lower()),
        "D1": Transfer("D1", "deposit", "USD", AT, pending=False),
        "D2": Transfer("D2", "deposit", "USDT", AT, pending=True),
    }


@pytest.mark.parametrize("odd", [None, 7, {"held": True}, ["onhold"]])
async def test_kraken_may_say_of_what_is_done_what_nobody_knows(odd: Any) -> None:
    plain = {"error": [], "result": [kraken("W1", **{"status-prop": odd})]}
    told = await found("kraken", {KRAKEN_SENT: plain, KRAKEN_RECEIVED: {"error": [], "result": []}})
    assert not told["W1"].pending


async def test_kraken_may_tell_all_of_it_on_one_page() -> None:
    plain = {"error": [], "result": [kraken("W1", "Failure", **{"status-prop": "canceled"})]}
    told = await found("kraken", {KRAKEN_SENT: plain, KRAKEN_RECEIVED: {"error": [], "result": []}})
    assert told == {"W1": withdrawal("W1", "BTC", "bc1qm32pq3ewt0j37s2g")}


async def test_kraken_is_read_by_its_cursor() -> None:
    pages = [
        kraken_page("withdrawals", kraken(f"W{number}"), cursor=more) for number, more in enumerate(("a", "b", None))
    ]
    answers: Mapping[str, Answer] = {KRAKEN_SENT: lambda _: pages.pop(0), KRAKEN_RECEIVED: kraken_page("deposit")}
    assert set(await found("kraken", answers)) == {"W0", "W1", "W2"}
    assert pages == []


# --- deribit: "private/get_withdrawals", "private/get_deposits", "private/get_transfers" -----------------------------

DERIBIT = "GET /api/v2/private/get_"


def deribit(*rows: Any) -> Any:
    return {"jsonrpc": "2.0", "id": 2745, "result": {"count": len(rows), "data": [*rows]}}


def deribit_answers(**of_btc: Any) -> Mapping[str, Answer]:
    """Of BTC; of all other currencies nothing."""
    return {
        f"{DERIBIT}{name}": by("currency", {"BTC": of_btc.get(name, deribit())}, deribit())
        for name in ("withdrawals", "deposits", "transfers")
    }


def deribit_sent(state: str) -> Mapping[str, Any]:
    return {
        "address": "2NBqqD5GRJ8wHy1PYyCXTe9ke5226FhavBz",
        "amount": 0.5,
        "confirmed_timestamp": None,
        "created_timestamp": AT * 1000,
        "currency": "BTC",
        "fee": 0.0001,
        "id": 1,
        "priority": 0.15,
        "state": state,
        "transaction_id": None,
        "updated_timestamp": AT * 1000,
    }


def deribit_received(state: str) -> Mapping[str, Any]:
    return {
        "address": "2N35qDKDY22zmJq9eSyiAerMD4enJ1xx6ax",
        "amount": 5,
        "currency": "BTC",
        "received_timestamp": AT * 1000,
        "state": state,
        "transaction_id": "230669110fdaf0a0",
        "updated_timestamp": AT * 1000,
    }


def deribit_moved(kind: str, direction: str, state: str = "confirmed") -> Mapping[str, Any]:
    return {
        "amount": 0.2,
        "created_timestamp": AT * 1000,
        "currency": "BTC",
        "direction": direction,
        "id": 7,
        "other_side": "another_user",
        "state": state,
        "type": kind,
        "updated_timestamp": AT * 1000,
    }


SENT_STATES = [
    ("unconfirmed", 1),
    ("confirmed", 1),
    ("interrupted", 1),
    ("completed", 0),
    ("cancelled", 0),
    ("rejected", 0),
]


@pytest.mark.parametrize(("state", "pending"), SENT_STATES)
async def test_a_withdrawal_at_deribit(state: str, pending: int) -> None:
    told = await found("deribit", deribit_answers(withdrawals=deribit(deribit_sent(state))))
    assert told == {"BTC/1": withdrawal("BTC/1", "BTC", "2NBqqD5GRJ8wHy1PYyCXTe9ke5226FhavBz", pending=bool(pending))}


@pytest.mark.parametrize(("state", "pending"), [("pending", 1), ("completed", 0), ("rejected", 0), ("replaced", 0)])
async def test_a_deposit_at_deribit(state: str, pending: int) -> None:
    (told,) = (await found("deribit", deribit_answers(deposits=deribit(deribit_received(state))))).values()
    assert (told.kind, told.currency, told.at, told.pending) == ("deposit", "BTC", AT, bool(pending))


async def test_what_goes_to_another_user_of_deribit_is_a_withdrawal_and_to_an_own_account_none() -> None:
    told = await found("deribit", deribit_answers(transfers=deribit(deribit_moved("user", "payment", "prepared"))))
    assert told == {"BTC/transfer/7": withdrawal("BTC/transfer/7", "BTC", "another_user", pending=True)}
    (income,) = (await found("deribit", deribit_answers(transfers=deribit(deribit_moved("user", "income"))))).values()
    assert (income.kind, income.pending) == ("deposit", False)
    assert await found("deribit", deribit_answers(transfers=deribit(deribit_moved("subaccount", "payment")))) == {}


MOVED_STATES = [
    ("prepared", 1),
    ("waiting_for_admin", 1),
    ("confirmed", 0),
    ("cancelled", 0),
    ("insufficient_funds", 0),
    ("not_allowed_for_this_account", 0),
]
"""Whatever else there is, says the page, is the reason of a rejection."""


@pytest.mark.parametrize(("state", "pending"), MOVED_STATES)
async def test_a_transfer_to_another_user_of_deribit(state: str, pending: int) -> None:
    (told,) = (await found("deribit", deribit_answers(transfers=deribit(deribit_moved("user", "payment", state))))).values()  # fmt: skip
    assert told.pending == bool(pending)


async def test_deribit_is_asked_for_every_currency_that_it_has() -> None:
    async with replayed("deribit", deribit_answers()) as replay:
        assert await _listed(replay) == ()
        asked = [each for each in replay.asked if each.startswith(DERIBIT)]
    assert len(asked) == 9
    assert {code for code in ("BTC", "ETH", "USDC") for each in asked if f"currency={code}" in each} == {
        "BTC",
        "ETH",
        "USDC",
    }


# --- coinbase: "List Accounts", "List Transactions" ------------------------------------------------------------------

COINBASE_WALLETS = "GET /v2/accounts"
COINBASE_ROWS = "GET /v2/accounts/wallet-1/transactions"


def coinbase(*rows: Any, more: bool = False) -> Any:
    following = "/v2/accounts/wallet-1/transactions?starting_after=x" if more else None
    return {"pagination": {"limit": 100, "order": "desc", "next_uri": following}, "data": [*rows]}


def wallet(name: str, created: str | None, updated: str | None) -> Mapping[str, Any]:
    return {
        "id": name,
        "name": "BTC Wallet",
        "primary": True,
        "type": "wallet",
        "currency": {"code": "BTC", "name": "Bitcoin"},
        "balance": {"amount": "0.00000000", "currency": "BTC"},
        "created_at": created,
        "updated_at": updated,
        "resource": "account",
    }


USED = wallet("wallet-1", "2024-01-31T20:49:02Z", "2025-01-31T20:49:02Z")
UNUSED = wallet("wallet-2", None, None)


def coinbase_row(name: str, kind: str = "send", amount: str = "-0.1", status: str = "completed", **more: Any) -> Any:
    return {
        "id": name,
        "type": kind,
        "status": status,
        "amount": {"amount": amount, "currency": "BTC"},
        "native_amount": {"amount": "-18.74", "currency": "USD"},
        "created_at": "2025-06-15T15:06:40Z",
        "updated_at": "2025-06-15T15:06:40Z",
        "resource": "transaction",
        "network": {"status": "confirmed", "network_name": "bitcoin"},
        **more,
    }


async def test_coinbase_lists_trades_and_own_moves_beside() -> None:
    rows = coinbase(
        coinbase_row("1", status="pending", to={"resource": "address", "address": "5HA12BNthAvBwN"}),
        coinbase_row("2", to={"resource": "email", "email": "someone@example.org"}),
        coinbase_row("3", amount="0.1"),
        coinbase_row("4", "fiat_withdrawal"),
        coinbase_row("5", "advanced_trade_fill"),
        coinbase_row("6", "pro_withdrawal"),
        coinbase_row("7", "trade", amount="0.1"),
    )
    async with replayed("coinbase", {COINBASE_WALLETS: coinbase(USED, UNUSED), COINBASE_ROWS: rows}) as replay:
        assert {each.id: each for each in await _listed(replay)} == {
            "wallet-1/1": withdrawal("wallet-1/1", "BTC", "5HA12BNthAvBwN", pending=True),
            "wallet-1/2": withdrawal("wallet-1/2", "BTC", "someone@example.org"),
            "wallet-1/3": Transfer("wallet-1/3", "deposit", "BTC", AT, pending=False),
            "wallet-1/4": withdrawal("wallet-1/4", "BTC", ""),
        }
        assert replay.paths() == [COINBASE_WALLETS, COINBASE_ROWS], "a wallet that was never used is left alone"


@pytest.mark.parametrize(
    ("status", "pending"), [("pending", 1), ("waiting_for_clearing", 1), ("failed", 0), ("canceled", 0)]
)
async def test_a_withdrawal_at_coinbase(status: str, pending: int) -> None:
    rows = coinbase(coinbase_row("1", status=status))
    assert (await found("coinbase", {COINBASE_WALLETS: coinbase(USED), COINBASE_ROWS: rows}))[
        "wallet-1/1"
    ].pending == bool(pending)


MADE = "2015-01-31T20:49:02Z"
WALLETS = [("39.59000000", 1), ("0.00000000", 0)]


@pytest.mark.parametrize(("amount", "asked"), WALLETS)
async def test_a_wallet_at_coinbase_with_something_in_it_was_used(amount: str, asked: int) -> None:
    """The example of "List Accounts" has one that was not changed since it was made."""
    told = {**wallet("wallet-1", MADE, MADE), "balance": {"amount": amount, "currency": "BTC"}}
    rows = coinbase(coinbase_row("1", status="pending"))
    assert len(await found("coinbase", {COINBASE_WALLETS: coinbase(told), COINBASE_ROWS: rows})) == asked


async def test_coinbase_is_read_three_days_back() -> None:
    old = coinbase_row("2") | {"created_at": "2025-06-12T15:06:39Z"}
    pages = {"": coinbase(coinbase_row("1"), more=True), "1": coinbase(old, more=True)}
    answers = {COINBASE_WALLETS: coinbase(USED), COINBASE_ROWS: by("starting_after", pages, None)}
    assert set(await found("coinbase", answers)) == {"wallet-1/1"}


@pytest.mark.parametrize(("status", "pending"), [("pending", 1), ("completed", 0)])
async def test_what_was_on_its_way_at_coinbase_is_asked_for_when_it_is_not_listed_any_more(
    status: str, pending: int
) -> None:
    """Who trades a lot has a list that is long for three days."""
    stuck = withdrawal("wallet-1/old", "BTC", "5HA12BNthAvBwN", pending=True, at=AT - 4 * DAY)
    to = {"resource": "address", "address": "5HA12BNthAvBwN"}
    row = coinbase_row("old", status=status, to=to) | {"created_at": "2025-06-11T15:06:40Z"}
    answers = {COINBASE_WALLETS: coinbase(USED), COINBASE_ROWS: coinbase(coinbase_row("1"))}
    async with replayed("coinbase", {**answers, f"{COINBASE_ROWS}/old": {"data": row}}) as replay:
        told = await listed(replay.keyed, [stuck, withdrawal("wallet-1/1", "BTC", "", pending=True)])
        assert told is not None
        assert {each.id: each for each in told}["wallet-1/old"] == replace(stuck, pending=bool(pending))
        assert len(replay.paths()) == 3


# --- binance: "Withdraw History", "Deposit History" ------------------------------------------------------------------


async def lists_of(exchange: str) -> Sequence[Listing]:
    """Of one whose lists are always the same: it is asked for nothing."""
    async with ClientSession() as session, Venue.open(exchange, session=session) as venue:
        return await LISTINGS[exchange](Keyed(venue, exchange))


async def test_binance_is_asked_on_where_a_page_is_full() -> None:
    for listing in await lists_of("binance"):
        assert listing.params == {"limit": 1000}
        assert listing.after([{}] * 999, 999) == {}
        assert listing.after([{}] * 1000, 2000) == {"offset": 2000}


BINANCE = {
    "id": "b6ae22b3aa844210a7041aee7589627c",
    "amount": "8.91000000",
    "transactionFee": "0.004",
    "coin": "USDT",
    "status": 6,
    "address": ETHEREUM,
    "txId": "0xb5ef8c13b968a406cc62a93a8bd80f9e9a906ef1b3fcf20a2e48573c17659268",
    "applyTime": "2025-06-15 15:06:40",
    "network": "ETH",
    "transferType": 0,
}


@pytest.mark.parametrize(("status", "pending"), [(0, 1), (1, 0), (2, 1), (3, 0), (4, 1), (5, 0), (6, 0), (9, 1)])
async def test_a_withdrawal_at_binance_is_told_in_utc(status: int, pending: int) -> None:
    (listing, _) = await lists_of("binance")
    name, to = str(BINANCE["id"]), ETHEREUM.lower()
    assert listing.read({**BINANCE, "status": status}) == withdrawal(name, "USDT", to, pending=bool(pending))
    assert listing.read({**BINANCE, "addressTag": "9"}) == withdrawal(name, "USDT", f"{to}:9")


@pytest.mark.parametrize(("ids", "name"), [({"id": "769800519366885376"}, "769800519366885376"), ({}, "bafc5902")])
async def test_a_deposit_at_binance_is_known_by_its_transaction_where_it_has_no_id(
    ids: Mapping[str, str], name: str
) -> None:
    """As in the older examples of "Deposit History"."""
    (_, listing) = await lists_of("binance")
    row = {"amount": "0.1", "coin": "BCH", "network": "BCH", "status": 1, "address": "1NYx", "addressTag": "", "txId": "bafc5902", "insertTime": AT * 1000, "transferType": 0}  # fmt: skip
    assert listing.read({**row, **ids}) == Transfer(name, "deposit", "BCH", AT, pending=False)


# --- what is no answer -----------------------------------------------------------------------------------------------

BROKEN: list[tuple[str, Mapping[str, Answer]]] = [
    ("bybit", {BYBIT_SENT: bybit() | {"result": {}}, BYBIT_RECEIVED: bybit()}),
    ("bybit", {BYBIT_SENT: bybit(), BYBIT_RECEIVED: bybit() | {"result": {"rows": {}}}}),
    ("bybit", {BYBIT_SENT: bybit(bybit_sent(withdrawId=None)), BYBIT_RECEIVED: bybit()}),
    ("bybit", {BYBIT_SENT: bybit(bybit_sent(createTime="")), BYBIT_RECEIVED: bybit()}),
    ("okx", {OKX_SENT: okx("row"), OKX_RECEIVED: okx()}),
    ("okx", {OKX_SENT: okx(okx_sent("1", "")), OKX_RECEIVED: okx()}),
    ("kraken", {KRAKEN_SENT: {"error": [], "result": {"others": []}}, KRAKEN_RECEIVED: kraken_page("deposit")}),
    (
        "kraken",
        {KRAKEN_SENT: kraken_page("withdrawals", kraken("W", time="soon")), KRAKEN_RECEIVED: kraken_page("deposit")},
    ),
    ("deribit", deribit_answers(deposits={"jsonrpc": "2.0", "result": []})),
    ("deribit", deribit_answers(withdrawals=deribit({**deribit_sent("completed"), "state": None}))),
    ("coinbase", {COINBASE_WALLETS: []}),
    ("coinbase", {COINBASE_WALLETS: coinbase(USED), COINBASE_ROWS: {"data": None}}),
    ("coinbase", {COINBASE_WALLETS: coinbase(USED), COINBASE_ROWS: coinbase(coinbase_row("1", amount="much"))}),
]


@pytest.mark.parametrize(("exchange", "answers"), BROKEN)
async def test_what_can_not_be_read_is_not_nothing(exchange: str, answers: Mapping[str, Answer]) -> None:
    assert (await refusal(exchange, answers)).reason is Reason.BAD_RESPONSE


async def test_one_list_that_is_refused_takes_the_others_with_it() -> None:
    """Who is not told of withdrawals has not seen the transfers."""
    refused = {"retCode": 10005, "retMsg": "Permission denied", "result": {}, "retExtInfo": {}, "time": 1672194949928}
    error = await refusal("bybit", {BYBIT_SENT: bybit(bybit_sent()), BYBIT_RECEIVED: refused})
    assert error.reason is Reason.AUTH


async def test_an_exchange_that_is_not_known_is_not_asked() -> None:
    async with (
        ClientSession() as session,
        Venue.open("gemini", session=session, base_url="http://127.0.0.1:1") as venue,
    ):
        assert await listed(Keyed(venue, "gemini")) is None


@pytest.mark.parametrize("exchange", [name for name in LISTINGS if name not in ("coinbase", "deribit")])
async def test_ccxt_has_what_is_asked_for(exchange: str) -> None:
    async with ClientSession() as session, Venue.open(exchange, session=session) as venue:
        assert all(venue.has(listing.method) for listing in await lists_of(exchange))

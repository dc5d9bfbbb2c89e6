"""Which lists of deposits and withdrawals an exchange keeps, and what stands in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .account import Keyed
from .listing import DAY, Kind, Listing, Transfer, destination, maybe_seconds, seconds, state, transfers
from .shape import Record, instant, number, record, records, word

_WHAT = "transfers"

# --- binance: "Withdraw History", "Deposit History" ------------------------------------------------------------------

_BINANCE_MOST = 1_000
_BINANCE_SENT = frozenset({"1", "3", "5", "6"})  # cancelled, rejected, failed, completed
_BINANCE_RECEIVED = frozenset({"1", "2", "6", "7"})  # success, rejected, credited but locked, wrong deposit


def _sent_by_binance(row: Record) -> Transfer:
    return Transfer(
        id=word(row, "id"),
        kind="withdrawal",
        currency=word(row, "coin"),
        at=instant(row, "applyTime"),
        pending=state(row, "status") not in _BINANCE_SENT,
        destination=destination(row.get("address"), row.get("addressTag")),
    )


def _received_by_binance(row: Record) -> Transfer:
    """Older ones have no id."""
    return Transfer(
        id=word(row, "id" if row.get("id") else "txId"),
        kind="deposit",
        currency=word(row, "coin"),
        at=seconds("insertTime", row),
        pending=state(row, "status") not in _BINANCE_RECEIVED,
    )


def _more_of_binance(page: Any, read: int) -> Mapping[str, Any]:
    return {"offset": read} if len(page) >= _BINANCE_MOST else {}


_OF_BINANCE: Mapping[str, Any] = {
    "rows": lambda page: records(page, _WHAT),
    "params": {"limit": _BINANCE_MOST},
    "after": _more_of_binance,
}
_BINANCE = (
    Listing("fetch_withdrawals", "sapi_get_capital_withdraw_history", read=_sent_by_binance, **_OF_BINANCE),
    Listing("fetch_deposits", "sapi_get_capital_deposit_hisrec", read=_received_by_binance, **_OF_BINANCE),
)
"""Of the last 90 days, which is what Binance gives where no time is asked for."""

# --- bybit: "Get Withdrawal Records", "Get Deposit Records (on-chain)", "Enums Definitions" --------------------------

_BYBIT_MOST = 50
_BYBIT_SENT = frozenset({"success", "CancelByUser", "Reject", "Fail", "BlockchainConfirmed"})
_BYBIT_RECEIVED = frozenset({"3", "4", "10012"})  # success, failed, credited to the funding pool


def _sent_by_bybit(row: Record) -> Transfer:
    return Transfer(
        id=word(row, "withdrawId"),
        kind="withdrawal",
        currency=word(row, "coin"),
        at=seconds("createTime", row),
        pending=word(row, "status") not in _BYBIT_SENT,
        destination=destination(row.get("toAddress"), row.get("tag")),
    )


def _received_by_bybit(row: Record) -> Transfer:
    return Transfer(
        id=f"{word(row, 'coin')}/{row.get('id') or row.get('txID')}",
        kind="deposit",
        currency=word(row, "coin"),
        at=maybe_seconds("successAt", row),  # the last change, so that one which has just begun may have none
        pending=state(row, "status") not in _BYBIT_RECEIVED,
    )


def _rows_of_bybit(page: Any) -> Sequence[Record]:
    return records(record(record(page, _WHAT).get("result"), _WHAT).get("rows"), _WHAT)


def _more_of_bybit(page: Any, _read: int) -> Mapping[str, Any]:
    """Also after a page that is not full: one of a list that is filtered need not be."""
    cursor = page["result"].get("nextPageCursor")
    return {"cursor": cursor} if cursor else {}


_OF_BYBIT: Mapping[str, Any] = {"rows": _rows_of_bybit, "after": _more_of_bybit}
_BYBIT = (
    Listing(
        "fetch_withdrawals",
        "private_get_v5_asset_withdraw_query_record",
        read=_sent_by_bybit,
        params={"withdrawType": 2, "limit": _BYBIT_MOST},  # to other users, too
        **_OF_BYBIT,
    ),
    Listing(
        "fetch_deposits",
        "private_get_v5_asset_deposit_query_record",
        read=_received_by_bybit,
        params={"limit": _BYBIT_MOST},
        **_OF_BYBIT,
    ),
)
"""Of the last 30 days, which is what Bybit gives where no time is asked for; withdrawals to a main account's key alone."""

# --- okx: "Get withdrawal history", "Get deposit history" ------------------------------------------------------------

_OKX_MOST = 100
_OKX_SENT = frozenset({"-2", "-1", "2"})  # cancelled, failed, sent
_OKX_RECEIVED = frozenset({"1", "2"})  # credited, successful


def _sent_by_okx(row: Record) -> Transfer:
    return Transfer(
        id=word(row, "wdId"),
        kind="withdrawal",
        currency=word(row, "ccy"),
        at=seconds("ts", row),
        pending=state(row, "state") not in _OKX_SENT,
        destination=destination(row.get("to"), row.get("tag"), row.get("memo"), row.get("pmtId"), *_attached(row)),
    )


def _attached(row: Record) -> Iterable[Any]:
    """What belongs to an address of a currency that has no tag, as TON's comment."""
    attachment = row.get("addrEx")
    return attachment.values() if isinstance(attachment, dict) else ()


def _received_by_okx(row: Record) -> Transfer:
    return Transfer(
        id=word(row, "depId"),
        kind="deposit",
        currency=word(row, "ccy"),
        at=seconds("ts", row),
        pending=state(row, "state") not in _OKX_RECEIVED,
    )


def _rows_of_okx(page: Any) -> Sequence[Record]:
    return records(record(page, _WHAT).get("data"), _WHAT)


def _more_of_okx(page: Any, _read: int) -> Mapping[str, Any]:
    """What was begun before the last one; and at the same instant, of which the page may have told only a part."""
    rows = _rows_of_okx(page)
    return {"after": str(min(int(number(row, "ts")) for row in rows) + 1)} if len(rows) >= _OKX_MOST else {}


_OF_OKX: Mapping[str, Any] = {
    "rows": _rows_of_okx,
    "at": partial(seconds, "ts"),
    "params": {"limit": _OKX_MOST},
    "after": _more_of_okx,
}
_OKX = (
    Listing("fetch_withdrawals", "private_get_asset_withdrawal_history", read=_sent_by_okx, **_OF_OKX),
    Listing("fetch_deposits", "private_get_asset_deposit_history", read=_received_by_okx, **_OF_OKX),
)

# --- kraken: "Get Status of Recent Withdrawals", "Get Status of Recent Deposits" -------------------------------------

_KRAKEN_DONE = frozenset({"Success", "Failure"})
_KRAKEN_HELD = frozenset({"onhold", "on-hold"})


def _of_kraken(kind: Kind, row: Record) -> Transfer:
    """`info` is the address, or whatever the method of the transfer has in its place."""
    return Transfer(
        id=word(row, "refid"),
        kind=kind,
        currency=word(row, "asset"),
        at=float(number(row, "time")),
        pending=word(row, "status") not in _KRAKEN_DONE or str(row.get("status-prop")) in _KRAKEN_HELD,
        destination=destination(row.get("info")) if kind == "withdrawal" else "",
    )


def _rows_of_kraken(page: Any) -> Sequence[Record]:
    told = record(page, _WHAT).get("result")
    if isinstance(told, dict):
        told = next((told[name] for name in ("withdrawals", "deposits", "deposit") if name in told), None)
    return records(told, _WHAT)


def _more_of_kraken(page: Any, _read: int) -> Mapping[str, Any]:
    told = page["result"]
    cursor = told.get("next_cursor") if isinstance(told, dict) else None
    return {"cursor": cursor} if cursor else {}


_OF_KRAKEN: Mapping[str, Any] = {
    "rows": _rows_of_kraken,
    "at": lambda row: float(number(row, "time")),
    "params": {"cursor": "true"},
    "after": _more_of_kraken,
}
_KRAKEN = (
    Listing("fetch_withdrawals", "private_post_withdrawstatus", read=partial(_of_kraken, "withdrawal"), **_OF_KRAKEN),
    Listing("fetch_deposits", "private_post_depositstatus", read=partial(_of_kraken, "deposit"), **_OF_KRAKEN),
)

# --- deribit: "private/get_withdrawals", "private/get_deposits", "private/get_transfers" -----------------------------

_DERIBIT_MOST = 100
_DERIBIT_DONE = frozenset({"cancelled", "completed", "rejected", "replaced"})
_DERIBIT_MOVING = frozenset({"prepared", "waiting_for_admin"})
"""Any other state of a transfer is an end, or the reason for which it was rejected."""


def _sent_by_deribit(row: Record) -> Transfer:
    return Transfer(
        id=f"{word(row, 'currency')}/{state(row, 'id')}",
        kind="withdrawal",
        currency=word(row, "currency"),
        at=seconds("created_timestamp", row),
        pending=word(row, "state") not in _DERIBIT_DONE,
        destination=destination(row.get("address")),
    )


def _received_by_deribit(row: Record) -> Transfer:
    return Transfer(
        id=f"{word(row, 'currency')}/{row.get('transaction_id')}/{row.get('received_timestamp')}",
        kind="deposit",
        currency=word(row, "currency"),
        at=seconds("received_timestamp", row),
        pending=word(row, "state") not in _DERIBIT_DONE,
    )


def _moved_by_deribit(row: Record) -> Transfer | None:
    """Between users; what stays with the owner's own sub-accounts is none."""
    if word(row, "type") == "subaccount":
        return None
    return Transfer(
        id=f"{word(row, 'currency')}/transfer/{state(row, 'id')}",
        kind="deposit" if word(row, "direction") == "income" else "withdrawal",
        currency=word(row, "currency"),
        at=seconds("created_timestamp", row),
        pending=word(row, "state") in _DERIBIT_MOVING,
        destination=destination(row.get("other_side")),
    )


def _rows_of_deribit(page: Any) -> Sequence[Record]:
    return records(record(record(page, _WHAT).get("result"), _WHAT).get("data"), _WHAT)


def _more_of_deribit(page: Any, read: int) -> Mapping[str, Any]:
    return {"offset": read} if len(_rows_of_deribit(page)) >= _DERIBIT_MOST else {}


async def _deribit(keyed: Keyed) -> tuple[Listing, ...]:
    """Three for each currency that there is."""
    told = record(await keyed.venue.ask("fetch_currencies", "public_get_get_currencies", {}), _WHAT).get("result")
    return tuple(listing for each in records(told, _WHAT) for listing in _of_deribit(word(each, "currency")))


def _of_deribit(currency: str) -> tuple[Listing, ...]:
    common: dict[str, Any] = {
        "rows": _rows_of_deribit,
        "params": {"currency": currency, "count": _DERIBIT_MOST},
        "after": _more_of_deribit,
    }
    begun, received = partial(seconds, "created_timestamp"), partial(seconds, "received_timestamp")
    return (
        Listing("fetch_withdrawals", "private_get_get_withdrawals", at=begun, read=_sent_by_deribit, **common),
        Listing("fetch_deposits", "private_get_get_deposits", at=received, read=_received_by_deribit, **common),
        Listing("fetch_transfers", "private_get_get_transfers", at=begun, read=_moved_by_deribit, **common),
    )


# --- coinbase: "List Accounts", "List Transactions" ------------------------------------------------------------------

_COINBASE_ROWS = "v2_private_get_accounts_account_id_transactions"
_COINBASE_MOST = 100
_COINBASE_HORIZON = 3 * DAY
_COINBASE_DONE = frozenset({"completed", "failed", "expired", "canceled"})
_COINBASE_MOVES = frozenset({"send", "fiat_deposit", "fiat_withdrawal"})


def _of_coinbase(wallet: str, row: Record) -> Transfer | None:
    """Trades stand in the same list, and so does what moves between the owner's own wallets."""
    if word(row, "type") not in _COINBASE_MOVES:
        return None
    amount, to = record(row.get("amount"), _WHAT), row["to"] if isinstance(row.get("to"), dict) else {}
    return Transfer(
        id=f"{wallet}/{word(row, 'id')}",
        kind="withdrawal" if number(amount, "amount") < 0 or row["type"] == "fiat_withdrawal" else "deposit",
        currency=word(amount, "currency"),
        at=instant(row, "created_at"),
        pending=word(row, "status") not in _COINBASE_DONE,
        destination=destination(to.get("address") or to.get("email") or to.get("id")),
    )


def _rows_of_coinbase(page: Any) -> Sequence[Record]:
    return records(record(page, _WHAT).get("data"), _WHAT)


def _more_of_coinbase(page: Any, _read: int) -> Mapping[str, Any]:
    rows, told = _rows_of_coinbase(page), page.get("pagination")
    return {"starting_after": word(rows[-1], "id")} if rows and isinstance(told, dict) and told.get("next_uri") else {}


async def _coinbase(keyed: Keyed) -> tuple[Listing, ...]:
    """One for each wallet in which there ever was anything."""
    most = {"limit": _COINBASE_MOST}
    pages = await keyed.pages(
        "fetch_transactions", "v2_private_get_accounts", most, lambda page: _more_of_coinbase(page, 0)
    )
    rows = [row for page in pages for row in _rows_of_coinbase(page)]
    wallets = [word(row, "id") for row in rows if _ever_used(row)]
    return tuple(
        Listing(
            "fetch_transactions",
            _COINBASE_ROWS,
            rows=_rows_of_coinbase,
            at=lambda row: instant(row, "created_at"),
            read=partial(_of_coinbase, wallet),
            params={**most, "account_id": wallet},
            after=_more_of_coinbase,
            horizon=_COINBASE_HORIZON,
        )
        for wallet in wallets
    )


def _ever_used(wallet: Record) -> bool:
    """Also one that was not changed since it was made, if there is something in it."""
    balance = wallet.get("balance")
    held = balance is not None and number(record(balance, _WHAT), "amount")
    return bool(held) or wallet.get("created_at") != wallet.get("updated_at")


async def _again_at_coinbase(keyed: Keyed, pending: Transfer) -> Transfer | None:
    wallet, _, name = pending.id.partition("/")
    method, params = f"{_COINBASE_ROWS}_transaction_id", {"account_id": wallet, "transaction_id": name}
    told = record(await keyed.venue.ask("fetch_transactions", method, params), _WHAT).get("data")
    return _of_coinbase(wallet, record(told, _WHAT))


# --- all of them -----------------------------------------------------------------------------------------------------


def _always(*listings: Listing) -> Callable[[Keyed], Awaitable[tuple[Listing, ...]]]:
    async def told(_keyed: Keyed) -> tuple[Listing, ...]:
        return listings

    return told


LISTINGS: Mapping[str, Callable[[Keyed], Awaitable[tuple[Listing, ...]]]] = {
    "binance": _always(*_BINANCE),
    "binanceusdm": _always(*_BINANCE),
    "binancecoinm": _always(*_BINANCE),
    "bybit": _always(*_BYBIT),
    "coinbase": _coinbase,
    "deribit": _deribit,
    "kraken": _always(*_KRAKEN),
    "okx": _always(*_OKX),
}
"""By ccxt's id, the lists that there are. The pages of the exchanges' documentation are named above each."""


AGAIN: Mapping[str, Callable[[Keyed, Transfer], Awaitable[Transfer | None]]] = {"coinbase": _again_at_coinbase}
"""How one that is not listed any more is asked for, where the list is short."""


async def listed(keyed: Keyed, pending: Iterable[Transfer] = ()) -> tuple[Transfer, ...] | None:
    """The transfers of the account in the last weeks; None where it is not known how the exchange lists them. Of those that were
    `pending` before, also what became of them since they left a short list.

    Raises SourceError: what can not be seen whole is not told in part.
    """
    if keyed.exchange not in LISTINGS:
        return None
    told = [each for listing in await LISTINGS[keyed.exchange](keyed) for each in await transfers(keyed, listing)]
    listed_now = {(each.kind, each.id) for each in told}
    if again := AGAIN.get(keyed.exchange):
        gone = [each for each in pending if (each.kind, each.id) not in listed_now]
        told += [found for each in gone if (found := await again(keyed, each)) is not None]
    named = (replace(each, currency=keyed.venue.asset(each.currency)) for each in told)
    return tuple({(each.kind, each.id): each for each in named}.values())

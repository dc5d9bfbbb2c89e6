"""Open positions of an account: in which lists an exchange keeps them, and how much of its base asset each of them is.

Records are read as the exchange tells them: ccxt guesses the market of one that it does not know, and leaves some out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from occ.http import bad_response

from . import margin
from .account import INVERSE, LINEAR, SPOT, Keyed
from .shape import Record, maybe, number, record, records, word

WHAT = "positions"
BEHALF = "fetch_positions"

Side = Literal["long", "short"]
Pot = Literal["isolated", "cross", "account"]
Market = Mapping[str, Any]
"""As ccxt has it."""

_RANKS = range(1, 6)


@dataclass(frozen=True, slots=True)
class Position:
    """An open position: `amount` of the base asset, positive, by either side; of inverse contracts at the mark price.

    `price` of a base unit is in `quote`: the mark price, for options that of the underlying. `profit` is the open one, in `settle`.
    `delta` is what a rise of the base asset brings beside the balances, signed, in base; None where that is not known. `apart` is the
    part of the profit that no balance has. `pot` is what is liquidated at `liquidation`: the position where it is isolated, what is held
    in the symbol on cross margin, or the whole account, on whichever side of the mark.
    `adl` is the place in the queue to be deleveraged, 1 to 5, 5 being the next. None: the venue does not say, or has none.
    """

    symbol: str
    base: str
    side: Side
    amount: Decimal
    delta: Decimal | None
    quote: str
    price: Decimal | None
    settle: str
    profit: Decimal | None
    apart: Decimal = Decimal(0)
    mark: Decimal | None = None
    liquidation: Decimal | None = None
    pot: Pot = "cross"
    adl: int | None = None

    @property
    def signed(self) -> Decimal:
        """The amount, negative of a short position."""
        return self.amount if self.side == "long" else -self.amount

    @property
    def notional(self) -> Decimal | None:
        """What it is worth, in `quote`, positive."""
        return None if self.price is None else self.amount * self.price

    @property
    def owed(self) -> Decimal | None:
        """What it is beside the balances of `quote`, signed: what the base was bought for is missing there, or will be."""
        return None if self.price is None or self.delta is None else self.apart - self.delta * self.price


@dataclass(frozen=True, slots=True)
class Told:
    """A record of an open position, and what reads it. `name` is the exchange's own of the market: of a contract, or of a spot market
    for a position on margin.
    """

    name: str
    record: Record
    read: Callable[[Record, Market], Position]
    contract: bool = True


def _open(told: Iterable[Record], name: str, amount: str, read: Callable[[Record, Market], Position]) -> list[Told]:
    """Those that are not flat: exchanges also list what was closed, or has an order alone."""
    return [Told(word(each, name), each, read) for each in told if number(each, amount)]


# --- what a record says ----------------------------------------------------------------------------------------------


def _position(market: Market, side: Side, amount: Decimal, price: Decimal | None, profit: Decimal | None) -> Position:
    return Position(
        symbol=str(market["symbol"]),
        base=str(market["base"]),
        side=side,
        amount=amount,
        delta=amount if side == "long" else -amount,
        quote=str(market["quote"]),
        price=price,
        settle=str(market.get("settle") or market["quote"]),
        profit=profit,
    )


def _contract(
    told: Record, market: Market, side: Side, amount: Decimal, *, mark: str, profit: str, liquidation: str
) -> Position:
    """A future or swap: `amount` is in base, of inverse ones in quote; the others are the keys of what the record says."""
    price = number(told, mark)
    if price <= 0:
        raise bad_response("a position without a mark price")
    base = abs(amount) / price if market.get("inverse") else abs(amount)
    made = _position(market, side, base, price, maybe(told, profit))
    return replace(made, mark=price, liquidation=_price(told, liquidation))


def _sized(contracts: Decimal, market: Market) -> Decimal:
    """Contracts in what one of them is counted: base, or quote of inverse ones."""
    size = maybe(market, "contractSize")
    if size is None or size <= 0:
        raise bad_response("a position in a market without a contract size")
    return contracts * size


def _price(told: Record, key: str) -> Decimal | None:
    """A price; exchanges write 0 or nothing for none."""
    found = maybe(told, key)
    return found if found is not None and found > 0 else None


def _rank(told: Record, key: str, lowest: int) -> int | None:
    """The place in the queue where the exchange counts from `lowest` to four more."""
    found = maybe(told, key)
    rank = 0 if found is None else int(found) - lowest + 1
    return rank if rank in _RANKS else None


def _signed(amount: Decimal) -> Side:
    return "long" if amount > 0 else "short"


def _side(told: Record, key: str, amount: Decimal, sides: Mapping[str, Side | None]) -> Side:
    """By the exchange's word for the side; where that stands for both, by the sign."""
    name = told.get(key)
    if not isinstance(name, str) or name not in sides:
        raise bad_response("a position without a side")
    return sides[name] or _signed(amount)


_BINANCE: Mapping[str, Side | None] = {"BOTH": None, "LONG": "long", "SHORT": "short"}
_BYBIT: Mapping[str, Side | None] = {"Buy": "long", "Sell": "short"}
_COINBASE: Mapping[str, Side | None] = {"LONG": "long", "SHORT": "short"}
_TRADED: Mapping[str, Side | None] = {"buy": "long", "sell": "short"}
_OKX: Mapping[str, Side | None] = {"net": None, "long": "long", "short": "short"}


def binance(told: Record, market: Market) -> Position:
    """USD-M futures, "Position Information V3", with `adl` 0 to 4; COIN-M, "Position Information", with that of "Position ADL
    Quantile Estimation" put in. With both sides on cross margin both are told the one liquidation price of the contract ("How to
    Calculate Liquidation Price of USD-M Futures Contracts"). A portfolio margin account, which is liquidated in another way, lists
    the same without an isolated margin.
    """
    pot: Pot = "isolated" if number(told, "isolatedMargin") else "cross"
    contracts = number(told, "positionAmt")
    side = _side(told, "positionSide", contracts, _BINANCE)
    keys = {"mark": "markPrice", "profit": "unRealizedProfit", "liquidation": "liquidationPrice"}
    return replace(_contract(told, market, side, _sized(contracts, market), **keys), pot=pot, adl=_rank(told, "adl", 0))


def bybit(told: Record, market: Market) -> Position:
    """V5, "Get Position Info". Sizes are in base, or dollars of inverse contracts, whatever ccxt calls the contract's size.
    `positionValue` is at the price of entry, and so not used.
    """
    size = number(told, "size")
    side = _side(told, "side", size, _BYBIT)
    keys = {"mark": "markPrice", "profit": "unrealisedPnl", "liquidation": "liqPrice"}
    pot: Pot = "isolated" if told.get("tradeMode") == 1 else "cross"
    return replace(_contract(told, market, side, size, **keys), pot=pot, adl=_rank(told, "adlRankIndicator", 1))


def bybit_option(told: Record, market: Market) -> Position:
    """The same page. The equity of a coin has the value of its options. The delta beside it is not told, nor the underlying's price."""
    size = number(told, "size")
    return replace(_position(market, _side(told, "side", size, _BYBIT), abs(size), None, None), delta=None)


def coinbase(told: Record, market: Market) -> Position:
    """US futures, "List Futures Positions": amounts are told as texts, or with their currency."""
    contracts = number(told, "number_of_contracts")
    side = _side(told, "side", contracts, _COINBASE)
    amounts = {key: each["value"] if isinstance(each, dict) and "value" in each else each for key, each in told.items()}
    keys = {"mark": "current_price", "profit": "unrealized_pnl", "liquidation": "liquidation_price"}
    return _contract(amounts, market, side, _sized(contracts, market), **keys)


def deribit(told: Record, market: Market) -> Position:
    """API method "private/get_positions". Sizes are not in contracts: USD for inverse futures, base for all others. The liquidation
    price is one share of every future's price (`estimated_liquidation_ratio` of the account summary), the account's and not the
    position's.

    Of an option the delta beside the equity is "Net Transaction Delta Position = Position Deltas - Option Position Mark Prices"
    (`delta_total` of the account summary; "Delta decay during settlement") where its premium is in the base.
    """
    size = number(told, "size")
    side = _side(told, "direction", size, _TRADED)
    if told.get("kind") != "option":
        keys = {"mark": "mark_price", "profit": "floating_profit_loss", "liquidation": "estimated_liquidation_price"}
        return replace(_contract(told, market, side, size, **keys), pot="account")
    made = _position(market, side, abs(size), _price(told, "index_price"), maybe(told, "floating_profit_loss"))
    delta, premium = maybe(told, "delta"), number(told, "mark_price") if market.get("inverse") else Decimal(0)
    return replace(made, delta=None if delta is None else delta - made.signed * premium)


def kraken(told: Record, market: Market) -> Position:
    """Spot API on margin, "Get Open Positions" with `docalcs`: `value` and `net` are of what is still open. No balance has `net`."""
    amount, value = number(told, "vol") - number(told, "vol_closed"), number(told, "value")
    if amount <= 0 or value < 0:
        raise bad_response("a position of nothing, or worth less")
    side = _side(told, "type", amount, _TRADED)
    profit = number(told, "net")
    return replace(_position(market, side, amount, value / amount, profit), apart=profit)


def okx(told: Record, market: Market) -> Position:
    """The trading account, "Get positions"; a contract is ctVal x ctMult, and `adl` the number of lights, none of which is no place.
    Of options `deltaPA` is the delta beside the premium, which the equity has.
    """
    contracts = number(told, "pos")
    side = _side(told, "posSide", contracts, _OKX)
    amount = _sized(contracts, market) * (maybe(market["info"], "ctMult") or 1)
    if told.get("instType") != "OPTION":
        keys = {"mark": "markPx", "profit": "upl", "liquidation": "liqPx"}
        pot: Pot = "isolated" if told.get("mgnMode") == "isolated" else "cross"
        return replace(_contract(told, market, side, amount, **keys), pot=pot, adl=_rank(told, "adl", 1))
    made = _position(market, side, abs(amount), _price(told, "idxPx"), maybe(told, "upl"))
    return replace(made, delta=maybe(told, "deltaPA"))


def okx_margin(told: Record, market: Market) -> Position:
    """Spot on margin: what is held of the base asset, or owed of it. `inBalances` is put in, whether the balances have both: then there
    is no delta beside them. In other modes, and of an isolated one, what they have is not documented.
    """
    long = told.get("posCcy") == str(market["info"].get("baseCcy"))
    amount = abs(number(told, "pos" if long else "liab"))
    made = _position(market, "long" if long else "short", amount, number(told, "markPx"), None)
    delta = Decimal(0) if told.get("mgnMode") == "cross" and told.get("inBalances") else None
    return replace(made, delta=delta, mark=made.price, liquidation=_price(told, "liqPx"), adl=_rank(told, "adl", 1))


# --- asking ----------------------------------------------------------------------------------------------------------


async def _usd_m(keyed: Keyed) -> list[Told]:
    told = await keyed.venue.ask(BEHALF, "fapiPrivateV3GetPositionRisk", {})
    return _open(records(told, WHAT), "symbol", "positionAmt", binance)


async def _coin_m(keyed: Keyed) -> list[Told]:
    told = records(await keyed.venue.ask(BEHALF, "dapiPrivateGetPositionRisk", {}), WHAT)
    if not (held := [each for each in told if number(each, "positionAmt")]):
        return []
    ranks = records(await keyed.venue.ask(BEHALF, "dapiPrivateGetAdlQuantile", {}), WHAT)
    ranked = {word(each, "symbol"): record(each.get("adlQuantile"), WHAT) for each in ranks}
    with_rank = [{**each, "adl": ranked.get(word(each, "symbol"), {}).get(word(each, "positionSide"))} for each in held]
    return _open(with_rank, "symbol", "positionAmt", binance)


_BYBIT_PAGE = "200"


async def _bybit_linear(keyed: Keyed) -> list[Told]:
    """Asked for by the asset of settlement, without which Bybit wants a symbol."""
    known = await keyed.venue.markets()
    settled = sorted({str(market["settle"]) for market in known.values() if market.get("linear")})
    return [told for asset in settled for told in await _bybit_list(keyed, category="linear", settleCoin=asset)]


async def _bybit_inverse(keyed: Keyed) -> list[Told]:
    return await _bybit_list(keyed, category="inverse")


async def _bybit_options(keyed: Keyed) -> list[Told]:
    """A classic account can not have any, and may not ask."""
    if LINEAR in margin.bybit_kind(await keyed.venue.ask(BEHALF, "privateGetV5AccountInfo", {})).apart:
        return []
    return [replace(each, read=bybit_option) for each in await _bybit_list(keyed, category="option")]


async def _bybit_list(keyed: Keyed, **asked: str) -> list[Told]:
    params = {**asked, "limit": _BYBIT_PAGE}
    pages = await keyed.pages(BEHALF, "privateGetV5PositionList", params, _bybit_after)
    return [told for page in pages for told in _open(_bybit_page(page), "symbol", "size", bybit)]


def _bybit_page(told: Any) -> Iterable[Record]:
    return records(record(record(told, WHAT).get("result"), WHAT).get("list"), WHAT)


def _bybit_after(told: Any) -> Mapping[str, Any]:
    """The last page may name a next one, on which there is nothing."""
    cursor = told["result"].get("nextPageCursor") if _bybit_page(told) else None
    return {"cursor": cursor} if cursor else {}


async def _coinbase(keyed: Keyed) -> list[Told]:
    """Asked for an account with futures alone."""
    summary = await keyed.venue.ask(BEHALF, "v3PrivateGetBrokerageCfmBalanceSummary", {})
    if margin.coinbase_futures(summary) is None:
        return []
    told = record(await keyed.venue.ask(BEHALF, "v3PrivateGetBrokerageCfmPositions", {}), WHAT)
    return _open(records(told.get("positions"), WHAT), "product_id", "number_of_contracts", coinbase)


async def _deribit(keyed: Keyed) -> list[Told]:
    told = record(await keyed.venue.ask(BEHALF, "privateGetGetPositions", {}), WHAT)
    return _open(records(told.get("result"), WHAT), "instrument_name", "size", deribit)


async def _kraken(keyed: Keyed) -> list[Told]:
    told = record(await keyed.venue.ask(BEHALF, "privatePostOpenPositions", {"docalcs": "true"}), WHAT)
    held = [record(each, WHAT) for each in record(told.get("result"), WHAT).values()]
    return [replace(each, contract=False) for each in _open(held, "pair", "vol", kraken)]


async def _okx(keyed: Keyed) -> list[Told]:
    told = record(await keyed.venue.ask(BEHALF, "privateGetAccountPositions", {}), WHAT)
    held = _open(records(told.get("data"), WHAT), "instId", "pos", okx)
    if not any(map(_is_on_margin, held)):
        return held
    config = records(record(await keyed.venue.ask(BEHALF, "privateGetAccountConfig", {}), WHAT).get("data"), WHAT)
    # Of multi-currency and of portfolio mode.
    shared = {"inBalances": [each.get("acctLv") for each in config] in (["3"], ["4"])}
    on_margin = [Told(each.name, {**each.record, **shared}, okx_margin, contract=False) for each in held]
    return [other if _is_on_margin(each) else each for each, other in zip(held, on_margin, strict=True)]


def _is_on_margin(told: Told) -> bool:
    return told.record.get("instType") == "MARGIN"


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of positions, asked for an account that trades in any of `markets`."""

    markets: tuple[str, ...]
    asked: Callable[[Keyed], Awaitable[list[Told]]]


LISTINGS: Mapping[str, tuple[Listing, ...]] = {
    "binance": (Listing((LINEAR,), _usd_m), Listing((INVERSE,), _coin_m)),
    "binanceusdm": (Listing((LINEAR,), _usd_m),),
    "binancecoinm": (Listing((INVERSE,), _coin_m),),
    "bybit": (
        Listing((LINEAR,), _bybit_linear),
        Listing((INVERSE,), _bybit_inverse),
        Listing((LINEAR,), _bybit_options),
    ),
    "coinbase": (Listing((SPOT,), _coinbase),),
    "deribit": (Listing((LINEAR, INVERSE), _deribit),),
    "kraken": (Listing((SPOT,), _kraken),),
    "okx": (Listing((SPOT, LINEAR, INVERSE), _okx),),
}
"""By ccxt's id. Of Binance neither positions on margin, options nor a portfolio margin account; of Coinbase no perpetuals (INTX), of
Kraken no futures.
"""


def listings(keyed: Keyed) -> tuple[Listing, ...] | None:
    """The lists in which the account can have positions; None where it is not known how the exchange keeps them."""
    if (known := LISTINGS.get(keyed.exchange)) is None:
        return None
    return tuple(each for each in known if not set(each.markets).isdisjoint(keyed.traded))


async def opened(keyed: Keyed, lists: Iterable[Listing]) -> tuple[Position, ...]:
    """The open positions in these lists, one or more for each symbol and side. Raises SourceError: what can not be seen whole is not
    told in part, and a position in a market that the venue does not list is none that is understood.
    """
    if not (told := [each for one in lists for each in await one.asked(keyed)]):
        return ()
    known = _by_name(await keyed.venue.markets())
    if not all((each.contract, each.name) in known for each in told):
        await keyed.venue.refresh()  # in a market that was listed since
        known = _by_name(await keyed.venue.markets())
    return tuple(each.read(each.record, _market(known, each)) for each in told)


def _by_name(markets: Mapping[str, Market]) -> Mapping[tuple[bool, str], Market]:
    return {(bool(market.get("contract")), str(market["id"])): market for market in markets.values()}


def _market(known: Mapping[tuple[bool, str], Market], told: Told) -> Market:
    if (found := known.get((told.contract, told.name))) is None:
        raise bad_response("a position in a market that the venue does not list")
    return found

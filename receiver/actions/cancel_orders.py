"""`cancel_orders`: cancels the open orders of an account at a venue, plain ones and those that wait for a price.

    {executor: cancel_orders, venue: $venue, account: $account, symbols: [BTC/USDT], keep: [protective_stops]}

A protective stop stays, unless `keep` is empty: an order that waits for the price to go against a position, that by the venue's
own word can but lower that position, and of which the position is there. Applied is what the venue does not show as open any
more. `at_most` bounds what may be cancelled: live state beyond it is not touched.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field

from occ.config import SOME, Model, Name, unique
from occ.errors import SourceError
from receiver import fill
from receiver.actions import Applied, Attempt, Result, Step, StepPlan, Surroundings, Unfit
from receiver.canonical import digits
from receiver.parameters import EXACT, Number
from receiver.why import Why

if TYPE_CHECKING:
    from adapters.venue.orders import Holding, OpenOrder
    from receiver.trading import Account, Look, Sent

PROTECTIVE_STOPS: Literal["protective_stops"] = "protective_stops"

PLAN_WITHIN = 10.0
"""Seconds for a look while planning."""

AGE_OF_A_VERIFICATION = 10.0
"""Seconds for which a look is good enough if nothing was sent since: the orders of all symbols are dear to ask for."""

SETTLES = (0.0, 0.3, 1.0)
"""Seconds before each look whether all has gone: a venue may show for a moment what it has just cancelled."""

SHOWN = 200
"""Orders that a plan shows one by one; of more it tells how many."""

ASKED = 50
"""Orders that a venue is asked for at most after they have gone, so as to tell what was filled of them."""

TOLD = 10
"""Fills that are told one by one."""

RECORDED = 500
"""Orders of which an outcome, and so the audit, has the ids."""


class AtMost(Model):
    """What an approval covers: so many orders, and by quote currency what they may still trade, at their own prices."""

    orders: Annotated[int, Field(ge=1)] | None = None
    notional: dict[str, Annotated[Number, Field(gt=0)]] = Field(default_factory=dict)


class Options(Model):
    """The keys of a step. Without `symbols` it is about all that the account trades."""

    venue: Annotated[Name, fill.TEXT]
    account: Annotated[Name, fill.TEXT]
    symbols: Annotated[
        Annotated[tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], SOME, unique()] | None, fill.JSON
    ] = None
    keep: Annotated[tuple[Literal["protective_stops"], ...], unique()] = (PROTECTIVE_STOPS,)
    at_most: AtMost = AtMost()

    @property
    def receive_window(self) -> float:
        """Seconds after which what was sent takes no effect any more. Binance is told 5; the others are cut off at the deadline."""
        return 10.0


# --- what goes and what stays ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sorted:
    """Open orders: those that are to go, and those that stay."""

    going: tuple[OpenOrder, ...]
    kept: tuple[OpenOrder, ...]


def protects(order: OpenOrder, held: frozenset[tuple[str, Holding]]) -> bool:
    """Whether it is a protective stop. Spot without borrowing sells nothing but what is held: there the venue is no judge of it."""
    if not order.stops or order.lowers is None:
        return False
    return order.market == "spot" or (order.symbol, order.lowers) in held


def sort(look: Look, options: Options) -> Sorted:
    """What is to go, and what stays."""
    sparing = PROTECTIVE_STOPS in options.keep
    kept = tuple(order for order in look.orders if sparing and protects(order, look.held))
    staying = {_id(order) for order in kept}
    return Sorted(tuple(order for order in look.orders if _id(order) not in staying), kept)


def _id(order: OpenOrder) -> tuple[str, str]:
    """Two lists of a venue may have an id in common."""
    return order.section, order.id


def notional(orders: Iterable[OpenOrder]) -> Mapping[str, Decimal]:
    """What orders may still trade, by quote currency; those without a price count for nothing."""
    found: dict[str, Decimal] = {}
    for order in orders:
        if order.notional is not None:
            found[order.currency] = EXACT.add(found.get(order.currency, Decimal(0)), order.notional)
    return found


def beyond(at_most: AtMost, orders: tuple[OpenOrder, ...]) -> str | None:
    """In which way these orders are more than what may be cancelled."""
    if at_most.orders is not None and len(orders) > at_most.orders:
        return f"{len(orders)} orders are open, and {at_most.orders} may be cancelled at most"
    values = notional(orders)
    for currency, most in at_most.notional.items():
        if values.get(currency, Decimal(0)) > most:
            return (
                f"orders of {digits(values[currency])} {currency} are open, and {digits(most)} may be cancelled at most"
            )
    return None


# --- the executor ----------------------------------------------------------------------------------------------------


def keys(step: Step) -> tuple[str, ...]:
    """The account at the venue."""
    options = cast("Options", step.options)
    return (f"venue/{options.venue}/{options.account}",)


async def plan(step: Step, surroundings: Surroundings) -> StepPlan:
    """What may be cancelled, and the very orders that would go now beside it. Raises Unfit."""
    options = cast("Options", step.options)
    if (account := _account(options, surroundings)) is None:
        raise Unfit(Why.DEFINITION_CHANGED, f"no account {options.account} at {options.venue} is configured any more")
    try:
        async with asyncio.timeout(PLAN_WITHIN):
            found = sort(await account.look(options.symbols), options)
    except (SourceError, TimeoutError) as error:
        raise Unfit(Why.UNREACHABLE, f"what is open at {options.venue} can not be seen: {_said(error)}") from None
    if problem := beyond(options.at_most, found.going):
        raise Unfit(Why.OUT_OF_BOUNDS, problem)
    return StepPlan(_does(step, options, surroundings), _evidence(found))


async def execute(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Looks, cancels what is to go, and looks again."""
    options = cast("Options", step.options)
    if (account := _account(options, surroundings)) is None:
        return Result(Applied.NOT_APPLIED, Why.DEFINITION_CHANGED, {"said": "the account is not configured any more"})
    try:
        async with asyncio.timeout(attempt.left()):
            found = sort(await account.look(options.symbols, urgent=True), options)
    except (SourceError, TimeoutError) as error:  # nothing but questions were sent
        why = Why.UNREACHABLE if attempt.left() > 0 else Why.DEADLINE
        return Result(Applied.NOT_APPLIED, why, {"said": f"what is open can not be seen: {_said(error)}"})
    if problem := beyond(options.at_most, found.going):
        return Result(Applied.NOT_APPLIED, Why.OUT_OF_BOUNDS, {"said": problem})
    return await _cancelled(options, account, found, attempt)


async def reconcile(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Looks what is open. What still is says nothing as long as a request may arrive; nor does it say what else was cancelled."""
    final = attempt.final()  # as it was before the venue looked
    looked = await _looked(step, attempt, surroundings)
    if isinstance(looked, str):
        return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": looked})
    if not looked.going:
        return Result(Applied.APPLIED, facts={"said": "nothing that should go is open", **_counts(looked)})
    if not final:
        return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": "orders that should go are open still", **_counts(looked)})
    said = "orders that should go are open; whether others were cancelled is not known"
    return Result(Applied.PARTLY, Why.NOT_APPLIED, {"said": said, **_counts(looked)})


async def verify(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Whether nothing that should go is open, by the venue's own word."""
    looked = await _looked(step, attempt, surroundings, within=AGE_OF_A_VERIFICATION)
    if isinstance(looked, str):
        return Result(Applied.UNCLEAR, Why.NOT_CONFIRMED, {"said": looked})
    if looked.going:
        return Result(Applied.NOT_APPLIED, Why.NOT_CONFIRMED, {"said": "orders are open", **_counts(looked)})
    return Result(Applied.APPLIED, facts=_counts(looked))


# --- seeing ----------------------------------------------------------------------------------------------------------


def _account(options: Options, surroundings: Surroundings) -> Account | None:
    venue = surroundings.venues.get(options.venue)
    return None if venue is None else venue.accounts.get(options.account)


async def _looked(step: Step, attempt: Attempt, surroundings: Surroundings, *, within: float = 0.0) -> Sorted | str:
    """What is open, or why that can not be told."""
    options = cast("Options", step.options)
    if (account := _account(options, surroundings)) is None:
        return "the account is not configured any more"
    try:
        async with asyncio.timeout(attempt.left()):
            return sort(await account.look(options.symbols, within=within), options)
    except (SourceError, TimeoutError) as error:
        return f"what is open can not be seen: {_said(error)}"


def _said(error: Exception) -> str:
    return str(error) or "no answer in time"


def _does(step: Step, options: Options, surroundings: Surroundings) -> Mapping[str, Any]:
    most = options.at_most
    return {
        "executor": step.executor,
        "venue": options.venue,
        **surroundings.venues[options.venue].definition,
        "account": options.account,
        "symbols": "all" if options.symbols is None else list(options.symbols),
        "keep": list(options.keep),
        "at_most": {
            **({} if most.orders is None else {"orders": str(most.orders)}),
            **({"notional": {name: digits(amount) for name, amount in most.notional.items()}} if most.notional else {}),
        },
    }


def _evidence(found: Sorted) -> Mapping[str, Any]:
    return {
        "orders": str(len(found.going)),
        "notional": {name: digits(amount) for name, amount in sorted(notional(found.going).items())},
        "cancels": [_shown(order) for order in found.going[:SHOWN]],
        "keeps": [_shown(order) for order in found.kept[:SHOWN]],
        "not_shown": str(sum(max(0, len(orders) - SHOWN) for orders in (found.going, found.kept))),
    }


def _shown(order: OpenOrder) -> Mapping[str, str]:
    price = {} if order.price is None else {"price": digits(order.price)}
    waits = {"waits": "yes"} if order.conditional else {}
    open_ = {"remaining": digits(order.remaining), "filled": digits(order.filled)}
    return {"id": order.id, "symbol": order.symbol, "side": order.side, **open_, **price, **waits}


def _counts(found: Sorted) -> Mapping[str, str]:
    by_symbol = Counter(order.symbol for order in found.going)
    where = ", ".join(f"{count} in {symbol}" for symbol, count in by_symbol.most_common(TOLD))
    return {"open": str(len(found.going)), "kept": str(len(found.kept)), **({"where": where} if where else {})}


# --- cancelling ------------------------------------------------------------------------------------------------------


async def _cancelled(options: Options, account: Account, found: Sorted, attempt: Attempt) -> Result:
    requests = account.cancels(found.going, sparing=bool(options.keep), account=options.symbols is None)
    async with asyncio.TaskGroup() as group:
        sending = [group.create_task(account.cancel(each, attempt.clear, attempt.left)) for each in requests]
    sent = [task.result() for task in sending]
    try:
        async with asyncio.timeout(attempt.left()):
            after = await _settled(options, account, found, wait=any(each.why is None for each in sent))
    except (SourceError, TimeoutError) as error:
        return _unseen(found, sent, _said(error))
    fills = await _fills(account, found.going, after, sent, attempt.left)
    return _judged(found, after, sent, fills)


async def _settled(options: Options, account: Account, found: Sorted, *, wait: bool) -> Look:
    """What is open once it does not change any more; `wait` where something was accepted that may not be seen yet."""
    going = {_id(order) for order in found.going}
    for pause in SETTLES:
        await asyncio.sleep(pause)
        after = await account.look(options.symbols, urgent=True)
        if not wait or not going & {_id(order) for order in after.orders}:
            break
    return after


def _unseen(found: Sorted, sent: list[Sent], said: str) -> Result:
    """What it is where nobody could look again."""
    kept = {"kept": str(len(found.kept))}
    if found.going and any(each.lost or each.why is None for each in sent):
        told = {"said": f"what is open can not be seen: {said}", **kept, **_ids("orders_asked_for", found.going)}
        return Result(Applied.UNCLEAR, Why.UNCLEAR, told)
    if found.going:
        return Result(Applied.NOT_APPLIED, _why(sent), {"said": _refusal(sent), **kept})
    return Result(Applied.APPLIED, facts={"cancelled": "0", **kept})


def _judged(found: Sorted, after: Look, sent: list[Sent], fills: Fills) -> Result:
    still = {_id(order) for order in after.orders}
    left = [order for order in found.going if _id(order) in still]
    gone = [order for order in found.going if _id(order) not in still]
    before = {_id(order) for order in (*found.going, *found.kept)}
    facts = {
        "cancelled": str(len(found.going) - len(left) - fills.whole),
        "left": str(len(left)),
        "kept": str(len(found.kept)),
        "new": str(len(still - before)),
        **fills.facts,
        **_ids("orders_gone", gone),
        **_ids("orders_left", left),
    }
    if any(each.lost for each in sent):
        return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": "not every request was answered", **facts})
    if not left:
        return Result(Applied.APPLIED, facts=facts)
    applied = Applied.NOT_APPLIED if len(left) == len(found.going) else Applied.PARTLY
    return Result(applied, _why(sent), {"said": _refusal(sent), **facts})


def _ids(name: str, orders: Sequence[OpenOrder]) -> Mapping[str, str]:
    """The ids of orders under a name; nothing where there are none."""
    more = [f"and {len(orders) - RECORDED} more"] if len(orders) > RECORDED else []
    found = ", ".join([*(order.id for order in orders[:RECORDED]), *more])
    return {name: found} if found else {}


def _why(sent: list[Sent]) -> Why:
    """Why orders are left: they were not sent any more, or refused, or the venue has said yes and left them open."""
    return next((each.why for each in sent if each.why), Why.NOT_APPLIED)


def _refusal(sent: list[Sent]) -> str:
    return next((each.said for each in sent if each.said), "not all of it was cancelled")


@dataclass(frozen=True, slots=True)
class Fills:
    """What was filled between the look before and the one after: how many orders as a `whole`, and all of it in words."""

    whole: int
    facts: Mapping[str, str]


async def _fills(
    account: Account, orders: tuple[OpenOrder, ...], after: Look, sent: list[Sent], left: Callable[[], float]
) -> Fills:
    totals = {_id(order): order.filled for order in after.orders}
    totals |= {id_: amount for each in sent for id_, amount in each.filled.items()}
    totals |= await _asked(account, [order for order in orders if _id(order) not in totals][:ASKED], left)
    known = [order for order in orders if _id(order) in totals]
    meanwhile = [(order, more) for order in known if (more := totals[_id(order)] - order.filled) > 0]
    words = [f"{order.side} {digits(amount)} {order.symbol}, order {order.id}" for order, amount in meanwhile[:TOLD]]
    facts = {"filled_meanwhile": str(len(meanwhile)), **({"fills": "; ".join(words)} if words else {})}
    if missing := len(orders) - len(known):
        facts["fills_unknown"] = str(missing)
    return Fills(sum(amount >= order.remaining for order, amount in meanwhile), facts)


async def _asked(
    account: Account, orders: list[OpenOrder], left: Callable[[], float]
) -> Mapping[tuple[str, str], Decimal]:
    """What was filled in all of orders of which no answer has told."""
    found: dict[tuple[str, str], Decimal] = {}

    async def ask(order: OpenOrder) -> None:
        if (amount := await account.filled(order)) is not None:
            found[_id(order)] = amount

    try:
        async with asyncio.timeout(left()):
            await asyncio.gather(*map(ask, orders))
    except TimeoutError:
        pass
    return found

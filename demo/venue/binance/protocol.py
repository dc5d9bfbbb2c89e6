"""What all HTTP endpoints of Binance share: parameters, keys and signatures, request weights, error bodies."""

import hashlib
import hmac
import json
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from demo.venue import rights
from demo.venue.accounts import Account
from demo.venue.desk import RefusalError
from demo.venue.exchange import Exchange, Segment
from demo.venue.limits import BannedError, TooManyRequestsError
from demo.venue.market import Market
from demo.venue.wire import Answer, Json, Question

_WINDOW = 5_000  # ms within which a signed request must arrive, where it does not say
_LONGEST_WINDOW = 60_000
_AHEAD = 1_000  # ms that a client's clock may be ahead
_KEY_LENGTH = 64


class ApiError(Exception):
    """An error body of Binance, `{"code": …, "msg": …}`, and the HTTP status it comes with."""

    def __init__(self, code: int, message: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code} {message}")
        self.answer = Answer.json({"code": code, "msg": message}, status, headers)


_REFUSED = {
    "insufficient": (-2010, "Account has insufficient balance for requested action."),
    "margin": (-2019, "Margin is insufficient."),
    "reduce_only": (-2022, "ReduceOnly Order is rejected."),
    "duplicate": (-2010, "Duplicate order sent."),
    "immediately_triggers": (-2010, "Stop price would trigger immediately."),
    "would_take": (-2010, "Order would immediately match and take."),
    "leverage": (-2027, "Exceeded the maximum allowable position at current leverage."),
    "halted": (-1013, "Market is closed."),
    "unknown": (-2011, "Unknown order sent."),
    "stuck": (-2011, "Order was not canceled due to cancel restrictions."),
}
"""By the word of RefusalError."""


def refused(error: RefusalError, others: Mapping[str, tuple[int, str]] | None = None) -> ApiError:
    """`others` are messages that replace those of spot."""
    return ApiError(*{**_REFUSED, **(others or {})}[error.why])


@dataclass(frozen=True)
class Call:
    """A request that was let in. `account` is None where it was not signed."""

    exchange: Exchange
    segment: Segment
    params: Mapping[str, str]
    account: Account | None = None

    @property
    def stamp(self) -> int:
        return self.exchange.stamp()

    @property
    def signer(self) -> Account:
        """Whose key it is; only signed endpoints ask."""
        if self.account is None:
            raise AssertionError("the endpoint is not signed")
        return self.account

    def text(self, name: str) -> str:
        if not (text := self.params.get(name, "")):
            raise ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return text

    def integer(self, name: str) -> int | None:
        """None where it was not sent."""
        if (text := self.params.get(name)) is None:
            return None
        if not text.isascii() or not text.isdigit():
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
        return int(text)

    def amount(self, name: str) -> Decimal:
        """A number above 0."""
        try:
            amount = Decimal(self.text(name))
        except InvalidOperation:
            amount = Decimal(0)
        if not amount.is_finite() or amount <= 0:
            raise ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return amount

    def between(self, longest: int) -> tuple[int, int]:
        """`startTime` and `endTime` in ms; without a start the `longest` before the end, without an end now."""
        end = self.integer("endTime")
        last = self.stamp if end is None else end
        start = self.integer("startTime")
        return (last - longest if start is None else start), last

    def limit(self, default: int, most: int) -> int:
        return min(most, max(1, self.integer("limit") or default))

    def market(self) -> Market:
        return self._market(self.text("symbol"))

    def optional_market(self) -> Market | None:
        return self.market() if "symbol" in self.params else None

    def markets(self) -> list[Market]:
        """Those of `symbol`, of `symbols`, a JSON list, or all."""
        if "symbol" in self.params:
            return [self.market()]
        if "symbols" not in self.params:
            return list(self.segment.listed())
        try:
            names = json.loads(self.params["symbols"])
        except ValueError:
            names = None
        if not isinstance(names, list) or not names:
            raise ApiError(-1100, "Illegal characters found in parameter 'symbols'; legal range is '^\\[...\\]$'.")
        return [self._market(str(name)) for name in names]

    def _market(self, name: str) -> Market:
        market = self.segment.markets.get(name)
        if market is None or not market.listed:
            raise ApiError(-1121, "Invalid symbol.")
        return market


Weight = Callable[[Mapping[str, str]], int]


@dataclass(frozen=True)
class Endpoint:
    """`weight` by the parameters. TRADE endpoints need a key that may trade, signed ones any key, and those that are `keyed`
    a key but no signature.
    """

    handle: Callable[[Call], Json]
    weight: Weight | int = 1
    signed: bool = False
    trade: bool = False
    keyed: bool = False

    def cost(self, params: Mapping[str, str]) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


@dataclass(frozen=True)
class Route:
    """Where an endpoint's requests are counted, and in which header."""

    endpoint: Endpoint
    segment: Segment
    header: str


def answer(exchange: Exchange, route: Route, question: Question) -> Answer:
    """Count, admit, and answer; errors as Binance words them."""
    params = dict(urllib.parse.parse_qsl(question.query) + urllib.parse.parse_qsl(question.body))
    try:
        _count(exchange, route, params)
        account = _admitted(exchange, question, params, route.endpoint)
        told = Answer.json(route.endpoint.handle(Call(exchange, route.segment, params, account)))
    except ApiError as error:
        told = error.answer
    except RefusalError as error:
        told = refused(error).answer
    used = {route.header: str(route.segment.limiter.used)}
    return Answer(told.status, told.body, {**used, **told.headers}, told.content_type, changes=route.endpoint.trade)


def _count(exchange: Exchange, route: Route, params: Mapping[str, str]) -> None:
    limiter = route.segment.limiter
    try:
        limiter.spend(route.endpoint.cost(params), exchange.clock())
    except BannedError as error:
        banned(error.until, error.retry_after)
    except TooManyRequestsError as error:
        window = "SECOND" if limiter.window == 1 else "MINUTE"
        raise ApiError(
            -1003,
            f"Too much request weight used; current limit is {limiter.limit} request weight per 1 {window}. Please use "
            "WebSocket Streams for live updates to avoid polling the API.",
            429,
            {"Retry-After": str(error.retry_after)},
        ) from None


def banned(until: float, retry_after: int) -> NoReturn:
    """`until` is a Unix time."""
    raise ApiError(
        -1003,
        f"Way too much request weight used; IP banned until {round(until * 1000)}. Please use WebSocket Streams for live "
        "updates to avoid bans.",
        418,
        {"Retry-After": str(retry_after)},
    )


def _admitted(exchange: Exchange, question: Question, params: Mapping[str, str], endpoint: Endpoint) -> Account | None:
    """Whose key it is, if the request is fresh, signed by that key, and the key may do it; None where none is needed."""
    if not endpoint.signed and not endpoint.keyed:
        return None
    key = question.headers.get("X-MBX-APIKEY", "")
    if len(key) != _KEY_LENGTH:
        raise ApiError(-2014, "API-key format invalid.", 401)
    if endpoint.signed:
        fresh(params, exchange.stamp())
    account = permitted(exchange, key, question, trade=endpoint.trade)
    if endpoint.signed and not hmac.compare_digest(
        _signature(question, account.secret), params.get("signature", "").encode()
    ):
        raise ApiError(-1022, "Signature for this request is not valid.")
    return account


def permitted(exchange: Exchange, key: str, question: Question, *, trade: bool = False) -> Account:
    """Whose key it is, if it may be used from there and for that."""
    account = exchange.accounts.get(key)
    if (
        account is None
        or not rights.accepted(exchange, account, question.address)
        or (trade and not rights.trades(exchange, account))
        or rights.denied(exchange, account, question.path)
    ):
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    return account


def fresh(params: Mapping[str, str], now: int) -> None:
    for name in ("signature", "timestamp"):
        if not params.get(name):
            raise ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    try:
        sent, window = int(params["timestamp"]), int(params.get("recvWindow", _WINDOW))
    except ValueError:
        raise ApiError(-1100, "Illegal characters found in a parameter.") from None
    if window > _LONGEST_WINDOW:
        raise ApiError(-1131, f"recvWindow must be less than {_LONGEST_WINDOW}.")
    if sent >= now + _AHEAD:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - sent > window:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _signature(question: Question, secret: str) -> bytes:
    """HMAC SHA256 in hexadecimal over query and body as they were sent, without the signature itself."""
    signed = "".join(
        "&".join(part for part in text.split("&") if not part.startswith("signature="))
        for text in (question.query, question.body)
    )
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest().encode()


def eight(amount: Decimal) -> str:
    """An amount of an asset as text."""
    return f"{amount:.8f}"


def several(one: int, many: int) -> Weight:
    """The weight of one symbol, and of all."""
    return lambda params: one if "symbol" in params else many


def by_limit(steps: Mapping[int, int], default: int) -> Weight:
    """The weight by the largest limit it is for; `default` is the limit where none is asked for."""

    def weight(params: Mapping[str, str]) -> int:
        limit = params.get("limit", "")
        asked = int(limit) if limit.isascii() and limit.isdigit() else default
        return next((weight for most, weight in steps.items() if asked <= most), max(steps.values()))

    return weight


Routes = Mapping[tuple[str, str], Endpoint]
Fields = dict[str, Any]

"""exchange.yml."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, create_model, model_validator
from pydantic_core import PydanticCustomError

from exporters.exchange.checks import LOOK_SECONDS, CheckOptions
from exporters.exchange.declared import check_files
from exporters.exchange.symbols import base_of, quote_of
from occ.config import (
    SOME,
    ExporterConfig,
    HttpUrl,
    Model,
    Name,
    SecretValue,
    TargetLabels,
    Timing,
    refuse,
    refuse_all,
    unique,
)
from occ.errors import ConfigError, Problem
from occ.job import Pace

ALL: Literal["all"] = "all"

_SYMBOL = re.compile(r"[^\s/:]{1,32}/[^\s/:]{1,32}(:[^\s/:]{1,48})?")
_ASSET = re.compile(r"[^\s/:]{1,32}")
_ADDRESS = re.compile(r"\S{1,256}")


# --- symbols and assets ----------------------------------------------------------------------------------------------


def _symbol(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and _SYMBOL.fullmatch(value):
        return value
    raise refuse("expected a symbol such as BTC/USDT or BTC/USDT:USDT")


def _asset(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and _ASSET.fullmatch(value):
        return value
    raise refuse("expected an asset such as USDT")


Symbol = Annotated[str, PlainValidator(_symbol)]
Asset = Annotated[str, PlainValidator(_asset)]
Size = Annotated[int, Field(ge=1, le=10**12)]
SymbolList = Annotated[tuple[Symbol, ...], unique()]


def _all_as_none(value: object) -> object:
    """`all` is None inside, so that what is wrong in a list is said of its items alone."""
    if value is None or isinstance(value, str):
        if value == ALL:
            return None
        raise refuse("expected a list of symbols, or all")
    return value


class Symbols(Model):
    """What is followed of a venue: books by symbol, and tickers by symbol or (None) of all that it lists."""

    books: SymbolList = ()
    tickers: Annotated[SymbolList | None, BeforeValidator(_all_as_none)] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """Every symbol that the configuration names, once."""
        return tuple(dict.fromkeys((*self.books, *(self.tickers or ()))))


class PriceSource(Model):
    """Where an asset's price comes from: the middle of a symbol's ticker."""

    venue: Name
    symbol: Symbol

    @property
    def base(self) -> str:
        """What is priced."""
        return base_of(self.symbol)

    @property
    def quote(self) -> str:
        """What it is priced in."""
        return quote_of(self.symbol)


# --- venues ----------------------------------------------------------------------------------------------------------


def _address(value: object) -> str:
    if isinstance(value, int):
        raise refuse("an address is a text: write it in quotes")
    if isinstance(value, str) and _ADDRESS.fullmatch(value) and value.isprintable():
        return value
    raise refuse("expected an address, or ADDRESS:TAG, without blanks")


Address = Annotated[str, PlainValidator(_address)]


class Account(Model):
    """A key of the desk at a venue, for reading alone, and where money may be withdrawn to: ADDRESS, or ADDRESS:TAG where there is
    a tag.

    `markets` are those where the account trades, which alone are asked for; all that the exchange has without any.
    """

    name: Name
    api_key: SecretValue
    secret: SecretValue
    password: SecretValue | None = None
    markets: Annotated[tuple[Literal["spot", "linear", "inverse"], ...], unique()] = ()
    withdraw_to: Annotated[tuple[Address, ...], unique()] = ()


class OptionsDesk(Model):
    """The underlyings of which the options are watched."""

    underlyings: Annotated[tuple[Asset, ...], SOME, unique()]


def _or_off(options: type[CheckOptions]) -> Any:
    def off(value: object) -> object:
        if value == "off":
            return None
        if value is None or isinstance(value, str):
            raise refuse("expected options, or off")
        return value

    return Annotated[options | None, BeforeValidator(off)]


@cache
def _checks_model() -> type[Model]:
    """The part `checks` of a venue: a key for each check, and its options or None for `off`."""
    fields: dict[str, Any] = {
        name: (_or_off(check.Options), Field(default=check.Options())) for name, check in check_files().items()
    }
    return create_model("Checks", __base__=Model, **fields)


def _usual_checks() -> Model:
    return _checks_model()()


def _checks(value: object, info: Any) -> Model:
    return _checks_model().model_validate(value, context=info.context)


def _known_exchange(name: str) -> str:
    from adapters.venue import IDS  # noqa: PLC0415 - ccxt is loaded when a file is read, not when a board is made

    if name not in IDS:
        close = difflib.get_close_matches(name.lower(), IDS, n=3)
        raise refuse(f"no such exchange; did you mean {' or '.join(close)}?" if close else "no such exchange of ccxt")
    return name


class Venue(Timing):
    """An exchange, and what is watched of it."""

    name: Name
    exchange: Annotated[str, AfterValidator(_known_exchange)]
    base_url: HttpUrl | None = None
    symbols: Symbols = Symbols()
    stream: bool = True
    rate_limit_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    checks: Annotated[Any, PlainValidator(_checks), Field(default_factory=_usual_checks)]
    accounts: Annotated[tuple[Account, ...], unique("name")] = ()
    options: OptionsDesk | None = None
    labels: TargetLabels = TargetLabels()

    def chosen(self, check: str) -> CheckOptions | None:
        """The options of a check; None where it is off."""
        options: CheckOptions | None = getattr(self.checks, check)
        return options

    def pace(self, config: ExporterConfig, interval: float | None = None, options: CheckOptions | None = None) -> Pace:
        """The timing in force: the check's own, else its usual `interval`, else the venue's, else the file's defaults.

        What is asked at an interval of its own may take longer, and is shown for at least three intervals.
        """
        given, defaults = options or CheckOptions(), config.defaults
        own = given.every or interval
        chosen = own or self.interval or defaults.interval
        usual = self.stale_after or defaults.stale_after
        least = 4 * config.scrape_interval if usual is None else usual
        return Pace(
            interval=chosen,
            timeout=given.timeout or min(chosen, self.timeout or (given.longest_wait if own else defaults.timeout)),
            stale_after=given.stale_after or (least if usual and not own else max(3 * chosen, least)),
            silence=given.silence or self.silence or defaults.silence,
        )


# --- the file --------------------------------------------------------------------------------------------------------


class ExchangeConfig(ExporterConfig):
    """The whole file."""

    sizes_usd: Annotated[tuple[Size, ...], SOME, unique()] = (10_000, 100_000, 1_000_000)
    dollar_like: Annotated[tuple[Asset, ...], unique()] = ("USD", "USDT", "USDC")
    prices: dict[Asset, PriceSource] = {}  # noqa: RUF012 - pydantic copies it
    venues: Annotated[tuple[Venue, ...], SOME, unique("name")]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        refuse_all(
            (
                *_unusable_prices(self),
                *_priced_nowhere(self),
                *_counted_twice(self),
                *(
                    problem
                    for index, venue in enumerate(self.venues)
                    for problem in (
                        *_untimely(self, venue, index),
                        *_nothing_to_do(venue, index),
                        *_traded_nowhere(venue, index),
                    )
                ),
            )
        )
        return self

    @property
    def bases(self) -> Mapping[str, str]:
        """The one name of each asset that has aliases."""
        return {alias: base for base, aliases in self.assets.items() for alias in (base, *aliases)}

    def price_stale_after(self, name: str) -> float:
        """Seconds after which a price from this venue is none any more."""
        (venue,) = (venue for venue in self.venues if venue.name == name)
        return venue.pace(self, check_files()["prices"].INTERVAL, venue.chosen("prices")).stale_after


def _unusable_prices(config: ExchangeConfig) -> Iterator[PydanticCustomError]:
    names = [venue.name for venue in config.venues]
    for asset, source in config.prices.items():
        if source.venue not in names:
            yield refuse(f"no such venue{_meant(source.venue, names)}", "prices", asset, "venue")
        if asset == "USD":
            yield refuse("a dollar is a dollar: leave it out", "prices", asset)
        elif source.base != asset:
            yield refuse(f"prices {source.base}, not {asset}", "prices", asset, "symbol")
        elif not _ends_in_dollars(config.prices, asset):
            yield refuse(f"{source.quote} has no price in dollars itself", "prices", asset, "symbol")


def _ends_in_dollars(prices: Mapping[str, PriceSource], asset: str) -> bool:
    """Whether the price leads to dollars over other prices, and not round in a circle."""
    passed = set[str]()
    while asset != "USD":
        if asset in passed or asset not in prices:
            return False
        passed.add(asset)
        asset = prices[asset].quote
    return True


def _untimely(config: ExchangeConfig, venue: Venue, index: int) -> Iterator[PydanticCustomError]:
    for name, check in check_files().items():
        options = venue.chosen(name)
        if options is None:
            continue
        at = ("venues", index, "checks", name)
        pace = venue.pace(config, check.INTERVAL, options)
        if pace.timeout > pace.interval:
            yield refuse(f"must not be longer than the interval, {pace.interval:g} s", *at, "timeout")
        if pace.stale_after < pace.interval:
            yield refuse(f"must not be shorter than the interval, {pace.interval:g} s", *at, "stale_after")
        if hasattr(check, "STREAMS") and pace.silence < 2 * LOOK_SECONDS:
            yield refuse(f"a stream is looked at every {LOOK_SECONDS:g} s: at least twice that", *at, "silence")


def _priced_nowhere(config: ExchangeConfig) -> Iterator[PydanticCustomError]:
    priced = {source.venue for source in config.prices.values()}
    for index, venue in enumerate(config.venues):
        if venue.name in priced and venue.chosen("prices") is None:
            yield refuse("prices are taken from this venue: leave it on", "venues", index, "checks", "prices")


def _counted_twice(config: ExchangeConfig) -> Iterator[PydanticCustomError]:
    """An account under two names would be held twice: in the net delta, in what is counted of withdrawals and reductions."""
    first: dict[object, str] = {}
    for index, venue in enumerate(config.venues):
        for number, account in enumerate(venue.accounts):
            key, place = (venue.exchange, venue.base_url, account.api_key), f"venues[{index}].accounts[{number}]"
            if (before := first.setdefault(key, place)) != place:
                message = f"is the key of {before} as well: an account is to be configured once"
                yield refuse(message, "venues", index, "accounts", number, "api_key")


def _nothing_to_do(venue: Venue, index: int) -> Iterator[PydanticCustomError]:
    if not any(venue.chosen(name) for name in check_files()):
        yield refuse("all checks are off: leave the venue out", "venues", index, "checks")


def _traded_nowhere(venue: Venue, index: int) -> Iterator[PydanticCustomError]:
    for number, account in enumerate(venue.accounts):
        there = _markets(venue.exchange)
        if wrong := [market for market in account.markets if market not in there]:
            known = f"there is: {', '.join(there)}" if there else "it is not known what there is"
            message = f"there is no {', '.join(wrong)} at this exchange; {known}"
            yield refuse(message, "venues", index, "accounts", number, "markets")


def _markets(exchange: str) -> tuple[str, ...]:
    from adapters.venue.account import MARKETS  # noqa: PLC0415 - ccxt is loaded when a file is read, not when a board is made

    return MARKETS.get(exchange, ())


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


# --- a part of it ----------------------------------------------------------------------------------------------------


_OF_PRICES = ("connection", "prices")


def only(config: ExchangeConfig, names: tuple[str, ...]) -> ExchangeConfig:
    """The configuration with these venues alone. Of others stay only those from which prices come, and nothing else of them.

    Raises ConfigError for names that are not in the file.
    """
    known = [venue.name for venue in config.venues]
    if problems := [
        Problem("--only-venues", None, "", f"no venue {name!r} is configured{_meant(name, known)}")
        for name in names
        if name not in known
    ]:
        raise ConfigError(problems)
    priced = {source.venue for source in config.prices.values()}
    kept = [
        venue if venue.name in names else _quiet(venue) for venue in config.venues if venue.name in {*names, *priced}
    ]
    return config.model_copy(update={"venues": tuple(kept)})


def _quiet(venue: Venue) -> Venue:
    off = venue.checks.model_copy(update=dict.fromkeys(name for name in check_files() if name not in _OF_PRICES))
    return venue.model_copy(update={"symbols": Symbols(), "checks": off, "accounts": (), "options": None})

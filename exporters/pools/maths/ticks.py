"""Ticks of Uniswap v3: prices at powers of 1.0001, and which of them are initialised. After TickMath and TickBitmap."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MIN_TICK, MAX_TICK = -887272, 887272
MIN_SQRT_RATIO = 4295128739
MAX_SQRT_RATIO = 1461446703485210103287273052203988822378723970342
Q96 = 2**96

# sqrt(1.0001)^-(2^n) as Q128, for n from 0 on: TickMath's own constants.
_FACTORS = (
    0xFFFCB933BD6FAD37AA2D162D1A594001,
    0xFFF97272373D413259A46990580E213A,
    0xFFF2E50F5F656932EF12357CF3C7FDCC,
    0xFFE5CACA7E10E4E61C3624EAA0941CD0,
    0xFFCB9843D60F6159C9DB58835C926644,
    0xFF973B41FA98C081472E6896DFB254C0,
    0xFF2EA16466C96A3843EC78B326B52861,
    0xFE5DEE046A99A2A811C461F1969C3053,
    0xFCBE86C7900A88AEDCFFC83B479AA3A4,
    0xF987A7253AC413176F2B074CF7815E54,
    0xF3392B0822B70005940C7A398E4B70F3,
    0xE7159475A2C29B7443B29C7FA6E889D9,
    0xD097F3BDFD2022B8845AD8F792AA5825,
    0xA9F746462D870FDF8A65DC1F90E061E5,
    0x70D869A156D2A1B890BB3DF62BAF32F7,
    0x31BE135F97D08FD981231505542FCFA6,
    0x9AA508B5B7A84E1C677DE54F3E99BC9,
    0x5D6AF8DEDB81196699C329225EE604,
    0x2216E584F5FA1EA926041BEDFE98,
    0x48A170391F7DC42444E8FA2,
)
_LOG = 2 / math.log(1.0001)


@functools.lru_cache(maxsize=1 << 16)
def sqrt_at(tick: int) -> int:
    """The square root of the price at a tick, as Q64.96, rounded up. Raises ValueError outside of the ticks there are."""
    if not MIN_TICK <= tick <= MAX_TICK:
        raise ValueError(f"no tick {tick}")
    ratio, size = 1 << 128, abs(tick)
    for bit, factor in enumerate(_FACTORS):
        if size >> bit & 1:
            ratio = ratio * factor >> 128
    if tick > 0:
        ratio = (2**256 - 1) // ratio
    return -(-ratio >> 32)


def tick_at(sqrt_price: int) -> int:
    """The greatest tick whose price is not above this one. Raises ValueError outside of the prices there are."""
    if not MIN_SQRT_RATIO <= sqrt_price < MAX_SQRT_RATIO:
        raise ValueError("no such price")
    tick = min(max(math.floor(math.log(sqrt_price / Q96) * _LOG), MIN_TICK), MAX_TICK)
    while sqrt_at(tick) > sqrt_price:
        tick -= 1
    while tick < MAX_TICK and sqrt_at(tick + 1) <= sqrt_price:
        tick += 1
    return tick


class UnknownTicksError(LookupError):
    """A word of the bitmap is needed that was not read; `word` is its number."""

    def __init__(self, word: int) -> None:
        super().__init__(f"word {word} of the tick bitmap was not read")
        self.word = word


@dataclass(frozen=True, slots=True)
class Ticks:
    """The initialised ticks of a pool, as far as they were read.

    `words` are words of the bitmap by number, one bit for each tick that the spacing allows; `net` is the liquidity that
    each initialised tick adds when it is crossed upwards, `gross` that of all ranges which end there: a swap needs none of it.
    """

    spacing: int
    words: Mapping[int, int]
    net: Mapping[int, int]
    gross: Mapping[int, int] = field(default_factory=dict)

    def with_liquidity(self, lower: int, upper: int, amount: int) -> Ticks:
        """The ticks after so much liquidity has come to a range, or gone, when negative; those that were not read stay so.

        Raises ValueError for what can not have happened. After Tick.update and TickBitmap.flipTick.
        """
        words, net, gross = dict(self.words), dict(self.net), dict(self.gross)
        for tick, added in ((lower, amount), (upper, -amount)) if amount and self.words else ():
            place, beside = divmod(tick, self.spacing)
            if (number := place >> 8) not in words:
                continue
            net[tick], gross[tick] = net.get(tick, 0) + added, gross.get(tick, 0) + amount
            if beside or gross[tick] < 0:
                raise ValueError(f"no liquidity can have come to tick {tick}, or gone from there")
            bit = 1 << (place & 255)
            words[number] = words[number] | bit if gross[tick] else words[number] & ~bit
            if not gross[tick]:
                del net[tick], gross[tick]
        return Ticks(self.spacing, words, net, gross)

    def word_of(self, tick: int) -> int:
        """The number of the word that a tick is in."""
        return tick // self.spacing >> 8

    def next(self, tick: int, *, down: bool) -> tuple[int, bool]:
        """The next initialised tick in the same word, at or below `tick` or above it, and True; else the word's end, and False.

        Raises UnknownTicksError for a word that was not read. After TickBitmap.nextInitializedTickWithinOneWord.
        """
        place = tick // self.spacing
        if down:
            bit, found = place & 255, self._word(place >> 8) & ((2 << (place & 255)) - 1)
            at = found.bit_length() - 1 - bit if found else -bit
            return (place + at) * self.spacing, found != 0
        place += 1
        bit, found = place & 255, self._word(place >> 8) >> (place & 255)
        at = (found & -found).bit_length() - 1 if found else 255 - bit
        return (place + at) * self.spacing, found != 0

    def _word(self, number: int) -> int:
        try:
            return self.words[number]
        except KeyError:
            raise UnknownTicksError(number) from None


def initialised(word: int, bits: int, spacing: int) -> Iterator[int]:
    """The ticks that a word of the bitmap says are initialised, from the lowest up."""
    while bits:
        low = bits & -bits
        yield ((word << 8) + low.bit_length() - 1) * spacing
        bits ^= low

"""`python -m demo.venue --port 9800 --venue binance=binance --venue other=binance --seed 7`: venues of one seed at one port.

Base URLs for exchange.yml are BASE/<name>; GET /venues tells them, and the switches are below it.
"""

import argparse
import asyncio
import contextlib
import time
from decimal import Decimal, InvalidOperation

from .accounts import Opening
from .assets import listings
from .build import KINDS, build
from .flow import Habits
from .server import Server


def _name_and_kind(text: str) -> tuple[str, str]:
    name, _, kind = text.partition("=")
    if (kind or name) not in KINDS:
        raise argparse.ArgumentTypeError(f"no kind {kind or name}; kinds: {', '.join(KINDS)}")
    return name, kind or name


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is no number") from None
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"{text} is no amount")
    return amount


async def _serve(options: argparse.Namespace) -> None:
    habits = Habits(levels=options.levels, rate=options.rate, clip=options.clip)
    names = dict(options.venue or [(kind, kind) for kind in KINDS])
    opening = Opening(options.wallet, options.hedged)
    venues = [
        build(kind, name, time.time, seed=options.seed, symbols=options.symbols, habits=habits, opening=opening)
        for name, kind in names.items()
    ]
    async with Server(venues, options.port) as server:
        print(f"venues: {', '.join(map(server.base_url, names))}; switches: {server.url}/venues", flush=True)
        await server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.venue", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1")
    parser.add_argument(
        "--venue",
        action="append",
        type=_name_and_kind,
        metavar="NAME[=KIND]",
        help=f"of {', '.join(KINDS)}; all by default",
    )
    parser.add_argument(
        "--seed", type=int, default=7, help="the same seed makes the same reference prices on every venue"
    )
    parser.add_argument("--symbols", type=int, default=20, help="of each kind of market")
    parser.add_argument("--levels", type=int, default=Habits.levels, help="of each side of a book")
    parser.add_argument("--clip", type=float, default=Habits.clip, help="lots of a usual order of the crowd")
    parser.add_argument("--rate", type=float, default=Habits.rate, help="orders of the crowd a second and symbol")
    parser.add_argument(
        "--wallet", type=_amount, default=Opening.wallet, metavar="USDT", help="for contracts, of each account"
    )
    parser.add_argument("--hedged", action="store_true", help="accounts begin in hedge mode")
    options = parser.parse_args()
    try:
        listings(options.symbols)
    except ValueError as error:
        parser.error(str(error))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options))


if __name__ == "__main__":
    main()

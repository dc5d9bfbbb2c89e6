"""`python -m demo.engine --port 8000 --venue binance=BTC/USDT,ETH/USDT`: the demo's trading engine as a process.

ENGINE_TOKEN in the environment is the token that it wants; without it everybody on this machine is let in. With `--trades` it has
orders at that venue while it quotes there, and with `--holds` a position as well; with `--counts` it has an account there and no
orders. VENUE_KEY and VENUE_SECRET of the environment are the key of all of them.
"""

import argparse
import asyncio
import contextlib
import os
from contextlib import AsyncExitStack
from decimal import Decimal, InvalidOperation
from pathlib import Path

from .ledger import Ledger
from .server import Server
from .state import Engine

MARKETS = {"binance": ("BTC/USDT", "ETH/USDT"), "deribit": ("BTC-PERPETUAL",)}


def _markets(text: str) -> tuple[str, tuple[str, ...]]:
    venue, _, symbols = text.partition("=")
    if not venue or not symbols:
        raise argparse.ArgumentTypeError("expected NAME=SYMBOL,SYMBOL")
    return venue, tuple(symbols.split(","))


def _place(text: str) -> tuple[str, str, str]:
    name, named, rest = text.partition("=")
    exchange, at, url = rest.partition("@")
    if not named or not at or not url.startswith("http"):
        raise argparse.ArgumentTypeError("expected NAME=EXCHANGE@URL")
    return name, exchange, url


def _position(text: str) -> tuple[str, str, Decimal]:
    try:
        name, symbol, size = text.split("=")
        return name, symbol, Decimal(size)
    except (ValueError, InvalidOperation):
        raise argparse.ArgumentTypeError("expected NAME=SYMBOL=SIZE") from None


async def _serve(options: argparse.Namespace) -> None:
    engine = Engine(dict(options.venue or MARKETS.items()), file=options.state)
    accounts = [(*place, True) for place in options.trades] + [(*place, False) for place in options.counts]
    ledger = Ledger(name for name, *_ in accounts)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            Server(engine, ledger=ledger, port=options.port, token=os.environ.get("ENGINE_TOKEN", ""))
        )
        print(f"engine: {server.url}", flush=True)
        for name, exchange, url, trades in accounts:
            from .quoter import Place, trading  # noqa: PLC0415 - loads ccxt

            holds = {symbol: size for where, symbol, size in options.holds if where == name}
            keys = os.environ["VENUE_KEY"], os.environ["VENUE_SECRET"]
            await stack.enter_async_context(trading(server, Place(name, exchange, url, trades, holds), *keys))
        await server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1")
    parser.add_argument("--venue", action="append", type=_markets, metavar="NAME=SYMBOL,…", help="where it quotes")
    parser.add_argument("--state", type=Path, help="file in which all that it was told outlives it")
    for flag, told in (
        ("--trades", "where it has orders while it quotes"),
        ("--counts", "where it has an account alone"),
    ):
        parser.add_argument(flag, action="append", default=[], type=_place, metavar="NAME=EXCHANGE@URL", help=told)
    parser.add_argument(
        "--holds",
        action="append",
        default=[],
        type=_position,
        metavar="NAME=SYMBOL=SIZE",
        help="a position in a contract that it keeps where it trades, in the base asset; below 0 is sold",
    )
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options))


if __name__ == "__main__":
    main()

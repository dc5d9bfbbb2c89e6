"""`python -m demo.engine --port 8000 --venue binance=BTC/USDT,ETH/USDT`: the demo's trading engine as a process.

ENGINE_TOKEN in the environment is the token that it wants; without it everybody on this machine is let in.
"""

import argparse
import asyncio
import contextlib
import os
from pathlib import Path

from .server import Server
from .state import Engine

MARKETS = {"binance": ("BTC/USDT", "ETH/USDT"), "deribit": ("BTC-PERPETUAL",)}


def _markets(text: str) -> tuple[str, tuple[str, ...]]:
    venue, _, symbols = text.partition("=")
    if not venue or not symbols:
        raise argparse.ArgumentTypeError("expected NAME=SYMBOL,SYMBOL")
    return venue, tuple(symbols.split(","))


async def _serve(options: argparse.Namespace) -> None:
    engine = Engine(dict(options.venue or MARKETS.items()), file=options.state)
    async with Server(engine, port=options.port, token=os.environ.get("ENGINE_TOKEN", "")) as server:
        print(f"engine: {server.url}", flush=True)
        await server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1")
    parser.add_argument("--venue", action="append", type=_markets, metavar="NAME=SYMBOL,…", help="where it quotes")
    parser.add_argument("--state", type=Path, help="file in which all that it was told outlives it")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options))


if __name__ == "__main__":
    main()

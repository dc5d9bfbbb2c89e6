"""A venue server: real matching, seeded order flow, and the wire protocols of real exchanges, so that ccxt works on it.

    engine.py    price-time priority for one symbol; pure
    flow.py      who trades when nobody does: seeded reference prices and orders around them; pure
    assets.py    what is listed
    published.py the book as it is told, with update ids
    market.py    one symbol: engine, flow, published book, trades, candles
    accounts.py  accounts and their keys; rights.py says what a key may do just now
    desk.py      orders of accounts, plain and conditional, and spot balances
    margin.py    what positions need, and at which price they are liquidated: formulas; pure
    positions.py positions of accounts, cross and isolated, one-way and hedged, and the wallet behind them
    funding.py   what the holders of contracts pay each other
    clearing.py  what the venue does with positions: funding, liquidation, auto-deleveraging
    transfers.py deposits and withdrawals
    faults.py    what can go wrong with a venue
    limits.py    request weights, refusals and bans
    exchange.py  all markets and accounts of one venue, its clock, and the faults that are switched on
    wire.py      what a protocol is to the server
    binance/     Binance spot and USD-M futures, over HTTP and WebSocket, with the streams of accounts
    kraken/      Kraken spot, over HTTP and WebSocket
    build.py     which venues there are
    server.py    one port for several venues: BASE/<venue>/<original host>/<original path>, and the switches

`python -m demo.venue --venue binance=binance` runs it. No code here imports ccxt: that it works on these servers, unmodified,
is what the tests show.
"""

"""exchange.yml: what is accepted, and what is said of the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporters.exchange.__main__ import main
from exporters.exchange.config import ExchangeConfig, only
from exporters.exchange.declared import check_files
from occ.config import load
from occ.errors import ConfigError

CORPUS = sorted((Path(__file__).parent / "bad-config").glob("*.yml"))

PLAIN = """
prices: {USDT: {venue: kraken, symbol: USDT/USD}, BTC: {venue: binance, symbol: BTC/USDT}}
assets: {BTC: [XBT, WBTC]}
venues:
  - {name: binance, exchange: binance, symbols: {books: [BTC/USDT], tickers: all}}
  - {name: kraken, exchange: kraken, symbols: {books: [BTC/USD], tickers: [USDT/USD]}}
  - {name: okx, exchange: okx}
"""


def loaded(folder: Path, text: str = PLAIN) -> ExchangeConfig:
    path = folder / "exchange.yml"
    path.write_text(text)
    return load(path, ExchangeConfig, {"KEY": "k3y-0123456789"}).config


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_and_its_place(path: Path) -> None:
    expected = re.findall(r"^# expect: (.*)$", path.read_text(), re.MULTILINE)
    assert expected, "the file does not say what is expected of it"
    with pytest.raises(ConfigError) as caught:
        load(path, ExchangeConfig, {})
    assert [f"{problem.line}: {problem.path}: {problem.message}" for problem in caught.value.problems] == expected


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 25


def test_the_example_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[3] / "config" / "exchange.yml"
    assert main(["--config", str(example), "--check-config"]) == 0
    assert capsys.readouterr().out == f"{example}: valid\n"


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    okx = config.venues[-1]
    assert (okx.stream, okx.rate_limit_share, okx.symbols.books, okx.symbols.tickers) == (True, 0.1, (), ())
    assert config.sizes_usd == (10_000, 100_000, 1_000_000)
    assert config.dollar_like == ("USD", "USDT", "USDC")
    assert all(okx.chosen(check) is not None for check in check_files())


def test_all_tickers_are_not_a_list(tmp_path: Path) -> None:
    symbols = loaded(tmp_path).venues[0].symbols
    assert symbols.tickers is None
    assert symbols.named == ("BTC/USDT",)


def test_aliases_have_one_name(tmp_path: Path) -> None:
    assert loaded(tmp_path).bases == {"BTC": "BTC", "XBT": "BTC", "WBTC": "BTC"}


def test_a_check_may_be_off_and_another_tuned(tmp_path: Path) -> None:
    text = PLAIN.replace("exchange: okx}", "exchange: okx, checks: {clock: off, order_book: {depth: 5}}}")
    okx = loaded(tmp_path, text).venues[-1]
    assert okx.chosen("clock") is None
    options = okx.chosen("order_book")
    assert options is not None
    assert options.model_dump()["depth"] == 5


# --- timing ----------------------------------------------------------------------------------------------------------


def timing(folder: Path, check: str, text: str = PLAIN) -> tuple[float, float, float, float]:
    config = loaded(folder, text)
    venue = config.venues[-1]
    pace = venue.pace(config, check_files()[check].INTERVAL, venue.chosen(check))
    return pace.interval, pace.timeout, pace.stale_after, pace.silence


def test_a_check_with_an_interval_of_its_own_may_wait_longer_for_its_turn(tmp_path: Path) -> None:
    assert timing(tmp_path, "connection") == (5.0, 3.0, 60.0, 30.0)
    assert timing(tmp_path, "order_book") == (10.0, 10.0, 60.0, 30.0)
    assert timing(tmp_path, "markets") == (300.0, 10.0, 900.0, 30.0)
    assert timing(tmp_path, "trades")[3] == 300.0


def test_what_takes_many_requests_may_wait_longer_still_but_no_longer_than_its_interval(tmp_path: Path) -> None:
    assert timing(tmp_path, "transfers") == (300.0, 240.0, 900.0, 30.0)
    text = PLAIN.replace("exchange: okx}", "exchange: okx, checks: {transfers: {interval: 20s}}}")
    assert timing(tmp_path, "transfers", text) == (20.0, 20.0, 60.0, 30.0)


def test_addresses_are_kept_as_they_are_written(tmp_path: Path) -> None:
    """How they are compared is the exchange's matter."""
    keys = "api_key: {env: KEY}, secret: {env: KEY}"
    account = "{name: desk, " + keys + ", withdraw_to: ['0xAbC', 'rEb8:101764890', someone@example.org]}"
    config = loaded(tmp_path, PLAIN.replace("exchange: okx}", f"exchange: okx, accounts: [{account}]}}"))
    assert config.venues[-1].accounts[0].withdraw_to == ("0xAbC", "rEb8:101764890", "someone@example.org")


def test_stale_after_of_the_file_is_not_for_what_is_asked_less_often(tmp_path: Path) -> None:
    text = "defaults: {stale_after: 20s}" + PLAIN
    assert timing(tmp_path, "connection", text)[2] == 20.0
    assert timing(tmp_path, "order_book", text)[2] == 30.0
    assert timing(tmp_path, "markets", text)[2] == 900.0


def test_the_checks_own_timing_comes_first(tmp_path: Path) -> None:
    tuned = "{clock: {interval: 2s, timeout: 1s, stale_after: 7s, silence: 4s}}"
    text = PLAIN.replace("exchange: okx}", f"exchange: okx, timeout: 500ms, checks: {tuned}}}")
    assert timing(tmp_path, "clock", text) == (2.0, 1.0, 7.0, 4.0)
    assert timing(tmp_path, "connection", text)[1] == 0.5


def test_books_are_polled_at_the_interval_of_poll(tmp_path: Path) -> None:
    text = PLAIN.replace("exchange: okx}", "exchange: okx, checks: {order_book: {poll: {interval: 2s}}}}")
    assert timing(tmp_path, "order_book", text)[0] == 2.0


# --- a part of it ----------------------------------------------------------------------------------------------------


def test_only_some_venues_are_used_and_others_as_far_as_they_price(tmp_path: Path) -> None:
    part = only(loaded(tmp_path), ("binance",))
    assert [venue.name for venue in part.venues] == ["binance", "kraken"]
    binance, kraken = part.venues
    assert binance.symbols.books == ("BTC/USDT",)
    assert kraken.symbols.books == ()
    assert {check for check in check_files() if kraken.chosen(check)} == {"connection", "prices"}


def test_a_venue_that_is_not_there_is_named_with_the_closest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "exchange.yml"
    path.write_text(PLAIN)
    assert main(["--config", str(path), "--check-config", "--only-venues", "okx,binanse,x"]) == 2
    assert capsys.readouterr().err == (
        "--only-venues: no venue 'binanse' is configured; did you mean binance?\n"
        "--only-venues: no venue 'x' is configured\n"
    )
    assert main(["--config", str(path), "--check-config", "--only-venues", "okx, kraken"]) == 0


def test_names_are_separated_by_commas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--config", "x.yml", "--only-venues", "okx,,kraken"])
    assert caught.value.code == 2
    assert "'okx,,kraken' is not NAME,NAME,…" in capsys.readouterr().err

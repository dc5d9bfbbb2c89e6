from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from occ.flags import Address, Flags, address, names, parse, parser


def flags(*argv: str) -> Flags:
    return parse(parser("nodes", "Health of nodes.", 9721), list(argv))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9721", "127.0.0.1", 9721),
        ("localhost:0", "localhost", 0),
        (":9721", "", 9721),
        ("[::1]:9721", "::1", 9721),
        ("[::]:65535", "::", 65535),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int) -> None:
    assert address(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9721",
        "localhost",
        "localhost:",
        "localhost:http",
        "localhost:-1",
        "localhost:65536",
        "localhost:٩",
        "h:" + "9" * 9,
    ],
)
def test_what_has_no_port_is_no_address(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not HOST:PORT"):
        address(text)


@pytest.mark.parametrize("text", ["::1:9721", "[::1:9721", "::1]:9721", "fe80::1:80"])
def test_an_ipv6_address_without_its_brackets_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"stands in brackets, as in \[::1\]:9721"):
        address(text)


@pytest.mark.parametrize("text", ["127.0.0.1:9721", "[::1]:9721", "localhost:1", ":80"])
def test_an_address_prints_as_it_is_written(text: str) -> None:
    assert str(address(text)) == text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_only_this_machine_reaches_loopback(host: str) -> None:
    assert Address(host, 1).loopback


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.org", "127.example.org", "host"])
def test_everything_else_is_not_loopback_whatever_its_name_begins_with(host: str) -> None:
    assert not Address(host, 1).loopback


def test_the_defaults_are_loopback_info_and_text() -> None:
    assert flags("--config", "n.yml") == Flags(
        config=Path("n.yml"),
        check_config=False,
        once=False,
        listen=Address("127.0.0.1", 9721),
        log_level="info",
        log_format="text",
    )


def test_every_flag_is_taken() -> None:
    given = flags(
        *("--config", "n.yml", "--check-config", "--once", "--web.listen-address", "[::1]:1"),
        *("--log.level", "debug", "--log.format", "json", "--web.config.file", "web.yml"),
    )
    assert given == Flags(Path("n.yml"), check_config=True, once=True, listen=Address("::1", 1), log_level="debug", log_format="json", web_config=Path("web.yml"))  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        ([], "the following arguments are required: --config"),
        (["--config", "n.yml", "--log.level", "loud"], "argument --log.level: invalid choice: 'loud'"),
        (
            ["--config", "n.yml", "--web.listen-address", "9721"],
            "argument --web.listen-address: '9721' is not HOST:PORT",
        ),
        (["--config", "n.yml", "--what"], "unrecognized arguments: --what"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_is_wrong(
    argv: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        flags(*argv)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_help_says_what_the_process_does_what_each_flag_means_and_the_exit_codes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        flags("--help")
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "usage: occ nodes",
        "Health of nodes.",
        "--config FILE the configuration, YAML",
        "--check-config check the configuration files, say what is wrong, and exit",
        "--web.config.file FILE TLS and logins, in the format of Prometheus'",
        "--once read everything once, print the page on standard output, and exit",
        "--web.listen-address HOST:PORT where to serve (default: 127.0.0.1:9721)",
        "--log.level {debug,info,warning,error} least level logged (default: info)",
        "--log.format {text,json}",
        "Exit codes: 0 done, 1 failed while running, 2 wrong flags or configuration.",
    ):
        assert part in text


def test_a_process_that_prints_no_page_has_no_once(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = parser("receiver", "Takes alerts.", 9720, once=False)
    assert parse(quiet, ["--config", "r.yml"]).once is False
    with pytest.raises(SystemExit):
        parse(quiet, ["--config", "r.yml", "--once"])
    assert "unrecognized arguments: --once" in capsys.readouterr().err


def test_version_names_occ_and_python(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        flags("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("occ 0.")


def test_a_part_of_the_configuration_may_be_named() -> None:
    made = parser("exchange", "Health of feeds.", 9722, only="venues")
    assert parse(made, ["--config", "x.yml"]).only == ()
    assert parse(made, ["--config", "x.yml", "--only-venues", "binance, okx"]).only == ("binance", "okx")


@pytest.mark.parametrize("text", ["", ",", "binance,", "binance,,okx"])
def test_an_empty_name_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not NAME,NAME,…"):
        names(text)


def test_where_there_are_no_parts_there_is_no_such_flag() -> None:
    with pytest.raises(SystemExit):
        flags("--config", "x.yml", "--only-venues", "binance")

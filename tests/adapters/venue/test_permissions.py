"""What keys may do, as exchanges tell it. The wire is replayed: answers in the shapes of the pages that are named, read by ccxt's
classes. Binance's and Kraken's answers are on the venue server as well (tests/exporters/exchange/test_key.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue import Venue
from adapters.venue.account import Keyed
from adapters.venue.permissions import (
    LONGEST_ALIAS,
    MOST_ALIASES,
    OTHERS,
    TOLD,
    UNNAMED,
    Permissions,
    alias,
    by_alias,
    told,
)
from occ.errors import Reason, SourceError
from tests.adapters.venue.replays import Answer, replayed


async def found(exchange: str, answer: Answer) -> tuple[Permissions, ...]:
    async with replayed(exchange, {PATHS[exchange]: answer}) as replay:
        keys = await told(replay.keyed)
        assert replay.paths() == [PATHS[exchange]], "one request, and no other"
    assert keys is not None
    return keys


async def refusal(exchange: str, answer: Answer) -> SourceError:
    async with replayed(exchange, {PATHS[exchange]: answer}) as replay:
        with pytest.raises(SourceError) as caught:
            await told(replay.keyed)
    return caught.value


PATHS = {
    "bybit": "GET /v5/user/query-api",
    "coinbase": "GET /api/v3/brokerage/key_permissions",
    "deribit": "GET /api/v2/private/list_api_keys",
    "kraken": "POST /0/private/GetApiKeyInfo",
    "okx": "GET /api/v5/account/config",
}

# --- bybit: "Get API Key Information" --------------------------------------------------------------------------------

_EMPTY = ("ContractTrade", "Spot", "Wallet", "Options", "Derivatives", "CopyTrading", "BlockTrade", "Exchange", "NFT")


def bybit(permissions: Mapping[str, list[str]] | None = None, **more: Any) -> Any:
    result = {
        "id": "16651472",
        "note": "testxxx",
        "apiKey": "canary-key",
        "readOnly": 0,
        "secret": "",
        "permissions": {**{name: [] for name in _EMPTY}, **(permissions or {})},
        "ips": ["*"],
        "type": 1,
        "deadlineDay": 88,
        "expiredAt": "2023-05-15T03:13:24Z",
        "createdAt": "2023-02-15T03:13:24Z",
        "unified": 0,
        "uta": 0,
        "userID": 53888001,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        **more,
    }
    return {"retCode": 0, "retMsg": "", "result": result, "retExtInfo": {}, "time": 1676430843547}


async def test_bybit_tells_what_is_written_down_for_the_key() -> None:
    (key,) = await found("bybit", bybit({"Wallet": ["AccountTransfer"]}))
    assert key == Permissions(withdraws=False, trades=False, ip_restricted=False, expires_at=1_684_120_404.0)
    (key,) = await found("bybit", bybit({"Wallet": ["AccountTransfer", "Withdraw"], "Spot": ["SpotTrade"]}))
    assert (key.withdraws, key.trades) == (True, True)


@pytest.mark.parametrize("category", ["ContractTrade", "Spot", "Options", "Derivatives", "CopyTrading", "BlockTrade"])
async def test_a_right_to_trade_anything_at_bybit_is_one(category: str) -> None:
    (key,) = await found("bybit", bybit({category: ["Order"]}))
    assert (key.withdraws, key.trades) == (False, True)


@pytest.mark.parametrize("category", ["FiatP2P", "FiatBybitPay"])
async def test_a_right_to_pay_others_at_bybit_is_one_to_withdraw(category: str) -> None:
    (key,) = await found("bybit", bybit({category: ["FaitPayOrder"]}))
    assert (key.withdraws, key.trades) == (True, False)


async def test_a_key_of_bybits_that_only_reads_does_nothing_else() -> None:
    (key,) = await found("bybit", bybit({"Wallet": ["Withdraw"], "Spot": ["SpotTrade"]}, readOnly=1))
    assert (key.withdraws, key.trades) == (False, False)


@pytest.mark.parametrize("expired_at", ["", "1970-01-01T00:00:00Z"])
async def test_a_key_of_bybits_that_is_bound_to_addresses_has_no_end(expired_at: str) -> None:
    (key,) = await found("bybit", bybit(ips=["192.0.2.7"], expiredAt=expired_at))
    assert (key.ip_restricted, key.expires_at) == (True, None)


@pytest.mark.parametrize("ips", [[], [""], ["*"], ["192.0.2.7", "*"]])
async def test_a_key_of_bybits_that_is_bound_to_no_address_is_not_restricted(ips: list[str]) -> None:
    (key,) = await found("bybit", bybit(ips=ips))
    assert key.ip_restricted is False


# --- okx: "Get account configuration" --------------------------------------------------------------------------------


def okx(**more: Any) -> Any:
    told = {
        "acctLv": "2",
        "acctStpMode": "cancel_maker",
        "autoLoan": False,
        "greeksType": "PA",
        "ip": "",
        "kycLv": "3",
        "label": "v5 test",
        "level": "Lv1",
        "mainUid": "44705892343619584",
        "perm": "read_only,withdraw,trade",
        "posMode": "long_short_mode",
        "type": "0",
        "uid": "44705892343619584",
        **more,
    }
    return {"code": "0", "data": [told], "msg": ""}


async def test_okx_tells_rights_and_addresses() -> None:
    assert await found("okx", okx()) == (Permissions(withdraws=True, trades=True, ip_restricted=False),)
    assert await found("okx", okx(perm="read_only, withdraw")) == (
        Permissions(withdraws=True, trades=False, ip_restricted=False),
    )
    restricted = await found("okx", okx(perm="read_only", ip="192.0.2.7,192.0.2.8"))
    assert restricted == (Permissions(withdraws=False, trades=False, ip_restricted=True),)


# --- kraken: "Get API Key Info" --------------------------------------------------------------------------------------


def kraken(*permissions: str, **more: Any) -> Any:
    told = {
        "apiKeyName": "my-api-key",
        "apiKey": "canary-key",
        "nonce": "1772627060997",
        "nonceWindow": 0,
        "permissions": [*permissions],
        "iban": "AA88 N84G WOAK NMOI",
        "validUntil": "0",
        "queryFrom": "0",
        "queryTo": "0",
        "createdTime": "1772542900",
        "modifiedTime": "1772543095",
        "ipAllowlist": [],
        "lastUsed": "1772627061",
        **more,
    }
    return {"error": [], "result": told}


async def test_kraken_tells_rights_addresses_and_the_end() -> None:
    (key,) = await found("kraken", kraken("query-funds", "withdraw-funds", "query-open-trades", "modify-trades"))
    assert key == Permissions(withdraws=True, trades=True, ip_restricted=False)
    (key,) = await found("kraken", kraken("query-funds", ipAllowlist=["192.0.2.7/32"], validUntil="1804078900"))
    assert key == Permissions(withdraws=False, trades=False, ip_restricted=True, expires_at=1_804_078_900.0)


async def test_kraken_may_spell_its_keys_otherwise_and_name_no_address_by_an_empty_one() -> None:
    """As clients have seen it answer."""
    told = {"permissions": ["query-funds"], "valid_until": "0", "ip_allowlist": [""]}
    assert await found("kraken", {"error": [], "result": told}) == (
        Permissions(withdraws=False, trades=False, ip_restricted=False),
    )
    told = {"permissions": ["query-funds"], "valid_until": "1804078900", "ip_allowlist": ["192.0.2.7/32"]}
    assert await found("kraken", {"error": [], "result": told}) == (
        Permissions(withdraws=False, trades=False, ip_restricted=True, expires_at=1_804_078_900.0),
    )


async def test_a_right_to_cancel_at_kraken_is_one_to_trade() -> None:
    (key,) = await found("kraken", kraken("query-funds", "close-trades"))
    assert (key.withdraws, key.trades) == (False, True)


# --- coinbase: "Get API Key Permissions" -----------------------------------------------------------------------------


def coinbase(*, trade: Any = False, transfer: Any = False) -> Any:
    portfolio = {"portfolio_uuid": "8bfc20d7-f7c6-4422-bf07-8243ca4169fe", "portfolio_type": "DEFAULT"}
    return {"can_view": True, "can_trade": trade, "can_transfer": transfer, **portfolio}


async def test_a_transfer_at_coinbase_leaves_the_platform_and_addresses_are_not_told() -> None:
    assert await found("coinbase", coinbase(trade=True)) == (Permissions(withdraws=False, trades=True),)
    assert await found("coinbase", coinbase(transfer=True)) == (Permissions(withdraws=True, trades=False),)


# --- deribit: "private/list_api_keys" --------------------------------------------------------------------------------

READS = "account:read block_trade:read trade:read wallet:read"
SENDS = "account:read trade:read wallet:read_write"


def deribit_key(name: str, scope: Any = READS, client: str = "", **more: Any) -> Mapping[str, Any]:
    return {
        "timestamp": 1560236001108,
        "max_scope": scope,
        "id": 1,
        "enabled": True,
        "default": False,
        "client_secret": f"SjM57m1T2CfXZ4vZ76X{len(name)}",
        "client_id": client or f"TiA4AyLPq{len(name)}",
        "name": name,
        "enabled_features": [],
        **more,
    }


OWN = deribit_key("", client="canary-key")


def deribit(*keys: Mapping[str, Any]) -> Any:
    return {"jsonrpc": "2.0", "id": 2553, "result": [*keys]}


async def test_deribit_tells_of_all_keys_of_the_account_and_the_own_one_comes_first() -> None:
    bot = deribit_key("bot", "trade:read_write wallet:none", ip_whitelist=["192.0.2.7"])
    assert await found("deribit", deribit(bot, deribit_key("leaked", SENDS, ip_whitelist=[]), OWN)) == (
        Permissions(withdraws=False, trades=False),
        Permissions(withdraws=False, trades=True, ip_restricted=True, alias="bot"),
        Permissions(withdraws=True, trades=False, ip_restricted=False, alias="leaked"),
    )


async def test_deribit_with_keys_without_end_is_not_believed() -> None:
    keys = (deribit_key("x" * 10**3, client=f"client-{number:06}") for number in range(1000))
    with pytest.raises(SourceError, match="more than 500 keys"):
        await found("deribit", deribit(OWN, *keys))


async def test_a_disabled_key_of_deribits_opens_nothing() -> None:
    assert len(await found("deribit", deribit(OWN, deribit_key("old", SENDS, enabled=False)))) == 1


@pytest.mark.parametrize("scope", ["trade:read_write", "block_trade:read_write", "block_rfq:read_write"])
async def test_scopes_of_deribit_that_trade(scope: str) -> None:
    (key,) = await found("deribit", deribit(deribit_key("", f"account:read {scope} wallet:none", "canary-key")))
    assert (key.withdraws, key.trades) == (False, True)


async def test_scopes_of_deribit_may_be_a_list() -> None:
    (key,) = await found("deribit", deribit(deribit_key("", ["wallet:read_write"], "canary-key")))
    assert (key.withdraws, key.trades) == (True, False)


async def test_a_list_without_the_key_that_asks_tells_nothing_of_it() -> None:
    error = await refusal("deribit", deribit(deribit_key("another")))
    assert (error.reason, str(error)) == (Reason.BAD_RESPONSE, "the list of keys lacks the one that asks")


@pytest.mark.parametrize("name", ["TiA4AyLPq7", "xSjM57m1T2CfXZ4vZ76X7", "SjM57m1T", None, 7, "", "\u202e \n"])
async def test_a_key_is_never_its_own_alias(name: Any) -> None:
    other = {**deribit_key("another", SENDS), "name": name}
    _, key = await found("deribit", deribit(OWN, other))
    assert key == Permissions(withdraws=True, trades=False, alias=UNNAMED)


# --- what is not told ------------------------------------------------------------------------------------------------


BROKEN: list[tuple[str, Any]] = [
    ("bybit", {"retCode": 0, "retMsg": "", "result": {}}),
    ("bybit", bybit(permissions=None, readOnly=2)),
    ("bybit", bybit({"Wallet": "Withdraw"})),  # type: ignore[dict-item]
    ("bybit", bybit(ips="*")),
    ("bybit", bybit(expiredAt="soon")),
    ("bybit", {**bybit(), "result": {**bybit()["result"], "permissions": {"Spot": [], "ContractTrade": []}}}),
    ("okx", {"code": "0", "msg": "", "data": []}),
    ("okx", okx(perm="")),
    ("okx", okx(perm=None)),
    ("okx", okx(ip=None)),
    ("okx", {"code": "0", "msg": "", "data": [okx()["data"][0], okx()["data"][0]]}),
    ("kraken", {"error": [], "result": {}}),
    ("kraken", kraken(ipAllowlist=None)),
    ("kraken", kraken(permissions={"withdraw-funds": False})),
    ("kraken", kraken(validUntil="never")),
    ("coinbase", {"can_view": True, "can_trade": False}),
    ("coinbase", coinbase(transfer="false")),
    ("coinbase", coinbase(trade=0)),
    ("coinbase", []),
    ("deribit", deribit(deribit_key("", "", "canary-key"))),
    ("deribit", deribit(deribit_key("", [], "canary-key"))),
    ("deribit", deribit(deribit_key("", [{"wallet": "none"}], "canary-key"))),
    ("deribit", deribit(deribit_key("", "account:read trade:read", "canary-key"))),
    ("deribit", deribit(deribit_key("", "account:read wallet:everything", "canary-key"))),
    ("okx", okx(perm="read_only,everything")),
    ("kraken", kraken()),
    ("deribit", deribit(deribit_key("", 7, "canary-key"))),
    ("deribit", deribit({**OWN, "client_id": None})),
    ("deribit", deribit({**OWN, "ip_whitelist": "192.0.2.7"})),
    ("deribit", {"jsonrpc": "2.0", "id": 1, "result": {"keys": []}}),
]


@pytest.mark.parametrize(("exchange", "answer"), BROKEN)
async def test_what_lacks_a_part_is_refused_and_never_safe(exchange: str, answer: Any) -> None:
    assert (await refusal(exchange, answer)).reason is Reason.BAD_RESPONSE


def said(status: int, body: Any) -> Callable[[web.Request], web.Response]:
    return lambda _: web.json_response(body, status=status)


def _bybit_error(code: int, message: str) -> Any:
    return {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": 1676430843547}


def _deribit_error(code: int, message: str, **data: str) -> Any:
    return {"jsonrpc": "2.0", "error": {"message": message, "code": code, "data": data}, "testnet": False}


REFUSED: list[tuple[str, str, Answer]] = [
    ("bybit", "wrong", _bybit_error(10003, "API key is invalid.")),
    ("bybit", "expired", _bybit_error(33004, "Your api key has expired.")),
    ("bybit", "address", _bybit_error(10010, "Unmatched IP, please check your API key's bound IP addresses.")),
    ("okx", "wrong", said(401, {"msg": "Invalid OK-ACCESS-KEY", "code": "50111"})),
    ("okx", "expired", said(401, {"msg": "API key doesn't exist", "code": "50119"})),
    (
        "okx",
        "address",
        said(401, {"msg": "Your IP 192.0.2.7 is not included in your API key's IP whitelist.", "code": "50110"}),
    ),
    ("kraken", "wrong", {"error": ["EAPI:Invalid key"]}),
    ("kraken", "signature", {"error": ["EAPI:Invalid signature"]}),
    ("okx", "frozen", said(400, {"msg": "API frozen, please contact customer service", "code": "50100"})),
    ("okx", "permission", {"msg": "This API key doesn't have permission to use this function", "code": "50120"}),
    ("kraken", "permission", {"error": ["EGeneral:Permission denied"]}),
    ("kraken", "disabled", {"error": ["EAuth:Account temporary disabled"]}),
    ("kraken", "unconfirmed", {"error": ["EAuth:Account unconfirmed"]}),
    ("coinbase", "wrong", said(401, {"error": "unauthorized", "error_description": "Unauthorized"})),
    ("coinbase", "address", said(403, {"error": "PERMISSION_DENIED", "error_details": "not allowed from 192.0.2.7"})),
    ("deribit", "wrong", said(400, _deribit_error(13004, "invalid_credentials"))),
    ("deribit", "scope", said(403, _deribit_error(13021, "forbidden", reason="account:read"))),
]


@pytest.mark.parametrize(("exchange", "answer"), [(name, said) for name, _, said in REFUSED], ids=lambda _: "")
async def test_a_refused_key_is_told_by_auth_and_nothing_of_it_is_said(exchange: str, answer: Answer) -> None:
    error = await refusal(exchange, answer)
    assert error.reason is Reason.AUTH
    assert not any(word in str(error) for word in ("canary", "192.0.2", "whitelist"))


async def test_a_venue_that_asks_a_key_for_patience_does_not_refuse_it() -> None:
    assert (await refusal("kraken", {"error": ["EAuth:Too many requests"]})).reason is Reason.RATE_LIMITED


async def test_an_exchange_that_is_not_known_is_not_asked() -> None:
    async with (
        ClientSession() as session,
        Venue.open("gemini", session=session, base_url="http://127.0.0.1:1") as venue,
    ):
        assert await told(Keyed(venue, "gemini")) is None


@pytest.mark.parametrize("exchange", TOLD)
async def test_ccxt_has_what_is_asked_for(exchange: str) -> None:
    async with ClientSession() as session, Venue.open(exchange, session=session) as venue:
        assert venue.has(TOLD[exchange][0])


# --- aliases ---------------------------------------------------------------------------------------------------------

KEYS = st.lists(
    st.builds(
        Permissions,
        withdraws=st.booleans(),
        trades=st.booleans(),
        ip_restricted=st.none() | st.booleans(),
        expires_at=st.none() | st.floats(1, 1e10),
        alias=st.sampled_from([UNNAMED, OTHERS, *map(str, range(30))]),
    ),
    max_size=60,
)


@given(KEYS)
def test_however_many_keys_there_are_none_of_them_gets_lost(keys: list[Permissions]) -> None:
    shown = tuple(by_alias(keys))
    assert len(shown) <= MOST_ALIASES
    assert len({key.alias for key in shown}) == len(shown)
    assert any(key.withdraws for key in shown) == any(key.withdraws for key in keys)
    assert any(key.trades for key in shown) == any(key.trades for key in keys)
    assert any(key.ip_restricted is False for key in shown) == any(key.ip_restricted is False for key in keys)
    ends = [key.expires_at for key in keys if key.expires_at]
    assert min((key.expires_at for key in shown if key.expires_at), default=None) == min(ends, default=None)


@given(st.text(), st.lists(st.text(min_size=8), max_size=3))
def test_an_alias_is_short_printable_and_no_key(name: str, keys: list[str]) -> None:
    shown = alias(name, keys)
    assert 0 < len(shown) <= LONGEST_ALIAS
    assert shown.isprintable()
    assert not any(key in shown for key in keys)

"""Contracts on a local chain: their artifacts, calls by name, and many transactions in one block."""

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from .chain import Rpc
from .parts import ROOT, MissingPart

COMPILED = ROOT / ".tools/contracts/compiled.json"
GAS = 15_000_000
"""Of one transaction: more than any of ours needs, and less than the most that a transaction may have."""

BLOCK_GAS = 10_000_000_000
"""Of one block, so that a whole market is put up in a few of them."""

_PLACES = {
    "v2-core": "@uniswap/v2-core/build/{}.json",
    "v2-periphery": "@uniswap/v2-periphery/build/{}.json",
    "v3-core": "@uniswap/v3-core/artifacts/contracts/{0}.sol/{0}.json",
    "v3-periphery": "@uniswap/v3-periphery/artifacts/contracts/{0}.sol/{0}.json",
    "v3-lens": "@uniswap/v3-periphery/artifacts/contracts/lens/{0}.sol/{0}.json",
}


@dataclass(frozen=True)
class Function:
    """A function of a contract: its selector, and the types of what it takes and gives."""

    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Artifact:
    """A compiled contract: the code that creates it, and its functions by name (and by signature, where a name is not enough)."""

    code: bytes
    functions: dict[str, Function]
    constructor: tuple[str, ...]

    def creation(self, *arguments: Any) -> str:
        """The data of the transaction that creates it."""
        return "0x" + (self.code + encode(self.constructor, arguments)).hex()


@dataclass(frozen=True)
class Contract:
    """A contract at an address."""

    address: str
    artifact: Artifact

    def data(self, name: str, *arguments: Any) -> str:
        """Calldata."""
        function = self.artifact.functions[name]
        return "0x" + (function.selector + encode(function.inputs, arguments)).hex()

    def to(self, name: str, *arguments: Any) -> dict[str, str]:
        """A transaction, or a call."""
        return {"to": self.address, "data": self.data(name, *arguments)}


class Reverted(Exception):  # noqa: N818 - it names what happened
    """A transaction or a call was reverted."""


def selector(signature: str) -> bytes:
    """The first four bytes of calldata, by the signature."""
    return bytes(keccak(signature.encode())[:4])


def topic(signature: str) -> str:
    """The first topic of an event's logs."""
    return "0x" + keccak(signature.encode()).hex()


@functools.cache
def artifact(package: str, name: str) -> Artifact:
    """A contract as its npm package ships it, or of package `compiled` as `make setup` has compiled it."""
    found = _compiled(name) if package == "compiled" else _read(f"node_modules/{_PLACES[package].format(name)}")
    parameters: Any = next((each["inputs"] for each in found["abi"] if each["type"] == "constructor"), [])
    functions = {}
    for each in found["abi"]:
        if each["type"] == "function":
            inputs = _types(each["inputs"])
            signature = f"{each['name']}({','.join(inputs)})"
            function = Function(selector(signature), inputs, _types(each["outputs"]))
            functions[signature] = functions[each["name"]] = function
    return Artifact(bytes.fromhex(found["bytecode"].removeprefix("0x")), functions, _types(parameters))


def multicall3_code() -> str:
    """Multicall3's creation code, as viem has it."""
    text = (ROOT / "node_modules/viem/_cjs/constants/contracts.js").read_text()
    match = re.search(r"multicall3Bytecode = '(0x[0-9a-f]+)'", text)
    if match is None:
        raise MissingPart("Multicall3 is missing in viem: run `make setup`")
    return match[1]


def _compiled(name: str) -> Any:
    return _read(str(COMPILED.relative_to(ROOT)))[name]


@functools.cache
def _read(path: str) -> Any:
    try:
        return json.loads((ROOT / path).read_bytes())
    except FileNotFoundError:
        raise MissingPart(f"{path} is missing: run `make setup`") from None


def _types(parameters: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(_type, parameters))


def _type(parameter: Any) -> str:
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_types(parameter['components']))}){kind.removeprefix('tuple')}"


class Chain:
    """A local chain on which one account does everything; nothing is mined unless `send` does it."""

    def __init__(self, anvil: Rpc) -> None:
        self.anvil = anvil
        self.owner = ""

    async def start(self) -> None:
        """To be called first."""
        self.owner = (await self.anvil.rpc("eth_accounts"))[0]
        await self.anvil.rpc("evm_setBlockGasLimit", hex(BLOCK_GAS))

    async def send(self, *transactions: dict[str, str], may_revert: bool = False) -> list[Any]:
        """Receipts of transactions, in one block. Raises Reverted for the first that failed, unless they may."""
        # With nonces of ours: the node works on the calls of a batch side by side.
        nonce = int(await self.anvil.rpc("eth_getTransactionCount", self.owner, "latest"), 16)
        terms = {"from": self.owner, "gas": hex(GAS), "gasPrice": hex(10**10)}
        asked = [{**terms, "nonce": hex(nonce + at), **each} for at, each in enumerate(transactions)]
        hashes = await self.anvil.batch([("eth_sendTransaction", [each]) for each in asked])
        await self.anvil.mine()
        receipts = await self.anvil.batch([("eth_getTransactionReceipt", [each]) for each in hashes])
        for at, receipt in enumerate(receipts):
            if receipt is None or (receipt["status"] != "0x1" and not may_revert):
                raise Reverted(f"transaction {at} of {len(receipts)}: {await self._why(asked[at])}")
        return receipts

    async def _why(self, transaction: dict[str, str]) -> str:
        (answer,) = await self.anvil.batch([("eth_call", [transaction, "latest"])], errors=True)
        return str(answer)

    async def deploy(self, *made: tuple[Artifact, tuple[Any, ...]]) -> list[Contract]:
        """Contracts of artifacts and the arguments of their constructors."""
        receipts = await self.send(*({"data": each.creation(*arguments)} for each, arguments in made))
        return [Contract(got["contractAddress"], each) for got, (each, _) in zip(receipts, made, strict=True)]

    async def call(self, contract: Contract, name: str, *arguments: Any, block: str = "latest") -> Any:
        """What a function gives: its value, or a tuple of them. Raises Reverted."""
        (answer,) = await self.calls([(contract, name, arguments)], block=block)
        if isinstance(answer, Reverted):
            raise answer
        return answer

    async def calls(
        self, wanted: Sequence[tuple[Contract, str, tuple[Any, ...]]], *, block: str = "latest"
    ) -> list[Any]:
        """What many functions give, each its value, a tuple of them, or Reverted."""
        asked = [
            ("eth_call", [{"from": self.owner, **contract.to(name, *arguments)}, block])
            for contract, name, arguments in wanted
        ]
        answers = await self.anvil.batch(asked, errors=True)
        return [
            _decoded(contract.artifact.functions[name], answer)
            for (contract, name, _), answer in zip(wanted, answers, strict=True)
        ]


def _decoded(function: Function, answer: Any) -> Any:
    if isinstance(answer, RuntimeError):
        return Reverted(str(answer))
    values = decode(function.outputs, bytes.fromhex(answer[2:]))
    return values[0] if len(values) == 1 else values

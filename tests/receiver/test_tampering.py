"""A receiver as a process of its own, whose database somebody works on while it does not run."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from cli.main import main
from demo.until import until
from receiver.audit.checkpoints import new_key, private_key, public_key
from receiver.audit.verify import Verdict, verify
from tests.receiver import rules
from tests.receiver.audit import second
from tests.receiver.support import Process, started

PUBLIC = private_key(rules.SIGNING_KEY).public_key()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in rules.ENV.items():
        monkeypatch.setenv(name, value)
    text = rules.RECEIVER.replace("receiver.db", f"/{tmp_path}/receiver.db")
    text = text.replace("checkpoints: checkpoints", f"checkpoints: {tmp_path}/checkpoints")
    text = text.replace("prometheus.example:9090", "127.0.0.1:9")
    return rules.receiver_files(tmp_path, receiver=text)


async def metric(process: Process, name: str) -> float | None:
    async with aiohttp.ClientSession() as session, session.get(f"{process.url}/metrics") as response:
        found = re.search(rf"^{name} (\S+)$", await response.text(), re.MULTILINE)
    return float(found[1]) if found else None


async def run(config: Path, during: Callable[[Process], object] | None = None) -> tuple[float | None, float | None]:
    """Starts and ends it; what it says about being frozen, and about its audit."""
    async with started(config) as process:

        async def shown() -> bool:
            return await metric(process, "receiver_frozen") is not None

        await until(shown, within=60)
        frozen, valid = await metric(process, "receiver_frozen"), await metric(process, "audit_chain_valid")
        if during is not None:
            await asyncio.to_thread(during, process)
        assert await process.end() == 0
    return frozen, valid


async def command(*arguments: str | Path) -> int:
    return await asyncio.to_thread(main, [*map(str, arguments)])


async def exported(config: Path) -> tuple[bytes, Verdict]:
    path = config.with_name("out.jsonl")
    path.unlink(missing_ok=True)
    assert await command("audit", "export", "--config", config, "--output", path) == 0
    content = path.read_bytes()
    verdict = verify(content.splitlines(keepends=True), config.with_name("checkpoints"), PUBLIC)
    return content, verdict


def sql(config: Path, *statements: str) -> None:
    with closing(sqlite3.connect(config.with_name("receiver.db"), isolation_level=None)) as connection:
        triggers = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
        for name in ("audit_no_update", "audit_no_delete"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in (*statements, *triggers):
            connection.execute(statement)


async def test_at_its_end_every_record_is_under_a_checkpoint(config: Path) -> None:
    assert await run(config) == (0, 1)
    assert await run(config) == (0, 1)
    content, verdict = await exported(config)
    assert (verdict.troubles, verdict.notes, verdict.covered) == ((), (), verdict.head.seq)
    key = config.with_name("audit.pub")
    key.write_bytes(pem())
    assert second.holds(content, config.with_name("checkpoints"), key.read_bytes())


def pem() -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    return PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


async def test_killed_it_goes_on_where_it_was(config: Path) -> None:
    async with started(config) as process:

        async def covered() -> bool:
            return await metric(process, "audit_last_checkpoint_timestamp_seconds") is not None

        await until(covered, within=60)
        await process.end(signal.SIGKILL)
    assert await run(config) == (0, 1)


async def test_a_restored_backup_starts_frozen_and_goes_on_being_so(config: Path) -> None:
    copy = config.with_name("copy.db")
    assert await run(config, lambda _: main(["database", "backup", "--config", str(config), str(copy)])) == (0, 1)
    assert await run(config) == (0, 1)
    assert await command("database", "restore", "--config", config, copy) == 0
    assert await run(config) == (1, 0)
    assert await run(config) == (1, 1)  # what was given up is known by now; only people lift the freeze
    content, verdict = await exported(config)
    assert verdict.troubles == ()
    assert any("is of a history that was given up" in note for note in verdict.notes)
    assert second.holds(content, config.with_name("checkpoints"), pem())


async def test_an_end_that_was_cut_off_starts_frozen(config: Path) -> None:
    await run(config)
    sql(config, "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
    assert (await exported(config))[1].troubles[0].fault == "truncation"
    assert await run(config) == (1, 0)


async def test_a_record_that_was_changed_starts_frozen(config: Path) -> None:
    await run(config)
    sql(config, "UPDATE audit SET bytes = CAST(replace(bytes, 'receiver', 'somebody') AS BLOB) WHERE seq = 1")
    content, verdict = await exported(config)
    assert (verdict.troubles[0].fault, verdict.troubles[0].seq) == ("change", 1)
    assert not second.holds(content, config.with_name("checkpoints"), pem())
    assert (await run(config))[0] == 1


async def test_a_database_that_is_gone_starts_frozen(config: Path) -> None:
    await run(config)
    config.with_name("receiver.db").unlink()
    assert await run(config) == (1, 0)


async def test_another_signing_key_starts_frozen(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await run(config)
    private, public, _ = new_key()
    monkeypatch.setenv("AUDIT_KEY", private.decode())
    assert await run(config) == (1, 0)
    path = config.with_name("out.jsonl")
    assert await command("audit", "export", "--config", config, "--output", path) == 0
    lines = path.read_bytes().splitlines(keepends=True)
    folder = config.with_name("checkpoints")
    assert verify(lines, folder, PUBLIC, public_key(public)).troubles == ()
    assert verify(lines, folder, PUBLIC).troubles != ()


async def test_an_older_freeze_that_was_taken_out_comes_back_as_a_greater_one(config: Path) -> None:
    await run(config)
    config.with_name("receiver.db").unlink()
    assert (await run(config))[0] == 1
    sql(config, "DELETE FROM freezes")
    assert (await run(config))[0] == 1


async def test_a_chain_made_anew_starts_frozen(config: Path) -> None:
    """By somebody who knows the format and makes every hash right."""
    from receiver.audit.chain import START, Record, digest, parse  # noqa: PLC0415

    await run(config)
    content, _ = await exported(config)
    prev, statements = START, []
    for line in content.splitlines():
        was = parse(line)
        record = Record(was.seq, was.at, was.kind, was.subject, "somebody", was.data, prev)
        prev = digest(record.bytes)
        columns = f"bytes = x'{record.bytes.hex()}', hash = '{prev}'"
        statements.append(f"UPDATE audit SET {columns} WHERE seq = {was.seq}")
    sql(config, *statements)
    content, verdict = await exported(config)
    assert {trouble.fault for trouble in verdict.troubles} == {"fork"}
    assert verify(content.splitlines(keepends=True), None, PUBLIC).troubles == ()
    assert await run(config) == (1, 0)

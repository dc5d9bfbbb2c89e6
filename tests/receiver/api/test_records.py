"""The audit, its checkpoints and its export, as the API shows them."""

from __future__ import annotations

import logging

import aiohttp
import orjson
import pytest

from receiver.api import records
from receiver.api.operations import BASE
from receiver.audit.walk import Walk
from tests.receiver.api.conftest import Office


async def exported(office: Office) -> bytes:
    headers = {"Authorization": f"Bearer {await office.token('vic')}"}
    async with office.client.get(f"{BASE}/audit/export", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "application/jsonl")
        return await response.read()


async def some(office: Office) -> None:
    for _ in range(5):
        await office.post("/freezes", "opal", scope="everything", reason="a test, mit Umlaut: ü")


@pytest.mark.parametrize("at_once", [1, 2, 3, 500])
async def test_the_export_is_every_record_to_the_byte(
    office: Office, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(records, "EXPORTED_AT_ONCE", at_once)
    await some(office)
    lines = (await exported(office)).split(b"\n")
    kept = [row["bytes"] for row in office.house.rows("SELECT bytes FROM audit ORDER BY seq")]
    assert lines == [*kept, b""]
    walk = Walk(remember=False)
    for line in kept:
        assert walk.take(line) is not None
    assert walk.troubles() == ()


async def test_what_is_cut_off_does_not_look_whole(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(records, "EXPORTED_AT_ONCE", 1)
    await some(office)
    office.house.tamper("DROP TRIGGER audit_no_update")
    office.house.tamper("UPDATE audit SET bytes = 'text' WHERE seq = 3")
    with pytest.raises(aiohttp.ClientError):
        await exported(office)
    assert "the export of the audit was cut off" in caplog.text


async def test_pages_of_the_audit(office: Office) -> None:
    await some(office)
    first = (await office.get("/audit?limit=3"))["entries"]
    assert [entry["seq"] for entry in first] == [1, 2, 3]
    rest = (await office.get("/audit?after=3&limit=1000"))["entries"]
    assert [entry["seq"] for entry in rest] == list(range(4, 4 + len(rest)))
    assert [entry["record"]["prev"] for entry in rest] == [first[-1]["hash"], *(entry["hash"] for entry in rest[:-1])]
    assert first[0]["record"]["kind"] == "database.created"


async def test_who_reads_it_stands_in_the_log(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await office.get("/audit", "rita")
        await exported(office)
    assert "rita reads the audit, after 0" in caplog.text
    assert "vic reads the audit, all of it" in caplog.text


async def test_a_record_that_is_none_is_said(office: Office) -> None:
    await some(office)
    office.house.tamper("DROP TRIGGER audit_no_update")
    office.house.tamper("UPDATE audit SET bytes = CAST('[]' AS BLOB) WHERE seq = 3")
    status, answer = await office.ask("GET", "/audit", "vic")
    assert (status, answer["error"]["why"]) == (503, "forged")


async def test_checkpoints_are_shown_as_their_files_have_them(office: Office) -> None:
    folder = office.house.checkpoints.folder
    for _ in range(2):
        await some(office)
        office.house.checkpoints.write(office.house.audit.database, office.house.audit.known)
    (folder / "checkpoint-0000000099.json").write_text("not JSON")
    names = sorted((path.name for path in folder.iterdir()), reverse=True)
    shown = (await office.get("/audit/checkpoints"))["checkpoints"]
    assert [it["name"] for it in shown] == names
    assert [it["checkpoint"] for it in shown] == [
        None,
        *(orjson.loads((folder / name).read_bytes()) for name in names[1:]),
    ]
    assert [it["name"] for it in (await office.get("/audit/checkpoints?limit=1"))["checkpoints"]] == names[:1]
    (folder / "checkpoint-0000000099.json").unlink()


async def test_a_folder_that_is_gone_is_said(office: Office) -> None:
    office.house.checkpoints.folder.rename(office.world.folder / "elsewhere")
    status, answer = await office.ask("GET", "/audit/checkpoints", "vic")
    assert (status, answer["error"]["why"]) == (503, "unavailable")
    (office.world.folder / "elsewhere").rename(office.house.checkpoints.folder)

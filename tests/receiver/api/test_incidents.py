"""Incidents over HTTP: the table of who may do what in which state, by hand; what is shown; the report and its proof."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from markdown_it import MarkdownIt

from cli import audit as audit_command
from receiver.api import incidents
from receiver.api.operations import BASE
from receiver.audit.export import reading
from receiver.incidents.life import Status
from tests.receiver import acting
from tests.receiver.api.conftest import Answer, Office
from tests.receiver.incidents.scene import Scene

HOSTILE = "](javascript:alert(1)) <img src=x onerror=alert(1)> https://evil.example www.evil.example a@b.example ``` ` | # \u202e"

RESPONDERS = {"opal", "otto", "tara", "rita", "cora", "carl", "ada"}
LEADERS = {"opal", "cora", "carl"}
"""Its commander is opal, once there is one."""

UNCLOSED = {"open", "acknowledged", "mitigated", "resolved"}

TABLE: dict[str, tuple[set[str], set[str]]] = {
    # route       who, where opal leads   in which states
    "acknowledge": (RESPONDERS, {"open"}),
    "note": (RESPONDERS, UNCLOSED),
    "hand-over": (LEADERS, UNCLOSED),
    "severity": (LEADERS, UNCLOSED),
    "mitigate": (LEADERS, {"acknowledged"}),
    "resolve": (LEADERS, {"open", "acknowledged", "mitigated"}),
    "close": (LEADERS, {"resolved"}),
}

BODIES: dict[str, Answer] = {
    "acknowledge": {},
    "note": {"text": "a test"},
    "hand-over": {"to": "rita"},
    "severity": {"severity": "ticket", "reason": "a test"},
    "mitigate": {"reason": "a test"},
    "resolve": {"reason": "a test"},
    "close": {"summary": "a test"},
}

REACHED: dict[str, tuple[str, ...]] = {
    "open": (),
    "acknowledged": ("acknowledge",),
    "mitigated": ("acknowledge", "mitigate"),
    "resolved": ("acknowledge", "resolve"),
    "closed": ("acknowledge", "resolve", "close"),
}


def test_the_table_speaks_of_every_state_and_every_route() -> None:
    assert set(REACHED) == {status.value for status in Status}
    routes = {operation.path for operation in incidents.OPERATIONS if operation.method == "POST"}
    assert routes == {"/incidents"} | {f"/incidents/{{id}}/{route}" for route in TABLE}


async def opened(office: Office) -> str:
    """One that no alert keeps open; its id."""
    made = await office.post("/incidents", "opal", title="It smells of smoke", reason="a test")
    return str(made["id"])


async def reached(office: Office, state: str) -> str:
    id_ = await opened(office)
    for route in REACHED[state]:
        await office.post(f"/incidents/{id_}/{route}", "opal", **BODIES[route])
    return id_


def expected(route: str, person: str, state: str) -> int:
    """Its state is judged before whoever asks. While it is open nobody leads it but who holds the role."""
    who, states = TABLE[route]
    if state not in states:
        return 409
    leads = who - {"opal"} if who is LEADERS and state == "open" else who
    return 200 if person in leads else 403


@pytest.mark.parametrize("state", REACHED)
async def test_who_may_do_what_in_this_state(office: Office, state: str) -> None:
    id_ = await reached(office, state)
    may = {person: (await office.get(f"/incidents/{id_}", person))["may"] for person in acting.PEOPLE}
    for route in TABLE:
        for person in acting.PEOPLE:
            wanted = expected(route, person, state)
            said = next(each for each in may[person] if each["act"] == route)
            assert (route, person, said["why_not"]) == (
                route,
                person,
                {200: None, 403: "not_permitted", 409: "wrong_state"}[wanted],
            )
            assert (person in said["who"]) is (wanted == 200)
            which = await reached(office, state) if wanted == 200 else id_
            status, answer = await office.ask("POST", f"/incidents/{which}/{route}", person, json=BODIES[route])
            assert (route, person, status) == (route, person, wanted), answer
            if wanted != 200:
                shown = (await office.get(f"/incidents/{id_}"))["incident"]
                assert shown["status"] == state, "what is refused changes nothing"


async def test_who_may_open_one(office: Office) -> None:
    for person in acting.PEOPLE:
        wanted = {"title": "x", "reason": "a test"}
        status, _ = await office.ask("POST", "/incidents", person, json=wanted)
        assert (person, status) == (person, 201 if person in RESPONDERS else 403)


async def test_everybody_who_is_logged_in_reads_and_nobody_else(office: Office) -> None:
    id_ = await opened(office)
    for path in ("/incidents", f"/incidents/{id_}", f"/incidents/{id_}/report"):
        for person in acting.PEOPLE:
            async with office.client.get(f"{BASE}{path}", headers=await bearer(office, person)) as response:
                assert (path, person, response.status) == (path, person, 200)
        async with office.client.get(f"{BASE}{path}") as response:
            assert response.status == 401
    for route in TABLE:
        assert await office.refused(f"/incidents/{id_}/{route}", None, **BODIES[route]) == (401, "not_authenticated")


async def bearer(office: Office, person: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {await office.token(person)}"}


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("note", {"text": " \n\u200b"}),
        ("note", {"text": "x" * 4_001}),
        ("note", {"text": "bell \x07"}),
        ("hand-over", {"to": "../rita"}),
        ("severity", {"severity": "none", "reason": "x"}),
        ("mitigate", {"reason": ""}),
        ("close", {"summary": "\t"}),
        ("close", {}),
        ("acknowledge", {"reason": "x", "by": "opal"}),
    ],
)
async def test_what_is_malformed_is_refused_with_its_place(office: Office, route: str, body: Answer) -> None:
    id_ = await opened(office)
    status, answer = await office.ask("POST", f"/incidents/{id_}/{route}", "opal", json=body)
    assert (status, answer["error"]["why"]) == (400, "malformed")
    assert any(answer["error"]["message"].startswith(f"{name}:") for name in (*body, "summary"))


async def test_what_is_not_there_is_not_found(office: Office) -> None:
    for path in ("/incidents/0000000000000000", "/incidents/0000000000000000/report", "/incidents/1"):
        assert (await office.ask("GET", path, "vic"))[0] == 404
    assert await office.refused("/incidents/0000000000000000/note", "opal", text="x") == (404, "not_found")


# --- a whole one ------------------------------------------------------------------------------------------------------


async def handled(office: Office) -> str:
    """An incident from its alert to its end, with words and labels as hostile as they can be; its id."""
    house, scene = office.house, Scene(office.house)
    await scene.fire(HOSTILE, entity=HOSTILE, domain=HOSTILE, venue="binance", ago=30)
    await scene.look()
    id_ = (await scene.one()).id
    fingerprint = house.rows("SELECT fingerprint FROM episodes")[0]["fingerprint"]
    await office.post(f"/incidents/{id_}/acknowledge", "opal", reason="on it")
    await office.post(f"/incidents/{id_}/note", "tara", text="first line\n<script>alert(1)</script> ````")
    await house.approved("resume", parameters={"venue": "binance"}, fingerprint=fingerprint, reason="`x` [a](b)")
    await house.settle()
    await office.post(f"/incidents/{id_}/mitigate", "opal", reason="the engine quotes again")
    scene.clock.passes(300)
    await scene.recover(HOSTILE, entity=HOSTILE, domain=HOSTILE, venue="binance", ago=300)
    await scene.look()
    await office.post(f"/incidents/{id_}/close", "opal", summary="It is over.\n# not a heading\n```\n<b>")
    return id_


async def test_it_is_shown_with_all_that_belongs_to_it(office: Office) -> None:
    id_ = await handled(office)
    found = await office.get(f"/incidents/{id_}")
    incident = found["incident"]
    assert (incident["status"], incident["commander"], incident["alerts"], incident["firing"]) == (
        "closed",
        "opal",
        1,
        0,
    )
    assert found["alerts"][0]["labels"]["entity"] == HOSTILE, "as it came: who shows it escapes it"
    assert "\u202e" not in incident["title"]
    assert [request["action"] for request in found["requests"]] == ["resume"]
    assert found["responders"] == ["opal", "tara", "rita"]
    assert [each["kind"] for each in found["timeline"]][::-1] == [
        "incident.opened",
        "incident.acknowledged",
        "incident.note",
        "request.planned",
        "request.pending_approval",
        "decision.approve",
        "decision.approve",
        "request.approved",
        "request.running",
        "request.verifying",
        "request.succeeded",
        "incident.mitigated",
        "incident.resolved",
        "incident.closed",
    ]
    part = await office.get(f"/incidents/{id_}?limit=3")
    assert part["timeline"] == found["timeline"][:3]
    rest = await office.get(f"/incidents/{id_}?before={part['earlier']}")
    assert rest["timeline"] == found["timeline"][3:]
    assert rest["earlier"] is None
    listed = (await office.get("/incidents?status=closed"))["incidents"]
    assert listed == [incident]
    assert (await office.get("/incidents?status=open"))["incidents"] == []


async def report_of(office: Office, id_: str) -> str:
    path = f"{BASE}/incidents/{id_}/report"
    async with office.client.get(path, headers=await bearer(office, "vic")) as response:
        assert (response.status, response.content_type, response.charset) == (200, "text/markdown", "utf-8")
        assert response.headers["Content-Disposition"] == f'attachment; filename="incident-{id_}.md"'
        return await response.text()


async def test_the_report_tells_times_people_alerts_actions_and_words(office: Office) -> None:
    id_ = await handled(office)
    text = await report_of(office, id_)
    for part in (
        f"# Incident {id_}",
        "- Status: closed, severity page",
        "- Commander: `opal`",
        "- Responders: `opal`, `tara`, `rita`",
        "- The first alert began: 2026-09-21 14:12:50 UTC, 30 s before it was opened",
        "- Resolved: 2026-09-21 14:18:20 UTC, 5 min after it was opened",
        "```text\nIt is over.",
        "### `resume`, request ",
        "`rita` (risk): approve at ",
        "- Step 1 (http), ",
        '"steps": [',
        "first line <script>alert(1)</script> ````",
    ):
        assert part in text, part


async def test_nothing_in_the_report_is_markup_of_others(office: Office) -> None:
    """What a renderer makes links, images or HTML of stands in code alone."""
    text = await report_of(office, await handled(office))
    tokens = [
        token
        for outer in MarkdownIt("commonmark").enable("table").parse(text)
        for token in (outer, *(outer.children or ()))
    ]
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "html_inline", "html_block", "table_open", "hr", "em_open", "strong_open"}
    plain = "".join(token.content for token in tokens if token.type == "text")
    for foreign in ("evil", "script", "javascript", "@", "://", "<", "not a heading"):
        assert foreign not in plain
    assert "\u202e" not in text
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert [heading for heading in headings if "resume" not in heading and "Incident" not in heading] == [
        "Summary",
        "Times",
        "Alerts",
        "Actions",
        "Timeline",
        "Proof",
    ]


async def test_the_proof_holds_by_the_commands_that_it_names(office: Office, tmp_path: Path) -> None:
    """The export is verified with the public key alone, and the hash of a record is had with a shell and nothing else."""
    id_ = await handled(office)
    await asyncio.to_thread(office.house.checkpoints.write, office.house.audit.database, office.house.audit.known)
    text = await report_of(office, id_)
    lines = text.splitlines()
    proof = lines[lines.index("## Proof") :]
    hashes = {int(line.split()[0]): line.split()[1] for line in proof if line[:1].isdigit()}
    export = tmp_path / "audit.jsonl"
    with reading(tmp_path / "receiver.db") as records:
        export.write_bytes(b"".join(records))
    for seq, hash_ in hashes.items():
        raw = export.read_bytes().splitlines()[seq - 1]
        assert hashlib.sha256(b"occ-audit-v1\0" + raw).hexdigest() == hash_
    command = next(line for line in proof if line.startswith("{ printf"))
    process = await asyncio.create_subprocess_exec("bash", "-c", command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().split()[0] == hashes[max(hashes)]
    assert "it covers all records above" in text
    key = tmp_path / "audit.key.pub"
    key.write_bytes(public_pem(office))
    given = ["verify", str(export), "--key", str(key), "--checkpoints", str(tmp_path / "checkpoints")]
    assert await asyncio.to_thread(audit_command.main, given) == 0


def public_pem(office: Office) -> bytes:
    return office.house.checkpoints.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


async def test_a_report_says_what_no_checkpoint_covers_or_that_there_is_none(office: Office) -> None:
    id_ = await handled(office)
    text = await report_of(office, id_)
    assert "records above are newer" in text
    for path in office.house.checkpoints.folder.iterdir():
        path.unlink()
    assert "No checkpoint can be shown: `there is none`" in await report_of(office, id_)

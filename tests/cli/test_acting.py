"""`occ` against a real receiver: a process of its own over TLS, with a real trading engine as its target."""

from __future__ import annotations

import asyncio
import re
import stat
from pathlib import Path

import pytest

from receiver.people import matches
from tests.cli.desk import Desk
from tests.occ.certificates import Authority
from tests.occ.served import PASSWORD, curl


async def test_an_action_from_its_plan_to_its_effect(desk: Desk) -> None:
    for person in ("opal", "tara", "rita", "cora"):
        await desk.log_in(person)
    assert "resume  Let the engine quote again" in (await desk.occ("opal", "actions", "list")).out
    wanted = ("--set", "venue=binance", "--reason", "the book is fine again")
    planned = await desk.occ("opal", "actions", "plan", "resume", *wanted)
    assert planned.code == 0, planned
    id_ = planned.out.split()[0]
    assert f"To ask for it: occ actions submit {id_}" in planned.out
    [plan_hash] = re.findall(r"plan_hash: ([0-9a-f]{64})", planned.out)
    submitted = asyncio.create_task(desk.occ("opal", "actions", "submit", id_, "--yes"))
    async with asyncio.timeout(60):
        while "pending_approval" not in (await desk.occ("tara", "actions", "show", id_)).out:  # noqa: ASYNC110 - it is shown
            await asyncio.sleep(0.1)
    refused = await desk.occ("cora", "actions", "approve", id_, "--plan-hash", plan_hash, "--reason", "read")
    assert (refused.code, refused.err) == (1, "occ: the policy does not give this person that right (not_permitted)\n")
    approved = await desk.occ("tara", "actions", "approve", id_, "--plan-hash", plan_hash, "--reason", "read")
    assert (approved.code, "pending_approval" in approved.out) == (0, True)
    approved = await desk.occ("rita", "actions", "approve", id_, "--yes", "--reason", "read")
    assert (approved.code, f"plan_hash: {plan_hash}" in approved.out) == (0, True)
    done = await submitted
    assert (done.code, done.out.splitlines()[-1].split()[1]) == (0, "succeeded"), done
    shown = await desk.occ("opal", "actions", "show")
    assert re.match(rf"{id_}  succeeded  resume venue=binance  by opal at ", shown.out)
    assert (await desk.occ("cora", "actions", "review", id_, "--reason", "fine")).code == 0


async def test_run_rejected_is_no_success(desk: Desk) -> None:
    for person in ("opal", "tara"):
        await desk.log_in(person)
    running = asyncio.create_task(
        desk.occ("opal", "actions", "run", "resume", "--set", "venue=binance", "--reason", "x", "--yes")
    )
    async with asyncio.timeout(60):
        while not (waiting := (await desk.occ("tara", "actions", "show", "--state", "pending_approval")).out):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    rejected = await desk.occ("tara", "actions", "reject", waiting.split()[0], "--yes", "--reason", "not now")
    assert rejected.code == 0, rejected
    done = await running
    assert (done.code, done.out.splitlines()[-1].split()[1]) == (1, "rejected")


async def test_a_freeze_and_its_end(desk: Desk) -> None:
    for person in ("opal", "cora", "carl"):
        await desk.log_in(person)
    assert (await desk.occ("opal", "freezes")).out == "Nothing is frozen.\n"
    frozen = await desk.occ("opal", "freeze", "--everything", "--reason", "a strange\x1b[2J book")
    assert frozen.code == 1, "control characters are refused"
    frozen = await desk.occ("opal", "freeze", "--everything", "--reason", "a strange book")
    assert (frozen.code, "everything, by opal at " in frozen.out) == (0, True)
    id_ = frozen.out.split()[0]
    first = await desk.occ("cora", "unfreeze", id_, "--reason", "understood")
    assert (first.code, "until another person says so" in first.out) == (0, True)
    assert (await desk.occ("opal", "freezes")).out.startswith(f"{id_}  everything, by opal at ")
    second = await desk.occ("carl", "unfreeze", id_, "--reason", "understood")
    assert (second.code, ", until " in second.out) == (0, True)
    assert (await desk.occ("opal", "freezes")).out == "Nothing is frozen.\n"
    assert (await desk.occ("opal", "freezes", "--all")).out.startswith(id_)


async def test_the_session_is_in_a_file_of_its_owner_s_and_ends(desk: Desk) -> None:
    await desk.log_in("opal")
    [kept] = desk.home("opal").rglob("session-*")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    token = kept.read_text()
    assert (await desk.occ("opal", "logout")).out == "sessions ended: 1\n"
    assert not kept.exists()
    kept.write_text(token)
    kept.chmod(0o600)
    after = await desk.occ("opal", "freezes")
    assert (after.code, after.err) == (1, "occ: nobody is logged in, or not any more (not_authenticated)\n")
    kept.chmod(0o640)
    after = await desk.occ("opal", "freezes")
    assert (after.code, f"others can read {kept}" in after.err) == (1, True)


async def test_a_wrong_password_and_nobody(desk: Desk) -> None:
    wrong = await desk.occ("opal", "login", "opal", given="guess\n")
    assert (wrong.code, wrong.err) == (1, "occ: name or password are wrong (not_authenticated)\n")
    nobody = await desk.occ("opal", "actions", "list")
    assert (nobody.code, nobody.err) == (1, "occ: nobody is logged in; run: occ login\n")
    assert (await desk.occ("opal", "login", "opal")).err == "occ: a password is needed\n"


async def test_another_authority_is_not_trusted(desk: Desk) -> None:
    other = Authority(desk.folder, "other").certificate
    done = await Desk(desk.url, desk.folder, other).occ("opal", "login", "opal", given="x\n")
    assert (done.code, "does not answer: TLS failed" in done.err) == (1, True), done


async def test_pages_and_api_have_their_own_login_and_the_numbers_that_of_the_web_configuration(desk: Desk) -> None:
    trust = ("--cacert", desk.authority)
    for path, status in (
        ("/", 303),
        ("/login", 200),
        ("/style.css", 200),
        ("/api/v1/openapi.json", 200),
        ("/api/v1/me", 401),
    ):
        answer = await curl(f"{desk.url}{path}", *trust)
        assert (path, answer.status, "Basic" in answer.head) == (path, status, False)
    for path in ("/metrics", "/-/healthy", "/nowhere", "/a"):
        answer = await curl(f"{desk.url}{path}", *trust)
        assert (path, answer.status, "Basic" in answer.head) == (path, 401, True)
    assert (await curl(f"{desk.url}/metrics", *trust, "--user", f"anna:{PASSWORD}")).status == 200
    assert (await curl(f"{desk.url}/api/v1/me", *trust, "--user", f"anna:{PASSWORD}")).status == 401
    form = ("--data", "person=opal&password=opal%27s+password&to=/", "-H", f"Origin: {desk.url}")
    answer = await curl(f"{desk.url}/login", *trust, *form)
    assert answer.status == 303
    assert re.search(r"Set-Cookie: __Host-occ=[^;]+; HttpOnly; Path=/; SameSite=Strict; Secure", answer.head)


# --- without a receiver -----------------------------------------------------------------------------------------------


@pytest.fixture
def alone(tmp_path: Path) -> Desk:
    return Desk("http://127.0.0.1:1", tmp_path, Path("/dev/null"))


async def test_a_hash_for_the_policy(alone: Desk) -> None:
    done = await alone.occ("opal", "password", given="correct horse battery\n")
    assert done.code == 0
    assert matches(done.out.strip(), "correct horse battery")
    short = await alone.occ("opal", "password", given="short\n")
    assert (short.code, short.err) == (1, "occ: it needs 12 characters or more\n")


@pytest.mark.parametrize(
    "url", ["http://occ.example", "ftp://x", "https://a:b@occ.example", "https://x/?key=1", "x", ""]
)
async def test_where_it_can_not_be(alone: Desk, url: str) -> None:
    done = await Desk(url, alone.folder, alone.authority).occ("opal", "freezes")
    assert done.code == 2
    assert "error: argument --url" in done.err


async def test_nobody_is_there(alone: Desk, tmp_path: Path) -> None:
    there = Desk(alone.url, alone.folder, Authority(tmp_path).certificate)
    done = await there.occ("opal", "login", "opal", given="x\n")
    assert (done.code, done.err) == (1, "occ: http://127.0.0.1:1 does not answer: can not connect\n")

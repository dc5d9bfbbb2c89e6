"""`occ incidents` against a real receiver, as people use it one after the other."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from cli.incidents import main
from tests.cli.desk import Desk
from tests.receiver.support import AUTHORIZED, alert, message


async def test_an_incident_from_its_first_word_to_the_report(desk: Desk) -> None:
    for person in ("opal", "tara", "cora", "vic"):
        await desk.log_in(person)
    assert (await desk.occ("vic", "incidents", "list")).out == "There are none.\n"
    refused = await desk.occ("vic", "incidents", "open", "--title", "x", "--reason", "y")
    assert (refused.code, refused.err) == (1, "occ: the policy does not give this person that right (not_permitted)\n")
    opened = await desk.occ(
        "opal", "incidents", "open", "--title", "It smells of smoke", "--reason", "in the server room"
    )
    assert (opened.code, " open page  It smells of smoke  since " in opened.out) == (0, True)
    id_ = opened.out.split()[0]
    acknowledged = await desk.occ("tara", "incidents", "acknowledge", id_)
    assert (acknowledged.code, "led by tara" in acknowledged.out) == (0, True)
    for command in (
        ("note", id_, "--text", "the fan"),
        ("severity", id_, "--severity", "ticket", "--reason", "no fire"),
        ("hand-over", id_, "--to", "cora", "--reason", "she is nearer"),
    ):
        done = await desk.occ("tara", "incidents", *command)
        assert (done.code, done.err) == (0, ""), command
    late = await desk.occ("tara", "incidents", "mitigate", id_, "--reason", "unplugged")
    assert late.code == 1
    assert "(not_permitted)" in late.err
    for command in (("mitigate", id_, "--reason", "unplugged"), ("resolve", id_, "--reason", "a new fan")):
        assert (await desk.occ("cora", "incidents", *command)).code == 0
    assert f"{id_}  resolved ticket" in (await desk.occ("vic", "incidents", "list")).out
    assert (await desk.occ("cora", "incidents", "close", id_, "--summary", "A fan.")).code == 0
    assert (await desk.occ("vic", "incidents", "list")).out == "There are none.\n"
    assert (await desk.occ("vic", "incidents", "list", "--all")).out.startswith(f"{id_}  closed ticket")
    shown = (await desk.occ("vic", "incidents", "show", id_)).out
    assert "responders: opal, tara, cora\n" in shown
    assert [line.split("  ", 2)[2] for line in shown.splitlines() if line.startswith("  2")] == [
        "opal opened it: It smells of smoke: in the server room",
        "tara acknowledged it",
        "tara noted: the fan",
        "tara set its severity to ticket, from page: no fire",
        "tara handed it over to cora: she is nearer",
        "cora says that it is mitigated: unplugged",
        "cora resolved it: a new fan",
        "cora closed it: A fan.",
    ]
    assert shown.endswith("you may: only look\n")
    report = await desk.occ("vic", "incidents", "report", id_)
    assert (report.code, report.out.startswith(f"# Incident {id_}\n")) == (0, True)
    path = desk.folder / "report.md"
    assert (await desk.occ("vic", "incidents", "report", id_, "--output", str(path))).code == 0
    assert path.read_text().splitlines()[:3] == report.out.splitlines()[:3]
    again = await desk.occ("vic", "incidents", "report", id_, "--output", str(path))
    assert (again.code, again.err) == (1, f"occ: {path}: File exists\n")


async def test_what_an_alert_says_can_not_move_the_terminal(desk: Desk) -> None:
    await desk.log_in("opal")
    hostile = alert("\x1b[2JBell\x07", labels={"entity": "\u202eevil", "venue": "binance"})
    trust = aiohttp.TCPConnector(ssl=False)
    async with (
        aiohttp.ClientSession(connector=trust) as session,
        session.post(f"{desk.url}/alertmanager", data=message(hostile), headers=AUTHORIZED) as response,
    ):
        assert response.status == 200
    async with asyncio.timeout(60):
        while not (found := await desk.occ("opal", "incidents", "list")).out.count("open page"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    shown = await desk.occ("opal", "incidents", "show", found.out.split()[0])
    report = await desk.occ("opal", "incidents", "report", found.out.split()[0])
    for text in (found.out, shown.out, report.out):
        assert all(one.isprintable() or one == "\n" for one in text)
        assert "Bell" in text


@pytest.mark.parametrize(
    "arguments", [(), ("show",), ("show", "1"), ("close", "0" * 16), ("severity", "0" * 16, "--severity", "none")]
)
def test_wrong_flags(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 2

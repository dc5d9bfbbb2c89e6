"""E-mail by the shipped templates, sent by a real Alertmanager to an SMTP server of ours that takes whatever comes."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

import aiohttp
import yaml

from demo.parts import locate
from demo.processes import Part, Supervisor, free_ports
from demo.relocate import relocated
from demo.until import until
from tests.alerting_rules.checks import ALERTMANAGER

WITHIN = 60.0


@dataclass
class Mailbox:
    """RFC 5321, as far as it takes to be handed a message."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Mailbox]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            match line.split()[0].upper():
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    await self._take(reader)
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
            writer.write(b"250 ok\r\n")
        await writer.drain()
        writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        lines = []
        while (line := await reader.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        self.messages.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))


def configured(folder: Path, port: int) -> Path:
    """The shipped templates, and the e-mail that alertmanager.yml shows as an example."""
    shown = re.search(r"(?m)^    # email_configs:\n((?:    #   .*\n)+)", ALERTMANAGER.read_text())
    assert shown is not None
    (receiver,) = yaml.safe_load(re.sub(r"(?m)^    # ", "", shown[1]))
    config = {
        "global": {"smtp_smarthost": f"127.0.0.1:{port}", "smtp_from": "occ@example.org", "smtp_require_tls": False},
        "templates": [str(ALERTMANAGER.parent / "templates/*.tmpl")],
        "route": {"receiver": "mail", "group_wait": "0s"},
        "receivers": [{"name": "mail", "email_configs": [receiver]}],
    }
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    return path


async def test_a_page_by_e_mail_says_what_is_wrong_and_links_to_it(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    annotations = {
        "summary": "Chain <b>base</b> has stalled",
        "description": "No block for 93 s",
        "first_action": "Look at the provider",
        "runbook_url": "https://occ.example/runbook",
        "dashboard_url": "javascript:alert(1)",
    }
    alerts = [{"labels": {"alertname": "ChainStalled", "entity": "base"}, "annotations": annotations}]
    async with Mailbox().serving() as mailbox, Supervisor(tmp_path / "logs") as supervisor:
        command = (
            relocated(locate("alertmanager")),
            f"--config.file={configured(tmp_path, mailbox.port)}",
            f"--storage.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        )
        await supervisor.start(Part("alertmanager", command, f"{url}/-/ready"))
        async with aiohttp.ClientSession() as session, session.post(f"{url}/api/v2/alerts", json=alerts) as answer:
            assert answer.status == 200

        async def came() -> bool:
            return bool(mailbox.messages)

        await until(came, WITHIN)
    (message,) = mailbox.messages
    assert message["Subject"] == "[FIRING] Chain <b>base</b> has stalled"
    plain, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert html is not None
    page = re.search(r"https://occ\.example/a/[0-9a-f]{16}\r?$", plain.get_content(), re.MULTILINE)
    assert page is not None
    text = html.get_content()
    assert re.findall(r'href="([^"]*)"', text) == [page[0].rstrip(), "https://occ.example/runbook"]
    assert "Chain &lt;b&gt;base&lt;/b&gt; has stalled" in text

"""Slack's incoming webhooks, and what takes the same: Mattermost, Rocket.Chat and others.

Words of ours may be marked up; words of others can not be: Slack reads `<…>` as links and as calls for everybody (`<!here>`),
others read `@here`, and all of them read `*`, `_`, `~` and backticks.
https://docs.slack.dev/messaging/formatting-message-text/#escaping
"""

from __future__ import annotations

import re

from yarl import URL

from receiver import config
from receiver.families import Severity
from receiver.outbox import Notice
from receiver.text import clipped

from . import wire
from .message import SPOKEN, Links, Message

LONGEST = 500
"""Characters of each part. Slack cuts a text off after 40,000, entities written out."""

MOST = 12
"""Parts beside those that have a place of their own."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JOINER = "\N{WORD JOINER}"
"""Shows nothing, and what has it in the middle is no word any more."""
_LIKE = {"*": "\N{ASTERISK OPERATOR}", "~": "\N{TILDE OPERATOR}", "`": "\N{MODIFIER LETTER GRAVE ACCENT}"}
_LOW = "\N{MODIFIER LETTER LOW MACRON}"
_EDGE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""Within a word an underscore marks nothing up, and is left for names to be copied."""

_MARKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"@"), f"@{_JOINER}"),
    (re.compile(r"://"), f":{_JOINER}//"),
    (re.compile(r"]\("), f"]{_JOINER}("),
    (_EDGE, _LOW),
)


class Channel:
    """One webhook; it is told everything."""

    kind = "slack"

    def __init__(self, configured: config.Slack, links: Links) -> None:
        self.name, self.tells = configured.name, configured.tells
        self._url, self._links = configured.url, links

    def takes(self, _notice: Notice, _severity: Severity) -> bool:
        return True

    async def send(self, message: Message) -> None:
        body = {"text": text(message, self._links), "unfurl_links": False, "unfurl_media": False}
        await wire.tell(URL(self._url.reveal()), body, {"Idempotency-Key": message.id})


def text(message: Message, links: Links) -> str:
    """The whole message in Slack's mrkdwn."""
    spoken = ((before, message.says(key)) for key, before in SPOKEN.items())
    return "\n".join(
        (
            f"*{message.severity.upper()}: {message.headline}*",
            escaped(message.says("summary")),
            *(f"{before}{escaped(words)}" for before, words in spoken if words),
            *(f"{escaped(key)}: {escaped(value)}" for key, value in message.rest[:MOST]),
            *([f"and {left} more"] if (left := len(message.rest) - MOST) > 0 else []),
            " ".join(f"<{url}|{name}>" for name, url in links.of(message)),
        )
    ).strip()


def escaped(words: str) -> str:
    """Words of others, on one line, so that they stay words: no link, no call for anybody, nothing marked up."""
    found = clipped(" ".join(words.splitlines()), LONGEST)
    for pattern, instead in _MARKS:
        found = pattern.sub(instead, found)
    return "".join(_ENTITIES.get(one) or _LIKE.get(one) or one for one in found)

"""The look of the pages that the kernel makes: one column that fits a phone, dark where that is wanted, no script."""

from __future__ import annotations

import base64
import hashlib
import html
import time

from aiohttp import web

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2024;--soft:#5f6873;--line:#e2e5e9;--ground:#fff;--card:#f7f8fa;--link:#0b57d0;
--good:#137333;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--soft:#9aa3ad;--line:#30363d;--ground:#111417;--card:#191d21;
--link:#8ab4f8;--good:#6dd58c;--bad:#f28b82}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:60rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}p{margin:.25rem 0}
a{color:var(--link)}.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}
.big{font-size:2rem;font-weight:600;line-height:1.2;margin-top:1.25rem}
ul{list-style:none;margin:0;padding:0}li{padding:.5rem 0;border-top:1px solid var(--line)}
li>a{font-weight:600}li>.soft{display:block}.foot{margin-top:2rem}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:.5rem;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.375rem .75rem;border-top:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--soft);border-top:0}td.n,th.n{text-align:right}
pre{margin:0;padding:.75rem;font:.8125rem/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
code{overflow-wrap:anywhere}h1+.wide{margin-top:1rem}.facts td{white-space:normal}
.facts td:first-child{width:30%}td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:8rem}
@media(min-width:40rem){li>a{display:inline-block;min-width:9rem}li>.soft{display:inline}}
"""

_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def page(title: str, *parts: str) -> web.Response:
    """A page of parts that are HTML already."""
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )
    return web.Response(text=text, content_type="text/html", headers=HEADERS)


def facts(rows: list[tuple[str, str]]) -> str:
    """A table of names and words."""
    return f'<div class="wide"><table class="facts">{"".join(map(_row, rows))}</table></div>'


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """A table; numbers stand to the right, and None is a dash."""
    top = "".join(f"<th{_side(rows, column)}>{html.escape(name)}</th>" for column, name in enumerate(head))
    return f'<div class="wide"><table><tr>{top}</tr>{"".join(map(_row, rows))}</table></div>'


def _row(row: tuple[object, ...]) -> str:
    return f"<tr>{''.join(map(_cell, row))}</tr>"


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f'<td class="n">{f"{value:,.3f}".rstrip("0").rstrip(".")}</td>'
    return f"<td>{'-' if value is None else html.escape(str(value))}</td>"


def _side(rows: list[tuple[object, ...]], column: int) -> str:
    is_number = any(isinstance(row[column], int | float) for row in rows)
    return ' class="n"' if is_number else ""


def ago(at: float | None, now: float | None = None) -> str:
    """How long ago a Unix time is, in words; a time that has yet to come is now."""
    if at is None:
        return "never"
    return f"{span(max((time.time() if now is None else now) - at, 0.0))} ago"


def span(seconds: float) -> str:
    """A length of time in its two largest units, as `2 h 5 min`."""
    if seconds < 60:  # noqa: PLR2004 - as below: units of time
        return f"{seconds:.0f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {seconds % 60:.0f} s"
    if hours < 48:  # noqa: PLR2004
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def instant(at: float) -> str:
    """A Unix time as RFC 3339 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))

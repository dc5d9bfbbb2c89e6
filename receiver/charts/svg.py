"""Elements of SVG, and text that may stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement

from receiver.text import shown

_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


def text(root: Element, x: float, y: float, words: str, *, kind: str = "", anchor: str = "start") -> None:
    found = SubElement(root, "text", {"x": str(round(x, 1)), "y": str(round(y, 1)), "text-anchor": anchor})
    if kind:
        found.set("class", kind)
    found.text = clean(words)


def stroke(root: Element, x1: float, y1: float, x2: float, y2: float, *, kind: str) -> Element:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return SubElement(root, "line", {"class": kind} | {name: str(round(place, 1)) for name, place in ends.items()})


def rectangle(root: Element, x: float, y: float, width: float, height: float, *, kind: str) -> None:
    sides = {"x": x, "y": y, "width": width, "height": height}
    SubElement(root, "rect", {"class": kind} | {name: str(round(side, 1)) for name, side in sides.items()})


def cut(text: str, characters: int) -> str:
    found = clean(text)
    return found if len(found) <= characters else f"{found[: characters - 1]}…"


def clean(text: str) -> str:
    """On one line, and only what XML may hold."""
    return " ".join(_NO_XML.sub("\ufffd", shown(text)).split())


def wrapped(text: str, characters: int) -> Iterator[str]:
    line = ""
    for word in clean(text).split():
        if line and len(line) + 1 + len(word) > characters:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    yield line

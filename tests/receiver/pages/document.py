"""What a page is to a browser without scripts: its text, its outline, and its forms with what they would send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "source"}

Attributes = dict[str, str]


@dataclass
class Form:
    """Where it goes, the values that are in it, what it can be sent by, and what can be chosen."""

    method: str
    action: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, str] = field(default_factory=dict)
    """Texts by value."""
    options: dict[str, list[str]] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)


@dataclass
class Element:
    """One that was opened, by its name."""

    tag: str
    attributes: Attributes


class Document(HTMLParser):
    """The elements of a page; complains about what is not closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self.headings: list[tuple[int, str]] = []
        self.title = ""
        self.refused = ""
        self._words: list[str] = []
        self._open: list[Element] = []
        self._select = ""
        self.feed(source)
        self.close()
        assert self._open == []

    # --- what is read of it -------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return " ".join("".join(self._words).split())

    @property
    def links(self) -> list[str]:
        return [each.attributes.get("href", "") for each in self.of("a")]

    def of(self, *tags: str) -> Iterator[Element]:
        return (each for each in self.elements if each.tag in tags)

    @property
    def buttons(self) -> set[str]:
        """What can be done here, by the values of the buttons."""
        return {value for form in self.forms for value in form.buttons if value}

    def form(self, do: str, **values: str) -> Form:
        """The form with this button, and these values in it."""
        found = [form for form in self.forms if do in form.buttons and values.items() <= form.values.items()]
        assert len(found) == 1, (do, values, [form.buttons for form in self.forms], self.text)
        return found[0]

    # --- reading it ---------------------------------------------------------------------------------------------------

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)
        if tag in {"p", "li", "dt", "dd", "div", "h1", "h2", "h3", "option", "button"}:
            self._words.append(" ")
        self._form_part(tag, element.attributes)

    def _form_part(self, tag: str, given: Attributes) -> None:
        if tag == "form":
            self.forms.append(Form(given.get("method", "get"), given.get("action", "")))
        if not self._inside("form"):
            return
        form, name = self.forms[-1], given.get("name", "")
        if tag in {"input", "textarea"}:
            self._typed(form, name, given)
        elif tag == "select":
            self._select, form.options[name] = name, []
        elif tag == "option":
            self._chosen(form, given)
        elif tag == "button":
            form.buttons[given.get("value", "")] = ""
        if "required" in given:
            form.required.add(name)

    def _typed(self, form: Form, name: str, given: Attributes) -> None:
        if given.get("type") != "radio":
            form.values[name] = given.get("value", "")
            return
        form.options.setdefault(name, []).append(given["value"])
        if "checked" in given:
            form.values[name] = given["value"]

    def _chosen(self, form: Form, given: Attributes) -> None:
        """A browser sends what is selected, or else the first."""
        form.options[self._select].append(given["value"])
        if "selected" in given or self._select not in form.values:
            form.values[self._select] = given["value"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._words.append(data)
        if not self._open:
            return
        here = self._open[-1]
        match here.tag:
            case "title":
                self.title += data
            case "textarea":
                name = here.attributes["name"]
                self.forms[-1].values[name] += data if self.forms[-1].values[name] else data.removeprefix("\n")
            case "button":
                self.forms[-1].buttons[here.attributes.get("value", "")] += data
        for element in self._open:
            if element.tag in {"h1", "h2", "h3", "h4"}:
                self._heading(int(element.tag[1]), data, anew=element)
            if element.attributes.get("class") == "refused":
                self.refused += data

    def _heading(self, level: int, data: str, anew: Element) -> None:
        if self.headings and self._last is anew:
            self.headings[-1] = (level, self.headings[-1][1] + data)
        else:
            self.headings.append((level, data))
        self._last = anew

    _last: Element | None = None

    def _inside(self, tag: str) -> bool:
        return any(element.tag == tag for element in self._open)

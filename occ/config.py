"""YAML in, frozen values out; or every problem of the file at once, each with its place.

Secrets are written as `{env: NAME}` or `{file: PATH}`, and URLs are handled as secrets, since keys live in them. No message
ever shows a value, only its place and what was expected there.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from yarl import URL

from occ.document import SURROGATE, Document, Loc, dotted, nearest
from occ.errors import ConfigError, Problem

MAX_FILE_BYTES = 10_000_000
MAX_SECRET_BYTES = 65_536

_TYPE_NAMES = {
    type(None): "nothing",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple: "a list",
    dict: "a mapping",
}


class Model(BaseModel):
    """A part of a configuration: unknown keys are refused, types are not bent, the value is frozen."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    substitutes: ClassVar[bool] = True
    """For the model of a whole file: whether `${NAME}` is replaced from the environment there, or refused."""

    @model_validator(mode="wrap")
    @classmethod
    def _suggest(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Says of an unknown key which one may have been meant."""
        try:
            return handler(value)
        except ValidationError as error:
            errors = [_again(details, tuple(cls.model_fields)) for details in error.errors(include_url=False)]
        raise ValidationError.from_exception_data(cls.__name__, errors)


M = TypeVar("M", bound=Model)


class Secret:
    """A value that shows itself only when asked."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[M]):
    """A configuration in use: the values, what must never be printed, the digest of the file with those that it names, and the
    line of each part.
    """

    config: M
    secrets: frozenset[str] = field(repr=False)
    digest: str
    lines: Mapping[Loc, int] = field(repr=False)
    file: str

    def problem(self, loc: Loc, message: str) -> Problem:
        """What is found wrong later, on the line of the nearest thing that stands in the file."""
        return Problem(self.file, nearest(self.lines, loc), dotted(loc), message)


@dataclass(slots=True)
class Context:
    """What validators need besides the value, and what they find besides what is wrong with it."""

    folder: Path
    env: Mapping[str, str]
    secrets: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    look: bool = True
    digests: list[str] = field(default_factory=list)
    elsewhere: list[Problem] = field(default_factory=list)

    @classmethod
    def none(cls) -> Context:
        """For a value that stands in no file."""
        return cls(Path(), {})

    @property
    def base(self) -> Path:
        return self.folder.absolute()


# --- types that models use -------------------------------------------------------------------------------------------

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def refuse(message: str, *at: str | int) -> PydanticCustomError:
    """The error to raise in a validator; `at` leads from the validated value to the part that is wrong."""
    return PydanticCustomError("refused", "{message}", {"message": message, "at": at})


def refuse_all(problems: Iterable[PydanticCustomError]) -> None:
    """Raises all these errors at once, if there are any: for what a validator finds wrong in several places."""
    details: list[InitErrorDetails] = [{"type": problem, "loc": (), "input": None} for problem in problems]
    if details:
        raise ValidationError.from_exception_data("refused", details)


def seconds(text: str) -> float:
    """Seconds of a duration such as `500ms`, `5s`, `1h30m`; ValueError for anything else."""
    if not _DURATION.fullmatch(text):
        raise ValueError(text)
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(text))


def _duration(value: object) -> float:
    try:
        parsed = seconds(value) if isinstance(value, str) else 0.0
    except ValueError:
        parsed = 0.0
    if parsed <= 0:
        raise refuse("expected a duration such as 500ms, 5s or 1h")
    return parsed


def _name(value: object, info: ValidationInfo[Context]) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        info.context.names.add(value)
        return value
    raise refuse("expected a name of letters, digits, `.`, `_` or `-`, 63 at most")


def _secret(value: object, info: ValidationInfo[Context]) -> Secret:
    context = info.context
    match value:
        case {"env": str(name), **rest} if not rest:
            text = _secret_variable(context.env, name)
        case {"file": str(path), **rest} if not rest:
            text = _secret_file(context.base / path) if context.look else "assumed"
        case str():
            raise refuse("a secret does not stand in the file: write {env: NAME} or {file: PATH}")
        case _:
            raise refuse("expected {env: NAME} or {file: PATH}")
    context.secrets.add(text)
    return Secret(text)


def _secret_variable(env: Mapping[str, str], name: str) -> str:
    """The name is repeated only where it looks like one: a secret may have been written in its place."""
    text = env.get(name, "")
    if not text:
        known = f"environment variable {name}" if _ENV_NAME.fullmatch(name) else "the environment variable named here"
        raise refuse(f"{known} is not set")
    if SURROGATE.search(text):
        raise refuse("the environment variable named here does not hold text")
    return text


def _secret_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError) as error:
        raise refuse(f"can not read the file named here: {getattr(error, 'strerror', 'not a path')}") from None
    if len(raw) > MAX_SECRET_BYTES:
        raise refuse("the file named here is too large for a secret")
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        raise refuse("the file named here is not text") from None
    if not text:
        raise refuse("the file named here is empty")
    return text


def _url(schemes: tuple[str, ...]) -> Callable[[object, ValidationInfo[Context]], Secret]:
    expected = refuse(f"expected a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")

    def validate(value: object, info: ValidationInfo[Context]) -> Secret:
        if not isinstance(value, str) or re.search(r"[\s\x00-\x1f\x7f]", value):
            raise expected
        try:
            url = URL(value)
            usable = url.scheme in schemes and bool(url.host) and url.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise expected
        info.context.secrets.update(_secret_parts(value, URL(value)))
        return Secret(value)

    return validate


def _secret_parts(text: str, url: URL) -> Iterable[str]:
    """The whole URL, and of its parts those that can hold a key."""
    yield text
    bare = (name for name, value in url.query.items() if not value)
    parts = [url.user or "", url.password or "", *url.raw_path.split("/"), *url.query.values(), *bare]
    yield from (part for part in parts if len(part) >= 6)  # noqa: PLR2004 - shorter ones are words such as `v2` or `rpc`


Duration = Annotated[float, BeforeValidator(_duration)]
"""Seconds, written as 500ms, 5s, 1h; greater than 0."""

Name = Annotated[str, BeforeValidator(_name)]
"""A word that becomes a label value and part of a target's id."""

SecretValue = Annotated[Secret, PlainValidator(_secret)]
"""Written as {env: NAME} or {file: PATH}."""

HttpUrl = Annotated[Secret, PlainValidator(_url(("http", "https")))]
"""An http or https URL. Keys live in URLs, so it is handled as a secret."""


def _of_url(secret: Secret, info: ValidationInfo[Context]) -> Secret:
    return _url(("http", "https"))(secret.reveal(), info) if info.context.look else secret


SecretUrl = Annotated[SecretValue, AfterValidator(_of_url)]
"""An http or https URL, written as a SecretValue: all of it is one."""

WsUrl = Annotated[Secret, PlainValidator(_url(("ws", "wss")))]
"""A ws or wss URL, as HttpUrl."""


def unique(*keys: str) -> WrapValidator:
    """For a list: no two items may agree, those that are mappings in `keys`. Reported beside whatever else is wrong there."""

    def validate(value: object, handler: ValidatorFunctionWrapHandler) -> Any:
        errors = [
            InitErrorDetails(type=refuse(message), loc=(index, *keys[-1:]), input=None)
            for index, message in _doubles(value, keys)
        ]
        try:
            result = handler(value)
        except ValidationError as error:
            errors += [_again(details) for details in error.errors(include_url=False)]
        if errors:
            raise ValidationError.from_exception_data("list", errors)
        return result

    return WrapValidator(validate)


def _some(value: object) -> object:
    if value == ():
        raise refuse("needs at least one")
    return value


SOME = BeforeValidator(_some)
"""For a list that may not be empty. (pydantic's own length check also counts the items that are wrong as missing.)"""


def _doubles(value: object, keys: tuple[str, ...]) -> Iterable[tuple[int, str]]:
    seen: dict[tuple[str, ...], int] = {}
    for index, item in enumerate(value if isinstance(value, tuple) else ()):
        found = _agreeing(item, keys)
        if found:
            first = seen.setdefault(found, index)
            if first != index:
                shown = f'"{"/".join(found)}" ' if all(map(_NAME.fullmatch, found)) else ""
                yield index, f"{shown}is there already, as item {first}"


def _agreeing(item: object, keys: tuple[str, ...]) -> tuple[str, ...]:
    """What of an item may be there only once; nothing where it has no such thing, which is told elsewhere."""
    if not keys:
        return () if isinstance(item, dict) else (str(item),)
    return tuple(str(item.get(key)) for key in keys) if isinstance(item, dict) and keys[-1] in item else ()


def _again(details: ErrorDetails, known: tuple[str, ...] = ()) -> InitErrorDetails:
    """An error of pydantic's own, to be raised once more from a wrapping validator."""
    loc = details["loc"]
    if details["type"] == "extra_forbidden" and len(loc) == 1:
        close = difflib.get_close_matches(str(loc[0]), known, n=1)
        kind = refuse(f"unknown key; did you mean `{close[0]}`?" if close else "unknown key")
    else:
        kind = PydanticCustomError(details["type"], "{message}", {"message": details["msg"], **details.get("ctx", {})})
    return InitErrorDetails(type=kind, loc=loc, input=details["input"])


def moved(error: ValidationError, *at: str | int) -> list[InitErrorDetails]:
    """The errors of a part that a validator has validated by itself, to be raised from where the part stands."""
    found = [_again(details) for details in error.errors(include_url=False)]
    return [{**one, "loc": (*at, *one.get("loc", ()))} for one in found]


def file_of(model: type[M]) -> PlainValidator:
    """For a path, relative to the file that it stands in: becomes that other file, loaded together with this one."""

    def validate(value: object, info: ValidationInfo[Context]) -> Loaded[M]:
        context = info.context
        if not isinstance(value, str) or not value or "\0" in value:
            raise refuse("expected the path of a file, relative to this one")
        try:
            loaded = load(context.folder / value, model, context.env, secrets=context.look)
        except ConfigError as error:
            context.elsewhere += error.problems
            raise refuse("the file named here can not be used") from None
        context.secrets.update(loaded.secrets)
        context.digests.append(loaded.digest)
        return loaded

    return PlainValidator(validate)


def _within(low: float, high: float) -> Callable[[float], float]:
    def validate(value: float) -> float:
        if not low <= value <= high:
            raise refuse(f"must be between {low:,.0f} and {high:,.0f}")
        return value

    return validate


# --- common to the exporters -----------------------------------------------------------------------------------------


class Timing(Model):
    """How often and how patiently something is read; what is not set falls back to `defaults`."""

    interval: Duration | None = None
    timeout: Duration | None = None
    stale_after: Duration | None = None
    silence: Duration | None = None


class Defaults(Model):
    """The timing of everything that does not say otherwise."""

    interval: Duration = 5.0
    timeout: Duration = 3.0
    stale_after: Duration | None = None
    silence: Duration = 30.0


class Limits(Model):
    """Bounds of the page."""

    series: Annotated[int, AfterValidator(_within(100, 5_000_000))] = 200_000


class TargetLabels(Model):
    """Whose a target is and how much it matters."""

    team: Annotated[str, Field(max_length=63)] = ""
    tier: Annotated[str, Field(max_length=63)] = ""


class Canary(Model):
    """Somewhere independent, to tell `it is them` from `it is us`."""

    name: Name
    url: HttpUrl


def _of_one_asset(assets: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """That each name, alias or not, means one asset."""
    meant: dict[str, str] = {}
    refuse_all(
        refuse(f"{name} is an alias of {meant[name]} already", base)
        for base, aliases in assets.items()
        for name in (base, *aliases)
        if meant.setdefault(name, base) != base
    )
    return assets


class ExporterConfig(Model):
    """What the file of every exporter may hold."""

    scrape_interval: Duration = 15.0
    defaults: Defaults = Defaults()
    limits: Limits = Limits()
    assets: Annotated[dict[str, tuple[str, ...]], AfterValidator(_of_one_asset)] = {}
    egress: Annotated[tuple[Canary, ...], unique("name")] = ()


# --- reading ---------------------------------------------------------------------------------------------------------


class _Assumed(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, _name: str, _default: object = None) -> str:
        return "assumed"


def load(path: str | Path, model: type[M], env: Mapping[str, str] | None = None, *, secrets: bool = True) -> Loaded[M]:
    """Reads and checks a file. Raises ConfigError with every problem found; nothing else is touched.

    Without `secrets`, variables and secret files are taken to be there and are not looked at.
    """
    path = Path(path)
    raw = _read(path)
    env = (os.environ if env is None else env) if secrets else _Assumed()
    document = Document(path, env, substitutes=model.substitutes)
    data = document.data(raw)
    context = Context(path.parent, document.env, document.substituted, look=secrets)
    config: M | None = None
    try:
        config = model.model_validate(data, context=context)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            document.problem((*details["loc"], *details.get("ctx", {}).get("at", ())), _message(details))
    if document.problems or context.elsewhere or config is None:
        own = sorted(set(document.problems), key=lambda it: (it.line or 0, it.path, it.message))
        raise ConfigError([*own, *dict.fromkeys(context.elsewhere)])
    # A name that also stands in a URL is no secret, and masking it would make the logs unreadable.
    secret = frozenset(context.secrets - context.names)
    return Loaded(config, secret, _digest(raw, context.digests), document.lines, str(path))


def _digest(raw: bytes, digests: Iterable[str]) -> str:
    """Of a file, and of those that it names."""
    return hashlib.sha256(raw + "".join(digests).encode()).hexdigest()[:12]


def _read(path: Path) -> bytes:
    def fail(message: str) -> ConfigError:
        return ConfigError([Problem(str(path), None, "", message)])

    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise fail(f"can not be read: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise fail(f"is larger than {MAX_FILE_BYTES} bytes")
    return raw


_MESSAGES = {
    "missing": "is required",
    "int_type": "expected a whole number, got {got}",
    "float_type": "expected a number, got {got}",
    "bool_type": "expected true or false, got {got}",
    "string_type": "expected a string, got {got}",
    "tuple_type": "expected a list, got {got}",
    "dict_type": "expected a mapping, got {got}",
    "model_type": "expected a mapping, got {got}",
    "model_attributes_type": "expected a mapping, got {got}",
    "literal_error": "expected {expected}",
    "union_tag_not_found": "needs {discriminator}",
    "union_tag_invalid": "expected, for {discriminator}, one of {expected_tags}",
    "string_too_short": "needs at least {min_length} characters",
    "string_too_long": "has more than {max_length} characters",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "expected a finite number",
}


def _message(details: ErrorDetails) -> str:
    got = _TYPE_NAMES.get(type(details.get("input")), "something else")
    context = {key: value for key, value in details.get("ctx", {}).items() if key != "message"}
    template = _MESSAGES.get(details["type"])
    return template.format(got=got, **context) if template else details["msg"]

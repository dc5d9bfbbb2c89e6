"""`occ rules`: the rules that are made of tables, thresholds and objectives."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import yaml
from pydantic import Field, model_validator

from occ.config import SOME, Model, load, refuse, unique
from occ.errors import ConfigError

FOLDER = Path(__file__).resolve().parent.parent / "alerting-rules"
THRESHOLDS, SLOS = Path("thresholds.yml"), Path("slo/slos.yml")

Document = dict[str, Any]
Number = Annotated[float, Field(ge=0)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Label = Annotated[str, Field(pattern=r"^[\w.-]+$")]
Alertname = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+$")]

# --- thresholds ------------------------------------------------------------------------------------------------------


class _Of(NamedTuple):
    """What a limit may be of: the labels that tell one from another, the series that has them all, what its table takes."""

    on: str
    every: str
    takes: frozenset[str]


_OF = {
    "chain": _Of("chain", "chain:tier:info", frozenset({"default", "tiers", "block_times", "chains"})),
    "symbol": _Of("venue, symbol", "symbol:base:info", frozenset({"default", "bases"})),
    "venue": _Of("venue", "venue:tier:info", frozenset({"default", "tiers", "venues"})),
    "base": _Of("base", "", frozenset({"bases"})),
}
_NAMED = ("chains", "venues", "bases")


class Threshold(Model):
    """What is too much. Of a chain or a venue: by name, else by tier, else for all, and `block_times` raises the default of
    slow chains. Of a venue's symbol: by base, else for all. Of a base: by name alone.
    """

    of: Literal["chain", "symbol", "venue", "base"] = "chain"
    default: Number | None = None
    block_times: Number | None = None
    tiers: dict[Label, Number] = Field(default_factory=dict)
    chains: dict[Label, Number] = Field(default_factory=dict)
    venues: dict[Label, Number] = Field(default_factory=dict)
    bases: dict[Label, Number] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        takes = _OF[self.of].takes
        for name in ("default", "block_times", "tiers", *_NAMED):
            if name not in takes and getattr(self, name) not in (None, {}):
                raise refuse(f"is not for the limit of a {self.of}", name)
        if self.default is None and (self.tiers or self.block_times is not None):
            raise refuse("is required beside `tiers` and `block_times`", "default")
        if self.tiers and self.block_times is not None:
            raise refuse("do not go together with `block_times`", "tiers")
        if self.default is None and not any(getattr(self, name) for name in _NAMED):
            (named,) = takes & set(_NAMED)
            raise refuse(f"is required where there are no `{named}`", "default")
        return self


class Thresholds(Model):
    """thresholds.yml."""

    thresholds: dict[Identifier, Threshold]


def threshold_rules(thresholds: Mapping[str, Threshold]) -> Document:
    """recording/thresholds.yml: `occ:threshold:NAME` with one value for every chain, symbol or venue, whether it is listed or
    not, and for every base that is.
    """
    rules = [{"record": f"occ:threshold:{name}", "expr": _either(threshold)} for name, threshold in thresholds.items()]
    return {"groups": [{"name": "thresholds", "rules": rules}]}


def _either(threshold: Threshold) -> str:
    """All values as PromQL, those that go before the others first."""
    return f"\nor on ({_OF[threshold.of].on})\n".join(_values(threshold))


def _values(threshold: Threshold) -> Iterator[str]:
    on, every, _ = _OF[threshold.of]
    for label, name, value in _named(threshold):
        if label in on:
            yield f'label_replace(vector({value:.15g}), "{label}", "{name}", "", "")'
        else:
            yield f'max by ({on}) (0 * {every}{{{label}="{name}"}} + {value:.15g})'
    if threshold.block_times is not None:
        yield f"{threshold.block_times:.15g} * chain:block_seconds:6h > {threshold.default:.15g}"
    for tier, value in threshold.tiers.items():
        yield f'max by ({on}) (0 * {every}{{tier="{tier}"}} + {value:.15g})'
    if threshold.default is not None:
        yield f"max by ({on}) (0 * {every} + {threshold.default:.15g})"


def _named(threshold: Threshold) -> Iterator[tuple[str, str, float]]:
    """The label, its value and the limit of whatever is named."""
    for names in _NAMED:
        for name, value in getattr(threshold, names).items():
            yield names.removesuffix("s"), name, value


# --- objectives ------------------------------------------------------------------------------------------------------

SCRAPE_SECONDS = 15
WINDOWS = {"5m": 300, "30m": 1800, "1h": 3600, "2h": 7200, "6h": 21600, "1d": 86400, "3d": 259200}

FAST = (("5m", "1h", 14.4), ("30m", "6h", 6.0))
SLOW = (("2h", "1d", 3.0), ("6h", "3d", 1.0))
"""Short window, long window, and how many times faster than evenly the budget of 30 days goes: 2 % of it in an hour, 5 %
in six, 10 % in a day, 10 % in three (Google SRE Workbook, chapter 5)."""


class _Whose(NamedTuple):
    """What an objective is of: the label that tells one from another, what alerts say of it, their board, how urgent they are
    at the worst, and what brings the tier where that depends on it.
    """

    label: str
    labels: Mapping[str, str]
    board: str
    severity: str
    tier: str

    @property
    def value(self) -> str:
        """Which one it is, in a template."""
        return f"{{{{ $labels.{self.label} }}}}"


_BY_TIER = '{{ if eq $labels.tier "1" }}page{{ else }}ticket{{ end }}'
_WHOSE = {
    "chain": _Whose(
        "chain",
        {"domain": "nodes", "exporter": "nodes", "entity": "{{ $labels.chain }}", "parent": "{{ $labels.chain }}"},
        "occ-nodes?var-chain={{ $labels.chain }}",
        _BY_TIER,
        " * on (chain) group_left (tier) chain:tier:info",
    ),
    "venue": _Whose(
        "venue",
        {
            "domain": "exchange",
            "exporter": "exchange",
            "entity": "{{ $labels.venue }}",
            "parent": "{{ $labels.venue }}",
        },
        "occ-exchange?var-venue={{ $labels.venue }}",
        _BY_TIER,
        " * on (venue) group_left (tier) venue:tier:info",
    ),
    "receiver": _Whose(
        "job",
        {"domain": "receiver", "entity": "{{ $labels.job }}/$name", "parent": "{{ $labels.job }}"},
        "occ-response",
        "page",
        "",
    ),
}


class Slo(Model):
    """An objective, for every chain, for every venue, or for the receiver."""

    name: Identifier
    of: Literal["chain", "venue", "receiver"] = "chain"
    alert: Alertname
    title: str
    objective: Annotated[float, Field(gt=0, lt=1)]
    good: str
    bad: str
    told_by: Annotated[tuple[Alertname, ...], SOME]
    first_action: str

    @property
    def whose(self) -> _Whose:
        return _WHOSE[self.of]

    def ratio(self, window: str) -> str:
        """The recorded share of bad time over a window."""
        return f"slo:{self.name}:error_ratio_{window}"

    def too_fast(self, rates: tuple[tuple[str, str, float], ...]) -> str:
        """Whether the budget burns too fast over one of these pairs of windows."""
        pairs = ((short, long, f"{rate * (1 - self.objective):.6g}") for short, long, rate in rates)
        return "\nor\n".join(
            f"({self.ratio(short)} > {limit} and {self.ratio(long)} > {limit})" for short, long, limit in pairs
        )


class Slos(Model):
    """slo/slos.yml."""

    objectives: Annotated[tuple[Slo, ...], unique("name")]


def slo_rules(slos: tuple[Slo, ...]) -> Document:
    """slo/generated.yml. Long windows are looked at less often: they change slowly and cost most."""
    groups = [
        {"name": "slo_ratios", "rules": list(_ratios(slos, longer=False))},
        {"name": "slo_long_ratios", "interval": "2m", "rules": list(_ratios(slos, longer=True))},
        {"name": "slo", "rules": [alert for slo in slos for alert in (_burning(slo), _eroding(slo))]},
    ]
    return {"groups": groups}


_LONG = WINDOWS["2h"]


def _ratios(slos: tuple[Slo, ...], *, longer: bool) -> Iterator[Document]:
    """A share of a window counts once half of the window was seen."""
    for slo in slos:
        for window, seconds in WINDOWS.items():
            if (seconds >= _LONG) == longer:
                seen = seconds // SCRAPE_SECONDS // 2
                yield {
                    "record": slo.ratio(window),
                    "expr": f"1 - avg_over_time({slo.good}[{window}])\n"
                    f"and\ncount_over_time({slo.good}[{window}]) >= {seen}",
                }


_LATER = "2m"  # than the alerts that say it better


def _burning(slo: Slo) -> Document:
    name, label = f"{slo.alert}Burning", slo.whose.label
    said = "hours are left of the errors that 30 days may have"
    firing = f'ALERTS{{alertname=~"{"|".join(slo.told_by)}",alertstate="firing"}}'
    told = f"max by ({label}) (max_over_time({firing}[1h]))"
    expr = f"(\n{slo.too_fast(FAST)}\n){slo.whose.tier}\nunless on ({label})\n{told}"
    rule = _alert(slo, name, expr, severity=slo.whose.severity, headline="burns its budget", said=said)
    return {**rule, "for": _LATER}


def _eroding(slo: Slo) -> Document:
    name = f"{slo.alert}Eroding"
    said = "the errors that 30 days may have will be used up before they are over"
    return _alert(slo, name, slo.too_fast(SLOW), severity="ticket", headline="uses up its budget", said=said)


def _alert(slo: Slo, name: str, expr: str, *, severity: str, headline: str, said: str) -> Document:
    whose = slo.whose
    grafana, occ, repo = (f"{{{{ $externalLabels.{label} }}}}" for label in ("grafana_url", "occ_url", "repo_url"))
    series = f"{slo.ratio('1h')}{{{whose.label}=%q}}"
    graph = f'{{{{ $externalURL }}}}{{{{ printf "{series}" $labels.{whose.label} | graphLink }}}}'
    labels = {label: value.replace("$name", slo.name) for label, value in whose.labels.items()}
    subject = slo.title if slo.of == "receiver" else f"{slo.title} of {whose.value}"
    return {
        "alert": name,
        "expr": expr,
        "labels": {"severity": severity, **labels},
        "annotations": {
            "summary": f"{subject} {headline}",
            "description": f"For {{{{ $value | humanizePercentage }}}} of the time {slo.bad}, where "
            f"{100 * (1 - slo.objective):.3g}% are allowed: {said}.",
            "first_action": slo.first_action,
            "runbook_url": f"{repo}/runbooks/{name}.md",
            "dashboard_url": f"{{{{ if $externalLabels.grafana_url }}}}{grafana}/d/{whose.board}"
            f"{{{{ else }}}}{graph}{{{{ end }}}}",
            "action_url": f"{occ}/",
        },
    }


# --- files -----------------------------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Rules as people write them: PromQL in blocks of lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def render(document: Document, source: Path) -> str:
    """The file's text."""
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
    return f"# Generated from {source} by `occ rules --write`: change that file, not this one.\n{body}"


def generated(folder: Path) -> dict[Path, str]:
    """The text of every generated file of a folder of rules. Raises ConfigError with what is wrong in a table."""
    thresholds = load(folder / THRESHOLDS, Thresholds).config.thresholds
    slos = load(folder / SLOS, Slos).config.objectives
    return {
        folder / "recording/thresholds.yml": render(threshold_rules(thresholds), THRESHOLDS),
        folder / "slo/generated.yml": render(slo_rules(slos), SLOS),
    }


def main(argv: list[str] | None = None) -> int:
    """Writes the generated rules, or says which are not what their tables say; 0 when all is well."""
    parser = argparse.ArgumentParser(
        prog="occ rules",
        description="Make the rules of thresholds and objectives: recording/thresholds.yml of thresholds.yml, "
        "slo/generated.yml of slo/slos.yml.",
        epilog="Exit codes: 0 done, 1 a file is not what its table says, 2 a table can not be used.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write the files")
    what.add_argument("--check", action="store_true", help="change nothing; say which files are not what they would be")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER", help="default: alerting-rules/"
    )
    given = parser.parse_args(argv)
    try:
        files = generated(given.folder)
    except ConfigError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return 2
    return _write(files) if given.write else _check(files)


def _write(files: Mapping[Path, str]) -> int:
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        print(f"{path}: written")
    return 0


def _check(files: Mapping[Path, str]) -> int:
    other = [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in other:
        print(f"{path}: is not what its table says; run: occ rules --write", file=sys.stderr)
    return 1 if other else 0

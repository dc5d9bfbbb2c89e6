from __future__ import annotations

import re
from typing import Any

import pytest

from occ import metrics
from occ.errors import CatalogueError, Reason
from occ.metrics import INFO_LABELS, KERNEL_FAMILIES, LABELS, PER_TARGET, Catalogue, Family, Kind


def gauge(name: str, **parts: Any) -> Family:
    return Family(name, parts.pop("kind", Kind.GAUGE), parts.pop("help", "Some help."), **parts)


HISTOGRAM: dict[str, Any] = {"kind": Kind.HISTOGRAM, "buckets": (1.0,)}


class TestFamily:
    @pytest.mark.parametrize(
        "name", ["", "Rpc_up", "1up", "_up", "up_", "rpc-up", "rpc:up", "rpc up", "é_up", "u", "up\n"]
    )
    def test_a_name_is_lower_case_words(self, name: str) -> None:
        with pytest.raises(CatalogueError, match=re.escape(f"{name}: not a metric name")):
            gauge(name)

    @pytest.mark.parametrize(
        ("name", "parts"),
        [
            ("x_total", {}),
            ("x_y", {"kind": Kind.COUNTER}),
            ("x_info", {}),
            ("x_y", {"kind": Kind.INFO}),
            ("x_info", {"kind": Kind.COUNTER}),
            ("x_total", {"kind": Kind.INFO}),
            ("x_total", HISTOGRAM),
            *((f"x_{suffix}", {}) for suffix in ("bucket", "sum", "count", "created")),
            *((f"x_{suffix}", HISTOGRAM) for suffix in ("bucket", "sum", "count", "created")),
        ],
    )
    def test_a_suffix_that_means_a_type_belongs_to_that_type_alone(self, name: str, parts: dict[str, Any]) -> None:
        with pytest.raises(CatalogueError, match="do not go together"):
            gauge(name, **parts)

    @pytest.mark.parametrize("text", ["", " ", " Help.", "Help. ", "Help.\n"])
    def test_a_help_text_is_there_and_trimmed(self, text: str) -> None:
        with pytest.raises(CatalogueError, match="x_y: needs a help text"):
            gauge("x_y", help=text)

    @pytest.mark.parametrize(
        ("name", "unit", "kind"),
        [
            ("x_seconds", "seconds", Kind.GAUGE),
            ("x_seconds_total", "seconds", Kind.COUNTER),
            ("x_usd", "usd", Kind.GAUGE),
        ],
    )
    def test_a_unit_ends_the_name_before_any_total(self, name: str, unit: str, kind: Kind) -> None:
        assert gauge(name, unit=unit, kind=kind).unit == unit

    @pytest.mark.parametrize("name", ["x_y", "x_seconds_ago", "xseconds", "seconds"])
    def test_a_unit_that_does_not_end_the_name_is_refused(self, name: str) -> None:
        with pytest.raises(CatalogueError, match="does not end with its unit seconds"):
            gauge(name, unit="seconds")

    def test_labels_are_of_the_closed_vocabulary(self) -> None:
        with pytest.raises(CatalogueError, match="x_y: labels outside the vocabulary: colour, url"):
            gauge("x_y", labels=("chain", "url", "colour"))

    @pytest.mark.parametrize("label", sorted(INFO_LABELS - LABELS))
    def test_descriptive_labels_stand_on_info_families_only(self, label: str) -> None:
        assert gauge("x_info", kind=Kind.INFO, labels=(label,)).labels == (label,)
        with pytest.raises(CatalogueError, match="outside the vocabulary"):
            gauge("x_y", labels=(label,))

    def test_a_closed_set_of_values_is_of_a_label_that_is_there(self) -> None:
        with pytest.raises(CatalogueError, match="x_y: values for labels it does not have: status"):
            gauge("x_y", labels=("chain",), values={"status": ("a",)})

    def test_buckets_belong_to_histograms_and_they_to_them(self) -> None:
        for parts in ({"buckets": (1.0,)}, {"kind": Kind.HISTOGRAM}):
            with pytest.raises(CatalogueError, match="buckets belong to histograms, and they to them"):
                gauge("x_y", **parts)

    @pytest.mark.parametrize("label", sorted(PER_TARGET))
    def test_a_histogram_does_not_carry_a_target(self, label: str) -> None:
        with pytest.raises(CatalogueError, match=f"a histogram per {label} is too many series"):
            gauge("x_y", **HISTOGRAM, labels=("chain", label))

    def test_its_domain_is_the_first_word(self) -> None:
        assert gauge("rpc_block_number").domain == "rpc"

    def test_its_base_is_the_name_that_openmetrics_knows(self) -> None:
        assert gauge("x_y_total", kind=Kind.COUNTER).base == "x_y"
        assert gauge("x_y_info", kind=Kind.INFO).base == "x_y"
        assert gauge("x_y").base == "x_y"

    def test_a_histogram_has_three_names_of_samples(self) -> None:
        assert gauge("x_y", **HISTOGRAM).series_names == ("x_y_bucket", "x_y_sum", "x_y_count")
        assert gauge("x_y").series_names == ("x_y",)

    def test_a_family_can_be_a_key(self) -> None:
        assert {gauge("x_y", labels=("status",), values={"status": ("a",)}): 1}


class TestCatalogue:
    def test_it_holds_families_by_name_sorted(self) -> None:
        b, a = gauge("b_b"), gauge("a_a")
        catalogue = Catalogue([b, a])
        assert list(catalogue) == [a, b]
        assert len(catalogue) == 2
        assert catalogue["a_a"] is a
        assert "a_a" in catalogue
        assert "c_c" not in catalogue

    def test_one_declaration_may_come_by_several_ways(self) -> None:
        family = gauge("a_a")
        assert len(Catalogue([family, family])) == 1

    def test_two_declarations_of_one_name_are_refused_even_when_they_say_the_same(self) -> None:
        with pytest.raises(CatalogueError, match="a_a clashes with a_a: both are called a_a"):
            Catalogue([gauge("a_a"), gauge("a_a")])

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (gauge("a_b"), gauge("a_b_total", kind=Kind.COUNTER)),
            (gauge("a_b"), gauge("a_b_info", kind=Kind.INFO)),
            (gauge("a_b_total", kind=Kind.COUNTER), gauge("a_b_info", kind=Kind.INFO)),
            (gauge("a_b", **HISTOGRAM), gauge("a_b_total", kind=Kind.COUNTER)),
            (gauge("a_b", **HISTOGRAM), gauge("a_b_info", kind=Kind.INFO)),
            (gauge("a_b", **HISTOGRAM), gauge("a_b")),
            (gauge("a_b", kind=Kind.STATESET), gauge("a_b_total", kind=Kind.COUNTER)),
        ],
        ids=lambda family: f"{family.name} {family.kind}",
    )
    def test_names_that_meet_in_any_format_are_refused_in_either_order(self, one: Family, other: Family) -> None:
        for first, second in ((one, other), (other, one)):
            with pytest.raises(CatalogueError, match=f"{second.name} clashes with {first.name}: both are called a_b"):
                Catalogue([first, second])

    def test_names_that_only_look_alike_live_together(self) -> None:
        assert (
            len(Catalogue([gauge("a_b"), gauge("a_b_c"), gauge("a_bc"), gauge("a_b_c_d_total", kind=Kind.COUNTER)]))
            == 4
        )


class TestKernel:
    def test_its_own_families_are_one_catalogue(self) -> None:
        assert len(Catalogue(KERNEL_FAMILIES)) == len(KERNEL_FAMILIES)
        assert {family.domain for family in KERNEL_FAMILIES} == {"occ"}

    def test_every_family_it_declares_is_in_the_list(self) -> None:
        declared = {value for value in vars(metrics).values() if isinstance(value, Family)}
        assert declared == set(KERNEL_FAMILIES)

    def test_errors_are_counted_by_reasons_of_the_closed_set(self) -> None:
        assert metrics.TARGET_ERRORS.values == {"reason": tuple(Reason)}

    def test_timestamps_say_their_unit(self) -> None:
        for family in KERNEL_FAMILIES:
            assert ("seconds" in family.name) == (family.unit == "seconds")

    def test_the_buckets_of_upstream_calls_reach_from_5_ms_to_10_s(self) -> None:
        buckets = metrics.UPSTREAM_BUCKETS
        assert (buckets[0], buckets[-1]) == (0.005, 10.0)
        assert list(buckets) == sorted(set(buckets))

from __future__ import annotations

import inspect

import pytest

from occ import errors
from occ.errors import CatalogueError, ConfigError, OccError, Problem, RateLimitError, Reason, RpcError, SourceError

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, OccError)]


def test_the_reasons_are_a_closed_set_which_rules_and_boards_may_rely_on() -> None:
    assert " ".join(Reason) == (
        "timeout dns connect tls auth rate_limited maintenance server_error bad_response rpc_error reverted reorg "
        "not_supported internal"
    )


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_the_files_head_draws_every_error(kind: type[OccError]) -> None:
    assert f" {kind.__name__} " in f" {errors.__doc__} ".replace("\n", " ")


def test_all_errors_on_purpose_have_one_root() -> None:
    assert all(issubclass(kind, OccError) for kind in (ConfigError, CatalogueError, SourceError))
    assert issubclass(RateLimitError, SourceError)
    assert issubclass(RpcError, SourceError)


def test_a_problem_reads_as_file_line_path_and_message() -> None:
    assert str(Problem("nodes.yml", 7, "chains[0].name", "is required")) == "nodes.yml:7: chains[0].name: is required"


def test_a_problem_of_the_whole_file_has_neither_line_nor_path() -> None:
    assert str(Problem("nodes.yml", None, "", "is empty")) == "nodes.yml: is empty"
    assert (
        str(Problem("nodes.yml", 1, "", "expected a mapping at the top"))
        == "nodes.yml:1: expected a mapping at the top"
    )


def test_a_config_error_says_every_problem_on_a_line_of_its_own() -> None:
    problems = [Problem("a.yml", 1, "x", "is required"), Problem("a.yml", 2, "y", "unknown key")]
    error = ConfigError(problems)
    assert str(error) == "a.yml:1: x: is required\na.yml:2: y: unknown key"
    assert error.problems == problems


def test_a_rate_limit_says_how_long_to_wait_where_the_far_side_did() -> None:
    assert (RateLimitError("slow down").reason, RateLimitError("slow down").retry_after) == (Reason.RATE_LIMITED, None)
    assert RateLimitError("slow down", 7.0).retry_after == 7.0


def test_an_rpc_error_carries_the_nodes_code() -> None:
    error = RpcError(Reason.REVERTED, 3, "JSON-RPC error 3")
    assert (error.reason, error.code, str(error)) == (Reason.REVERTED, 3, "JSON-RPC error 3")

"""What one request holds no other may touch, and fences only grow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine

from receiver import leases
from receiver.schema import metadata

NOW = 1_790_000_000_000_000
ENGINE, OTHER = "target/engine", "target/other"


@contextmanager
def fresh() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as made:
        yield made
    engine.dispose()


@pytest.fixture
def connection() -> Iterator[Connection]:
    with fresh() as made:
        yield made


def take(connection: Connection, *keys: str, request: str = "a", holder: str = "h", fence: int = 1) -> None:
    leases.take(connection, keys, request, holder, fence=fence, until=NOW)


def test_what_nobody_holds_is_free(connection: Connection) -> None:
    assert leases.free(connection, [ENGINE, OTHER], "a")


def test_what_another_holds_is_not_and_what_oneself_holds_is(connection: Connection) -> None:
    take(connection, ENGINE)
    assert leases.free(connection, [ENGINE, OTHER], "a")
    assert not leases.free(connection, [ENGINE, OTHER], "b")
    assert leases.free(connection, [OTHER], "b")


def test_what_was_released_is_free(connection: Connection) -> None:
    take(connection, ENGINE)
    leases.release(connection, "a")
    assert leases.free(connection, [ENGINE], "b")
    assert leases.holders(connection) == set()


def test_several_keys_are_held_together(connection: Connection) -> None:
    take(connection, ENGINE, OTHER)
    assert leases.of(connection, "a") == (ENGINE, OTHER)
    assert leases.holders(connection) == {"a"}


def test_it_is_held_by_one_holder_under_one_fence(connection: Connection) -> None:
    take(connection, ENGINE, OTHER, fence=5)
    assert leases.held(connection, [ENGINE, OTHER], "a", "h", 5)
    assert not leases.held(connection, [ENGINE], "a", "h", 5)
    assert not leases.held(connection, [ENGINE, OTHER], "b", "h", 5)
    assert not leases.held(connection, [ENGINE, OTHER], "a", "another", 5)
    assert not leases.held(connection, [ENGINE, OTHER], "a", "h", 4)


def test_who_takes_it_over_shuts_the_one_before_out(connection: Connection) -> None:
    take(connection, ENGINE, fence=5)
    take(connection, ENGINE, holder="next", fence=6)
    assert not leases.held(connection, [ENGINE], "a", "h", 5)
    assert leases.held(connection, [ENGINE], "a", "next", 6)


def test_a_fence_is_never_below_the_clock() -> None:
    assert leases.Fences().next(NOW) == NOW


@given(st.integers(0, 2 * NOW), st.lists(st.integers(-1000, 1000), max_size=20))
def test_fences_only_grow_whatever_the_clock_does(last: int, moves: list[int]) -> None:
    fences = leases.Fences(last)
    found = [last, *(fences.next(NOW + moved) for moved in moves)]
    assert sorted(set(found)) == found

"""Ids of the system's clock: UUIDs whose order is the order in which they were made."""

from __future__ import annotations

import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from adapter.clock import SystemClock, _version_7

MOMENT = st.integers(0, 2**48 - 1)
CHANCE = st.binary(min_size=10, max_size=10)


@given(MOMENT, CHANCE)
def test_version_7_is_a_uuid_that_carries_its_millisecond(milliseconds, chance):
    made = uuid.UUID(_version_7(milliseconds, chance))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == milliseconds
    assert str(made) == _version_7(milliseconds, chance)


@given(MOMENT, MOMENT, CHANCE, CHANCE)
def test_version_7_sorts_by_time_whatever_chance_says(one, other, chance, another):
    if one != other:
        assert (_version_7(one, chance) < _version_7(other, another)) == (one < other)


@given(MOMENT, CHANCE, CHANCE)
def test_version_7_differs_where_74_bits_of_chance_differ(milliseconds, chance, another):
    def counts(given: bytes) -> int:
        digits = given.hex()
        return int(digits[:3] + digits[4:19], 16) << 2 | given[1] & 3

    assert (_version_7(milliseconds, chance) == _version_7(milliseconds, another)) == (counts(chance) == counts(another))


def test_new_id_is_of_now_and_never_the_same():
    before = time.time_ns() // 1_000_000
    made = [SystemClock().new_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == len(made)
    assert all(before <= uuid.UUID(each).int >> 80 <= after for each in made)

"""JSON of any depth, read as Python's own reader reads what is shallow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.cli import deep

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12)
WRONG = ["", " ", "[", "]", "{", "}", "[1,]", "[,1]", "[1 2]", "[1,,2]", '{"a"}', '{"a":}', '{"a":1,}', "{1:2}", '{"a":1 "b":2}', '{"a" 1}', '{"a"::1}', "[1}", '{"a":1]',
         "01", "1.", "+1", ".5", "1 2", "[1]]", '"a', "nul", "tru", "'a'", '"\\x"', "[:]", "{,}", '["a":1]', "-", "1e", "\u0661"]  # fmt: skip


@given(values, st.sampled_from([None, 1]), st.booleans())
def test_walk_reads_what_python_writes(value: Any, indent: int | None, ascii: bool) -> None:
    assert deep._walk(json.dumps(value, indent=indent, ensure_ascii=ascii)) == value


@given(st.text(alphabet='[]{},:"1a-.e ntrue\\', max_size=14))
def test_walk_refuses_what_python_refuses(text: str) -> None:
    try:
        expected: Any = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            deep._walk(text)
    else:
        assert deep._walk(text) == expected


@pytest.mark.parametrize("text", WRONG)
def test_neither_reader_takes_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):
        deep.load(text.encode())
    with pytest.raises(ValueError):
        deep._walk(text)


def test_load_reads_what_is_deep_and_refuses_what_is_not_closed() -> None:
    found, levels = deep.load(b"[" * 100_000 + b'{"a": [1.5, "x", -3]}' + b"]" * 100_000), 0
    while isinstance(found, list):
        found, levels = found[0], levels + 1
    assert (found, levels) == ({"a": [1.5, "x", -3]}, 100_000)
    for wrong in (b"[" * 100_000, b"[" * 100_000 + b"]" * 99_999, b"[" * 100_000 + b"]" * 100_001):
        with pytest.raises(ValueError):
            deep.load(wrong)


def test_load_takes_numbers_of_any_length() -> None:
    assert deep.load(b"[12, 1" + b"0" * 5000 + b"]") == [12, float("inf")]

"""Whatever comes, the wire answers with a resource or with Refused, and never with a value in the text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from adapter import fhir
from adapter.errors import Refused
from tests.unit.fhir.specimens import specimens

AT = datetime(2026, 3, 2, tzinfo=UTC)
SPECIMENS = specimens()
NAMES = st.sampled_from(
    sorted({name for s in SPECIMENS for name in s} | {"resourceType", "contained", "extension", "url", "reference", "_status", "_given",
        "given", "value", "period"})
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)


def outcome_of(body: bytes) -> dict[str, Any] | None:
    try:
        return fhir.parse(body)
    except Refused as refused:
        assert refused.issues
        assert fhir.check(fhir.outcome(refused)) == []  # so every code is one of FHIR's and every text may be sent
        return None


@given(st.binary(max_size=200))
def test_parse_refuses_or_returns_whatever_the_bytes(body):
    outcome_of(body)


@given(JSON)
def test_parse_refuses_or_returns_whatever_the_json(value):
    outcome_of(json.dumps(value).encode())


@given(st.sampled_from(SPECIMENS), st.dictionaries(NAMES, JSON, min_size=1, max_size=3))
def test_parse_refuses_or_returns_whatever_stands_in_a_known_member(specimen, members):
    resource = {**specimen, **members}
    outcome_of(json.dumps(resource).encode())
    fhir.check(resource)


@given(st.sampled_from(SPECIMENS), st.integers(min_value=0), st.binary(min_size=1, max_size=3))
def test_parse_refuses_or_returns_when_a_few_bytes_are_changed(specimen, position, noise):
    body = orjson.dumps(specimen)
    position %= len(body)
    outcome_of(body[:position] + noise + body[position + len(noise) :])


@given(st.sampled_from(SPECIMENS), st.dictionaries(NAMES, JSON, max_size=2))
def test_what_is_accepted_can_be_indexed_stamped_and_read_again(specimen, members):
    body = json.dumps({**specimen, **members}).encode()
    parsed = outcome_of(body)
    if parsed is None:
        return
    fhir.rows(parsed)
    served = fhir.stamp(body, id="a", version=1, updated=AT)
    again = fhir.parse(served)
    assert {k: v for k, v in again.items() if k not in ("id", "meta")} == {k: v for k, v in parsed.items() if k not in ("id", "meta")}


@given(st.decimals(allow_nan=False, allow_infinity=False).map(str).map(lambda text: text.replace("+", "")))
def test_stamp_keeps_every_decimal_as_it_was_written(number):
    body = f'{{"resourceType":"Basic","x":{number}}}'.encode()
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return  # beyond a double: refused at the door
    assert fhir.stamp(body, id="a", version=1, updated=AT).endswith(f'"x":{number}}}'.encode())


@given(st.sampled_from(fhir.CORE_TYPES), st.lists(st.tuples(st.text(max_size=12) | st.sampled_from(["owner", "status:not", "_count",
    "name", "patient", "_sort"]), st.text(max_size=12))))
def test_query_refuses_or_returns_whatever_is_asked(type, params):
    try:
        fhir.query(type, params)
    except Refused as refused:
        assert refused.status == 400


@given(st.sampled_from(SPECIMENS), st.text(min_size=12, alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ"), st.data())
def test_no_issue_holds_the_value_it_is_about(specimen, secret, data):
    name = data.draw(st.sampled_from([n for n in specimen if n != "resourceType"]))
    for value in (secret, [secret], {"id": secret, "x": secret}, [{"value": secret, "reference": secret}]):
        for issue in fhir.check({**specimen, name: value}):
            assert secret not in issue.text + issue.expression

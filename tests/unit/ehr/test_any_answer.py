"""Whatever a server answers, a caller sees a result or one of the four kinds of EhrError (Y-29)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.clock import FrozenClock
from adapter.ehr import HttpEhrClient
from adapter.ehr.auth import NoAuth, TokenAuth
from adapter.ehr.smart import ClientCredentials, ClientSecret
from adapter.errors import EhrError, EhrRejected, EhrStale, EhrUnavailable, EhrUnknown
from adapter.net import GuardedSession, Limits
from tests.unit.ehr.conftest import NOW
from tests.unit.ehr.shapes import Resource, task
from tests.unit.net.scripted import Scripted, http

ACTS: dict[str, Callable[[HttpEhrClient], Any]] = {
    "read": lambda client: client.read("Task", "1"),
    "search": lambda client: list(client.search("Task", [("status", "requested")])),
    "capability": lambda client: client.capability(),
    "create": lambda client: client.create(task(), if_none_exist=("s", "v")),
    "update": lambda client: client.update(task(id="1"), if_match="1"),
    "patch": lambda client: client.patch("Task", "1", [], if_match="1"),
    "transaction": lambda client: client.transaction({"resourceType": "Bundle", "type": "transaction", "entry": []}),
}
KINDS = (EhrUnavailable, EhrRejected, EhrStale, EhrUnknown)

tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
names = st.sampled_from(
    ["ETag", "Location", "Retry-After", "Date", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Content-Length", "Set-Cookie", "WWW-Authenticate"]
)
values = st.sampled_from(
    ['W/"1"', '"', "gzip", "gzip, gzip, gzip, gzip, gzip, gzip", "br", "chunked", "-1", "1e9", "999999999999", "Mon, 32 Foo 2026", "é", "text/html; charset=nonsense",
     "http://[::1", "/fhir/Task/1", "application/fhir+json"]
) | tokens  # fmt: skip
leaves = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=5) | st.just("Task") | st.just("1")
keys = st.sampled_from(
    [
        "resourceType",
        "id",
        "meta",
        "versionId",
        "type",
        "entry",
        "resource",
        "search",
        "mode",
        "link",
        "relation",
        "url",
        "issue",
        "code",
        "severity",
        "expression",
        "identifier",
        "rest",
    ]
)
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12)
types = st.sampled_from(["Task", "Bundle", "OperationOutcome", "CapabilityStatement", "Patient"])
resources = st.builds(lambda tree, type: {**tree, "resourceType": type}, st.dictionaries(keys, trees, max_size=5), types)
bodies = (
    st.binary(max_size=60)
    | trees.map(lambda tree: json.dumps(tree).encode())
    | resources.map(lambda tree: json.dumps(tree).encode())
    | st.just(gzip.compress(b"{}"))
    | st.just(b"[" * 5000)
    | st.just(b"")
)
statuses = st.sampled_from([200, 200, 200, 201, 202, 204, 206, 304, 307, 400, 401, 404, 409, 410, 412, 422, 428, 429, 500, 501, 503, 504, 599]) | st.integers(
    101, 999
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A whole answer, well-formed or nearly; now and then cut short or plain noise."""
    extra = [f"{draw(names)}: {draw(values)}" for _ in range(draw(st.integers(0, 3)))]
    whole = http(draw(statuses), draw(bodies), *extra).replace("€".encode(), b"?")
    shape = draw(st.sampled_from(["whole", "whole", "whole", "cut", "noise", "prefixed"]))
    if shape == "cut":
        return whole[: draw(st.integers(0, len(whole)))]
    if shape == "noise":
        return draw(st.binary(max_size=80))
    return b"HTTP/1.1 100 Continue\r\n\r\n" + whole if shape == "prefixed" else whole


def outcome(act: Callable[[HttpEhrClient], Any], answer: bytes) -> EhrError | None:
    clock = FrozenClock(NOW)
    with Scripted(lambda _: [answer]) as server:
        session = GuardedSession(allow=[server.origin], clock=clock, limits=Limits(connect=5, read=5, total=30, body=20_000))
        client = HttpEhrClient("clinic", server.origin, session=session, auth=NoAuth(), clock=clock, most_pages=3)
        try:
            act(client)
        except EhrError as error:
            return error
        finally:
            client.close()
    return None


@pytest.mark.parametrize("name", ACTS)
@settings(max_examples=60)
@given(answer=answers())
def test_client_raises_nothing_but_the_four_kinds_whatever_is_answered_Y_29(name: str, answer: bytes) -> None:
    error = outcome(ACTS[name], answer)
    assert error is None or type(error) in KINDS
    if name in ("read", "search", "capability"):
        assert not isinstance(error, EhrUnknown | EhrStale)  # a read changes nothing


@pytest.mark.parametrize("name", ["create", "update", "patch", "transaction"])
@settings(max_examples=60)
@given(body=bodies, status=st.integers(200, 299))
def test_client_never_says_a_write_was_refused_when_it_was_answered_with_success(name: str, body: bytes, status: int) -> None:
    assert not isinstance(outcome(ACTS[name], http(status, body)), EhrRejected | EhrStale | EhrUnavailable)


@settings(max_examples=60)
@given(answer=answers())
def test_token_endpoint_may_answer_anything_too(answer: bytes) -> None:
    clock = FrozenClock(NOW)
    with Scripted(lambda _: [answer]) as server:
        session = GuardedSession(allow=[server.origin], clock=clock, limits=Limits(connect=5, read=5, total=30, body=20_000))
        proof = ClientSecret("liaison", lambda: "s")
        source = ClientCredentials(lambda: f"{server.origin}/token", proof, scopes="", session=session, clock=clock)
        try:
            header = TokenAuth(source, monotonic=clock.monotonic).headers()["Authorization"]
            assert header.startswith("Bearer ") and header.isprintable() and header.isascii()
        except (EhrUnavailable, EhrRejected):
            pass
        finally:
            session.close()


def test_the_strategy_reaches_results_and_every_kind() -> None:
    """Guards the tests above: plain answers lead to each of the outcomes they allow."""
    good: Resource = task(id="1", meta={"versionId": "3"})
    body = json.dumps(good).encode()
    assert outcome(ACTS["read"], http(200, body)) is None
    assert outcome(ACTS["update"], http(200, body)) is None
    seen = {type(outcome(ACTS["update"], http(status, body))) for status in (412, 422, 429, 500)}
    assert seen == set(KINDS)

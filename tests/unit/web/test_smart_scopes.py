"""Scopes as texts: what is one, what two have in common, what they grant and on which resource (security.md A-14 to A-16)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import fhir
from adapter.ports import Principal
from adapter.scopes import ACTS, LIMITED, Scope, common, granted, held, limits, meets, parse


# ── the form ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("written", "scope"), [
    ("system/Task.cruds", Scope("Task", "cruds")), ("system/*.rs", Scope("*", "rs")), ("system/Task.d", Scope("Task", "d")),
    ("system/Task.read", Scope("Task", "rs")), ("system/*.write", Scope("*", "cud")), ("system/*.*", Scope("*", "cruds")),
    ("system/Task.rs?status=requested", Scope("Task", "rs", (("status", ("requested",)),))),
    ("system/Task.rs?status=on-hold,accepted,accepted", Scope("Task", "rs", (("status", ("accepted", "on-hold")),))),
    ("system/Task.u?status=draft&owner=Organization/a.b-1", Scope("Task", "u", (("owner", ("Organization/a.b-1",)), ("status", ("draft",))))),
    ("system/Task.read?owner=HealthcareService/x,HealthcareService/y", Scope("Task", "rs", (("owner", ("HealthcareService/x", "HealthcareService/y")),))),
])  # fmt: skip
def test_scope_is_read_and_written_in_one_form(written: str, scope: Scope) -> None:
    assert parse(written) == scope == parse(str(scope))


@pytest.mark.parametrize("written", [
    "", "Task.rs", "system/Task", "system/Task.", "system/.rs", "system/Task.sr", "system/Task.dus", "system/Task.rr", "system/Task.x", "system/task.rs", "system/T*.rs", "system/**.rs",
    "patient/Task.rs", "user/*.rs", "launch", "openid", "views", " system/Task.rs", "system/Task.rs ", "system/Task.rs\n", "system/Task.Read", "system/Task.readwrite", "SYSTEM/Task.rs",
    "system/Task.rs?", "system/Task.rs?status", "system/Task.rs?status=", "system/Task.rs?status=,", "system/Task.rs?status=a,", "system/Task.rs?status=A", "system/Task.rs?status=a--b",
    "system/Task.rs?status=-a", "system/Task.rs?status=a|b", "system/Task.rs?status:not=a", "system/Task.rs?owner=x", "system/Task.rs?owner=Organization/", "system/Task.rs?owner=organization/x",
    "system/Task.rs?owner=Organization/é", f"system/Task.rs?owner=Organization/{'x' * 65}", "system/Task.rs?code=x", "system/Task.rs?_tag=x", "system/Task.rs?status=a&status=b",
    "system/Task.rs?status=a&", "system/Task.rs?&status=a", "system/Task.rs?status=a;owner=x", "system/Consent.rs?owner=Organization/x", "system/Patient.rs?status=active", "system/*.rs?status=a",
    "system/Task.rs?status=a?owner=Organization/x", "system/Task.rs#status=a",
])  # fmt: skip
def test_text_that_is_no_scope_is_refused_A_14(written: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(written)


def test_constraints_are_search_parameters_of_their_types() -> None:
    for name, types in LIMITED.items():
        for type in types & set(fhir.CORE_TYPES):
            (clause,) = fhir.query(type, [(name, "a" if name == "status" else "Organization/a")]).clauses
            assert (clause.param, clause.kind) == (name, "token" if name == "status" else "reference")


# ── what is granted ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("asked", "registered", "found"), [
    ("system/Task.rs", "system/*.cruds", "system/Task.rs"), ("system/*.cruds", "system/Task.rs system/Patient.r", "system/Task.rs system/Patient.r"),
    ("system/*.cruds", "system/*.rs system/Task.c", "system/*.rs system/Task.c"), ("system/*.cruds", "system/*.rs system/Task.r", "system/*.rs"),
    ("system/Task.crs", "system/Task.cu system/Task.rs", "system/Task.c system/Task.rs"), ("system/Task.rs", "system/Patient.rs", ""), ("system/Task.c", "system/Task.rs", ""),
    ("system/Task.rs", "system/Task.rs?status=draft", "system/Task.rs?status=draft"), ("system/Task.rs?status=draft", "system/*.rs", "system/Task.rs?status=draft"),
    ("system/Task.rs?status=a,b", "system/Task.r?status=b,c", "system/Task.r?status=b"), ("system/Task.rs?status=a", "system/Task.r?status=b", ""),
    ("system/Task.rs?status=a", "system/Task.rs?owner=Organization/x", "system/Task.rs?owner=Organization/x&status=a"),
    ("system/Task.rs?status=b,a", "system/Task.rs?status=a,b,c", "system/Task.rs?status=b,a"), ("system/Task.read", "system/Task.rs", "system/Task.read"),
    ("system/Task.*", "system/Task.read", "system/Task.rs"), ("views intake", "views", "views"), ("views", "system/*.cruds", ""), ("", "views", ""), ("x views", "views x", "views"),
    ("system/*.rs", "system/Task.rs system/Task.rs?status=a", "system/Task.rs"), ("system/*.rs", "system/Task.rs system/Task.read", "system/Task.rs"),
    ("system/Task.rs system/Task.r", "system/*.rs", "system/Task.rs system/Task.r"), ("system/Task.rs system/*.rs", "system/Task.rs", "system/Task.rs"),
])  # fmt: skip
def test_granted_is_what_was_asked_for_and_may_be_had_A_14(asked: str, registered: str, found: str) -> None:
    assert " ".join(granted(asked.split(), registered.split())) == found


def test_type_that_nobody_serves_is_not_granted_A_14() -> None:
    assert granted(["system/Zyx.rs", "system/Task.rs", "system/*.r"], ["system/*.cruds"], ["Task"]) == ("system/Task.rs", "system/*.r")
    assert granted(["system/Zyx.rs"], ["system/*.cruds"]) == ("system/Zyx.rs",)


def test_token_holds_what_it_was_granted_as_far_as_its_client_has_it_A_27() -> None:
    assert held(("system/Task.rs", "views"), ("system/*.r",)) == {"system/Task.r"}
    assert held(("system/Task.rs",), ("system/*.cruds", "views")) == {"system/Task.rs"}


TYPES, STATUSES = ("Task", "Consent"), ("draft", "active", "requested")
LIMIT = st.one_of(st.just(""), st.lists(st.sampled_from(STATUSES), min_size=1, max_size=2).map(lambda some: "?status=" + ",".join(some)))
TEXTS = st.one_of(
    st.builds(lambda type, acts, limit: f"system/{type}.{acts}{limit}", st.sampled_from(TYPES),
              st.lists(st.booleans(), min_size=5, max_size=5).filter(any).map(lambda bits: "".join(itertools.compress(ACTS, bits))), LIMIT),
    st.builds(lambda acts: f"system/*.{acts}", st.sampled_from(["r", "rs", "cruds", "read", "*"])),
)  # fmt: skip


def table(scopes: object) -> set[tuple[str, str, str]]:
    """What scopes grant, act by act: said once more, by looking at every resource there could be."""
    who = Principal("c", "o", scopes=frozenset(scopes))  # type: ignore[arg-type, call-overload]
    return {(type, act, status) for type in TYPES for act in ACTS for status in STATUSES if who.reaches({"resourceType": type, "status": status}, act)}  # type: ignore[arg-type]


@given(st.lists(TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_granted_is_neither_more_nor_less_than_both_grant(asked: list[str], registered: list[str]) -> None:
    found = granted(asked, registered)
    assert table(found) == table(asked) & table(registered)
    assert granted(found, registered) == found and set(granted(asked, [*registered, *asked])) == set(asked)


@given(st.lists(TEXTS, max_size=4), st.sampled_from(TYPES), st.sampled_from("rs"))
def test_search_clause_leaves_out_nothing_that_is_granted(scopes: list[str], type: str, act: str) -> None:
    ways = limits(frozenset(scopes), type, act)
    narrow = common(ways)
    for status in STATUSES:
        resource = {"resourceType": type, "status": status}
        assert not meets(resource, ways) or meets(resource, [narrow])
        assert len(ways) != 1 or meets(resource, ways) == meets(resource, [narrow])


# ── on what ──────────────────────────────────────────────────────────────────────────────────────
def test_constraint_looks_at_status_and_owner_of_the_resource() -> None:
    who = Principal("c", "o", scopes=frozenset({"system/Task.rs?status=draft&owner=Organization/x", "system/Task.u"}))
    good = {"resourceType": "Task", "status": "draft", "owner": {"reference": "Organization/x"}}
    assert who.reaches(good, "r") and who.reaches({"resourceType": "Task"}, "u") and not who.reaches(good | {"resourceType": "Consent"}, "r")
    for other in ({"status": "requested"}, {"owner": {"reference": "Organization/y"}}, {"owner": {"display": "x"}}, {"owner": "Organization/x"}, {"owner": None}, {"status": None}):
        assert not who.reaches(good | other, "r")
    assert who.limited("Task", "r") and not who.limited("Task", "u") and not who.limited("Task", "c")
    assert who.may("Task", "r") and not who.may("Task", "d") and not who.may("Consent", "r")


def test_scope_without_constraint_stands_for_those_with_one() -> None:
    assert limits(frozenset({"system/Task.rs?status=draft", "system/*.r"}), "Task", "r") == ((),)
    assert limits(frozenset({"system/Task.rs?status=draft", "system/*.r"}), "Task", "s") == ((("status", ("draft",)),),)
    assert limits(frozenset({"views", "nonsense"}), "Task", "s") == () and common(()) == () and not meets({}, ())

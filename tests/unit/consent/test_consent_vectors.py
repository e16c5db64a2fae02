"""The vectors: ours, one set per rule and property of consent.md 1.3 and 1.4, and the shared ones from published sources."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from adapter.consent import codes as codes_module
from adapter.consent import match as match_module
from adapter.consent import run_vectors
from adapter.consent.question import NO, UNKNOWN, YES

OURS = Path(__file__).parents[2] / "vectors" / "consent"
RULES = {*(f"S{number}" for number in range(1, 17)), *(f"P{number}" for number in range(1, 8))}
vectors_module = sys.modules["adapter.consent.vectors"]
decide_module = sys.modules["adapter.consent.decide"]  # the package exports the function of the same name


@pytest.fixture(scope="module")
def ours() -> list[dict[str, Any]]:
    return [vector for file in sorted(OURS.glob("*.json")) for vector in json.loads(file.read_text("utf-8"))]


def test_vectors_all_pass_ours(ours: list[dict[str, Any]]) -> None:
    passed, failures = run_vectors(ours)
    assert failures == []
    assert passed == len(ours) > 500


@pytest.mark.shared
@pytest.mark.parametrize("file", ["aidbox_labels.json", "pcf.json"])
def test_vectors_all_pass_shared(file: str, shared: Path) -> None:
    passed, failures = run_vectors(json.loads((shared / "data" / "consent" / file).read_text("utf-8")))
    assert failures == []
    assert passed > 20


def test_vectors_have_every_rule(ours: list[dict[str, Any]]) -> None:
    assert {vector["id"].split("-")[0] for vector in ours} == RULES


def test_vectors_have_unique_ids(ours: list[dict[str, Any]]) -> None:
    ids = [vector["id"] for vector in ours]
    assert len(ids) == len(set(ids))


def _patch(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: Any) -> None:
    monkeypatch.setattr(module, name, value)
    if module is match_module:  # the table holds the functions themselves
        before = {"period": "period", "kind": "class", "label": "securityLabel", "data_period": "dataPeriod"}
        monkeypatch.setitem(match_module.MATCHERS, before.get(name, name), value)


names = ("period", "actor", "action", "purpose", "kind", "code", "label", "data", "data_period")
real = {name: getattr(match_module, name) for name in names}


def _never_unknown(match: Any) -> Any:
    return lambda value, question, permit: {UNKNOWN: YES if permit else NO}.get(found := match(value, question, permit), found)


def _remembering(real: Any) -> Any:
    """One decision for all resources of a set of Consents: what is hidden shows in what is not."""
    first: dict[int, Any] = {}

    def decide(consents: Any, *rest: Any, **named: Any) -> Any:
        return first.setdefault(id(consents), real(consents, *rest, **named))

    return decide


BROKEN: dict[str, list[tuple[Any, str, Any]]] = {
    "S1 any permit beats a deny": [
        (decide_module, "_decision", lambda permit, *rest, _real=decide_module._decision: _real(True, *rest)),
    ],
    "S2 any status counts": [
        (decide_module, "concerns", lambda consent, question: 2 * (consent.get("patient", {}).get("reference") == question.patient)),
    ],
    "S2 another patient's resource": [(decide_module, "_about", lambda question: YES)],
    "S3 an untyped rule permits": [
        (decide_module, "_weigh", lambda rule, *rest, _real=decide_module._weigh, **more: _real({"type": "permit", **rule}, *rest, **more)),
    ],
    "S4 elements are alternatives": [
        (
            decide_module, "_holds", lambda constraints, question, permit: max(
                (match_module.MATCHERS[name](value, question, permit) for name, value in constraints.items()), default=YES
            ),
        ),
    ],
    "S5 periods do not matter": [(match_module, "period", lambda *_: YES), (decide_module, "period", lambda *_: YES)],
    "S6 unknown helps": [(match_module, name, _never_unknown(match)) for name, match in real.items()],
    "S7 groups are not opened": [(match_module, "_member", lambda *_: NO)],
    "S7 display will do": [
        (match_module, "_is_requester", lambda reference, question, _real=match_module._is_requester: _real(
            {"reference": reference.get("display"), **reference}, question
        )),
    ],
    "S8 purposes have no tree": [(match_module, "purpose_within", lambda code, listed: code == listed)],
    "S8 one purpose is enough": [(match_module, "purpose", lambda value, question, permit: real["purpose"](value, question, False))],
    "S9 any action": [(match_module, "action", lambda *_: YES)],
    "S10 sensitive is worth nothing": [(match_module, "RESTRICTED", -1)],
    "S10 sensitivities have no tree": [(codes_module, "SENSITIVITIES_ABOVE", {})],
    "S11 overlap is enough": [(match_module, "data_period", lambda value, question, permit: real["data_period"](value, question, False))],
    "S11 data does not matter": [(match_module, "data", lambda *_: YES)],
    "S12 nothing is inherited": [
        (decide_module, "_weigh", lambda rule, inherited, *rest, _real=decide_module._weigh, **more: _real(rule, {}, *rest, **more)),
    ],
    "S13 a default is explicit": [(decide_module, "_permits_below", lambda rule: False)],
    "S13 a bare deny is always a default": [(decide_module, "_permits_below", lambda rule: True)],
    "S15 modifiers do not matter": [(decide_module, "unmodified", lambda consent: True)],
    "S15 unknown elements do not matter": [
        (decide_module, "survey", lambda root, _real=decide_module.survey: (True, _real(root)[1])),
    ],
    "S16 any depth": [(decide_module, "DEEPEST", 50)],
    "P1 any permit beats a deny": [(decide_module, "_decision", lambda permit, *rest, _real=decide_module._decision: _real(True, *rest))],
    "P1 a bare deny with rules below is always a default": [(decide_module, "_permits_below", lambda rule: True)],
    "P2 an opt-in without its permit permits": [
        (decide_module, "weigh_consent", lambda *_, _real=decide_module.weigh_consent: _real(*_) if _real(*_).says else decide_module.Verdict("permit", "S1")),
    ],
    "P3 the first Consent decides": [
        (decide_module, "_decide", lambda consents, *rest, _real=decide_module._decide: _real(consents[:1], *rest)),
    ],
    "P3 the first coding decides": [(match_module, "action", lambda value, question, permit: real["action"](
        [{"coding": one["coding"][:1]} for one in value] if isinstance(value, list) and all("coding" in one for one in value) else value, question, permit
    ))],
    "P4 what is over or to come counts": [(match_module, "period", lambda *_: YES), (decide_module, "period", lambda *_: YES)],
    "P5 what was revoked counts": [
        (decide_module, "concerns", lambda consent, question: 2 * (consent.get("patient", {}).get("reference") == question.patient)),
    ],
    "P6 the resource before it decides": [(vectors_module, "decide", _remembering(vectors_module.decide))],
    "P7 a Consent that is no object raises": [
        (decide_module, "concerns", lambda consent, question, _real=decide_module.concerns: _real(dict(consent), question)),
    ],
    "P7 a Consent that is no object stops all": [
        (decide_module, "_decide", lambda consents, *rest, _real=decide_module._decide: _real(sorted(consents, key=lambda one: one["id"]), *rest)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda name: name.replace(" ", "_"))
def test_vectors_fail_for_the_rule_when_it_is_broken(broken: str, ours: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in BROKEN[broken]:
        _patch(monkeypatch, module, name, value)
    rule = broken.split(maxsplit=1)[0]
    _, failures = run_vectors(ours)
    assert [failure.id for failure in failures if failure.id.split("-")[0] == rule]


def test_vectors_fail_for_S14_when_completeness_is_ignored(ours: list[dict[str, Any]]) -> None:
    forgetful = [{key: value for key, value in vector.items() if key != "complete"} for vector in ours]
    _, failures = run_vectors(forgetful)
    assert [failure.id for failure in failures] == ["S14-incomplete-set-denies", "S14-complete-must-be-true"]


def test_broken_list_names_every_rule() -> None:
    assert {name.split()[0] for name in BROKEN} | {"S14"} == RULES


def test_run_vectors_says_why_when_a_vector_fails(ours: list[dict[str, Any]]) -> None:
    ours = [vector for vector in ours if vector["id"].startswith("S1-")]
    wrong = {**ours[1], "id": "wrong", "expect_visible": []}
    passed, [failure] = run_vectors([ours[0], wrong])
    assert passed == 1
    assert (failure.id, failure.visible, failure.expected) == ("wrong", ("sr1",), ())
    assert failure.why == ("sr1: permit, S1 (permit), by Consent/c1",)


@pytest.mark.parametrize("vectors", [None, 3, "x", {}, {"id": "a"}])
def test_run_vectors_fails_without_raising_when_it_is_no_list(vectors: Any) -> None:
    assert run_vectors(vectors)[0] == 0
    assert run_vectors(vectors)[1][0].why


@pytest.mark.parametrize(
    "vector",
    [None, 3, [], {}, {"id": 4, "expect_visible": []}, {"expect_visible": [], "now": "soon"}, {"expect_visible": ["x"], "now": "2026"},
     {"expect_visible": [], "now": "2026", "consents": 3, "request": 4, "groups": 5, "resources": [None, 6]}],
)  # fmt: skip
def test_run_vectors_never_raises_when_a_vector_is_odd(vector: Any) -> None:
    passed, failures = run_vectors([vector])
    assert passed + len(failures) == 1


def test_run_vectors_takes_the_zone_for_dates() -> None:
    consent = json.loads((OURS / "rules.json").read_text("utf-8"))[1]["consents"][0]
    vector = {
        "id": "zone", "consents": [{**consent, "provision": {"type": "permit", "period": {"end": "2026-06-15"}}}],
        "request": {"patient": "Patient/p1", "actors": [], "purpose": ["TREAT"], "action": "access"},
        "now": "2026-06-15T22:30:00Z", "resources": [{"resourceType": "Task", "id": "t"}], "expect_visible": ["t"],
    }  # fmt: skip
    assert run_vectors([vector])[0] == 1
    assert run_vectors([vector], zone="Europe/Paris")[0] == 0


@pytest.mark.parametrize(
    ("vector", "id", "why"),
    [
        (3, "#1", "Expected an object with a list expect_visible"), ({"id": "x"}, "#1", "Expected an object with a list expect_visible"),
        ({"id": "x", "expect_visible": []}, "x", "Expected now as a FHIR dateTime"), ({"id": "", "expect_visible": []}, "#1", "Expected now as a FHIR dateTime"),
        ({"expect_visible": ["t"], "now": "2026", "resources": [3]}, "#1", "(no id): deny, S14 (indeterminate)"),
        ({"expect_visible": ["t"], "now": "2026", "resources": [{"id": "t"}]}, "#1", "t: deny, S1 (no-permit)"),
        ({"expect_visible": ["t"], "now": "2026", "resources": [{"id": 3}]}, "#1", "(no id): deny, S1 (no-permit)"),
    ],
)  # fmt: skip
def test_run_vectors_says_what_is_wrong_with_a_vector(vector: Any, id: str, why: str) -> None:
    passed, [failure] = run_vectors([{"expect_visible": [], "now": "2026"}, vector])
    assert (passed, failure.id, failure.why) == (1, id, (why,))


def test_run_vectors_says_that_it_wants_a_list() -> None:
    assert run_vectors({}) == (0, [vectors_module.Failure("", (), (), ("Expected a list of vectors",))])

"""Invariants of Bundle, Parameters, questionnaires and the resources that describe servers and codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.fhir.rule import Object, Rule, distinct, has, has_choice, needs, not_both, one_at_least


def _entries(bundle: Object) -> Any:
    return bundle.get("entry", ())


def _only_in(name: str, types: set[str]) -> Any:
    """Each entry has `name` exactly when the Bundle is of one of `types`."""
    return lambda bundle: all((name in entry) == (bundle.get("type") in types) for entry in _entries(bundle))


def _full_urls(bundle: Object) -> bool:
    named = (e for e in _entries(bundle) if "fullUrl" in e)
    keys = [(e["fullUrl"], e.get("resource", {}).get("meta", {}).get("versionId")) for e in named]
    return bundle.get("type") == "history" or distinct(keys)


def _first_is(kind: str, type: str) -> Any:
    def holds(bundle: Object) -> bool:
        if bundle.get("type") != kind:
            return True
        entries = _entries(bundle)
        return bool(entries) and entries[0].get("resource", {}).get("resourceType") == type

    return holds


def _document(bundle: Object) -> bool:
    identifier = bundle.get("identifier", {})
    return bundle.get("type") != "document" or ("timestamp" in bundle and has(identifier, "system") and has(identifier, "value"))


def _parameter(parameter: Object) -> bool:
    if "part" in parameter:
        return not has_choice(parameter, "value") and "resource" not in parameter
    return has_choice(parameter, "value") != ("resource" in parameter)


def _below(value: Object, name: str, children: str) -> Iterator[Any]:
    for child in value.get(children, ()):
        if name in child:
            yield child[name]
        yield from _below(child, name, children)


def _display(item: Object, *names: str) -> bool:
    return item.get("type") != "display" or not any(has(item, n) for n in names)


def _enabled(when: Object) -> bool:
    return when.get("operator") != "exists" or has(when, "answerBoolean")


LISTED = {"choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"}
LIMITED = {"boolean", "decimal", "integer", "string", "text", "url", "open-choice"}

QUESTIONNAIRE_ITEM = (
    Rule("que-1", lambda i: (i.get("type") != "group" or "item" in i) and _display(i, "item"), "a group has items, a display has none"),
    Rule("que-3", lambda i: _display(i, "code"), "a display has no code", "code"),
    not_both("que-4", "answerOption", "answerValueSet"),
    Rule(
        "que-5",
        lambda i: i.get("type") in LISTED or not (has(i, "answerValueSet") or has(i, "answerOption")),
        "this type has no listed answers",
    ),
    Rule("que-6", lambda i: _display(i, "required", "repeats"), "a display has neither required nor repeats"),
    Rule(
        "que-8",
        lambda i: i.get("type") not in {"group", "display"} or "initial" not in i,
        "a group or display has no initial value",
        "initial",
    ),
    Rule("que-9", lambda i: _display(i, "readOnly"), "a display has no readOnly", "readOnly"),
    Rule("que-10", lambda i: i.get("type") in LIMITED or not has(i, "maxLength"), "this type has no maxLength", "maxLength"),
    not_both("que-11", "answerOption", "initial"),
    Rule("que-12", lambda i: len(i.get("enableWhen", ())) <= 2 or has(i, "enableBehavior"), "more than two enableWhen need enableBehavior"),
    Rule("que-13", lambda i: i.get("repeats") is True or len(i.get("initial", ())) <= 1, "several initial values need repeats", "initial"),
)

RULES: dict[str, tuple[Rule, ...]] = {
    "ParametersParameter": (Rule("inv-1", _parameter, "expected exactly one of value, resource and part"),),
    "Questionnaire": (Rule("que-2", lambda v: distinct(list(_below(v, "linkId", "item"))), "linkIds are distinct", "item"),),
    "QuestionnaireItem": QUESTIONNAIRE_ITEM,
    "QuestionnaireItemEnableWhen": (Rule("que-7", _enabled, "exists is answered by a boolean"),),
    "QuestionnaireResponseItem": (not_both("qrs-1", "answer", "item"),),
    "Bundle": (
        Rule(
            "bdl-1",
            lambda v: not has(v, "total") or v.get("type") in {"searchset", "history"},
            "only searchset and history have a total",
            "total",
        ),
        Rule(
            "bdl-2",
            lambda v: v.get("type") == "searchset" or not any("search" in e for e in _entries(v)),
            "only a searchset has entry.search",
        ),
        Rule(
            "bdl-3",
            _only_in("request", {"batch", "transaction", "history"}),
            "entries have a request in batch, transaction and history only",
        ),
        Rule(
            "bdl-4",
            _only_in("response", {"batch-response", "transaction-response", "history"}),
            "entries have a response in responses and history only",
        ),
        Rule("bdl-7", _full_urls, "fullUrl and version are unique"),
        Rule("bdl-9", _document, "a document has an identifier with system and a timestamp"),
        Rule("bdl-11", _first_is("document", "Composition"), "a document begins with its Composition", "entry"),
        Rule("bdl-12", _first_is("message", "MessageHeader"), "a message begins with its MessageHeader", "entry"),
    ),
    "BundleEntry": (
        one_at_least("bdl-5", "resource", "request", "response"),
        Rule("bdl-8", lambda v: "/_history/" not in v.get("fullUrl", ""), "fullUrl names no version", "fullUrl"),
    ),
    "CapabilityStatement": (
        one_at_least("cpb-1", "rest", "messaging", "document"),
        one_at_least("cpb-2", "description", "software", "implementation"),
        Rule(
            "cpb-3",
            lambda v: v.get("kind") == "instance" or not any("endpoint" in m for m in v.get("messaging", ())),
            "only an instance has endpoints",
        ),
        Rule(
            "cpb-7",
            lambda v: distinct([(d.get("profile"), d.get("mode")) for d in v.get("document", ())]),
            "documents differ by profile and mode",
        ),
        Rule("cpb-14", lambda v: v.get("kind") != "instance" or "implementation" in v, "an instance has implementation", "implementation"),
        Rule(
            "cpb-15",
            lambda v: v.get("kind") != "capability" or ("implementation" not in v and "software" in v),
            "a capability has software only",
        ),
        Rule(
            "cpb-16",
            lambda v: v.get("kind") != "requirements" or not ("implementation" in v or "software" in v),
            "requirements have neither",
        ),
    ),
    "CapabilityStatementRest": (
        Rule("cpb-9", lambda v: distinct([r.get("type") for r in v.get("resource", ())]), "each type is listed once", "resource"),
    ),
    "CapabilityStatementRestResource": (
        Rule(
            "cpb-12", lambda v: distinct([p.get("name") for p in v.get("searchParam", ())]), "each parameter is listed once", "searchParam"
        ),
    ),
    "CodeSystem": (Rule("csd-1", lambda v: distinct(list(_below(v, "code", "concept"))), "codes are distinct", "concept"),),
    "ConceptMapGroupElementTarget": (
        Rule(
            "cmd-1",
            lambda v: has(v, "comment") or v.get("equivalence") not in {"narrower", "inexact"},
            "narrower and inexact need a comment",
        ),
    ),
    "ConceptMapGroupUnmapped": (
        Rule("cmd-2", lambda v: v.get("mode") != "fixed" or has(v, "code"), "fixed needs a code"),
        Rule("cmd-3", lambda v: v.get("mode") != "other-map" or has(v, "url"), "other-map needs a url"),
    ),
    "ValueSetComposeInclude": (
        one_at_least("vsd-1", "valueSet", "system"),
        Rule("vsd-2", lambda v: not ("concept" in v or "filter" in v) or has(v, "system"), "concepts and filters need a system"),
        not_both("vsd-3", "concept", "filter"),
    ),
    "ValueSetExpansionContains": (
        one_at_least("vsd-6", "code", "display"),
        Rule("vsd-9", lambda v: has(v, "code") or v.get("abstract") is True, "without a code it is abstract"),
        needs("vsd-10", "code", "system"),
    ),
}

"""Batch and transaction: many interactions in one request. A batch does each for itself; a transaction does all or nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from adapter import fhir
from adapter.app import App
from adapter.clock import instant
from adapter.errors import Invalid, LiaisonError, Malformed, Refused, Stale
from adapter.flows import Flows
from adapter.ports import Change, Principal, Resource, Uow
from adapter.references import literals
from adapter.web.admitting import aside
from adapter.web.asked import Asked
from adapter.web.auth import refusing
from adapter.web.entries import checked, entry_asked, placed, searched, shell
from adapter.web.rest import ACTS, Answer, Rest, Wish, performed

# A transaction writes in this order whatever order it came in: what is pointed to before what points to it.
_FIRST = ("Organization", "Location", "Practitioner", "PractitionerRole", "HealthcareService", "Patient", "RelatedPerson")
_LAST = ("Consent", "ServiceRequest", "Task", "Procedure", "Communication", "Provenance")
_PHRASES = {200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified"}
_LINK = re.compile(r"""(\s(?:href|src)\s*=\s*["'])(urn:[^"'\s]+)""")
Allowed = Callable[[Flows, Uow], Principal]


async def process(app: App, body: bytes, *, who: Allowed, types: tuple[str, ...], prefer: str, request_id: str) -> bytes:
    """The answer to a batch or transaction Bundle, as a Bundle. Raises Refused for a transaction that fails, and for what is no such
    Bundle."""
    plain, exact = await aside(len(body), shell, body, most=app.settings.max_entries)
    lines = list(zip(plain.get("entry", ()), exact.get("entry", ()), strict=True))
    if plain["type"] == "batch":
        answers = await asyncio.gather(*(_alone(app, each, who=who, types=types, prefer=prefer, request_id=request_id) for each in lines))
        return _bundle("batch-response", list(answers))

    def read() -> list[Asked]:
        found = []
        for number, (line, same) in enumerate(lines):
            try:
                found.append(entry_asked(line, same, base=app.fhir_base, types=types, prefer=prefer))
                checked(found[-1])
            except Refused as refusal:
                raise placed(refusal, number) from None
        return found

    asked = await aside(len(body), read)

    def together(story: Flows, uow: Uow) -> list[Resource]:
        rest = Rest(story, uow, who(story, uow), app.fhir_base, request_id)
        with refusing(rest.who, "Bundle", verb="transaction", request_id=request_id):
            answers = Transaction(rest, asked, [str(line.get("fullUrl", "")) for line, _ in lines]).done()
        return [_response(each, of, app.fhir_base) for each, of in zip(answers, asked, strict=True)]

    return _bundle("transaction-response", await app.write(together))


async def _alone(
    app: App, line: tuple[dict[str, Any], dict[str, Any]], *, who: Allowed, types: tuple[str, ...], prefer: str, request_id: str
) -> Resource:
    try:
        asked = entry_asked(*line, base=app.fhir_base, types=types, prefer=prefer)
        checked(asked)
        answer = await app.write(lambda story, uow: performed(Rest(story, uow, who(story, uow), app.fhir_base, request_id), asked))
        if answer.refusal is not None:
            raise answer.refusal
    except LiaisonError as error:
        return {"response": {"status": str(error.status), "outcome": fhir.outcome(error)}}
    return _response(answer, asked, app.fhir_base)


def _response(answer: Answer, asked: Asked, base: str) -> Resource:
    """An entry of the answer: a write tells its resource only if asked to."""
    found: Resource = {}
    written = asked.interaction in ACTS
    shown = answer.body and (not written or asked.returns in ("representation", "OperationOutcome"))
    response: Resource = {"status": f"{answer.status} {_PHRASES[answer.status]}"}
    if answer.version is not None and answer.status != 204:
        response["location"] = f"{base}/{answer.version.cited}"
        response["etag"] = f'W/"{answer.version.number}"'
        response |= {"lastModified": instant(answer.version.updated)} if fhir.dated(answer.version) else {}
        found["fullUrl"] = f"{base}/{answer.version.reference}"
    if shown and written and asked.returns == "OperationOutcome":
        response["outcome"] = orjson.Fragment(answer.body)
    elif shown:
        found["resource"] = orjson.Fragment(answer.body)
    if answer.warnings:
        response["outcome"] = fhir.outcome(answer.warnings)
    return found | {"response": response}


def _bundle(type: str, entries: list[Resource]) -> bytes:
    return orjson.dumps({"resourceType": "Bundle", "type": type} | ({"entry": entries} if entries else {}))


class Transaction:
    """All entries in one unit of work. `named`: the fullUrl of each entry."""

    def __init__(self, rest: Rest, asked: list[Asked], named: list[str]) -> None:
        self._rest, self._asked, self._named = rest, asked, named
        self._ids: dict[str, str] = {}  # fullUrl -> Type/id

    def done(self) -> list[Answer]:
        """The answers in the order of the entries. Raises Refused, placed under its entry."""
        answers: dict[int, Answer] = {}
        planned = self._planned(answers)
        changes = [change for _, change, _ in planned]
        try:
            saved = self._rest.story.receive(self._rest.uow, self._rest.who, changes, request_id=self._rest.request_id) if changes else []
        except Refused as refusal:
            raise refusal if refusal.number is None else placed(refusal, planned[refusal.number][0]) from None
        for (number, change, wish), version in zip(planned, saved, strict=False):
            now = self._rest.uow.current(change.type, change.id or "") or version  # what ended with it may have changed it again
            answers[number] = self._rest.written(self._asked[number], now, wish)
        for number, asked in enumerate(self._asked):
            if number not in answers:
                answers[number] = self._placed(number, self._read, asked)
        return [answers[number] for number in range(len(self._asked))]

    def _read(self, asked: Asked) -> Answer:
        answer = self._rest.perform(asked)
        if answer.refusal is not None:  # what the unit told the audit goes with it: the refusal of the whole is told instead
            raise type(answer.refusal)("not found" if answer.status == 404 else "it is deleted")
        return answer

    def _planned(self, answers: dict[int, Answer]) -> list[tuple[int, Change, Wish]]:
        """(entry, change with its references, what was wished) of all that is written, in the order of writing."""
        found: list[tuple[int, Change, Wish]] = []
        for number, asked in enumerate(self._asked):
            if asked.interaction not in ACTS:
                continue
            wish: Wish = self._placed(number, self._rest.wanted, asked)
            if wish.change is None:
                answers[number] = self._rest.written(asked, wish.found, wish)
            else:
                found.append((number, wish.change, wish))
            reference = f"{wish.change.type}/{wish.change.id}" if wish.change else wish.found.reference if wish.found else ""
            if self._named[number]:
                self._ids[self._named[number]] = reference
        targets = [f"{change.type}/{change.id}" for _, change, _ in found]
        if len(set(targets)) != len(targets):
            raise Malformed("expected each resource in one entry of a transaction only", expression="Bundle.entry", code="duplicate")
        return sorted(((number, self._pointed(number, change), wish) for number, change, wish in found), key=lambda each: _rank(each[1]))

    def _pointed(self, number: int, change: Change) -> Change:
        """Its references as those of the house."""
        if change.resource is None or change.received is None:
            return change
        root = self._named[number].rpartition("/")[0].rpartition("/")[0] if "://" in self._named[number] else ""
        moved = {value: self._placed(number, self._target, value, root) for value in literals(change.resource)}
        moved = {old: new for old, new in moved.items() if old != new}
        urns = {name: new for name, new in self._ids.items() if name.startswith("urn:")}
        if not moved and not urns:
            return change
        tree = _rewritten(fhir.exact(change.received), moved, urns)
        return replace(change, resource=_rewritten(change.resource, moved, urns), received=orjson.dumps(tree))

    def _target(self, value: str, root: str) -> str:
        """Where a reference leads: an entry of this Bundle by its fullUrl, what a condition finds, or where it led."""
        if value in self._ids:
            return self._ids[value]
        if root and f"{root}/{value}" in self._ids:
            return self._ids[f"{root}/{value}"]
        type, mark, query = value.partition("?")
        if not mark or not type.isalpha():
            return value
        found = self._rest.matching(fhir.query(type, searched(query, "reference")))
        if len(found) != 1:
            text = "expected a reference to one resource: its condition is met by " + ("several" if found else "none")
            raise Stale(text, code="multiple-matches") if found else Invalid(text, code="not-found")
        return found[0].reference

    def _placed(self, number: int, do: Callable[..., Any], *given: Any) -> Any:
        try:
            return do(*given)
        except Refused as refusal:
            raise placed(refusal, number) from None


def _rank(change: Change) -> tuple[int, int]:
    """Deletes first, those that point before those that are pointed to; then what is written."""
    place = _FIRST.index(change.type) if change.type in _FIRST else len(_FIRST) + 1 + _LAST.index(change.type) if change.type in _LAST else len(_FIRST)
    return (0, -place) if change.verb == "delete" else (1, place)


def _rewritten(node: Any, moved: dict[str, str], urns: dict[str, str]) -> Any:
    """A copy with these references moved, and every text that is the urn of an entry, in links of the narrative too (R4 http, 3.1.0.11.2)."""
    if isinstance(node, dict):
        return {
            name: moved[each] if name == "reference" and isinstance(each, str) and each in moved else _rewritten(each, moved, urns)
            for name, each in node.items()
        }
    if isinstance(node, list):
        return [_rewritten(each, moved, urns) for each in node]
    if type(node) is not str:
        return node
    if node.startswith("<div") and "urn:" in node:
        return _LINK.sub(lambda found: found[1] + urns.get(found[2], found[2]), node)
    return urns.get(node, node)



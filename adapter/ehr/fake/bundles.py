"""Transactions and batches (R4 http, 3.1.0.11)."""

from __future__ import annotations

import copy
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from adapter.ehr.fake.interactions import Interactions, body_of
from adapter.ehr.fake.wire import Asked, Refusal, Reply, Resource, references

_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "GET": 3}
_HEADERS = {"ifMatch": "if-match", "ifNoneExist": "if-none-exist"}


def answer(fhir: Interactions, asked: Asked) -> Reply:
    """The reply to any request, Bundles included."""
    if asked.method != "POST" or asked.path:
        return fhir.answer(asked)
    try:
        with fhir.versions.transaction():
            reply = _carried_out(fhir, body_of(asked))
    except Refusal as refusal:
        return refusal.reply()
    torn = fhir.habits.get("torn-transaction")
    return Refusal(torn.status, "exception", "something went wrong").reply() if torn else reply


def _carried_out(fhir: Interactions, bundle: Any) -> Reply:
    """A transaction-response (all or nothing) or batch-response, entries in the order they came."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle" or bundle.get("type") not in ("transaction", "batch"):
        raise Refusal(400, "structure", "expected a Bundle of type transaction or batch")
    entries = copy.deepcopy(bundle.get("entry", []))
    for number, entry in enumerate(entries):
        request = entry.get("request", {})
        if request.get("method") not in _ORDER or "url" not in request:
            raise Refusal(400, "required", "expected request.method and request.url", expression=f"Bundle.entry[{number}].request")
    replies = [_one(fhir, number, entry) for number, entry in enumerate(entries)] if bundle["type"] == "batch" else _together(fhir, entries)
    return Reply(200, {"resourceType": "Bundle", "type": f"{bundle['type']}-response", "entry": [_response(reply) for reply in replies]})


def _one(fhir: Interactions, number: int, entry: Resource, *, id: str = "") -> Reply:
    if (fault := fhir.habits.get("fail-entry")) and number == (fault.amount or 0):
        return Refusal(fault.status, "processing", "this one cannot be taken").reply()
    return fhir.answer(_asked(entry), id=id)


def _together(fhir: Interactions, entries: list[Resource]) -> list[Reply]:
    ids, places = _places(fhir, entries)
    for entry in entries:
        for path, reference in references(entry.get("resource", {}), "resource"):
            reference["reference"] = places.get(reference["reference"]) or _searched(fhir, reference["reference"], path)
    replies: dict[int, Reply] = {}
    with fhir.expecting(places.values()):
        ordered = sorted(enumerate(entries), key=lambda numbered: _ORDER[numbered[1]["request"]["method"]])
        torn = fhir.habits.get("torn-transaction")
        for number, entry in ordered[: (torn.amount or 1) if torn else None]:
            reply = _one(fhir, number, entry, id=ids.get(number, ""))
            if reply.status >= 400:
                issue = reply.body["issue"][0] if isinstance(reply.body, dict) else {}
                raise Refusal(reply.status, issue["code"], issue["diagnostics"], expression=f"Bundle.entry[{number}]")
            replies[number] = reply
    return [replies[number] for number in sorted(replies)]


def _places(fhir: Interactions, entries: list[Resource]) -> tuple[dict[int, str], dict[str, str]]:
    """The id of every POST (or of what it will match), and where each fullUrl will be: entries may point both ways."""
    ids: dict[int, str] = {}
    places: dict[str, str] = {}
    for number, entry in enumerate(entries):
        request = entry["request"]
        place = request["url"]
        if request["method"] == "POST":
            found = fhir.matching(place, parse_qsl(request["ifNoneExist"])) if request.get("ifNoneExist") else []
            ids[number] = found[0].id if len(found) == 1 else fhir.versions.new_id()
            place = f"{place}/{ids[number]}"
        places[entry.get("fullUrl") or place] = place
    return ids, places


def _searched(fhir: Interactions, reference: str, path: str) -> str:
    """A conditional reference (`Patient?identifier=…`) becomes the one it finds."""
    conditional = re.fullmatch(r"([A-Z][A-Za-z]+)\?(.+)", reference)
    if not conditional:
        return reference
    type, criteria = conditional.groups()
    found = fhir.matching(type, parse_qsl(criteria))
    if len(found) != 1:
        raise Refusal(412, "multiple-matches" if found else "not-found", "a conditional reference must match one", expression=path)
    return f"{type}/{found[0].id}"


def _asked(entry: Resource) -> Asked:
    request = entry["request"]
    address = urlsplit(request["url"])
    headers = {_HEADERS[key]: value for key, value in request.items() if key in _HEADERS}
    body = json.dumps(entry["resource"]).encode() if "resource" in entry else b""
    return Asked(request["method"], address.path, tuple(parse_qsl(address.query)), headers, body)


def _response(reply: Reply) -> Resource:
    response: Resource = {"status": str(reply.status)}
    for header, key in (("Location", "location"), ("ETag", "etag")):
        if header in reply.headers:
            response[key] = reply.headers[header]
    if reply.status >= 400:
        return {"response": {**response, "outcome": reply.body}}
    if not isinstance(reply.body, dict):
        return {"response": response}
    updated = reply.body.get("meta", {}).get("lastUpdated")
    return {"resource": reply.body, "response": {**response, "lastModified": updated} if updated else response}

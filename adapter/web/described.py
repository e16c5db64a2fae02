"""What each door takes and answers: the one place that /openapi.json and /docs come from, beside the paths themselves.

`DOORS` has a row for every route; `described` lays them over what the web framework knows of the paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapter import fhir
from adapter.terminology import OPERATIONS
from adapter.views.load import VERBS
from adapter.web import examples
from adapter.web.shapes import ACTS, SCHEMAS, Schema, ref, text

JSON, FHIR_JSON, FHIR_XML, FORM = "application/json", "application/fhir+json", "application/fhir+xml", "application/x-www-form-urlencoded"
JSON_PATCH = "application/json-patch+json"
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of /oauth/token, good for a few minutes."},
    "hook": {"type": "http", "scheme": "bearer", "description": "The secret that our Subscription gave the EHR."},
    "signature": {
        "type": "apiKey", "in": "header", "name": "X-Lapin-Signature",
        "description": "Hex HMAC-SHA256 of the body, under the secret that the network file names for the unit.",
    },
    "client": {"type": "http", "scheme": "basic", "description": "A client of the network file and its secret; or a signed assertion in the form."},
}
REFUSALS = {
    400: "not readable as what it should be",
    401: "no token, or one that is unknown or has expired",
    403: "this client was not given the scope, or may not do this",
    404: "nothing there that this caller may see",
    406: "only JSON and XML are spoken here",
    409: "received before with other content, too late for what it asks, or still pointed to",
    410: "no longer there",
    412: "it changed meanwhile: read it again",
    413: "the body is too large, or a Bundle has too many entries",
    414: "the address is too long: search by POST",
    415: "another media type, encoding or character set than expected",
    422: "understood, and against a rule: each issue names its place",
    428: "If-Match is missing",
    431: "the headers are too long",
    429: "more requests a minute than this client may send; Retry-After says when to come back",
    503: "the database is away: ask again",
}
PATH = {
    "type": text("a FHIR resource type", enum=sorted(fhir.CORE_TYPES)), "id": text("a resource's id; in a view the caller's own id of a referral"),
    "mapping": text("name of a mapping document, appel-coursier"), "record": text("the sender's id of a record"),
    "view": text("the view of the caller's organisation, coursier-dac-asso"), "reference": text("spoken reference of a closing notice, K7-42M"),
    "version": text("the number of a version"),
    "table": text("a code table, need"), "map": text("from a table to the codes of others, need-sdohcc"),
    "hook": text("the last part of the address that our Subscription gave"),
    "unit": text("the key of a unit of the network file, permanence-saint-eloi"),
    "verb": text("what is done; each view offers some of these", enum=list(VERBS)),
}  # fmt: skip
HEADERS = {
    "If-Match": "the ETag as it was read: of the card, of the resource",
    "If-None-Match": "an ETag: 304 if it is still that version", "If-Modified-Since": "a time: 304 if nothing changed since",
    "Prefer": "return=minimal, representation or OperationOutcome; handling=strict or lenient", "Idempotency-Key": "instead of the record's own id",
    "If-None-Exist": "identifier=system|value: created only if the caller has none such",
    "Accept-Language": "fr (by default) or en: the language of labels",
}  # fmt: skip
QUERY = {
    "_id": "ids, with commas between", "_lastUpdated": "when it last changed: an instant with a prefix, ge2026-03-02", "_count": "results a page",
    "_total": "none, estimate or accurate: whether the number of all that match is told",
    "_include": "what the matches point to comes along, Task:focus", "_revinclude": "what points to the matches comes along, Provenance:target",
    "_since": "an instant: what happened before is left out", "_summary": "true, text, data, count or false",
    "_elements": "the elements of the top level that are wanted, with commas between",
    "_sort": "search parameter to sort by; - before it: downwards", "_page": "of a next link, alone", "_format": "json or xml",
}  # fmt: skip
SEARCHED = tuple(name for name in QUERY if name != "_since")
EVERYWHERE = (414, 431)
PRESENTED = ("_format", "_summary", "_elements")
PAST = ("_count", "_since", "_page", *PRESENTED)
NAMED = {"url": "canonical address", "name": "name for computers", "status": "active", "version": "of the software", "_id": QUERY["_id"]}
ASKED = {"url": "canonical address of the CodeSystem, ValueSet or ConceptMap", "code": "the code", "system": "its system", "display": "is to be checked too",
         "target": "system or value set of the other side", "targetsystem": "system of the other side"}  # fmt: skip
RUN = {"dry-run": "true: the answer is what the mapping makes of the record and why not the rest, both ways; nothing is stored or sent"}
DEMAND = {"demand": "data classes, with commas between, of which the view shows something on demand only; the register says so"}


@dataclass(frozen=True)
class Door:
    """`takes`: (media type, schema) of the body; `gives`: (status, media type, schema) when all is well; `refuses`: statuses that
    come with an OperationOutcome; `by`: the security scheme, "" for a public door."""

    gives: tuple[int, str, str]
    takes: tuple[str, str] | None = None
    refuses: tuple[int, ...] = ()
    by: str = "bearer"
    headers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # headers that must be there
    query: tuple[str, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[tuple[int, str], ...] = ()  # further answers without a body, and what they say
    note: str = ""


def _terminology(type: str, operation: str) -> Iterator[tuple[tuple[str, str], Door]]:
    """The doors of CodeSystem, ConceptMap or ValueSet."""
    place = "{map}" if type == "ConceptMap" else "{table}"
    yield ("GET", f"/fhir/{type}"), Door((200, FHIR_JSON, "Bundle"), refuses=(400, 406), by="", query=("_format", *NAMED))
    yield ("GET", f"/fhir/{type}/{place}"), Door((200, FHIR_JSON, "Resource"), refuses=(404, 406), by="", query=("_format",))
    yield ("GET", f"/fhir/{type}/${operation}"), Door((200, FHIR_JSON, "Resource"), refuses=(400, 404, 406), by="", query=("_format", *ASKED))
    yield ("POST", f"/fhir/{type}/${operation}"), Door(
        (200, FHIR_JSON, "Resource"), (FHIR_JSON, "Resource"), (400, 404, 406, 413, 415, 422), by="", examples={"need": examples.code(type)}
    )


READS, VIEWED = (401, 403, 404, 406, 503), (401, 403, 404, 503)
WRITES = (400, 401, 403, 404, 413, 415, 422, 503)
OWN = "Parameters are the type's own, as /fhir/metadata lists them; the software of a social service has those of its view."
CONDITION = "The condition is a search in the address: PUT /fhir/Patient?identifier=system|value."
WHOLE = "A Bundle of type batch (each entry for itself) or transaction (all or nothing)."
SEARCHES = (400, 401, 403, 404, 406, 410, 503)
DOORS: dict[tuple[str, str], Door] = {
    ("POST", "/oauth/token"): Door(
        (200, JSON, "Token"), (FORM, "TokenRequest"), by="client", examples={"client and secret": {"grant_type": "client_credentials"}}
    ),
    ("POST", "/oauth/introspect"): Door((200, JSON, "TokenState"), (FORM, "TokenAsked"), by="client"),
    ("POST", "/oauth/revoke"): Door((200, "", ""), (FORM, "TokenAsked"), by="client", note="A token that is another's or not there is answered alike."),
    ("GET", "/fhir/.well-known/smart-configuration"): Door((200, JSON, "SmartConfiguration"), by=""),
    ("GET", "/fhir/metadata"): Door((200, FHIR_JSON, "Resource"), refuses=(406,), by="", query=("_format",)),
    ("POST", "/fhir"): Door(
        (200, FHIR_JSON, "Bundle"), (FHIR_JSON, "Bundle"), (*WRITES, 406, 409, 410, 412), headers=("Prefer",), note=WHOLE,
        examples={"referral": examples.REFERRAL},
    ),
    ("GET", "/fhir/{type}"): Door((200, FHIR_JSON, "Bundle"), refuses=SEARCHES, headers=("Prefer",), query=SEARCHED, note=OWN),
    ("POST", "/fhir/{type}/_search"): Door(
        (200, FHIR_JSON, "Bundle"), (FORM, "Search"), (*SEARCHES, 413, 415), headers=("Prefer",), note=OWN,
        examples={"by identifier": {"identifier": f"{examples.SID}|P-1"}},
    ),
    ("GET", "/fhir/{type}/_history"): Door((200, FHIR_JSON, "Bundle"), refuses=SEARCHES, query=PAST),
    ("POST", "/fhir/{type}/$validate"): Door(
        (200, FHIR_JSON, "OperationOutcome"), (FHIR_JSON, "Resource"), (400, 401, 404, 406, 413, 415, 503), examples={"Patient": examples.patient("P-1")}
    ),
    ("POST", "/fhir/{type}"): Door(
        (201, FHIR_JSON, "Resource"), (FHIR_JSON, "Resource"), (*WRITES, 406, 412), headers=("If-None-Exist", "Prefer"), query=PRESENTED,
        also=((200, "the one that was there (If-None-Exist)"),), examples={"Patient": examples.patient("P-2")},
    ),
    ("PUT", "/fhir/{type}"): Door(
        (200, FHIR_JSON, "Resource"), (FHIR_JSON, "Resource"), (*WRITES, 406, 412), headers=("If-Match", "Prefer"),
        also=((201, "none met the condition: it was created"),), note=CONDITION, examples={"Patient": examples.patient("P-1")},
    ),
    ("GET", "/fhir/{type}/{id}"): Door(
        (200, FHIR_JSON, "Resource"), refuses=(400, 410, *READS), headers=("If-None-Match", "If-Modified-Since"), query=PRESENTED,
        also=((304, "as the client has it"),),
    ),
    ("PUT", "/fhir/{type}/{id}"): Door(
        (200, FHIR_JSON, "Resource"), (FHIR_JSON, "Resource"), (*WRITES, 406, 412, 428), headers=("If-Match", "Prefer"), query=PRESENTED,
        also=((201, "there was none of this id: it was created"),), examples={"Patient": examples.patient("P-3") | {"id": examples.ID}},
    ),
    ("PATCH", "/fhir/{type}/{id}"): Door(
        (200, FHIR_JSON, "Resource"), (JSON_PATCH, "Patch"), (*WRITES, 406, 410, 412, 428), headers=("If-Match", "Prefer"), query=PRESENTED,
        examples={"telephone": examples.PATCH},
    ),
    ("DELETE", "/fhir/{type}/{id}"): Door((204, "", ""), refuses=(400, 401, 403, 404, 406, 409, 410, 412, 422, 503), headers=("If-Match",)),
    ("GET", "/fhir/Subscription/{id}/$status"): Door((200, FHIR_JSON, "Bundle"), refuses=READS),
    ("GET", "/fhir/{type}/{id}/_history"): Door((200, FHIR_JSON, "Bundle"), refuses=SEARCHES, query=PAST),
    ("GET", "/fhir/{type}/{id}/_history/{version}"): Door(
        (200, FHIR_JSON, "Resource"), refuses=(400, 410, *READS), query=PRESENTED, headers=("If-None-Match",), also=((304, "as the client has it"),)
    ),
    **{key: door for type, operation in OPERATIONS.items() for key, door in _terminology(type, operation)},
    ("POST", "/intake/{mapping}"): Door(
        (201, JSON, "Receipt"), (JSON, "Record"), (*WRITES, 409), headers=("Idempotency-Key",), query=tuple(RUN),
        also=((200, "dry-run: refused, problems, warnings, dropped, resources and the record that they give again"),),
        examples={"appel-coursier": examples.CALL},
    ),
    ("GET", "/intake/{mapping}/{record}"): Door((200, JSON, "Record"), refuses=VIEWED),
    ("POST", "/intake/{mapping}/{record}/agreements"): Door(
        (200, JSON, "Receipt"), (JSON, "Agreement"), (*WRITES, 409), examples={"patient": examples.AGREEMENT},
    ),
    ("GET", "/views/{view}/referrals"): Door((200, JSON, "Lines"), refuses=VIEWED, headers=("Accept-Language",)),
    ("GET", "/views/{view}/notices"): Door((200, JSON, "Notices"), refuses=VIEWED, headers=("Accept-Language",)),
    ("POST", "/views/{view}/notices/{reference}/acknowledge"): Door((204, "", ""), refuses=VIEWED),
    ("GET", "/views/{view}/owed"): Door((200, JSON, "Owed"), refuses=VIEWED),
    ("GET", "/views/{view}/referrals/{id}"): Door(
        (200, JSON, "Card"), refuses=(400, *VIEWED), headers=("Accept-Language",), query=tuple(DEMAND)
    ),
    ("POST", "/views/{view}/referrals/{id}/{verb}"): Door(
        (200, JSON, "Card"), (JSON, "Arguments"), (*WRITES, 409, 412, 428), headers=("Accept-Language",), needs=("If-Match",), examples=ACTS,
        also=((204, "withdraw, oppose: there is nothing more to see"),),
    ),
    ("POST", "/hooks/{hook}"): Door(
        (204, "", ""), (FHIR_JSON, "Bundle"), (401, 413, 429, 503), by="hook",
        note="Empty (R4 rest-hook), or an id-only notification of the R5 backport: a call to look.",
    ),
    ("POST", "/hooks/rdv/{unit}"): Door(
        (204, "", ""), (JSON, "Rdv"), (400, 401, 413, 415, 422, 429, 503), by="signature", examples={"rdv": examples.RDV},
        note="A webhook of RDV Service Public (subscription: rdv). The answer is the same whatever was found.",
    ),
    ("GET", "/views/{view}/appointments"): Door((200, JSON, "Parked"), refuses=VIEWED),
    ("POST", "/views/{view}/appointments"): Door(
        (204, "", ""), (JSON, "Assigned"), (400, 401, 403, 404, 412, 413, 415, 422, 428, 503), needs=("If-Match",), examples={"rdv": examples.ASSIGNED},
    ),
    ("GET", "/health/live"): Door((200, JSON, "Health"), by=""),
    ("GET", "/health/ready"): Door((200, JSON, "Health"), by="", also=((503, "not ready; the same body says why"),)),
    ("GET", "/metrics"): Door((200, "text/plain", ""), refuses=(404,), by=""),
}  # fmt: skip


def described(document: Schema) -> Schema:
    """An OpenAPI document whose operations say what `DOORS` says of them. Raises KeyError for a route that has no row."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operation.update(_operation(path, DOORS[method.upper(), path]))
    return document | {"components": {"schemas": SCHEMAS, "securitySchemes": SECURITY}}


def _operation(path: str, door: Door) -> Schema:
    parameters = [_parameter(name, "path", PATH[name]) for name in PATH if f"{{{name}}}" in path]
    parameters += [_parameter(name, "header", text(HEADERS[name]), required=name in door.needs) for name in (*door.needs, *door.headers)]
    parameters += [_parameter(name, "query", text((QUERY | DEMAND | RUN | NAMED | ASKED)[name]), required=False) for name in door.query]
    answers = {str(door.gives[0]): _answer("done", *door.gives[1:])} | {str(status): {"description": said} for status, said in door.also}
    statuses = (*door.refuses, 429) if door.by == "bearer" else door.refuses
    statuses = (*statuses, *EVERYWHERE)
    refusals = {400: "TokenError", 401: "TokenError"} if door.by == "client" else dict.fromkeys(statuses, "OperationOutcome")
    media = JSON if door.by == "client" else FHIR_JSON
    answers |= {str(status): _answer(REFUSALS[status], media, schema) for status, schema in sorted(refusals.items())}
    made: Schema = {"parameters": parameters, "responses": answers, "security": [{door.by: []}] if door.by else []}
    if door.note:
        made["description"] = door.note
    if door.takes:
        shown = {"examples": {name: {"value": value} for name, value in door.examples.items()}} if door.examples else {}
        must = door.examples is not ACTS and door.by != "hook"
        made["requestBody"] = {"required": must, "content": {door.takes[0]: {"schema": ref(door.takes[1]), **shown}}}
    return _in_both(made) if path.startswith("/fhir") else made


def _in_both(operation: Schema) -> Schema:
    """What is FHIR in JSON may be XML as well."""
    for each in [*operation["responses"].values(), *([operation["requestBody"]] if "requestBody" in operation else [])]:
        if FHIR_JSON in each.get("content", {}):
            each["content"][FHIR_XML] = {name: part for name, part in each["content"][FHIR_JSON].items() if name == "schema"}
    return operation


def _parameter(name: str, place: str, schema: Schema, *, required: bool = True) -> Schema:
    bare = {key: part for key, part in schema.items() if key != "description"}
    return {"name": name, "in": place, "required": required, "description": schema.get("description", ""), "schema": bare}


def _answer(description: str, media: str, schema: str) -> Schema:
    if not media:
        return {"description": description}
    return {"description": description, "content": {media: {"schema": ref(schema)} if schema else {}}}

"""The entries of a batch or transaction Bundle, read into what each asks for (R4 http, 3.1.0.11)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from adapter import fhir
from adapter.errors import Invalid, Issue, Malformed, Refused, TooLarge
from adapter.ports import Resource
from adapter.web.asked import PRESENTED, Asked, Interaction, Pairs, asked_by

JSON_PATCH = "application/json-patch+json"
_ADDRESS = re.compile(r"([A-Za-z]+)(?:/([A-Za-z0-9\-.]{1,64}))?(?:/(_history)(?:/([^/?]*))?)?(?:\?(.*))?", re.DOTALL)
_HEADERS = {"ifMatch": "if-match", "ifNoneMatch": "if-none-match", "ifModifiedSince": "if-modified-since", "ifNoneExist": "if-none-exist"}
_METHODS: dict[str, Interaction] = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def conditions(header: str | None) -> Pairs | None:
    """The search of an If-None-Exist header, `identifier=system|value` or `Type?identifier=…`; None for none. Raises Malformed."""
    if header is None:
        return None
    query = header.partition("?")[2] if "?" in header.partition("=")[0] else header
    return searched(query, "If-None-Exist")


def searched(query: str, place: str) -> Pairs:
    """The parameters of a condition; what only says how the answer is given (`_format`) is none. Raises Malformed where there are none."""
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=20)
    except ValueError:
        given = []
    found = tuple((name, value) for name, value in given if name not in PRESENTED)
    if not found:
        raise Malformed("expected search parameters, identifier=system|value", expression=place, code="invalid")
    return found


def shell(body: bytes, *, most: int) -> tuple[Resource, Resource]:
    """A batch or transaction as the plain and as the exact tree (numbers as they came), all but the entries' resources checked.
    Raises Malformed, Invalid, TooLarge."""
    plain = fhir.load(body)
    entries = plain.get("entry")
    lines = entries if isinstance(entries, list) else []
    if len(lines) > most:
        raise TooLarge(f"expected at most {most} entries in a Bundle; send several", expression="Bundle.entry", code="too-costly")
    outside = [{name: part for name, part in line.items() if name != "resource"} if isinstance(line, dict) else line for line in lines]
    issues = fhir.check(plain | ({"entry": outside} if isinstance(entries, list) else {}), type="Bundle")
    if issues:
        fhir.refuse(issues)
    if plain.get("type") not in ("batch", "transaction"):
        raise Malformed("expected a Bundle of type batch or transaction", expression="Bundle.type", code="value")
    return plain, fhir.exact(body)


def place(number: int) -> str:
    return f"Bundle.entry[{number}]"


def placed(refusal: Refused, number: int) -> Refused:
    """The same refusal, its issues under the entry that they are about."""
    at = place(number)
    issues = [Issue(each.code, each.text, f"{at}.{each.expression}" if each.expression else at, each.severity, each.detail) for each in refusal.issues]
    found = type(refusal)(str(refusal), issues=issues)
    found.event, found.kept, found.told = refusal.event, refusal.kept, refusal.told
    return found


def entry_asked(line: Mapping[str, Any], exact: Mapping[str, Any], *, base: str, types: tuple[str, ...], prefer: str) -> Asked:
    """What one entry asks for; its resource is not checked yet (`checked`). Raises Malformed, Invalid with an expression inside the entry."""
    request = line.get("request", {})
    method, address = request.get("method", ""), str(request.get("url", ""))
    found = _ADDRESS.fullmatch(address.removeprefix(f"{base}/"))
    if found is None or found[1] not in types:
        raise Malformed("expected Type, Type/id or Type?parameters of a type that this server offers", expression="request.url", code="not-supported")
    type, id, past, version, query = (part or "" for part in found.groups())
    headers = {name: str(request[key]) for key, name in _HEADERS.items() if key in request} | {"prefer": prefer}
    params = tuple(parse_qsl(query, keep_blank_values=True, max_num_fields=100)) if query else ()
    if method == "GET":
        interaction: Interaction = (
            "vread" if version else ("history-instance" if id else "history-type") if past else "read" if id else "search-type"
        )
        return asked_by(interaction, type, id=id, version=version, params=params, headers=headers)
    if method not in _METHODS or past or (id and method == "POST") or (not id and method == "DELETE"):
        raise Malformed("expected GET, POST, PUT, PATCH or DELETE, and an address that it goes with", expression="request.method", code="not-supported")
    if not id and method != "POST" and not query:
        raise Malformed("expected an id or a condition in the address", expression="request.url", code="required")
    condition = conditions(headers.get("if-none-exist")) if method == "POST" else searched(query, "request.url") if query else None
    resource, written = line.get("resource"), b""
    if method in ("POST", "PUT"):
        if not isinstance(resource, dict) or resource.get("resourceType") != type:
            raise Malformed(f"expected a {type}, as the address says", expression="resource", code="required")
        written = orjson.dumps(exact.get("resource"))
    if method == "PATCH":
        resource, written = None, _operations(resource)
    return asked_by(_METHODS[method], type, id=id, headers=headers, conditions=condition, resource=resource, written=written)


def checked(asked: Asked) -> None:
    """Raises Malformed or Invalid, with every issue, where the resource of an entry is not valid R4."""
    if asked.resource is None:
        return
    if issues := fhir.check(asked.resource, type=asked.type):
        fhir.refuse([Issue(each.code, each.text, f"resource.{each.expression.partition('.')[2]}".rstrip("."), each.severity, each.detail) for each in issues])


def _operations(resource: object) -> bytes:
    """The JSON Patch in a Binary."""
    found = resource if isinstance(resource, dict) else {}
    if found.get("resourceType") != "Binary" or found.get("contentType") != JSON_PATCH:
        raise Invalid(f"expected a Binary of {JSON_PATCH}", expression="resource", code="not-supported")
    try:
        return base64.b64decode(str(found.get("data", "")), validate=True)
    except ValueError:  # not of the alphabet, or not even of ASCII
        raise Malformed("expected base64", expression="resource.data") from None

"""`/docs/collection.json`: every door for people as a request that works, as Postman (and Bruno, and Insomnia) read it: a Collection of format 2.1,
made of the OpenAPI document. Its requests stand in an order in which each finds what those before it made."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapter.terminology import OPERATIONS
from adapter.web.examples import CALL, ID, SID, code

Schema = dict[str, Any]
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
FORM = "application/x-www-form-urlencoded"
VARIABLES = {  # what the reader fills in, and what an answer fills in for the requests after it
    "base": "", "client": "cabinet", "secret": "", "token": "", "etag": "", "referral": "", "card": "", "notice": "K7-42M",
}  # fmt: skip
PLACES = {"type": "Patient", "id": ID, "version": "1", "mapping": "appel-coursier", "record": CALL["id"], "view": "prescripteur", "verb": "message",
          "table": "need", "map": "need-sdohcc"}  # fmt: skip
VIEWED = {"id": "{{referral}}", "reference": "{{notice}}"}  # in a view, where ids are the reader's own
QUERIES = {("PUT", "/fhir/{type}"): {"identifier": f"{SID}|P-1"}, ("GET", "/fhir/{type}"): {"_count": "20", "_sort": "-_lastUpdated"}}
QUERIES |= {
    ("GET", f"/fhir/{type}/${operation}"): {each["name"]: each.get("valueUri") or each["valueCode"] for each in code(type)["parameter"]}
    for type, operation in OPERATIONS.items()
}
HEADERS = {
    ("POST", "/fhir/{type}"): {"If-None-Exist": f"identifier={SID}|P-2"}, ("PATCH", "/fhir/{type}/{id}"): {"If-Match": "{{etag}}"},
    **{("POST", path): {"If-Match": "{{card}}"} for path in ("/views/{view}/referrals/{id}/{verb}", "/views/{view}/appointments")},
}  # fmt: skip
MACHINES: tuple[list[Schema], ...] = ([{"hook": []}], [{"signature": []}])  # an EHR or an appointment tool calls there, of its own accord
TAG = 'pm.response.headers.get("ETag")'
KEPT = {
    ("POST", "/oauth/token"): {"token": "pm.response.json().access_token"}, ("PUT", "/fhir/{type}/{id}"): {"etag": TAG},
    ("GET", "/views/{view}/referrals"): {"referral": "pm.response.json().referrals[0].id"}, ("GET", "/views/{view}/referrals/{id}"): {"card": TAG},
}  # fmt: skip
FIRST, LAST = (("POST", "/oauth/token"), ("POST", "/fhir"), ("PUT", "/fhir/{type}/{id}")), (("DELETE", "/fhir/{type}/{id}"), ("POST", "/oauth/revoke"))
Operation = tuple[str, str, Schema]


def door(describe: Callable[[], Schema], *, base: str) -> Callable[[Request], Any]:
    """The endpoint of the collection. `describe` gives the OpenAPI document; `base`: the address of this server."""

    async def given(_: Request) -> Response:
        return JSONResponse(collection(describe(), base=base))

    return given


def collection(document: Schema, *, base: str) -> Schema:
    """A Postman collection of an OpenAPI document, its server at `base`. Token and ids are variables; secret and client are the reader's."""
    told = document["info"]
    every = [(method.upper(), path, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]
    every = [each for each in every if each[2]["security"] not in MACHINES]
    folders = groupby(sorted(every, key=_turn), key=lambda each: each[2]["tags"][0])
    return {
        "info": {"name": told["title"], "description": told["description"], "schema": FORMAT},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [{"key": name, "value": base if name == "base" else value} for name, value in VARIABLES.items()],
        "item": [{"name": tag, "item": [_item(*each) for each in within]} for tag, within in folders],
    }


def _turn(each: Operation) -> int:
    """The place in the order of calling; those that are not named keep their own between the first and the last."""
    asked = each[:2]
    return FIRST.index(asked) - len(FIRST) if asked in FIRST else LAST.index(asked) + 1 if asked in LAST else 0


def _item(method: str, path: str, operation: Schema) -> Schema:
    places = PLACES | (VIEWED if path.startswith("/views") else {})
    steps = [places[step[1:-1]] if step.startswith("{") else step for step in path.strip("/").split("/")]
    query = [{"key": name, "value": value} for name, value in QUERIES.get((method, path), {}).items()]
    address = "/".join(["{{base}}", *steps]) + ("?" + "&".join(f"{each['key']}={each['value']}" for each in query) if query else "")
    headers = dict(HEADERS.get((method, path), {}))
    asked: Schema = {"method": method, "url": {"raw": address, "host": ["{{base}}"], "path": steps, **({"query": query} if query else {})}}
    by = [name for each in operation["security"] for name in each]
    if by != ["bearer"]:
        asked["auth"] = _basic() if by else {"type": "noauth"}
    for media, content in list(operation.get("requestBody", {}).get("content", {}).items())[:1]:
        headers["Content-Type"] = media
        asked["body"] = _body(media, content, places["verb"])
    asked["header"] = [{"key": name, "value": value} for name, value in headers.items()]
    lines = [f'pm.collectionVariables.set("{name}", {where});' for name, where in KEPT.get((method, path), {}).items()]
    listening = {"event": [{"listen": "test", "script": {"type": "text/javascript", "exec": lines}}]} if lines else {}
    return {"name": operation["summary"], "request": asked, "response": [], **listening}


def _body(media: str, content: Schema, verb: str) -> Schema:
    shown = {name: example["value"] for name, example in content.get("examples", {}).items()}
    value = shown.get(verb) or next(iter(shown.values()), {"token": "{{token}}"})  # the doors without an example ask about a token
    if media == FORM:
        return {"mode": "urlencoded", "urlencoded": [{"key": name, "value": each} for name, each in value.items()]}
    return {"mode": "raw", "raw": json.dumps(value, ensure_ascii=False, indent=2), "options": {"raw": {"language": "json"}}}


def _basic() -> Schema:
    pair = {"username": "{{client}}", "password": "{{secret}}"}
    return {"type": "basic", "basic": [{"key": name, "value": value, "type": "string"} for name, value in pair.items()]}

"""What can go wrong at an EHR, on demand (sync.md 5.4)."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

from adapter.ehr.fake.wire import Asked, Reply, Resource, outcome

Kind = Literal[
    "cut-before",  # the connection dies, nothing was done
    "cut-after",  # it was done, and the connection dies without an answer
    "cut-inside",  # it was done, and half the answer comes
    "answer",  # nothing was done; `status`, `headers` and `body` are the answer
    "answer-after",  # it was done, and the same is the answer
    "truncate",  # it was done; a well-framed answer whose JSON stops half-way
    "hold",  # waits for `event` (at most `seconds`, if given), then goes on
    "hold-after",  # the same between commit and answer
    "ignore-if-match",
    "ignore-if-none-exist",
    "ignore-last-updated",
    "minimal",  # return=minimal whatever Prefer says
    "no-version",  # neither ETag nor meta.versionId
    "etag-only",  # no meta.versionId
    "repeat-next",  # the next link leads to the same page, for ever
    "endless-next",  # every page has a next link that was never seen, and nothing new
    "foreign-next",  # the next link leads to another host (`location`)
    "empty-page",  # an empty page first, with a next link to the real one
]


@dataclass
class Fault:
    """Strikes requests whose "METHOD path" fits the pattern `on` (fnmatch; path below the base, without query: "POST
    Task", "GET Task/*", "GET " for later pages, "*"), leaving out the first `skip`, then `times` times (None: always)."""

    kind: Kind
    on: str = "*"
    times: int | None = 1
    skip: int = 0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Resource | None = None
    location: str = ""
    event: threading.Event = field(default_factory=threading.Event)
    seconds: float | None = None
    struck: int = 0

    def strikes(self, asked: Asked) -> bool:
        """Whether it hits this request; counts it."""
        if not fnmatchcase(f"{asked.method} {asked.path}", self.on):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        self.struck += 1
        return True

    def reply(self) -> Reply:
        """The answer of "answer" and "answer-after"."""
        body = self.body if self.body is not None else outcome("transient", "a fault on demand")
        return Reply(self.status, body, self.headers)


_BLIND = {"ignore-if-match": ("if-match", "ifMatch"), "ignore-if-none-exist": ("if-none-exist", "ifNoneExist")}


def blinded(asked: Asked, kind: Kind) -> Asked:
    """The request as a server sees it that does not know a header or parameter."""
    if kind == "endless-next":
        return replace(asked, query=tuple((name, text) for name, text in asked.query if name != "again"))
    if kind == "ignore-last-updated":
        return replace(asked, query=tuple((name, text) for name, text in asked.query if name.partition(":")[0] != "_lastUpdated"))
    if kind not in _BLIND:
        return asked
    header, key = _BLIND[kind]
    headers = {name: text for name, text in asked.headers.items() if name != header}
    body = asked.body
    if asked.method == "POST" and not asked.path:
        bundle = json.loads(body)
        for entry in bundle.get("entry", []):
            entry.get("request", {}).pop(key, None)
        body = json.dumps(bundle).encode()
    return replace(asked, headers=headers, body=body)


def spoiled(reply: Reply, kind: Kind, *, method: str, location: str, struck: int) -> Reply:
    """The answer as a server gives it that does not keep to the letter."""
    body = copy.deepcopy(reply.body)
    headers = dict(reply.headers)
    if kind == "minimal":
        answered = method != "GET" and reply.status in (200, 201) and isinstance(body, dict) and body["resourceType"] != "Bundle"
        return Reply(reply.status, None, headers) if answered else reply
    if not isinstance(body, dict) or body["resourceType"] == "OperationOutcome":
        return reply
    if kind in ("no-version", "etag-only"):
        for resource in [body, *(entry.get("resource", {}) for entry in body.get("entry", []))]:
            resource.get("meta", {}).pop("versionId", None)
        if kind == "no-version":
            headers.pop("ETag", None)
    elif kind.endswith("-next") or kind == "empty-page":
        links = {link["relation"]: link["url"] for link in body.get("link", [])}
        if kind == "empty-page":
            links["next"] = links["self"] if not links.get("next") else links["next"]
            body.pop("entry", None)
        else:
            links["next"] = {"repeat-next": links["self"], "foreign-next": location}.get(kind, f"{links['self']}&again={struck}")
        body["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    return Reply(reply.status, body, headers)

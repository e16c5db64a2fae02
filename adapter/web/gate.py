"""What every request passes first, as one plain ASGI layer: request id, body limit, headers, metrics, the last catch."""

from __future__ import annotations

import re

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapter.clock import Clock
from adapter.errors import Issue, TooLarge
from adapter.fhir import dumps, outcome
from adapter.logs import REQUEST_ID, failure, log
from adapter.web.refusals import UNFORESEEN

REQUESTS = Counter("liaison_requests_total", "Requests answered", ["route", "method", "status"])
SECONDS = Histogram("liaison_request_seconds", "Time to answer", ["route"])
LONGEST_ADDRESS, LONGEST_HEADERS = 8 * 1024, 32 * 1024  # bytes
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # a label is one of these, never the caller's text
_REQUEST_ID = re.compile(REQUEST_ID.encode())
_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"vary", b"authorization, accept, accept-language"),  # what keeps one all the same has no key in common for two callers
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Gate:
    """Refuses a body over `max_body` bytes with 413 before it is read whole, an address or headers too long with 414 and 431;
    answers HEAD as GET without the body, 500 without a word of detail."""

    def __init__(self, inner: ASGIApp, *, clock: Clock, max_body: int) -> None:
        self.inner, self.clock, self.max_body = inner, clock, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else self.clock.new_id().encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        started, status, taken, head = self.clock.monotonic(), 0, 0, scope["method"] == "HEAD"
        within = {**scope, "method": "GET"} if head else scope

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.max_body:
                raise TooLarge(f"expected at most {self.max_body} bytes; send less in one request")
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in _HEADERS if pair[0] not in present),
                    (b"x-request-id", request_id),
                ]
            await send({**message, "body": b""} if head and message["type"] == "http.response.body" else message)

        try:
            if len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"]) > LONGEST_ADDRESS:
                text = f"expected an address of at most {LONGEST_ADDRESS} bytes; search by POST to _search"
                await _refuse(noted, 414, Issue("too-long", text))
                return
            if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEADERS:
                await _refuse(noted, 431, Issue("too-long", f"expected headers of at most {LONGEST_HEADERS} bytes together"))
                return
            length = headers.get(b"content-length", b"0")
            if length.isdigit() and int(length) > self.max_body:
                await _refuse(noted, 413, Issue("too-long", f"expected at most {self.max_body} bytes; send less in one request"))
                return
            await self.inner(within, limited, noted)
        except TooLarge as error:
            await _refuse(noted, 413, error.issues[0])
        except Exception as error:  # the last catch: the class is logged, never the text (it may quote values)
            log("request-failed", **failure(error), request_id=request_id.decode())
            if not status:
                await _refuse(noted, 500, UNFORESEEN)
        finally:
            route = getattr(within.get("route"), "path", "") or "none"  # a template, never the path that came
            method = scope["method"] if scope["method"] in METHODS else "other"
            REQUESTS.labels(route, method, status).inc()
            SECONDS.labels(route).observe(self.clock.monotonic() - started)


async def _refuse(send: Send, status: int, issue: Issue) -> None:
    body = dumps(outcome([issue]))
    headers = [(b"content-type", b"application/fhir+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

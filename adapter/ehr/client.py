"""`EhrClient` over HTTP: one FHIR R4 endpoint (ports.py; sync.md 5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from adapter.clock import Clock
from adapter.ehr.answers import Act, failure, is_id, remote_of, resource_of
from adapter.ehr.auth import Auth
from adapter.ehr.capability import read_statement
from adapter.ehr.pages import here, matches, next_link
from adapter.errors import EhrError, EhrRejected, EhrUnavailable, EhrUnknown
from adapter.net import Answer, GuardedSession
from adapter.ports import Capability, Remote, Resource

MOST_PAGES = 10_000
MOST_EMPTY = 20  # pages without a resource in a row
PERSONS = frozenset({"Patient", "RelatedPerson", "Person"})
_JSON = "application/fhir+json"
_FRESH = {"Cache-Control": "no-cache"}  # never no-store: HAPI then leaves out the next link
_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._:]{1,64}", re.ASCII)
_REQUEST: ContextVar[str] = ContextVar("request_id", default="")


@contextmanager
def tracing(request_id: str) -> Iterator[None]:
    """Inside, every call to an EHR made by this thread carries this X-Request-Id (security.md U-16)."""
    token = _REQUEST.set(request_id)
    try:
        yield
    finally:
        _REQUEST.reset(token)


def identifying(type: str, params: Sequence[tuple[str, str]]) -> bool:
    """Whether a search says something about a person: then it goes in a body, not in a URL that servers log."""
    names = [name for name, _ in params if not name.startswith("_")]
    return any("." in name or ":identifier" in name for name in names) or (type in PERSONS and bool(names))


class HttpEhrClient:
    """One EHR endpoint. `session` must allow `base_url` and nothing that is not this EHR's. Blocking; one may be used
    by several threads. Every method raises EhrError and its kinds as `answers.py` tells, and nothing else but
    SettingsError when a secret is not there."""

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        session: GuardedSession,
        auth: Auth,
        clock: Clock,
        page_size: int = 100,
        most_pages: int = MOST_PAGES,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self._session, self._auth, self._clock = session, auth, clock
        self._page_size, self._most_pages = page_size, most_pages

    def close(self) -> None:
        self._session.close()

    def trusted(self) -> None:
        """Gets the credentials that its calls carry, and sends nothing with them. Raises EhrError: no token is granted."""
        self._auth.headers()

    def capability(self) -> Capability:
        """What /metadata says. Raises EhrRejected when it is not FHIR 4.0."""
        act = Act("read", "CapabilityStatement")
        statement = resource_of(self._answered(act, "GET", f"{self.base_url}/metadata"), act)
        return read_statement(statement or {})

    def read(self, type: str, id: str) -> Remote | None:
        act = Act("read", type)
        answer = self._sent(act, "GET", self._place(act, id), headers=_FRESH)
        if answer.status in (404, 410):
            if "html" in answer.headers.get("Content-Type", ""):  # a proxy's page is no news of a deletion
                raise EhrUnavailable(f"{act}: a web page of status {answer.status} in place of the EHR's answer", status_code=answer.status)
            return None
        return remote_of(resource_of(self._good(answer, act), act, id=id), act, headers=answer.headers)

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterator[list[Remote]]:
        act = Act("search", type)
        asked = list(params) if "_count" in dict(params) else [*params, ("_count", str(self._page_size))]
        headers = {**_FRESH, "Prefer": "handling=strict"}
        if identifying(type, asked):
            form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
            answer = self._answered(act, "POST", f"{self.base_url}/{type}/_search", headers=form, body=urlencode(asked).encode())
        else:
            answer = self._answered(act, "GET", f"{self.base_url}/{type}?{urlencode(asked)}", headers=headers)
        return self._pages(act, answer)

    def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Remote:
        act = Act("create", str(resource.get("resourceType")))
        headers = {"If-None-Exist": "identifier=" + quote("|".join(map(_escaped, if_none_exist)), safe=":/|")} if if_none_exist else {}
        answer = self._written(act, "POST", f"{self.base_url}/{act.type}", resource, headers)
        found = resource_of(answer, act)
        if found is None:
            return self._read_back(act, self._located(act, answer))
        if answer.status == 200 and if_none_exist and if_none_exist not in _identifiers(found):
            raise act.unfit("expected the resource with that identifier, but found another", answer.status)
        return remote_of(found, act, headers=answer.headers)

    def update(self, resource: Resource, *, if_match: str) -> Remote:
        act, id = Act("update", str(resource.get("resourceType"))), str(resource.get("id", ""))
        return self._changed(act, id, self._written(act, "PUT", self._place(act, id), resource, _match(if_match)))

    def patch(self, type: str, id: str, operations: list[dict[str, Any]], *, if_match: str) -> Remote:
        act = Act("patch", type)
        headers = {**_match(if_match), "Content-Type": "application/json-patch+json"}
        return self._changed(act, id, self._written(act, "PATCH", self._place(act, id), operations, headers))

    def transaction(self, bundle: Resource) -> Resource:
        """The response Bundle of a transaction or batch, as many entries as were sent."""
        act = Act("transaction", "Bundle")
        answer = self._written(act, "POST", self.base_url, bundle, {})
        found = resource_of(answer, act)
        entries = found.get("entry", []) if found else None
        right = found is not None and found.get("type") == f"{bundle.get('type')}-response" and isinstance(entries, list)
        if found is None or not right or entries is None or len(entries) != len(bundle.get("entry", [])):
            raise act.unfit("expected a response to every entry", answer.status)
        return found

    # ── pages ────────────────────────────────────────────────────────────────────────────────────
    def _pages(self, act: Act, answer: Answer) -> Iterator[list[Remote]]:
        """Follows `next` on this EHR only. A link seen before ends the chain: all it leads to was read (Y-16). What says that
        it found something and gives nothing was not read (consent.md C-E7)."""
        seen: set[str] = set()
        empty, said, given = 0, 0, 0
        while True:
            bundle = resource_of(answer, Act("search", "Bundle")) or {}
            page = matches(bundle, act)
            empty, given = 0 if page else empty + 1, given + len(page)
            said = max(said, total) if isinstance(total := bundle.get("total"), int) else said
            if page:
                yield page
            link = next_link(bundle, act, base_url=self.base_url)
            if link is None or link in seen:
                if said and not given:
                    raise act.unfit("expected the resources that its total counts, but found none", answer.status)
                return
            seen.add(link)
            if len(seen) >= self._most_pages or empty >= MOST_EMPTY:
                raise EhrRejected(f"{act}: the pages do not end")
            answer = self._sent(act, "GET", link, headers=_FRESH)
            if answer.status in (404, 410):
                raise EhrUnavailable(f"{act}: the pages expired, search again", status_code=answer.status)
            self._good(answer, act)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────
    def _written(self, act: Act, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Answer:
        sent = {"Content-Type": _JSON, "Prefer": "return=representation", **headers}
        return self._answered(act, method, url, headers=sent, body=orjson.dumps(body))

    def _changed(self, act: Act, id: str, answer: Answer) -> Remote:
        found = resource_of(answer, act, id=id)
        return self._read_back(act, id) if found is None else remote_of(found, act, headers=answer.headers)

    def _located(self, act: Act, answer: Answer) -> str:
        """The id in the Location of a create that was answered without the resource."""
        place = here(answer.headers.get("Location", ""), act, base_url=self.base_url).partition("/_history")[0]
        id = place.rpartition(f"/{act.type}/")[2]
        if not is_id(id):
            raise act.unfit("expected the new resource, or its Location", answer.status)
        return id

    def _read_back(self, act: Act, id: str) -> Remote:
        try:
            remote = self.read(act.type, id)
        except EhrError as error:
            raise EhrUnknown(f"{act}: done, but not read back: {error}", status_code=error.status_code) from None
        if remote is None:
            raise EhrUnknown(f"{act}: said to be done, but not there")
        return remote

    # ── sending ──────────────────────────────────────────────────────────────────────────────────
    def _place(self, act: Act, id: str) -> str:
        if not is_id(id):
            raise EhrRejected(f"{act}: expected an id")
        return f"{self.base_url}/{act.type}/{id}"

    def _answered(self, act: Act, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        return self._good(self._sent(act, method, url, headers=headers, body=body), act)

    def _good(self, answer: Answer, act: Act) -> Answer:
        if error := failure(answer, act, self._clock.now()):
            raise error
        return answer

    def _sent(self, act: Act, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        """The answer; after a 401, which did nothing, the same once more with fresh credentials (A-21)."""
        asked = _REQUEST.get()
        request_id = asked if _REQUEST_ID.fullmatch(asked) else self._clock.new_id()
        shown: Mapping[str, str] = {}
        for last in (False, True):
            shown = self._auth.headers()
            sent = {"Accept": _JSON, "X-Request-Id": request_id, **(headers or {}), **shown}
            answer = self._session.send(method, url, headers=sent, body=body, safe=act.safe)
            if answer.status != 401 or last or not self._auth.renew(shown):
                break
        return answer


def _match(version: str) -> dict[str, str]:
    """Nothing for an EHR that gives no versions: it could not compare."""
    return {"If-Match": f'W/"{version}"'} if version else {}


def _escaped(text: str) -> str:
    return re.sub(r"([\\,|$])", r"\\\1", text)


def _identifiers(resource: Resource) -> list[tuple[object, object]]:
    found = resource.get("identifier")
    many = found if isinstance(found, list) else [found]
    return [(one.get("system"), one.get("value")) for one in many if isinstance(one, dict)]

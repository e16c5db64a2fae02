"""Everything one recipient's software can ask of the doors, and the bytes that come back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from adapter import web
from adapter.web.auth import Issued, digest
from tests import looping
from tests.e2e.stage import FRIDAY
from tests.worlds.hidden import BESIDE, OUTSIDE
from tests.worlds.world import BESIDE as TWIN
from tests.worlds.world import CLIENTS, NEEDS, VIEWS, YES, World

TYPES = (
    "Task", "ServiceRequest", "Patient", "Consent", "Procedure", "Communication", "Organization", "HealthcareService", "Practitioner",
    "PractitionerRole", "Provenance", "AuditEvent", "RelatedPerson", "Appointment", "Condition",
)  # fmt: skip
SEARCHES = (
    "?status=requested", "?status:not=completed", "?_id=absent", "?_count=1", "?_sort=-_lastUpdated", "?_lastUpdated=gt2020-01-01",
    "?reason-code=denutrition", "?_include=Task:focus", "?_revinclude=Task:focus", "?_has:Task:focus:status=requested",
    "?_include=Task:patient&_include=Task:owner&_include=Task:output", "?_revinclude=Provenance:target", "?_revinclude=ServiceRequest:patient",
    "?_include=ServiceRequest:supporting-info&_include=ServiceRequest:requester&_revinclude=Procedure:based-on", "?_count=0",
    "?patient.family=Zyxdurand", "?_elements=note", "?_summary=count", "?_total=accurate", "?_filter=status eq requested",
)  # fmt: skip
TAILS = ("absent/_history/1", "_history", "absent", "absent/_history")
# The trail's ids, and the places in it, are new in every store and tell nothing: declared (DECISIONS). What they are of has to be alike.
EVENT, PLACE = re.compile(rb"\b[0-9a-f]{48}\b"), re.compile(rb"(/AuditEvent\?[^\"=]+=)[^\"]+")
NONCES = frozenset({"date", "x-request-id"})
NOWHERE = "11111111-1111-4111-8111-111111111111"
SHOWN = {"coursier-rouen": ["aide-alimentaire", "isolement"], "saad-portage": ["aide-alimentaire"], "permanence-saint-eloi": ["acces-droits", "budget"]}
HEARING = {"coursier-rouen": "coursier-lea", "permanence-saint-eloi": "as-ines"}
Answer = tuple[str, int, tuple[tuple[str, str], ...], bytes]


class Observer:
    """The software of one unit; `twin`: another of the same unit's. `answers` is what it saw, in order; requests after the first ones follow from what
    earlier answers said, as those of a curious client would."""

    def __init__(self, world: World, unit: str, *, twin: bool = False) -> None:
        self.world, self.asgi, self.unit, self.view = world, web.create(world.app), unit, VIEWS[unit]
        self.answers: list[Answer] = []
        world.act("observer", 60 * 24)
        expires = FRIDAY + timedelta(days=9)
        client = world.app.network.client(CLIENTS[unit] + (TWIN if twin else ""))
        assert client is not None
        issued = Issued.now(world.app, client, client.scopes, expires)
        self.token = f"a-token-of-{client.id}"
        world.app.write_now(lambda _, uow: uow.save_token(digest(self.token), issued.written(), expires))

    def look(self, guesses: Iterable[str], *, thorough: bool = True) -> list[Answer]:
        """`guesses`: references of the house that it should not know, tried as ids."""
        looping.run(self._all(list(guesses), *((TYPES, SEARCHES, TAILS) if thorough else (TYPES[:4], SEARCHES[:3], TAILS[:2]))))
        return _renamed(self.answers)

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        """One request; `more`: language, match (an ETag), body (JSON)."""
        return looping.run(self._ask(method, path, **more))

    def unlike_absent(self, references: Iterable[str]) -> list[tuple[Answer, Answer]]:
        """What is answered otherwise about these references than about one that is nowhere; a link says again what was asked."""
        return [pair for pair in looping.run(self._strange(list(references))) if pair[0][1:] != pair[1][1:]]

    async def _strange(self, references: list[str]) -> list[tuple[Answer, Answer]]:
        pairs = [(path, other) for each in references for path, other in zip(self._guessed(each), self._guessed(f"{each.partition('/')[0]}/{NOWHERE}"), strict=True)]
        asked = {path: await self._ask("GET", path) for path in dict.fromkeys(path for pair in pairs for path in pair)}
        ids = [each.partition("/")[2].encode() for each in references for _ in self._guessed(each)]
        return [((*asked[path][:3], asked[path][3].replace(id, NOWHERE.encode())), asked[other]) for id, (path, other) in zip(ids, pairs, strict=True)]

    def _guessed(self, reference: str) -> tuple[str, ...]:
        type, _, id = reference.partition("/")
        return f"/fhir/{type}/{id}", f"/fhir/{type}/{id}/_history", f"/fhir/{type}?_id={id}", f"/views/{self.view}/referrals/{id}"

    async def _all(self, guesses: list[str], types: Sequence[str], searches: Sequence[str], tails: Sequence[str]) -> None:
        base = f"/views/{self.view}/referrals"
        cards = json.loads((await self._ask("GET", base))[3]).get("referrals", [])
        await self._ask("GET", base, language="en")
        for listed in ("notices", "owed"):
            await self._ask("GET", f"/views/{self.view}/{listed}")
        for view in ("prescripteur", "dossier-clinique", *VIEWS.values(), "absent"):
            await self._ask("GET", f"/views/{view}/referrals/absent")
            if view != self.view:
                await self._ask("GET", f"/views/{view}/referrals")
        for type in types:
            bundle = json.loads((await self._ask("GET", f"/fhir/{type}"))[3])
            for entry in bundle.get("entry", ())[: 3 if type == "AuditEvent" else None]:
                await self._ask("GET", f"/fhir/{type}/{entry['resource'].get('id', '')}")
            for search in searches:
                await self._ask("GET", f"/fhir/{type}{quote(search, safe='?=&:')}")
            for tail in tails:
                await self._ask("GET", f"/fhir/{type}/{tail}")
            for entry in bundle.get("entry", ())[:1] if type == "Task" else ():
                await self._moved(entry["resource"], guesses)
        for guess in guesses:
            for path in self._guessed(guess):
                await self._ask("GET", path)
        for card in cards:
            await self._card(base, card)
        await self._ask("GET", base)

    async def _moved(self, task: dict[str, Any], guesses: Sequence[str]) -> None:
        """Its own Task written otherwise than it may be, and as it was read; those of others, as if they were its own."""
        tag = task.get("meta", {}).get("versionId", "")
        for changed in ({"status": "failed"}, {"priority": "stat"}, {"status": "completed"}, {"note": [{"text": "x"}]}, {}):
            await self._ask("PUT", f"/fhir/Task/{task['id']}", match=tag, body=task | changed)
        await self._ask("PUT", f"/fhir/Task/{task['id']}", body=task | {"status": "accepted"})
        for id in (NOWHERE, *(each.partition("/")[2] for each in guesses if each.startswith("Task/"))):
            await self._ask("PUT", f"/fhir/Task/{id}", match=tag, body=task | {"id": id, "status": "accepted"})

    async def _card(self, base: str, card: dict[str, Any]) -> None:
        path = f"{base}/{card['id']}"
        for tail in ("", "?demand=D3,D9"):
            await self._ask("GET", f"{path}{tail}")
        for verb in ("accept", "absent", "refer"):
            await self._ask("POST", f"{path}/{verb}")
            await self._ask("POST", f"{path}/{verb}", match="old")
        await self._ask("POST", f"{path}/decline", match=card["etag"], body={"reason": "no such code"})
        await self._tried(path, self._bodies()[:3])
        await self._ask("POST", f"{path}/accept", match=card["etag"])
        await self._tried(path, self._bodies())

    async def _tried(self, path: str, bodies: Sequence[tuple[str, Any]]) -> None:
        """Each act with the ETag of the card as it then is, which only an act that happened changes."""
        status = 0
        for verb, body in bodies:
            if status < 400:
                etag = dict((await self._ask("GET", path))[2]).get("etag", "none").removeprefix("W/").strip('"')
            self.world.act(f"observer-{len(self.answers)}", 60 * 24)  # what an act before took of ids moves none of this one
            _, status, _, _ = await self._ask("POST", f"{path}/{verb}", match=etag, body=body)

    def _bodies(self) -> list[tuple[str, Any]]:
        """Needs that may be hidden, that are nowhere, that are its own; the acts that end it come last."""
        shown = SHOWN[self.unit]
        return [
            ("narrow", {"needs": [shown[-1], OUTSIDE]}),
            ("complete", {"needs": {OUTSIDE: "droits-ouverts"}}),
            ("oppose", {"against": "everyone"}),
            ("complete", {"needs": {BESIDE[self.unit]: "no such code", OUTSIDE: "no such code", "nowhere": "no such code", NEEDS[self.unit][0]: "no such code"}}),
            ("complete", {"needs": {BESIDE[self.unit]: "droits-ouverts", shown[0]: "droits-ouverts"}}),
            ("message", {"text": "nous passons demain"}),
            ("refer", {"id": "more", "service": "portage-repas", "besoins": ["denutrition"], "destinataire": "saad-portage", "accord_patient": YES | {"par": HEARING.get(self.unit)}}),
            ("narrow", {"needs": [OUTSIDE]}),
            ("narrow", {"needs": [BESIDE[self.unit], "nowhere"]}),
            ("narrow", {"needs": shown[-1:]}),
            ("narrow", {"needs": shown}),
            ("complete", {"needs": dict.fromkeys(shown[-1:], "droits-ouverts")}),
            ("oppose", {}),
        ]

    async def _ask(self, method: str, path: str, *, language: str = "fr", match: str = "", body: Any = None) -> Answer:
        target, _, query = path.partition("?")
        headers = {"authorization": f"Bearer {self.token}", "accept-language": language, "x-request-id": "0" * 32}
        headers |= {"if-match": f'W/"{match}"'} if match else {}
        headers |= {"content-type": "application/fhir+json"} if body is not None and target.startswith("/fhir") else {}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": target,
            "raw_path": target.encode(), "query_string": query.encode(), "root_path": "", "server": ("liaison.example", 80), "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        sent = json.dumps(body).encode() if body is not None else b""
        status, given, content = 0, [], b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, given, content
            if message["type"] == "http.response.start":
                status, given = message["status"], message["headers"]
            else:
                content += message.get("body", b"")

        await self.asgi(scope, receive, send)
        kept = sorted((name.decode().lower(), value.decode()) for name, value in given)
        answer = (f"{method} {path}", status, tuple(pair for pair in kept if pair[0] not in NONCES), content)
        self.answers.append(answer)
        return answer


def _renamed(answers: list[Answer]) -> list[Answer]:
    """The same with the ids of events numbered as they come."""
    numbers: dict[bytes, bytes] = {}

    def named(text: bytes) -> bytes:
        return EVENT.sub(lambda found: numbers.setdefault(found[0], b"event-%d" % len(numbers)), text)

    return [
        (named(said.encode()).decode(), status, headers, PLACE.sub(rb"\1", named(body))) if "AuditEvent" in said else (said, status, headers, body)
        for said, status, headers, body in answers
    ]

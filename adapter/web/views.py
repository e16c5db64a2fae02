"""`/views`: what a social service or a prescriber sees and may do, as cards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from adapter import fhir
from adapter.app import App
from adapter.flows import Flows
from adapter.lifecycle import CLOSING
from adapter.look import Revealed
from adapter.ports import Principal, Uow
from adapter.web.admitting import admitted, aside
from adapter.web.auth import bearer, principal, refusing
from adapter.web.intake import answer, written
from adapter.web.untold import absent, unseen

router = APIRouter(prefix="/views", tags=["views"])
SCOPE = "views"
T = TypeVar("T")


def _lang(request: Request) -> str:
    return "en" if request.headers.get("accept-language", "").lower().startswith("en") else "fr"


def _card(found: Revealed | None) -> Response:
    if found is None:
        raise absent()
    return answer({"id": found.id, **found.card}, headers={"ETag": f'W/"{found.etag}"'})


def card_tag(request: Request) -> str | None:
    """The card's ETag that an act is on (If-Match); None where none was sent."""
    tag = request.headers.get("if-match")
    return tag.removeprefix("W/").strip('"') if tag else None


async def of_view(request: Request, view: str, verb: str, of: Callable[[Flows, Uow, Principal], list[T] | None]) -> list[T]:
    """What a view lists to the caller. Raises NotFound where `of` gives None, since the view is not the caller's, which leaves an event."""
    app: App = request.app.state.liaison
    token, request_id = bearer(request), request.state.request_id

    def asked(story: Flows, uow: Uow) -> list[T] | None:
        who = principal(story, uow, token, scope=SCOPE, request_id=request_id)
        found = of(story, uow, who)
        if found is None:
            unseen(uow, who, verb, reason="view-not-assigned", view=view if view in app.views else "", request_id=request_id)
        return found

    found = await app.write(asked)
    if found is None:
        raise absent()
    return found


@router.get("/{view}/referrals", summary="The referrals of the caller's unit, a line each, newest first")
async def worklist(view: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    token, lang, request_id = bearer(request), _lang(request), request.state.request_id

    def cards(story: Flows, uow: Uow) -> list[Revealed] | None:
        return story.worklist(uow, principal(story, uow, token, scope=SCOPE, request_id=request_id), view, lang=lang, request_id=request_id)

    found = await app.write(cards)
    if found is None:
        raise absent()
    return answer({"referrals": [{"id": each.id, "etag": each.etag, **each.card} for each in found]})


@router.get("/{view}/notices", summary="Closing notices of the caller's unit")
async def notices(view: str, request: Request) -> Response:
    lang, request_id = _lang(request), request.state.request_id
    found = await of_view(request, view, "notices", lambda story, uow, who: story.notices(uow, who, view, lang=lang, request_id=request_id))
    return answer({"notices": found})


@router.post("/{view}/notices/{reference}/acknowledge", status_code=204, summary="Say that a closing notice was read")
async def acknowledge(view: str, reference: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    token, request_id = bearer(request), request.state.request_id

    def read(story: Flows, uow: Uow) -> bool:
        who = principal(story, uow, token, scope=SCOPE, request_id=request_id)
        done = story.agreements.acknowledge(uow, who, view, reference, request_id=request_id)
        if not done:
            unseen(uow, who, "acknowledge", reason="absent", view=view if view in app.views else "", request_id=request_id)
        return done

    if not await app.write(read):
        raise absent()
    return Response(status_code=204)


@router.get("/{view}/owed", summary="What referrals still want: written information owed for 8 days, an answer, a first contact in time")
async def owed(view: str, request: Request) -> Response:
    request_id = request.state.request_id
    found = await of_view(request, view, "owed", lambda story, uow, who: story.lists.owed(uow, who, view, request_id=request_id))
    return answer({"owed": found})


@router.get("/{view}/referrals/{id}", summary="One referral, as a card (demand=D9: with what the view shows on demand only)")
async def referral(view: str, id: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    token, lang, request_id = bearer(request), _lang(request), request.state.request_id
    demanded = frozenset(each for said in request.query_params.getlist("demand") for each in said.split(",") if each)

    def card(story: Flows, uow: Uow) -> Revealed | None:
        who = principal(story, uow, token, scope=SCOPE, request_id=request_id)
        with refusing(who, "Task", verb="read", request_id=request_id):
            return story.reveal(uow, who, view, id, lang=lang, request_id=request_id, demanded=demanded)

    return _card(await app.write(card))


@router.post("/{view}/referrals/{id}/{verb}", summary="Act on a referral; If-Match with the card's ETag is needed")
async def act(view: str, id: str, verb: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    lang, request_id = _lang(request), request.state.request_id
    async with admitted(request) as token:
        body = await written(request)
        arguments = await aside(len(body), fhir.load, body) if body else {}
    if_match = card_tag(request)

    def advance(story: Flows, uow: Uow) -> Revealed | None:
        who = principal(story, uow, token, scope=SCOPE, request_id=request_id)
        known = view if view in app.views else ""
        with refusing(who, "Task", verb=verb if known and verb in app.views[view].writes else "unknown", view=known, request_id=request_id):
            return story.advance(uow, who, view, id, verb, arguments, if_match=if_match, lang=lang, request_id=request_id)

    found = await app.write(advance)
    if found is not None and verb in CLOSING:
        return Response(status_code=204)
    return _card(found)

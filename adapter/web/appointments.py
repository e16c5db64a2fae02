"""Where a unit's appointment tool tells of appointments, and where the unit says what those are about that found no referral."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from adapter import fhir, takes
from adapter.app import App
from adapter.appointments import tool_of
from adapter.audit import events
from adapter.errors import TooLarge, Unauthorized
from adapter.flows import Flows
from adapter.logs import log
from adapter.ports import Principal, Uow
from adapter.web.admitting import admitted
from adapter.web.auth import principal, refusing
from adapter.web.intake import answer, written
from adapter.web.untold import absent
from adapter.web.views import SCOPE, card_tag, of_view

router = APIRouter(tags=["appointments"])
SIGNATURE = "x-lapin-signature"
LONGEST = 512 << 10  # bytes of one webhook: a workshop of a hundred persons has a third of it
TOLD = 10  # forged calls a minute that leave an event


@router.post("/hooks/rdv/{unit}", status_code=204, summary="For RDV Service Public: something happened to an appointment of this unit")
async def told(unit: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    if len(body := await written(request)) > LONGEST:
        raise TooLarge(f"expected at most {LONGEST} bytes")
    request_id = request.state.request_id
    entry = await app.read(lambda story, _: story.network.unit(unit))
    genuine = app.signed(entry, request.headers.get(SIGNATURE, ""), body)

    def called(story: Flows, uow: Uow) -> None:
        app.calls.spend(f"rdv/{unit}" if entry else "rdv/", uow.at)
        if not genuine or entry is None:
            raise forged(request_id)
        who = tool_of(story.network, entry)
        with refusing(who, "Appointment", verb="create", request_id=request_id):
            story.appointments.told(uow, entry, fhir.load(body), request_id=request_id)

    await app.write(called)
    log("appointment-received", request_id=request_id)
    return Response(status_code=204)


def forged(request_id: str) -> Unauthorized:
    """Alike for an address that nobody has, another secret, another body; the first of a minute are events."""
    refusal = Unauthorized("expected X-Lapin-Signature: the hex HMAC-SHA256 of the body under the secret of this address")

    def counted(uow: Uow) -> None:
        if uow.tally("rdv-told", int(uow.at.timestamp()) // 60, 1, most=TOLD):
            nobody = Principal("unknown", "unknown", role="device")
            uow.audit(events.denied(nobody, "Appointment", reason="forged", verb="notification", at=uow.at, request_id=request_id))

    refusal.kept = counted
    return refusal


@router.get("/views/{view}/appointments", summary="Appointments of the unit's tool that no referral was found for")
async def listed(view: str, request: Request) -> Response:
    request_id = request.state.request_id
    found = await of_view(request, view, "appointments", lambda story, uow, who: story.appointments.parked(uow, who, view, request_id=request_id))
    return answer({"appointments": [each.shown() for each in found]})


@router.post("/views/{view}/appointments", status_code=204, summary="Say which referral such an appointment is about; If-Match with its card's ETag")
async def assigned(view: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    async with admitted(request) as token:
        said = fhir.load(await written(request))
        takes.check("assign", said)
    if_match, request_id = card_tag(request), request.state.request_id

    def assign(story: Flows, uow: Uow) -> bool:
        who = principal(story, uow, token, scope=SCOPE, request_id=request_id)
        known = view if view in app.views else ""
        with refusing(who, "Task", verb="assign", view=known, request_id=request_id):
            return story.appointments.assign(uow, who, view, said, if_match=if_match, request_id=request_id)

    if not await app.write(assign):
        raise absent()
    return Response(status_code=204)

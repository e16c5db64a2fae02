"""Refusals that nobody has told the audit of: a body that is no JSON, a type that is not offered, a form that is none. They are met
before the story is asked, and are events like every other refusal to a client that we know (security.md U-01)."""

from __future__ import annotations

from starlette.requests import Request

from adapter.app import App
from adapter.audit import events
from adapter.errors import MappingError, NotFound, Refused, TooMany, Unauthorized
from adapter.flows import Flows
from adapter.ports import Principal, Uow
from adapter.web.auth import bearer, principal

DOORS = ("fhir", "intake", "views")


def absent() -> NotFound:
    """The 404 of what is not there for the caller, where the unit itself has told the audit why."""
    found = NotFound("not found")
    found.told = True
    return found


def unseen(uow: Uow, who: Principal, verb: str, *, reason: str, view: str = "", request_id: str = "") -> None:
    """Records that a caller asked for closing notices, or what is owed, that are not its own or not there. `view`: one of ours."""
    uow.audit(events.denied(who, "Communication", reason=reason, verb=verb, view=view, at=uow.at, request_id=request_id))


async def tell(request: Request, name: str, refusal: Refused | MappingError | int) -> None:
    """Records a refusal (or the status of one) that is no event yet, under the name of the door; nothing of a caller that we do
    not know. Raises Unavailable: then that is the answer."""
    door = request.url.path.partition("/")[2].partition("/")[0]
    if door not in DOORS or isinstance(refusal, Unauthorized) or getattr(refusal, "told", False):
        return
    reason = f"status-{refusal}" if isinstance(refusal, int) else refusal.kind if isinstance(refusal, Refused) else type(refusal).__name__.lower()
    app: App = request.app.state.liaison

    def denied(story: Flows, uow: Uow) -> None:
        who = principal(story, uow, bearer(request), request_id=request.state.request_id)
        uow.audit(events.denied(who, door, reason=reason, verb=name, at=uow.at, request_id=request.state.request_id))

    try:
        await app.write(denied)
    except (Unauthorized, TooMany):
        return

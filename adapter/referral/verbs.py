"""The acts on a referral. Each takes the referral as it is and answers the resources that change or are new, as new
dicts; nothing is stored or sent here. Raises Invalid (business-rule) naming the legal moves.

Who may act is the caller's to know: `accept`, `decline`, `start`, `hold`, `fail`, `complete`, `progress`, `ask` and
`message` are the target's, `agree`, `sent`, `answer` and `withdraw` the requester's, `cancel` either's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from adapter.errors import Invalid
from adapter.ports import Resource
from adapter.referral import codes, spoken
from adapter.referral.agreement import agreements, may_leave
from adapter.referral.scene import SOCIAL_ASSESSMENT, Referral, Scene, activity_output, communication, procedure, reference
from adapter.referral.states import TERMINAL, Actor, check_move

__all__ = [
    "Referral", "Scene", "VOID", "accept", "agree", "agreements", "answer", "ask", "cancel", "closing_notice", "complete", "decline", "fail",
    "follow", "hold", "may_leave", "message", "progress", "remind", "sent", "start", "withdraw",
]  # fmt: skip

VOID = frozenset({"revoked", "entered-in-error"})  # a request that nobody asks any more


def _check(referral: Referral, status: str, actor: Actor) -> None:
    """An act is a move: done twice it is refused, where a write that changes nothing is a no-op."""
    if referral.task["status"] == status:
        raise Invalid(f"the Task is {status} already", expression="Task.status")
    check_move(referral.task["status"], status, actor)


def _moved(referral: Referral, scene: Scene, status: str, actor: Actor, *, reason: str = "", elements: Resource | None = None) -> Resource:
    """The Task in its new status: reason and business status are those of this move, or none."""
    _check(referral, status, actor)
    kept = {name: value for name, value in referral.task.items() if name not in ("statusReason", "businessStatus")}
    moved = kept | {"status": status, "lastModified": scene.later(kept.get("authoredOn", ""))} | (elements or {})
    return moved | {"statusReason": scene.reason(reason)} if reason else moved


def _noted(referral: Referral, scene: Scene, business: str) -> Resource:
    """The Task in the same status, with another business status ("": none). Raises Invalid unless it is open."""
    task = referral.task
    if task["status"] == "draft" or task["status"] in TERMINAL:
        raise Invalid(f"expected a referral that is open, but this one is {task['status']}", expression="Task.status")
    kept = {name: value for name, value in task.items() if name != "businessStatus"}
    noted = kept | {"lastModified": scene.later(task.get("authoredOn", ""))}
    return noted | {"businessStatus": scene.coded("business-status", business)} if business else noted


def agree(referral: Referral, scene: Scene, who: Literal["doctor", "patient"], *, due: datetime | None = None) -> list[Resource]:
    """One agreement more: the request (doctor) or the Consents (patient) become active; when both stand the Task is
    sent. Nothing changes when it had been given before. Raises Invalid when there is no Consent left to agree to."""
    draft = referral.task["status"] == "draft"
    if all(agreements(referral.request, referral.consents)):
        return sent(referral, scene, due=due) if draft else []
    if draft or referral.task["status"] in TERMINAL:  # one sent in urgency is agreed to while it runs
        check_move(referral.task["status"], "requested", "requester")
    if who == "doctor":
        request, consents = referral.request | {"status": "active"}, referral.consents
        changed = [request] if referral.request["status"] != "active" else []
    else:
        if not referral.consents or any(consent["status"] not in ("draft", "proposed", "active") for consent in referral.consents):
            text = "the patient's agreement needs a Consent that was not ended: make a new one"
            raise Invalid(text, expression="ServiceRequest.supportingInfo")
        request, consents = referral.request, tuple(consent | {"status": "active"} for consent in referral.consents)
        changed = [now for now, before in zip(consents, referral.consents, strict=True) if now["status"] != before["status"]]
    after = Referral(referral.task, request, consents)
    return changed + (sent(after, scene, due=due) if draft and all(agreements(request, consents)) else [])


def sent(referral: Referral, scene: Scene, *, due: datetime | None = None, urgent: bool = False) -> list[Resource]:
    """draft → requested, unread; `due` (aware, in the unit's zone) becomes the deadline. Both agreements must stand;
    `urgent`: an act of urgency stands for the patient's (workflow.md 4)."""
    doctor, patient = agreements(referral.request, referral.consents)
    if not doctor or not (patient or urgent):
        raise Invalid("a referral needs the doctor's and the patient's agreement before it is sent", expression="Task.status")
    elements: Resource = {"businessStatus": scene.coded("business-status", codes.UNREAD)}
    if due:
        before = referral.task.get("restriction", {})
        elements["restriction"] = before | {"period": before.get("period", {}) | {"end": due.isoformat(timespec="seconds")}}
    return [_moved(referral, scene, "requested", "requester", elements=elements)]


def accept(referral: Referral, scene: Scene) -> list[Resource]:
    return [_moved(referral, scene, "accepted", "target")]


def decline(referral: Referral, scene: Scene, reason: str) -> list[Resource]:
    """requested → rejected with a code of `status-reason`; the request is revoked, the Consent ends."""
    return _ended(referral, _moved(referral, scene, "rejected", "target", reason=reason))


def start(referral: Referral, scene: Scene) -> list[Resource]:
    """The first contact was made, or work goes on after a halt."""
    return [_moved(referral, scene, "in-progress", "target")]


def hold(referral: Referral, scene: Scene, reason: str) -> list[Resource]:
    return [_moved(referral, scene, "on-hold", "target", reason=reason)]


def progress(referral: Referral, scene: Scene, code: str) -> list[Resource]:
    """A contact tried, an appointment fixed, a no-show: the status stays, the business status says it. After the third
    no-show the target may `cancel` with `beneficiaire-absent`; that is his decision. "": nothing of this is true any more."""
    if code and code not in codes.PROGRESS:
        raise Invalid(f"expected one of {', '.join(codes.PROGRESS)}", expression="Task.businessStatus")
    return [_noted(referral, scene, code)]


def fail(referral: Referral, scene: Scene, reason: str) -> list[Resource]:
    """Tried, and impossible."""
    return _ended(referral, _moved(referral, scene, "failed", "target", reason=reason))


def complete(
    referral: Referral,
    scene: Scene,
    outcomes: Mapping[str, str],
    *,
    results: Mapping[str, str] | None = None,
    snomed: Callable[[str], str] = lambda outcome: SOCIAL_ASSESSMENT,
    performed: datetime | None = None,
) -> list[Resource]:
    """The end of the work. `outcomes` gives needs of the request (or "", the whole of it) a code of `outcome`, `results`
    says how far each need was met (`need-result`), `snomed` is the procedure that goes with an outcome. One new Procedure
    for each pair of outcome and result, pointed to by Task.output; the request is completed, the Consents end."""
    results = results or {}
    if not outcomes or not {*outcomes, *results} <= {"", *_needs(referral.request, scene)}:
        raise Invalid("expected an outcome for at least one need of the request, and for no other", expression="ServiceRequest.reasonCode")
    _check(referral, "completed", "target")
    grouped: dict[tuple[str, str], list[str]] = {}
    for need, outcome in outcomes.items():
        grouped.setdefault((outcome, results.get(need, "")), []).append(need)
    done = [
        procedure(
            referral, scene, outcome=outcome, snomed=snomed(outcome), result=result, performed=performed or scene.at,
            needs=[need for need in needs if need],
        )
        for (outcome, result), needs in grouped.items()
    ]  # fmt: skip
    outputs = [*referral.task.get("output", ()), *(activity_output(one) for one in done)]
    return [*done, *_ended(referral, _moved(referral, scene, "completed", "target", elements={"output": outputs}))]


def _needs(request: Resource, scene: Scene) -> list[str]:
    """The need codes of a request, in its order."""
    codings = (coding for concept in request.get("reasonCode", ()) for coding in concept.get("coding", ()))
    return [coding["code"] for coding in codings if coding.get("system") == scene.systems.code("need")]


def cancel(referral: Referral, scene: Scene, reason: str, *, actor: Actor) -> list[Resource]:
    """Given up by either side, or a draft by the requester."""
    return _ended(referral, _moved(referral, scene, "cancelled", actor, reason=reason))


def withdraw(referral: Referral, scene: Scene, *, shown: bool) -> list[Resource]:
    """The person withdraws: the Consents end, an open Task is cancelled with a neutral reason, the request is revoked.
    `shown`: the recipient had seen who it is, so it gets a closing notice. After the end only Consents still end."""
    notice = [closing_notice(referral, scene)] if shown and referral.task["status"] != "draft" else []
    if referral.task["status"] in TERMINAL:
        return [*(closed for consent in referral.consents if (closed := _closed(consent)) != consent), *notice]
    return [*cancel(referral, scene, codes.CLOSED, actor="requester"), *notice]


def follow(referral: Referral, scene: Scene) -> list[Resource]:
    """What an end that came alone brings with it (workflow.md 2 and 4): of a Task, its Consents and its request; of a request
    that is void, its Task with a neutral reason. Nothing where all of it has ended, or none."""
    if referral.task["status"] in TERMINAL:
        return _ended(referral, referral.task)[1:]
    return cancel(referral, scene, codes.CLOSED, actor="requester") if referral.request["status"] in VOID else []


def _ended(referral: Referral, task: Resource) -> list[Resource]:
    """The Task, and what ends with it: the Consents, then the request (completed, revoked, or void where the doctor never
    agreed to it: `may_leave` tells a draft given up by that)."""
    consents = [closed for consent in referral.consents if (closed := _closed(consent)) != consent]
    before = referral.request["status"]
    after = "completed" if task["status"] == "completed" else "entered-in-error" if before == "draft" else "revoked"
    request = [referral.request | {"status": after}] if before in ("draft", "active", "on-hold") else []
    return [task, *request, *consents]


def _closed(consent: Resource) -> Resource:
    """An active Consent becomes inactive, one that was only proposed rejected; an ended one stays."""
    after = {"active": "inactive", "proposed": "rejected", "draft": "rejected"}.get(consent["status"])
    return consent | {"status": after} if after else consent


def ask(referral: Referral, scene: Scene, question: str) -> list[Resource]:
    """A coded question to the requester; the Task waits for an answer, its clock does not stop."""
    waiting = _noted(referral, scene, codes.QUESTION_OPEN)
    topic, text = scene.coded("question", question), scene.label("question", question)
    return [waiting, communication(referral, scene, kind=codes.QUESTION, text=text, to=referral.task["requester"], topic=topic)]


def answer(referral: Referral, scene: Scene, question: Resource, code: str) -> list[Resource]:
    """The requester's coded answer to a Communication that `ask` made."""
    answered = _noted(referral, scene, "")
    topic, text = scene.coded("answer", code), scene.label("answer", code)
    said = communication(referral, scene, kind=codes.ANSWER, text=text, to=referral.task["owner"], topic=topic)
    return [answered, said | {"inResponseTo": [reference(question)]}]


def message(referral: Referral, scene: Scene, text: str) -> list[Resource]:
    """The recipient's words to the practice: one of the two places where free text exists (workflow.md 1)."""
    if referral.task["status"] == "draft":
        raise Invalid("nothing is said about a referral that was not sent", expression="Task.status")
    if not text.strip():
        raise Invalid("expected a message", code="required", expression="Communication.payload")
    return [communication(referral, scene, kind=codes.MESSAGE, text=text.strip(), to=referral.task["requester"])]


def remind(referral: Referral, scene: Scene, what: str, *, to: Sequence[Resource]) -> Resource:
    """What Liaison's Device says when time has passed: a code of the table `reminder`, to each of `to`; nothing of anybody's words."""
    said = communication(
        referral, scene, kind=codes.REMINDER, text=scene.label("reminder", what), to=None, topic=scene.coded("reminder", what),
    )  # fmt: skip
    return said | {"recipient": list(to)}


def closing_notice(referral: Referral, scene: Scene) -> Resource:
    """To the unit, under the spoken reference alone: no name, no need, no reason, no pointer to the person."""
    return communication(
        referral, scene, kind=codes.CLOSING, text=spoken.of_task(referral.task), to=referral.task.get("owner"), names_person=False
    )

"""Why: the decisions that the audit has of a step, and what is known of a step that failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapter.cli.story.account import Decided, Words
from adapter.ports import Letter

HIDDEN = ("absent", "draft", "withdrawn", "view-not-assigned", "absent-or-not-theirs")  # what stands behind a 404
HTTP_ERROR = 400


def decided(event: Mapping[str, Any]) -> Decided | None:
    """The decision of an AuditEvent that is one: of the rules on Consents, of a 404 that stands for "not for you", or the basis on
    which a letter left for the EHR."""
    subtypes = {each.get("code", "") for each in event.get("subtype", ())}
    details = {each["type"]: each.get("valueString", "") for entity in event.get("entity", ()) for each in entity.get("detail", ())}
    views = [str(each["what"]["identifier"]["value"]) for each in event.get("entity", ()) if "identifier" in each.get("what", {})]
    permit, reason = event.get("outcome") == "0", event.get("outcomeDesc", "")
    if any(code.startswith("AuthZ-") for code in subtypes):
        return Decided(permit, details.get("rule", ""), reason, details.get("view", ""), _asking(event))
    if not permit and reason in HIDDEN:
        return Decided(False, "", reason, "", _asking(event))
    view = next((each.partition("|")[0] for each in views if each.startswith("dossier-clinique|")), "")
    if "disclose" in subtypes and view:
        return Decided(True, details.get("rule", ""), "", view)
    return None


def _asking(event: Mapping[str, Any]) -> str:
    """The software that asked."""
    machines = (each for each in event.get("agent", ()) if not each.get("requestor") and "network" in each)
    names = (str(each.get("who", {}).get("identifier", {}).get("value", "")) for each in machines)
    return next((name for name in names if name and name != "liaison"), "")


def causes(calls: Iterable[Mapping[str, Any]], letters: Iterable[Letter]) -> list[Words]:
    """What was refused in a step, with the words of the refusal, and which letters to the EHR are still here, and why."""
    found = []
    for each in calls:
        if each["status"] >= HTTP_ERROR:
            said = f"{each['method']} {each['path']} → {each['status']}" + (f" {each['why']}" if each.get("why") else "")
            found.append(Words(said, said))
    for letter in letters:
        if letter.state not in ("done", "dropped"):
            what, why = f"{letter.type} → {letter.ehr}", f"{letter.state}, {letter.reason or '-'}, {letter.attempts}"
            found.append(Words(f"lettre {what} encore ici ({why} essais)", f"letter {what} still here ({why} attempts)"))
    return found

"""The stable codes of `OperationOutcome.issue.details`: what a client's software may rely on, whatever the words beside them say.

A code stays what it means; new ones may come (API change policy, README).
"""

from __future__ import annotations

from collections.abc import Iterable

SYSTEM = "urn:liaison:error"

# By the kind of refusal (its class), where nothing says more.
CODES: dict[str, str] = {
    "malformed": "the request cannot be read as what it should be",
    "unauthorized": "no token, or one that is unknown or has expired",
    "forbidden": "this client may not do this",
    "not-found": "nothing there that this caller may see",
    "conflict": "it contradicts what is there",
    "gone": "it was deleted",
    "stale": "it has another version now, or a condition is met by several",
    "too-large": "the body is too large",
    "wrong-type": "a media type that this door does not read",
    "invalid": "understood, and against a rule",
    "needs-match": "If-Match is missing",
    "too-many": "more requests than this client may send; Retry-After says when to come back",
    "unavailable": "the database is away: ask again",
    "fault": "something failed here; the X-Request-Id names it in the log",
    "warning": "it was done; read this all the same",
    "well": "nothing is wrong",
    # by what it is about
    "element": "an element that R4 does not have, or of another shape",
    "code": "a code that its value set does not have",
    "required": "something that must be there is missing",
    "invariant": "an invariant of R4 is broken",
    "not-offered": "a type, parameter, modifier or interaction that this server does not offer",
    "value": "a value of another form than expected",
    "illegal-move": "the Task may not go from its state to that one by this actor",
    "frozen": "an element that may not change once the referral is sent",
    "reference": "a reference to nothing that is here for this client",
    "duplicate": "the same was received before, or is there already",
    "agreement": "the doctor's or the patient's agreement is missing, ended, or may only become narrower",
    "shared": "others have seen it: it cannot be deleted",
    "several": "a condition is met by several resources",
    "costly": "more than is done in one request",
    "scope": "the token has no scope for this",
}

_OF_ISSUE = {
    "structure": "element", "code-invalid": "code", "required": "required", "invariant": "invariant", "not-supported": "not-offered", "value": "value",
    "duplicate": "duplicate", "multiple-matches": "several", "too-costly": "costly", "deleted": "gone",
}  # fmt: skip

_WHOLE = frozenset({"needs-match", "wrong-type"})  # kinds of refusal that say more than their issue-type

_ALONE = {  # of an issue whose refusal is not known
    "login": "unauthorized", "forbidden": "forbidden", "not-found": "not-found", "too-long": "too-large", "business-rule": "invalid", "invalid": "invalid",
    "conflict": "conflict", "transient": "unavailable",
}  # fmt: skip


def kind(classes: Iterable[type]) -> str:
    """The code of a refusal by its class, or the nearest one above it that has a code: WrongType -> "wrong-type"."""
    names = ("".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in each.__name__).strip("-") for each in classes)
    return next((name for name in names if name in CODES), "")


def code_of(kind: str, issue_code: str, detail: str, severity: str) -> str:
    """The stable code of one issue: what it says itself (`detail`), else by its issue-type, else by the kind of refusal."""
    if detail:
        return detail
    if severity in ("information", "warning"):
        return "well" if severity == "information" else "warning"
    return (kind if kind in _WHOLE else "") or _OF_ISSUE.get(issue_code) or kind or _ALONE.get(issue_code, "fault")

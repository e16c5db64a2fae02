"""OperationOutcome: what a caller is told in FHIR."""

from __future__ import annotations

from collections.abc import Iterable

from adapter.errors import Issue, LiaisonError, Refused, Unavailable
from adapter.fhir import details
from adapter.ports import Resource


def outcome(cause: Iterable[Issue] | LiaisonError) -> Resource:
    """An OperationOutcome of these issues, or of an error: a Refused tells all its issues, any other error only
    its kind. No issues: one line of information that all is well. Each line has a stable code in `details` (`fhir.details`)."""
    kind = ""
    if isinstance(cause, Refused):
        issues, kind = list(cause.issues), details.kind(type(cause).__mro__)
    elif isinstance(cause, LiaisonError):
        kind = "unavailable" if isinstance(cause, Unavailable) else "fault"
        issues = [Issue(cause.code, "the request could not be done now" if cause.retry else "the request failed")]
    else:
        issues = list(cause) or [Issue("informational", "all is well", severity="information")]
    return {"resourceType": "OperationOutcome", "issue": [_line(issue, kind) for issue in issues]}


def _line(issue: Issue, kind: str) -> Resource:
    code = details.code_of(kind, issue.code, issue.detail, issue.severity)
    line: Resource = {
        "severity": issue.severity, "code": issue.code, "details": {"coding": [{"system": details.SYSTEM, "code": code}]}, "diagnostics": issue.text,
    }  # fmt: skip
    if issue.expression:
        line["expression"] = [issue.expression]
    return line

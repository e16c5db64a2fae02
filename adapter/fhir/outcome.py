"""OperationOutcome: what a caller is told in FHIR."""

from __future__ import annotations

from collections.abc import Iterable

from adapter.errors import Issue, LiaisonError, Refused
from adapter.ports import Resource


def outcome(cause: Iterable[Issue] | LiaisonError) -> Resource:
    """An OperationOutcome of these issues, or of an error: a Refused tells all its issues, any other error only
    its kind. No issues: one line of information that all is well."""
    if isinstance(cause, Refused):
        issues = list(cause.issues)
    elif isinstance(cause, LiaisonError):
        issues = [Issue(cause.code, "the request could not be done now" if cause.retry else "the request failed")]
    else:
        issues = list(cause) or [Issue("informational", "all is well", severity="information")]
    return {"resourceType": "OperationOutcome", "issue": [_line(issue) for issue in issues]}


def _line(issue: Issue) -> Resource:
    line: Resource = {"severity": issue.severity, "code": issue.code, "diagnostics": issue.text}
    if issue.expression:
        line["expression"] = [issue.expression]
    return line

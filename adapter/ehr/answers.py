"""What an EHR's answer means: a resource, or one of the four errors. Never a word of its free text goes on.

| answer | a read | a write |
|---|---|---|
| 408, 5xx | EhrUnavailable | EhrUnknown: it may have been done (Y-03) |
| 425, 429, 503 with Retry-After | EhrUnavailable(retry_at) | the same |
| 409, 412 | EhrRejected | EhrStale for an update; after a create 412 is "several match" (Y-05) and 409 EhrUnknown: another won the race |
| other 4xx, 501 | EhrRejected | EhrRejected |
| 2xx that is not what was asked for (Y-29) | EhrRejected | EhrUnknown |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from adapter.errors import EhrError, EhrRejected, EhrStale, EhrUnavailable, EhrUnknown
from adapter.net import Answer, retry_after
from adapter.ports import Remote, Resource

SEVERAL = "the condition matched several resources"
_CODES = frozenset(
    """invalid structure required value invariant security login unknown expired forbidden suppressed processing not-supported duplicate
    multiple-matches not-found deleted too-long code-invalid extension too-costly business-rule conflict transient lock-error no-store
    exception timeout incomplete throttled informational""".split()  # noqa: SIM905
)
_PATH = re.compile(r"[A-Za-z]{1,40}(\[\d{1,4}\])?(\.[A-Za-z]{1,40}(\[\d{1,4}\])?){0,12}", re.ASCII)
_VENDOR_CODE = re.compile(r"\bHAPI-\d{3,4}\b", re.ASCII)
_VERSION = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}", re.ASCII)
_ETAG = re.compile(r'\s*(?:W/)?"([^"]*)"\s*', re.ASCII)
_ID = re.compile(r"(?!\.+$)[A-Za-z0-9\-._]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Act:
    """What was asked of the EHR. `type` is what the answer must be."""

    verb: Literal["read", "search", "create", "update", "patch", "transaction"]
    type: str

    @property
    def safe(self) -> bool:
        """Repeating it changes nothing."""
        return self.verb in ("read", "search")

    def __str__(self) -> str:
        return f"{self.verb} {self.type}"

    def unfit(self, why: str, status: int) -> EhrError:
        """It was answered with success and nonsense: nothing was read, or something may have been written."""
        return (EhrRejected if self.safe else EhrUnknown)(f"{self}: {why}", status_code=status)


def failure(answer: Answer, act: Act, now: datetime) -> EhrError | None:
    """The error of an answer by its status and codes; None for 200, 201 and 204."""
    status = answer.status
    if status in (200, 201, 204):
        return None
    later = retry_after(answer.headers, now)
    text = f"{act}: {status}" + (f" ({said})" if (said := outcome_codes(answer.body)) else "")
    if status in (425, 429) or (status == 503 and later):
        return EhrUnavailable(text, status_code=status, retry_at=later)
    if status == 408 or (status >= 500 and status not in (501, 505)):
        return EhrUnavailable(text, status_code=status) if act.safe else EhrUnknown(text, status_code=status)
    if status in (409, 412):
        return _clash(text, status, act)
    if 400 <= status < 600:
        return EhrRejected(text, status_code=status)
    return act.unfit(f"an answer of status {status}", status)


def _clash(text: str, status: int, act: Act) -> EhrError:
    if act.verb == "create":
        return EhrRejected(f"{text}: {SEVERAL}", status_code=412) if status == 412 else EhrUnknown(text, status_code=status)
    return EhrRejected(text, status_code=status) if act.safe else EhrStale(text, status_code=status)


def outcome_codes(body: bytes) -> str:
    """Codes and paths of an OperationOutcome, e.g. "required at Task.status; HAPI-1821". Diagnostics and details are
    left out: servers quote in them what they were sent. "" for anything else."""
    outcome = _json(body)
    if not isinstance(outcome, dict) or outcome.get("resourceType") != "OperationOutcome":
        return ""
    found = dict.fromkeys(text for issue in _issues(outcome) for text in _issue_texts(issue))
    return "; ".join(list(found)[:5])


def _issue_texts(issue: Mapping[str, Any]) -> Iterator[str]:
    code = issue.get("code")
    paths = [issue.get(key) for key in ("expression", "location")]
    path = next((one for many in paths if isinstance(many, list) for one in many if isinstance(one, str) and _PATH.fullmatch(one)), "")
    yield (code if isinstance(code, str) and code in _CODES else "an issue") + (f" at {path}" if path else "")
    diagnostics = issue.get("diagnostics")
    yield from _VENDOR_CODE.findall(diagnostics) if isinstance(diagnostics, str) else ()


def _issues(outcome: Resource) -> list[dict[str, Any]]:
    issues = outcome.get("issue")
    return [issue for issue in issues if isinstance(issue, dict)] if isinstance(issues, list) else []


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def resource_of(answer: Answer, act: Act, *, id: str | None = None) -> Resource | None:
    """The resource in a successful answer. None: a write was answered without one. Raises EhrRejected or EhrUnknown
    (Y-29) for a page of HTML, broken JSON, another type, another id than `id`, or an outcome that says error."""
    if not act.safe and not answer.body.strip():
        return None
    found = _json(answer.body)
    if not isinstance(found, dict):
        raise act.unfit("expected a resource in JSON", answer.status)
    if found.get("resourceType") == "OperationOutcome" and act.type != "OperationOutcome":
        if not act.safe and not any(issue.get("severity") in ("error", "fatal") for issue in _issues(found)):
            return None
        raise act.unfit(f"expected {act.type}, but found an OperationOutcome ({outcome_codes(answer.body)})", answer.status)
    if found.get("resourceType") != act.type:
        raise act.unfit(f"expected {act.type}, but found another type", answer.status)
    if id is not None and found.get("id") != id:
        raise act.unfit("expected the id that was asked for, but found another", answer.status)
    return found


def remote_of(resource: Any, act: Act, *, headers: Mapping[str, str] | None = None, any_type: bool = False) -> Remote:
    """A resource with the version that If-Match wants: meta.versionId, else the ETag, else "" (Y-10)."""
    if not isinstance(resource, dict) or not (any_type or resource.get("resourceType") == act.type):
        raise act.unfit(f"expected {act.type}, but found something else", 200)
    if not is_id(resource.get("id")) or not isinstance(resource.get("resourceType"), str):
        raise act.unfit("expected a resource with an id", 200)
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    if not (isinstance(version, str) and _VERSION.fullmatch(version)):
        tag = _ETAG.fullmatch((headers or {}).get("ETag", ""))
        version = tag.group(1) if tag and _VERSION.fullmatch(tag.group(1)) else ""
    return Remote(resource, version)


def is_id(id: object) -> bool:
    """Whether it may stand in a URL as one path segment; a little wider than FHIR's ids, for older EHRs."""
    return isinstance(id, str) and _ID.fullmatch(id) is not None

"""Every error Liaison raises on purpose.

LiaisonError
├── Refused(issues)            the caller's request cannot be done; carries an HTTP status
│   ├── Malformed 400   ├── Unauthorized 401   ├── Forbidden 403   ├── NotFound 404
│   ├── Conflict 409    ├── Gone 410           ├── Stale 412       ├── TooLarge 413
│   ├── WrongType 415   ├── Invalid 422        ├── NeedsMatch 428  └── TooMany 429
├── EhrError                   the EHR did not do what we asked
│   ├── EhrUnavailable         not reached or overloaded: send again later (`retry_at`)
│   ├── EhrRejected            it answered "no": park the letter for a person
│   ├── EhrStale               our version is not its version any more: merge
│   └── EhrUnknown             it may have happened: look before repeating
├── MappingError(path)         a record or a mapping document is at fault
├── SettingsError(variable)    a setting, the network file or the machine is at fault: exit code 2
├── Unavailable                the database is away: 503
└── StoreFault(fault)          the database refused a statement: 503, and the operator's to mend

A class carries its HTTP `status`, its FHIR issue `code` and whether `retry` can help. Texts name
paths and expectations, never values: personal data must not reach an error text.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Severity = Literal["fatal", "error", "warning", "information"]


def told(key: object, known: Container[str]) -> str:
    """A key that the caller chose, as an error may repeat it: itself where it is a name of ours, else `?`, for it may be
    somebody's name (DECISIONS, 2026-11-27). The one rule of every door."""
    return key if isinstance(key, str) and key in known else "?"


def numbered(key: object, owner: Iterable[object]) -> str:
    """Where in its object a key stands that is not repeated."""
    return f"number {list(owner).index(key) + 1} of its object"


@dataclass(frozen=True, slots=True)
class Issue:
    """One line of an OperationOutcome: `code` is a FHIR issue-type, `expression` a FHIRPath; `detail` a stable code of
    `fhir.details`, where the issue-type and the kind of refusal do not say it all."""

    code: str
    text: str
    expression: str = ""
    severity: Severity = "error"
    detail: str = ""


class LiaisonError(Exception):
    status = 500
    code = "exception"
    retry = False


class Refused(LiaisonError):
    """The request as made is refused. `issues` has at least one entry. `event`: what the audit is told of it once its unit
    was rolled back, given the time; `told`: it was, or needs not be; `kept`: what else is written then, given that unit of work;
    `number`: which of several changes it is about."""

    status = 400
    code = "invalid"
    event: Callable[[datetime], dict[str, Any]] | None = None
    kept: Callable[[Any], object] | None = None
    told = False
    number: int | None = None

    def __init__(self, text: str, *, expression: str = "", issues: Sequence[Issue] = (), code: str = "", detail: str = "") -> None:
        super().__init__(text)
        self.issues = tuple(issues) or (Issue(code or self.code, text, expression, detail=detail),)

    @property
    def kind(self) -> str:
        """The kind of refusal in a word, as the audit has it: the name of its class, of the public ones."""
        return next(each.__name__ for each in type(self).__mro__ if not each.__name__.startswith("_")).lower()


class Malformed(Refused):
    code = "structure"


class Unauthorized(Refused):
    status, code = 401, "login"


class Forbidden(Refused):
    status, code = 403, "forbidden"


class NotFound(Refused):
    """Absent or hidden: the caller cannot tell which; the audit can."""

    status, code = 404, "not-found"


class Conflict(Refused):
    status, code = 409, "conflict"


class Gone(Refused):
    status, code = 410, "deleted"


class Stale(Refused):
    status, code = 412, "conflict"


class TooLarge(Refused):
    status, code = 413, "too-long"


class WrongType(Refused):
    """A body of a media type that this door does not read."""

    status, code = 415, "not-supported"


class Invalid(Refused):
    """Understood, and against a rule: `business-rule` for moves, `invalid` for content."""

    status, code = 422, "business-rule"


class NeedsMatch(Refused):
    status, code = 428, "required"


class TooMany(Refused):
    status, code, retry = 429, "throttled", True
    seconds = 5  # until there is more


class EhrError(LiaisonError):
    """`status_code` is the EHR's HTTP status, 0 where none came."""

    status, code = 502, "transient"

    def __init__(self, text: str, *, status_code: int = 0) -> None:
        super().__init__(text)
        self.status_code = status_code


class EhrUnavailable(EhrError):
    retry = True

    def __init__(self, text: str, *, status_code: int = 0, retry_at: datetime | None = None) -> None:
        super().__init__(text, status_code=status_code)
        self.retry_at = retry_at


class EhrRejected(EhrError):
    code = "processing"


class EhrStale(EhrError):
    code = "conflict"


class EhrUnknown(EhrError):
    retry = True


class MappingError(LiaisonError):
    """`path` is the place in the record, `document` the place in the mapping document (file:line)."""

    status, code = 422, "invalid"

    def __init__(self, text: str, *, path: str = "", document: str = "") -> None:
        super().__init__(": ".join(part for part in (path, text) if part) + (f" [{document}]" if document else ""))
        self.path, self.document, self.text = path, document, text


class SettingsError(LiaisonError):
    """Names the variable, file or key at fault and how to mend it. The command line ends with code 2."""

    def __init__(self, text: str, *, variable: str = "", fix: str = "") -> None:
        super().__init__(f"{variable}: {text}" if variable else text)
        self.variable, self.fix = variable, fix


class Unavailable(LiaisonError):
    """The database is away. `fix`: what the operator may mend, where more is known than its address."""

    status, code, retry = 503, "transient", True

    def __init__(self, text: str, *, fix: str = "") -> None:
        super().__init__(text)
        self.fix = fix


class StoreFault(LiaisonError):
    """A table is missing, a type is wrong, or the like: asking again does not help. `fault`: the driver's own code."""

    status = 503

    def __init__(self, fault: str) -> None:
        super().__init__(f"The database refused a statement ({fault})")
        self.fault = fault

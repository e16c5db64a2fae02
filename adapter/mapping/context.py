"""What a mapping is handed, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from adapter.errors import Invalid, Issue, MappingError
from adapter.names import Systems
from adapter.ports import Resource

SECRECY = "https://www.legifrance.gouv.fr/codes/article_lc/LEGIARTI000036515027"  # CSP L1110-4
PARIS = ZoneInfo("Europe/Paris")


class UnitFacts(NamedTuple):
    """A unit of the network: `HealthcareService/key`, `Organization/key`, the service usually asked of it."""

    service: str
    organisation: str
    recommended: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapContext:
    """The facts a mapping may look up; it reads nothing else, so the same record and context give the
    same resources.

    `at`: now (aware). `zone`: for times without an offset. `clinic`: reference of the owning organisation.
    `requester`: reference of the requester when flows know it (else the document makes a provisional one).
    `recorder`: reference of who enters the record. `patient`: reference of a Patient already known; its
    id is then used. `request`: reference of the ServiceRequest that the record is about. `unit(key)`: None
    for an unknown unit. `due(unit key, asked at, priority)`: the
    deadline (workflow.md 3). `name_of(reference)`: a directory name, for the way back.
    `policy`: what `Consent.policy.uri` names.
    """

    at: datetime
    new_id: Callable[[], str]
    clinic: str
    unit: Callable[[str], UnitFacts | tuple[str, str, str] | None]
    systems: Systems = field(default_factory=Systems)
    zone: tzinfo = PARIS
    requester: str | None = None
    recorder: str | None = None
    patient: str | None = None
    request: str | None = None
    nir_authorised: bool = False
    due: Callable[[str, datetime, str], datetime | None] | None = None
    name_of: Callable[[str], str | None] | None = None
    policy: str = SECRECY


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning for the sender: the place in the record, the place in the document, what to know."""

    record_path: str
    document_place: str
    text: str


class Told(NamedTuple):
    """What a record tells about a referral that runs: its spoken `reference` or Task id; need -> outcome, need -> result; whether the
    work `ends`."""

    reference: str
    outcomes: Mapping[str, str]
    results: Mapping[str, str]
    ends: bool


@dataclass(frozen=True, slots=True)
class Mapped:
    """What one record became. `refused`: the person said no at the proposal: no resource, only the count
    may be kept (workflow.md 4). `dropped`: paths of what was left at the door, never their values. `about`: of a kind that tells about
    a referral which is here already."""

    resources: list[Resource]
    warnings: list[Remark]
    dropped: list[str]
    record_id: str
    refused: bool = False
    about: Told | None = None


class RecordRefused(Invalid):
    """A record that cannot be mapped: every problem at once. `problems` carry both paths; `issues` make
    the OperationOutcome (expression = path in the record)."""

    code = "invalid"

    def __init__(self, problems: list[Problem], *, name: str) -> None:
        self.problems = tuple(MappingError(each.text, path=each.path, document=each.place) for each in problems)
        issues = [Issue(each.code, str(error), each.path) for each, error in zip(problems, self.problems, strict=True)]
        count = len(problems)
        super().__init__(f"the record does not fit {name}: {count} problem{'s' if count > 1 else ''}", issues=issues)


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a record is refused; `code` is a FHIR issue type."""

    path: str
    place: str
    text: str
    code: str = "value"


MOST_PROBLEMS = 100


@dataclass(slots=True)
class Run:
    """What collects while one record is read."""

    context: MapContext
    problems: list[Problem] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def problem(self, path: str, place: str, text: str, code: str = "value") -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(path, place, text, code))

    def remark(self, path: str, place: str, text: str) -> None:
        if len(self.remarks) < MOST_PROBLEMS:
            self.remarks.append(Remark(path, place, text))

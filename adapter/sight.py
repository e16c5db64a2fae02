"""The facts of one look: what a view file needs to be told about a referral and about who looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from zoneinfo import ZoneInfo

from adapter.dossier import Dossier
from adapter.mapping import Terms
from adapter.names import SDOHCC_CODES
from adapter.network import Network
from adapter.ports import Decision, Principal, Resource, Uow
from adapter.referral.area import SMALL, age_class, department
from adapter.referral.spoken import of_task
from adapter.views import Facts, Need, of_now, pairwise
from adapter.views.facts import Stage
from adapter.writing import Writer

UNSAFE = "contacting-subject-prohibited"
INSEE = "insee-code"


@dataclass(frozen=True)
class Sight:
    network: Network
    terms: Terms
    writer: Writer

    def facts(
        self, uow: Uow, who: Principal, dossier: Dossier, decision: Decision, *, holder: str, stage: Stage, lang: str, unsafe: bool = False,
        demanded: frozenset[str] = frozenset(),
    ) -> Facts:  # fmt: skip
        """`holder`: under whose key ids are made (a unit, or the prescriber's organisation). `unsafe`: another referral says
        that the person must not be contacted. `demanded`: data classes asked for."""
        need = self.writer.systems.code("need")
        today = uow.at.astimezone(ZoneInfo(self.network.zone)).date()
        asked = frozenset(f"{need}|{code}" for code in self.asked(dossier))
        basis = decision.rule.partition("basis:")[2]
        return Facts(
            stage=stage,
            basis=basis if basis in ("self", "author", "team") else "consent",  # type: ignore[arg-type]
            needs=decision.codes or (asked if basis == "urgency" else None),  # in urgency what was asked, sensitive or not
            asked=asked,
            terms=self._needs,
            pairwise=lambda type, id: pairwise(self.writer.key, holder, type, id),
            parties=self._parties(uow, who, dossier, holder),
            labels=self._labels,
            telling=self.telling,
            demanded=demanded,
            unsafe=unsafe or unsafe_contact(dossier.request),
            accepted=dossier.task["status"] not in ("draft", "requested"),
            on=today.isoformat(),
            reference=of_task(dossier.task),
            area=self._area(dossier.patient or {}, today, lang),
            age_class=self._age(today, dossier.patient or {}, lang),
            lang=lang,
            systems=self.writer.systems,
        )

    def _parties(self, uow: Uow, who: Principal, dossier: Dossier, holder: str) -> frozenset[str]:
        """Under which references messages reach the caller: a practice reads what is addressed to its own requester."""
        own = {f"Organization/{who.organisation}", f"PractitionerRole/{who.person}", f"HealthcareService/{holder}"}
        asker = dossier.request.get("requester", {}).get("reference")
        if asker and self.writer.author(uow, dossier.request, who) == who.organisation:
            own.add(str(asker))
        return frozenset(own)

    def asked(self, dossier: Dossier) -> list[str]:
        """The needs of the request, by our codes."""
        system = self.writer.systems.code("need")
        return [coding["code"] for coding in _codings(dossier.request, "reasonCode") if coding.get("system") == system]

    def unsafe(self, dossier: Dossier, needs: frozenset[str]) -> bool:
        """Whether a referral says that contact is unsafe, by its own word or by one of `needs` (france.md 3.4)."""
        return unsafe_contact(dossier.request) or not needs.isdisjoint(self.asked(dossier))

    def sensitivity(self, code: str) -> int:
        """1 to 3; an unknown need counts as 3."""
        found = self._needs.get(code)
        return found.sensitivity if found else 3

    @cached_property
    def _needs(self) -> dict[str, Need]:
        rows = self.terms["need"].terms.values()
        return {term.code: Need(str(term.properties.get("neutral", term.code)), int(term.properties.get("sensitivity", 3))) for term in rows}

    @cached_property
    def _labels(self) -> dict[str, dict[str, dict[str, str]]]:
        return {key: {term.code: {"fr": term.fr, "en": term.en} for term in table.terms.values()} for key, table in self.terms.tables.items()}

    @cached_property
    def telling(self) -> dict[str, str]:
        """Every party whose name says what the person suffers from, with the phone that stands for it."""
        return dict(self._tellers())

    def _tellers(self) -> Iterator[tuple[str, str]]:
        for organisation in self.network.organisations:
            relay = next((unit.relay_phone for unit in organisation.units if unit.relay_phone), "")
            if organisation.telling:
                yield f"Organization/{organisation.key}", relay
            for unit in organisation.units:
                if unit.telling or organisation.telling:
                    yield f"HealthcareService/{unit.key}", unit.relay_phone or relay
        for person in self.network.people:
            if self.network.telling(person.unit or person.organisation):
                theirs = self.network.unit(person.unit)
                for type in ("Practitioner", "PractitionerRole"):
                    yield f"{type}/{person.key}", theirs.relay_phone if theirs else ""

    def _area(self, patient: Resource, today: date, lang: str) -> str:
        """The commune where it has 2,000 inhabitants or more, else its department (workflow.md 6)."""
        lived = (each for each in patient.get("address", ()) if of_now(each, today.isoformat()))
        address: Resource = next(lived, {})
        insee = next((each["valueCoding"]["code"] for each in address.get("extension", ()) if INSEE in each.get("url", "")), "")
        commune = self.terms.get("commune")
        known = commune.get(insee) if commune else None
        if known and int(known.properties.get("inhabitants", 0)) >= SMALL:
            return f"{address.get('postalCode', '')} {known.label(lang)}".strip()
        place = department(insee or address.get("postalCode", ""))
        return f"{'département' if lang == 'fr' else 'department'} {place}" if place else ""

    def _age(self, today: date, patient: Resource, lang: str) -> str:
        found = age_class(str(patient.get("birthDate", "")), today)
        return self.terms.label("age-class", found, lang=lang) if found else ""


def unsafe_contact(request: Resource) -> bool:
    """Whether the request says that the person must not be contacted (SDOHCC `contacting-subject-prohibited`)."""
    return any(coding.get("code") == UNSAFE and coding.get("system") == SDOHCC_CODES for coding in _codings(request, "orderDetail"))


def _codings(resource: Resource, element: str) -> Iterator[Resource]:
    for concept in resource.get(element, ()):
        yield from concept.get("coding", ())

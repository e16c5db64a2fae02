"""The shapes of the network file (DESIGN.md "Network file") and the questions asked of them.

Keys are FHIR ids and the identity that stays. Everything here is frozen; `active` is False for what an
earlier file had and the present one has not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

from adapter import identity
from adapter.network.hours import Opening

PRESCRIBER = "prescripteur"
# Categories with an electronic view (workflow.md 6); landlord, employer, school and relative have none.
CATEGORIES = (
    PRESCRIBER, "as-msp-equipe", "as-carsat", "as-departement", "ccas", "mdph", "caf-cpam-msa", "coursier-dac-asso", "idel-ssiad", "saad",
)  # fmt: skip
PAPER_ONLY = ("bailleur", "employeur", "ecole", "proche-confiance")
ROLES = (
    "doctor", "nurse", "secretary", "social-worker", "coursier", "coordinator", "home-helper", "trainee", "officer", "operator",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identifier:
    """A business identifier given by others. `type` is a code of `type_system`, both "" where there is none."""

    system: str
    value: str
    type: str = ""
    type_system: str = ""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret lies: a file or an environment variable, never the secret itself."""

    file: str = ""
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Closure:
    """Closed from `start` to `end`, both days included."""

    start: date
    end: date
    why: str = ""


@dataclass(frozen=True, slots=True)
class Permanence:
    """The surgery that a unit holds for who comes by appointment: in which `hours` (none: those of the unit), in slots of so many
    minutes, so many persons at once."""

    hours: tuple[Opening, ...] = ()
    slot_minutes: int = 45
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class RdvEntry:
    """The unit's place in RDV Service Public: the organisation there, and the secret by which its webhooks are signed."""

    organisation_id: int
    secret: Secret


@dataclass(frozen=True, slots=True)
class Unit:
    """A HealthcareService of an organisation: what owns Tasks. `ages` are whole years, both included; empty
    `territory`, `schemes` or `needs` mean any. `service` is the code of the service asked by default."""

    key: str
    name: str
    phone: str = ""
    relay_phone: str = ""
    stage: Literal["named", "pool"] = "named"
    service: str = ""
    hours: tuple[Opening, ...] = ()
    open_on_holidays: bool = False
    closures: tuple[Closure, ...] = ()
    capacity: int | None = None
    commune: str = ""
    zone: str = ""
    territory: tuple[str, ...] = ()
    ages: tuple[int, int | None] = (0, None)
    schemes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    telling: bool = False
    works_on_ehr: bool = False
    permanence: Permanence | None = None
    rdv: RdvEntry | None = None
    self_referrals: bool = False  # it takes what persons ask themselves, without a doctor
    active: bool = True

    def serves(self, commune: str | None) -> bool:
        """By INSEE code of the commune; a department in `territory` holds its communes. An unknown commune fits."""
        return not self.territory or not commune or any(commune.startswith(area) for area in self.territory)

    def takes_age(self, age: int | None) -> bool:
        low, high = self.ages
        return age is None or (age >= low and (high is None or age <= high))

    def takes_scheme(self, scheme: str | None) -> bool:
        """By its code, its number on the card or its name; an unknown scheme fits."""
        return not self.schemes or not scheme or identity.scheme(scheme) in map(identity.scheme, self.schemes)

    def takes_need(self, need: str | None) -> bool:
        return not self.needs or not need or need in self.needs


@dataclass(frozen=True, slots=True)
class EhrAuth:
    """How we show who we are (workflow.md 7). `secret`: the bearer token, the password, the header's value,
    the client secret, the SMART private key (JWK or PEM) or the mTLS key, by `kind`."""

    kind: Literal["none", "bearer", "basic", "header", "client_secret", "smart", "mtls"] = "none"
    secret: Secret = field(default_factory=Secret)
    user: str = ""
    header: str = ""
    client_id: str = ""
    token_url: str = ""
    scopes: tuple[str, ...] = ()
    algorithm: str = "RS384"
    kid: str = ""
    certificate_file: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What we may ask of an EHR: requests a second (None: no bound), requests at once, resources a page."""

    rate: float | None = None
    parallel: int = 2
    page: int = 100


POLLS = ("identifier", "requester", "owner", "offers")
SELDOM = 900  # seconds: SDOHCC task-12, an EHR is not polled more often


@dataclass(frozen=True, slots=True)
class EhrEntry:
    """A clinic's FHIR R4 endpoint. `name` is the clinic's key. `interval` in seconds (None: hourly), `hours` when it may be asked for what can wait
    (empty: always), `transactions`: it takes the letters of a referral as one; `searches`: it can be searched by identifier; `poll`: by what it is asked
    for changes, of `POLLS`; `subscriptions`: how it tells of changes besides ("": it does not). `remote` maps our keys to its references ("Organization/123").
    `consents`: who masters the Consents of this clinic; those that the EHR masters decide only while it was heard of lately (workflow.md 4, S14)."""

    name: str
    url: str
    auth: EhrAuth = field(default_factory=EhrAuth)
    level: Literal["task", "document", "mail", "patient", "none"] = "task"
    patients: Literal["link", "create"] = "link"
    consents: Literal["liaison", "ehr"] = "liaison"
    remote: dict[str, str] = field(default_factory=dict, hash=False)
    interval: int | None = None
    hours: tuple[Opening, ...] = ()
    limits: Limits = field(default_factory=Limits)
    transactions: bool | None = None
    searches: bool = True
    poll: tuple[str, ...] = ("identifier",)
    provenance: bool = False
    subscriptions: Literal["", "rest-hook", "backport"] = ""
    sandbox: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True)
class Organisation:
    """A clinic or a service. `controller`, `legal_basis`, `secrecy_text` are what a data protection officer
    wants of a service; `nir_authorised` names the basis on which it may receive the NIR ("" means it may not). `platform`: it sends
    what persons ask themselves, and nothing else."""

    key: str
    kind: Literal["clinic", "service"]
    name: str
    category: str
    telling: bool = False
    phone: str = ""
    commune: str = ""
    controller: str = ""
    legal_basis: str = ""
    secrecy_text: str = ""
    nir_authorised: str = ""
    identifiers: tuple[Identifier, ...] = ()
    units: tuple[Unit, ...] = ()
    ehr: EhrEntry | None = None
    platform: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    """A professional, in a unit or in an organisation (exactly one is set). `start` and `end` date a replacement, both days
    included."""

    key: str
    name: str
    role: str
    family: str = ""
    given: tuple[str, ...] = ()
    prefix: str = ""
    unit: str = ""
    organisation: str = ""
    email: str = ""
    phone: str = ""
    identifiers: tuple[Identifier, ...] = ()
    start: date | None = None
    end: date | None = None
    active: bool = True

    def serves(self, day: date) -> bool:
        return self.active and (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


@dataclass(frozen=True, slots=True)
class ClientEntry:
    """Software that may ask for a token. Exactly one of `jwks_url`, `jwks_file`, `secret` is set; `jwks_private`: the address may be
    of this machine or of a network of the house, and plain http."""

    id: str
    organisation: str
    unit: str = ""
    person: str = ""
    role: str = ""
    jwks_url: str = ""
    jwks_file: str = ""
    jwks_private: bool = False
    hooks_private: bool = False  # its Subscriptions may call an address of this machine or of a network of the house, and plain http
    secret: Secret = field(default_factory=Secret)
    scopes: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ("TREAT",)
    active: bool = True


@dataclass(frozen=True)
class Network:
    """Look-ups answer None for a key nobody has; they find inactive entries too, but `client`, `ehr_of` and
    `units_for` answer with active ones only."""

    version: int = 1
    zone: str = "Europe/Paris"
    hours: tuple[Opening, ...] = tuple(Opening(day, 540, 1080) for day in range(5))
    organisations: tuple[Organisation, ...] = ()
    people: tuple[Person, ...] = ()
    clients: tuple[ClientEntry, ...] = ()

    # By key, the first in the order of the file: each request looks several times.
    @cached_property
    def _organisations(self) -> dict[str, Organisation]:
        return {found.key: found for found in reversed(self.organisations)}

    @cached_property
    def _units(self) -> dict[str, tuple[Organisation, Unit]]:
        return {unit.key: (organisation, unit) for organisation, unit in reversed(list(self.units()))}

    @cached_property
    def _people(self) -> dict[str, Person]:
        return {found.key: found for found in reversed(self.people)}

    @cached_property
    def _clients(self) -> dict[str, ClientEntry]:
        return {found.id: found for found in reversed(self.clients) if found.active}

    def organisation(self, key: str) -> Organisation | None:
        return self._organisations.get(key)

    def units(self) -> Iterator[tuple[Organisation, Unit]]:
        """Every unit with its organisation, in the order of the file."""
        return ((organisation, unit) for organisation in self.organisations for unit in organisation.units)

    def unit(self, key: str) -> Unit | None:
        return self._units[key][1] if key in self._units else None

    def unit_organisation(self, key: str) -> Organisation | None:
        """The organisation that a unit belongs to."""
        return self._units[key][0] if key in self._units else None

    def organisation_of_unit(self, key: str) -> str | None:
        found = self.unit_organisation(key)
        return found.key if found else None

    def person(self, key: str) -> Person | None:
        return self._people.get(key)

    def serving(self, key: str, at: datetime) -> Person | None:
        """The person, where they are in service at this moment: by the day in the network's zone."""
        found = self.person(key)
        return found if found and found.serves(at.astimezone(ZoneInfo(self.zone)).date()) else None

    def organisation_of_person(self, key: str) -> str | None:
        found = self.person(key)
        return None if found is None else found.organisation or self.organisation_of_unit(found.unit)

    def client(self, id: str) -> ClientEntry | None:
        return self._clients.get(id)

    def view_of(self, organisation: str) -> str | None:
        """The name of the view an organisation gets: its category; `prescripteur` for a clinic."""
        found = self.organisation(organisation)
        return None if found is None else PRESCRIBER if found.kind == "clinic" else found.category

    def ehr_of(self, clinic: str) -> EhrEntry | None:
        found = self.organisation(clinic)
        return found.ehr if found and found.active and found.ehr and found.ehr.active else None

    def ehrs(self) -> list[EhrEntry]:
        """Every EHR in use, in the order of the file."""
        return [ehr for organisation in self.organisations if (ehr := self.ehr_of(organisation.key))]

    def units_for(
        self, *, need: str | None = None, commune: str | None = None, age: int | None = None, scheme: str | None = None
    ) -> list[Unit]:
        """The active units of services that take such a person for such a need; what is None excludes nobody."""
        return [
            unit
            for organisation, unit in self.units()
            if organisation.active and unit.active and organisation.kind == "service"
            and unit.takes_need(need) and unit.serves(commune) and unit.takes_age(age) and unit.takes_scheme(scheme)
        ]  # fmt: skip

    def telling(self, key: str) -> bool:
        """Whether the name of this organisation or unit says by itself what the person suffers from; a unit
        of a telling organisation does too."""
        for organisation, unit in self.units():
            if unit.key == key:
                return unit.telling or organisation.telling
        found = self.organisation(key)
        return bool(found and found.telling)

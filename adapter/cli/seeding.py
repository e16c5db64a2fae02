"""Referrals of invented people in every state, made by the acts that people do: nothing is written beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from adapter import acts, dossier, onward
from adapter.app import App
from adapter.cli.invented import COMMUNES, PEOPLE, Invented
from adapter.clock import instant
from adapter.errors import SettingsError
from adapter.flows import FURTHER, Flows
from adapter.names import RPPS
from adapter.network import PRESCRIBER, Network, Organisation, Person, Unit
from adapter.ports import Principal, Query, Resource, Uow
from adapter.receipt import Receipt
from adapter.referral import verbs

CALL, FORM = "appel-coursier", "fiche-st-eloi"
CLIENT = "liaison-seed"  # who did it, in the audit trail
WHERE = {"coursier": "coursier-dac-asso", "permanence": "as-carsat"}  # categories of the two pilots' services
MESSAGE = "Message d'exemple : rien de tout cela n'est vrai."
FIX = "apply a network file with a clinic, its doctor with an rpps, and a service: `liaison init --demo` makes one"
APART: dict[str, Callable[[verbs.Referral, verbs.Scene, str], list[Resource]]] = {  # what no view offers a verb for
    "progress": verbs.progress, "hold": verbs.hold, "fail": verbs.fail,
    "cancel": lambda referral, scene, reason: verbs.cancel(referral, scene, reason, actor="requester"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sown:
    """One referral as it stands now. `business`: its business status, "" for none."""

    record: str
    shows: str
    unit: str
    reference: str
    task: str
    status: str
    business: str


@dataclass(frozen=True, slots=True)
class Places:
    """Who takes part, by the network in force."""

    network: Network
    doctor: Person
    clinic: str
    writer: str  # key of who takes calls down and hears agreements in the practice

    @classmethod
    def of(cls, app: App) -> Places:
        """Raises SettingsError where nobody could ask or nobody could be asked."""
        found = app.network
        for person in found.people:
            house = found.organisation(found.organisation_of_person(person.key) or "")
            numbered = any(each.system == RPPS for each in person.identifiers)
            if house and house.kind == "clinic" and person.role == "doctor" and numbered and found.serving(person.key, app.clock.now()):
                staff = [each.key for each in found.people if found.organisation_of_person(each.key) == house.key and each.role == "secretary"]
                places = cls(found, person, house.key, (*staff, person.key)[0])
                places.unit("coursier")
                return places
        raise SettingsError("no practice of the network in force has a doctor with an rpps", variable="network", fix=FIX)

    def unit(self, kind: str) -> Unit:
        """The unit of that kind; where the network has none, another. Raises SettingsError where it has no service."""
        open_ = [(house, unit) for house, unit in self.network.units() if house.kind == "service" and house.active and unit.active]
        named = [unit for _, unit in open_ if unit.stage == "named" and not self.network.telling(unit.key)]
        found = [unit for house, unit in open_ if self._fits(kind, house, unit)] or named or [unit for _, unit in open_]
        if not found:
            raise SettingsError("the network in force has no service to refer to", variable="network", fix=FIX)
        return found[0]

    def _fits(self, kind: str, house: Organisation, unit: Unit) -> bool:
        if kind in WHERE:
            return house.category == WHERE[kind] and unit.stage == "named"
        return unit.stage == "pool" if kind == "pool" else self.network.telling(unit.key)

    def other(self, unit: Unit, *kinds: str) -> Unit | None:
        """A unit of another house, of the first of these kinds that the network has."""
        mine = self.network.organisation_of_unit(unit.key)
        tried = [self.unit(kind) for kind in kinds]
        return next((each for each in tried if self.network.organisation_of_unit(each.key) != mine), None)

    def asking(self) -> Principal:
        return Principal(CLIENT, self.clinic, None, "clinic", person=self.doctor.key, scopes=frozenset({"system/*.cruds"}))

    def asked(self, unit: Unit) -> Principal:
        person = next((each.key for each in self.network.people if each.unit == unit.key), None)
        return Principal(CLIENT, self.network.organisation_of_unit(unit.key) or "", unit.key, "service", person=person)

    def witness(self, unit: Unit) -> str:
        """Somebody of the unit; of the practice where the network names nobody there."""
        return self.asked(unit).person or self.writer


def standing(app: App) -> int:
    """How many referrals are there."""
    return app.read_now(lambda _, uow: uow.count(Query("Task")))


def sow(app: App) -> list[Sown]:
    """Makes them all; the referrals as they stand at the end, those that follow from others last. Raises SettingsError, and
    Refused where the rules say no: what came before stays."""
    places = Places.of(app)
    turn = next(turn for turn in range(1, 1_000_000) if not _received(app, places, turn, 1, CALL))
    made: list[tuple[Invented, Principal, str, str]] = []
    for number, row in enumerate(PEOPLE, 1):
        made += _Referral(app, places, row, f"graine-{turn}-{number:02d}", number).played()
    return [line for each in made for line in app.read_now(lambda story, uow, each=each: list(_stands(story, uow, *each)))]  # type: ignore[misc]


def counts(found: list[Sown]) -> dict[str, int]:
    """How many by status, and by status and business status where it has one."""
    said = Counter(each.status + (f" ({each.business})" if each.business else "") for each in found)
    return dict(sorted(said.items()))


def _received(app: App, places: Places, turn: int, number: int, mapping: str) -> bool:
    return app.read_now(lambda _, uow: onward.received(uow, places.asking(), mapping, f"graine-{turn}-{number:02d}")) is not None


def _stands(story: Flows, uow: Uow, row: Invented, who: Principal, mapping: str, record: str) -> Iterator[Sown]:
    kept = onward.received(uow, who, mapping, record)
    for line in Receipt.loads(kept[1]).referrals if kept else ():
        if found := dossier.load(uow, line["task"]):
            business = next((each.get("code", "") for each in found.task.get("businessStatus", {}).get("coding", ())), "")
            yield Sown(record, row.shows, found.owner, line["reference"], line["task"], found.task["status"], business)


@dataclass
class _Referral:
    """One person's referral, while its story is played."""

    app: App
    places: Places
    row: Invented
    record: str
    number: int

    def __post_init__(self) -> None:
        self.unit = self.places.unit(self.row.to)
        self.mapping = FORM if self.row.to == "permanence" else CALL

    def played(self) -> list[tuple[Invented, Principal, str, str]]:
        """Where to find what was made: (whose, who sent it, mapping, record)."""
        who, record = self.places.asking(), self._written()  # the record before the unit of work: nobody notes a call of the future
        receipt = self.app.write_now(lambda story, uow: story.refer(uow, who, self.mapping, record))
        line, made = receipt.referrals[0], [(self.row, who, self.mapping, self.record)]
        for step in self.row.story.split():
            verb, _, code = step.partition(":")
            if verb in ("doctor", "patient"):
                heard = {"who": verb, "agreed": True, "heard_by": self.places.writer, "how": "telephone"}
                self.app.write_now(lambda story, uow, heard=heard: story.agree(uow, who, self.mapping, self.record, heard))  # type: ignore[misc]
            elif verb in ("refer", "reorient"):
                made += self._further(verb, line)
            else:
                self._act(verb, code, line)
        return made

    def _act(self, verb: str, code: str, line: Mapping[str, Any]) -> None:
        asking, asked = self.places.asking(), self.places.asked(self.unit)
        if verb in APART:
            self._apart(asking if verb == "cancel" else asked, verb, code, line["task"])
            return
        hears = {"heard_by": self.places.writer if verb == "withdraw" else self.places.witness(self.unit)}
        arguments = {
            "decline": {"reason": code}, "complete": {"outcome": code}, "ask": {"question": code}, "answer": {"answer": code},
            "message": {"text": MESSAGE}, "withdraw": hears, "inform": hears,
        }.get(verb, {})  # fmt: skip
        self._through(asking if verb in ("answer", "withdraw") else asked, verb, arguments, line["reference"])

    def _apart(self, who: Principal, verb: str, code: str, task: str) -> None:
        def done(story: Flows, uow: Uow) -> None:
            found = dossier.load(uow, task)
            assert found is not None  # it was made a moment ago
            hand = story.agreements.hand(uow, who, found)
            story.receive(uow, who, acts.changes(found, APART[verb](hand.referral, hand.scene, code)))

        self.app.write_now(done)

    def _through(self, who: Principal, verb: str, arguments: Mapping[str, Any], reference: str) -> None:
        """The act through the view of whoever does it, on what the view shows."""
        view = self.places.network.view_of(who.organisation) or PRESCRIBER

        def done(story: Flows, uow: Uow) -> None:
            lines = story.worklist(uow, who, view) or []
            id = next((each.id for each in lines if each.card.get("reference") == reference), "")
            shown = story.reveal(uow, who, view, id)
            if shown is None:
                raise SettingsError(f"{self.record}: {verb} cannot be done, the view {view} does not show it", variable="network", fix=FIX)
            story.advance(uow, who, view, shown.id, verb, arguments, if_match=shown.etag)

        self.app.write_now(done)

    def _further(self, verb: str, line: Mapping[str, Any]) -> list[tuple[Invented, Principal, str, str]]:
        """A further service, asked by the recipient; or another recipient in the place of the wrong one, asked by the practice."""
        other = self.places.other(self.unit, *(("pool", "permanence") if verb == "refer" else ("permanence", "pool")))
        if other is None:
            return []
        who = self.places.asked(self.unit) if verb == "refer" else self.places.asking()
        heard = {"accord": "oui", "par": self.places.witness(self.unit) if verb == "refer" else self.places.writer, "comment": "presence"}
        id = f"{self.record}-suite"
        record = {"id": id, "destinataire": other.key, "besoins": list(self.row.needs), "accord_patient": heard}
        self._through(who, verb, record | ({"cabinet_informe": "oui"} if verb == "refer" else {}), line["reference"])
        return [(self.row, who, FURTHER, id)]

    def _written(self) -> dict[str, Any]:
        """The record as the practice takes it down, without the agreements that come by word of mouth."""
        row, (postcode, commune, insee), at = self.row, COMMUNES[self.row.lives], self.app.clock.now()
        address = {"ligne": f"{self.number} rue de l'Exemple", "code_postal": postcode, "commune": commune}
        person = {"nom_naissance": row.family, "prenom": row.given, "naissance": row.born, "telephone": f"+336399810{self.number:02d}"}
        *given, family = self.places.doctor.name.removeprefix("Dr ").split()
        doctor = {"nom": family, "prenom": " ".join(given)} if given else {"nom": family}
        if self.mapping == FORM:
            return {
                "id": self.record, "date": at.astimezone(ZoneInfo(self.places.network.zone)).date().isoformat(),
                "demandeur": doctor | {"qualification": "medecin"},
                "personne": person | {"nom_usage": row.family, "adresse": address}, "motifs": list(row.needs), "destinataire": self.unit.key,
            }  # fmt: skip
        rpps = next(each.value for each in self.places.doctor.identifiers if each.system == RPPS)
        return {
            "id": self.record, "appel": instant(at), "appelant": doctor | {"telephone": "+33261910012", "rpps": rpps}, "preneur_appel": self.places.writer,
            "personne": person | {"nom": row.family, "sexe": row.sex, "canal_sur": "oui", "adresse": address | {"code_insee": insee}},
            "besoins": list(row.needs), "urgence": row.urgency, "contraintes": list(row.constraints), "destinataire": self.unit.key, "deja_suivi": "non",
        }  # fmt: skip

"""A whole Liaison in memory with a FakeEhr beside it, on a clock that stands at a Friday evening. All persons are invented."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapter import network
from adapter.app import App, build
from adapter.clock import FrozenClock
from adapter.ehr.fake import FakeEhr
from adapter.look import Revealed
from adapter.ports import Principal
from adapter.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
FRIDAY = datetime(2026, 3, 6, 18, 50, tzinfo=ZoneInfo("Europe/Paris"))
CLINIC = "msp-saint-eloi"
COURSIER = Principal("coursiers", "asso-coursiers", "coursier-rouen", "service", person="coursier-lea")
SAAD = Principal("saad", "saad-seine", "saad-portage", "service", person="aide-noe")
GP = Principal("saint-eloi", CLINIC, None, "clinic", person="dr-exemple", scopes=frozenset({"system/*.cruds"}))
CARSAT = Principal("carsat", "carsat-normandie", "permanence-saint-eloi", "service", person="as-ines")

CALL: dict[str, Any] = {
    "id": "appel-1",
    "appel": "2026-03-06T18:50:00+01:00",
    "appelant": {"nom": "Exemple", "prenom": "Camille", "telephone": "+33261910012", "rpps": "10000000009"},
    "preneur_appel": "coursier-lea",
    "personne": {
        "nom": "Zyxdurand", "nom_naissance": "Zyxdurand", "prenom": "Jeannezyx", "naissance": "1938-02-03", "sexe": "F",
        "telephone": "+33639980001", "canal_sur": "oui",
        "adresse": {"ligne": "12 rue Zyxexemple", "code_postal": "76100", "commune": "Rouen", "code_insee": "76540"},
    },
    "besoins": ["denutrition", "isolement"],
    "urgence": "48h",
    "contraintes": ["marche-aide"],
    "destinataire": "coursier-rouen",
    "mots_du_medecin": "Zyxmots: ne mange plus",
}  # fmt: skip
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "zyx-patient",
    "name": [{"use": "official", "family": "Zyxdurand", "given": ["Jeannezyx"]}],
    "gender": "female",
    "birthDate": "1938-02-03",
}


class Stage:
    """Acts of persons, in one line each."""

    def __init__(self, app: App, ehr: FakeEhr, clock: FrozenClock) -> None:
        self.app, self.ehr, self.clock = app, ehr, clock

    def call(self, **changed: Any) -> Any:
        record = copy.deepcopy(CALL) | changed
        return self.app.write_now(lambda story, uow: story.refer(uow, COURSIER, "appel-coursier", record))

    def agree(self, who: str, agreed: bool = True, record: str = "appel-1") -> Any:
        heard = {"who": who, "agreed": agreed, "heard_by": "coursier-lea", "how": "telephone"}
        return self.app.write_now(lambda story, uow: story.agree(uow, COURSIER, "appel-coursier", record, heard))

    def sent(self, **changed: Any) -> None:
        self.call(**changed)
        self.agree("doctor", record=changed.get("id", "appel-1"))
        self.agree("patient", record=changed.get("id", "appel-1"))

    def cards(self, who: Principal, view: str) -> list[Revealed]:
        """Every referral of the list, opened."""
        listed = self.app.write_now(lambda story, uow: story.worklist(uow, who, view)) or []
        return [found for line in listed if (found := self.see(who, view, line.id))]

    def act(self, who: Principal, view: str, shown: Revealed, verb: str, **arguments: Any) -> Revealed | None:
        return self.app.write_now(lambda story, uow: story.advance(uow, who, view, shown.id, verb, arguments, if_match=shown.etag))

    def see(self, who: Principal, view: str, id: str) -> Revealed | None:
        return self.app.write_now(lambda story, uow: story.reveal(uow, who, view, id))

    def push(self) -> int:
        """All that is due; what met a letter of another referral under way, to whose copy it points, a moment later."""
        sent, waits = self.app.wiring.push.drain(), {"waits"}
        while waits & {each.reason for each in self.app.read_now(lambda _, uow: uow.letters(states=("queued",)))}:
            self.clock.tick(timedelta(seconds=5))
            if not (more := self.app.wiring.push.drain()):
                break
            sent += more
        return sent

    def pull(self) -> Any:
        return self.app.wiring.pulls[CLINIC].run(now=True)


@contextmanager
def staged(database: str = "sqlite://", **more: str) -> Iterator[Stage]:
    """`more`: settings."""
    clock = FrozenClock(FRIDAY)
    with FakeEhr(clock=clock) as ehr:
        settings = load_settings({"LIAISON_SECRET_KEY": "k" * 40, "LIAISON_DATABASE_URL": database, **more})
        app = build(settings, clock=clock)
        try:
            found = network.load(ROOT / "mappings" / "demo" / "network.yaml")
            moved = tuple(replace(each, ehr=replace(each.ehr, url=ehr.base_url)) if each.ehr else each for each in found.organisations)
            app.apply_network(replace(found, organisations=moved))
            ehr.plant(copy.deepcopy(PATIENT))
            yield Stage(app, ehr, clock)
        finally:
            app.close()

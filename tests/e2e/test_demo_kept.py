"""Acceptance of the loop: after `liaison demo --keep DIR` the EHR's state is read over HTTP, and every byte that left is searched.

Nothing here is shared with the demonstration, nor with the product: processes are started, files and HTTP answers are read.
Every personal field of the records below carries a word of its own; where each may be seen was written down by hand from the
view files of `mappings/views`. All persons are invented."""

from __future__ import annotations

import base64
import binascii
import copy
import json
import os
import re
import select
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PATIENCE = 60
STAFF = "demo-ehr-staff"  # the X-Request-Id of what the practice's own people do in their EHR
LATELY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)  # so that a deadline counted anew would be another
Resource = dict[str, Any]

# ── the records ──────────────────────────────────────────────────────────────────────────────────
WORDS = {  # what each personal field says: a word found nowhere else
    "usual": "Vrombiquet", "birth-name": "Tarpinoule", "given": "Quilberte", "born": "1931-07-19", "phone": "+33639987341",
    "line": "47 rue des Marmouzets", "postcode": "76190", "town": "Grandfictif", "nir": "231077654001712", "words": "Grimouillonne depuis dix jours",
    "caller": "Zaquoilleur", "caller-given": "Wulfrande", "caller-phone": "+33261914417", "caller-town": "Belleplanche", "rpps": "10000000538",
    "diagnosis": "Fluctuose", "private": "Bredouillard",
}  # fmt: skip
CALL: Resource = {
    "id": "appel-garde-1", "appel": LATELY.isoformat(),
    "appelant": {
        "nom": WORDS["caller"], "prenom": WORDS["caller-given"], "telephone": WORDS["caller-phone"], "commune": WORDS["caller-town"],
        "rpps": WORDS["rpps"],
    },
    "preneur_appel": "secretaire-saint-eloi",
    "personne": {
        "nom": WORDS["usual"], "nom_naissance": WORDS["birth-name"], "prenom": WORDS["given"], "naissance": WORDS["born"], "sexe": "F",
        "telephone": WORDS["phone"], "canal_sur": "oui",
        "adresse": {"ligne": WORDS["line"], "code_postal": WORDS["postcode"], "commune": WORDS["town"], "code_insee": "76540"},
    },
    "besoins": ["denutrition", "isolement"], "urgence": "normale", "contraintes": ["marche-aide"], "situation": ["vit-seul"],
    "entourage": [{"role": "enfant", "age": "30-59"}], "destinataire": "coursier-rouen", "deja_suivi": "nsp",
    "mots_du_medecin": WORDS["words"], "diagnostic": WORDS["diagnosis"], "notes_privees": WORDS["private"], "numero_secu": WORDS["nir"],
}  # fmt: skip
FORM: Resource = {
    "id": "fiche-garde-1", "date": LATELY.astimezone(ZoneInfo("Europe/Paris")).date().isoformat(),
    "demandeur": {"nom": WORDS["caller"], "prenom": WORDS["caller-given"], "qualification": "Médecin généraliste"},
    "personne": {
        "nom_usage": WORDS["usual"], "nom_naissance": WORDS["birth-name"], "prenom": WORDS["given"], "naissance": WORDS["born"],
        "numero_secu": WORDS["nir"], "telephone": WORDS["phone"],
        "adresse": {"ligne": WORDS["line"], "code_postal": WORDS["postcode"], "commune": WORDS["town"]},
    },
    "motifs": ["Accès aux droits", "Pathologie lourde"], "informations_complementaires": WORDS["words"], "destinataire": "permanence-saint-eloi",
    "notes_privees": WORDS["private"],
}  # fmt: skip
PERSONAL = ("name", "line", "text", "email", "phone", "postcode", "nir", "rpps")  # types of the mapping language that say who it is
ELSEWHERE = {"personne.naissance", "id", "date_rdv"}  # birth date has its word, an id is the sender's, an appointment says nobody

# ── where each word may be seen, from mappings/views ─────────────────────────────────────────────
COMMUNE = {"usual", "given", "phone", "line", "postcode", "town"}
OPEN = {  # once the service knows whom to help
    "coursier-dac-asso": COMMUNE | {"caller", "caller-given", "caller-phone"},
    "as-carsat": COMMUNE | {"born", "nir"},
    "saad": COMMUNE,
    "prescripteur": COMMUNE | {"born", "words"},
}
OFFER = {"saad": {"postcode"}}  # a pool before it accepts: the area
MATCHING = {"birth-name", "born"}  # by which a patient is looked for in the EHR that has them
OF_CLIENT = {"coursiers": "coursier-dac-asso", "carsat": "as-carsat", "saad": "saad", "saint-eloi": "prescripteur"}


@dataclass(frozen=True)
class Play:
    """One kind of run. `words`: as in WORDS; `first`: the view of the service that is asked first."""

    name: str
    mapping: str
    record: Resource | None
    words: dict[str, str]
    first: str
    requests: int = 3  # the referral, the further service, the second referral


DEFAULT = {"birth-name": "Inventée", "given": "Jeanne", "born": "1938-02-03", "phone": "+33639980001", "line": "12 rue de l'Exemple",
           "postcode": "76100", "words": "Ne mange plus depuis dix jours"}  # fmt: skip
PLAYS = (
    Play("default", "", None, DEFAULT, "coursier-dac-asso"),
    Play("call", "appel-coursier", CALL, WORDS, "coursier-dac-asso"),
    Play("form", "fiche-st-eloi", FORM, {name: word for name, word in WORDS.items() if name not in ("rpps", "diagnosis", "caller-phone", "caller-town")}, "as-carsat"),
)


@dataclass
class Kept:
    """What one run left: its folder, what it printed, and its EHR, read over HTTP."""

    play: Play
    folder: Path
    printed: list[Resource]
    errors: str
    ehr: dict[str, list[Resource]] = field(default_factory=dict)

    def lines(self, name: str) -> list[Resource]:
        return [json.loads(line) for line in (self.folder / name).read_text("utf-8").splitlines()]

    @cached_property
    def sent(self) -> list[Resource]:
        """Requests of Liaison to the EHR, without those of the practice's own people."""
        return [each for each in self.lines("ehr-requests.ndjson") if each["headers"].get("x-request-id") != STAFF]

    @cached_property
    def staffs(self) -> list[Resource]:
        return [each for each in self.lines("ehr-requests.ndjson") if each["headers"].get("x-request-id") == STAFF]

    def seen(self, text: str) -> set[str]:
        """Which words stand in a text, as they are, escaped, in an address or inside base64."""
        whole = "\n".join([text, unquote(text.replace("+", " ")), *_unpacked(text)])
        return {name for name, word in self.play.words.items() if any(form in whole for form in _forms(name, word))}


def _forms(name: str, word: str) -> set[str]:
    if name.endswith("phone"):
        word = word[3:]  # whatever stands before
    spelled = {word, json.dumps(word)[1:-1], quote(word)}
    return spelled | ({word.replace("-", ""), f"{word[8:]}/{word[5:7]}/{word[:4]}"} if name == "born" else set())


def _unpacked(text: str) -> Iterator[str]:
    for found in set(re.findall(r"[A-Za-z0-9+/]{24,}={0,2}", text)):
        try:
            yield base64.b64decode(found, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue


def environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("LIAISON_")}
    return kept | {"COLUMNS": "200", "NO_COLOR": "1"}


def liaison(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "adapter.cli", *arguments]


@contextmanager
def answering(folder: Path) -> Iterator[str]:
    """`liaison fake-ehr` on what the demonstration left, in a process of its own; its address."""
    with subprocess.Popen(liaison("fake-ehr", "--data", str(folder), "--port", "0"), stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], PATIENCE)[0], "it says nothing"
            yield re.findall(r"http://\S+/fhir", process.stdout.readline())[0]
        finally:
            process.terminate()


def everything(base: str, type: str) -> list[Resource]:
    """All current resources of a type, page by page."""
    found: list[Resource] = []
    page = f"{base}/{type}?_count=100"
    while page:
        with urllib.request.urlopen(page, timeout=PATIENCE) as answer:
            bundle = json.load(answer)
        found += [entry["resource"] for entry in bundle.get("entry", ())]
        page = next((link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"), "")
    return found


@pytest.fixture(scope="module", params=PLAYS, ids=lambda play: play.name)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    play: Play = request.param
    place = tmp_path_factory.mktemp(play.name)
    given = []
    if play.record is not None:
        (place / "record.json").write_text(json.dumps(play.record, ensure_ascii=False), "utf-8")
        given = ["--record", str(place / "record.json"), "--mapping", play.mapping]
    folder = place / "kept"
    done = subprocess.run(
        liaison("demo", "--json", "--keep", str(folder), *given), check=False, capture_output=True, text=True, timeout=300, env=environment(), cwd=place
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    found = Kept(play, folder, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)
    with answering(folder) as base:
        found.ehr = {type: everything(base, type) for type in ("Patient", "ServiceRequest", "Task", "Consent", "Procedure", "Organization")}
    return found


# ── the records leave no personal field out ──────────────────────────────────────────────────────
def _declared(fields: Resource, path: str = "") -> Iterator[tuple[str, Resource]]:
    for name, said in fields.items():
        if not name.startswith("$") and isinstance(said, dict):
            place = f"{path}{name}"
            if "type" in said or "never" in said:
                yield place, said
            elif "fields" not in said:
                yield from _declared(said, f"{place}.")


def _given(record: Resource, path: str) -> Any:
    for name in path.split("."):
        record = record.get(name, {}) if isinstance(record, dict) else {}
    return record


@pytest.mark.parametrize(("mapping", "record"), [("appel-coursier", CALL), ("fiche-st-eloi", FORM)])
def test_records_of_this_test_have_a_word_in_every_personal_field_of_their_mapping(mapping: str, record: Resource) -> None:
    document = yaml.safe_load((ROOT / "mappings" / f"{mapping}.yaml").read_text("utf-8"))
    wanted = [
        path for path, said in _declared(document["record"])
        if (said.get("type") in PERSONAL or "never" in said or path == "personne.naissance") and said.get("owner") != "liaison"
    ]  # fmt: skip
    assert len(wanted) >= 12 and "personne.naissance" in wanted
    for path in wanted:
        assert _given(record, path) in WORDS.values(), f"{path}: give it a word, and say in OPEN and OFFER who may see it"
    assert max(Counter(WORDS.values()).values()) == 1


# ── what the EHR holds ───────────────────────────────────────────────────────────────────────────
def test_ehr_holds_one_request_and_task_a_recipient_with_its_consents(kept: Kept) -> None:
    requests, tasks, consents = kept.ehr["ServiceRequest"], kept.ehr["Task"], {f"Consent/{each['id']}": each for each in kept.ehr["Consent"]}
    assert len(requests) == len(tasks) == kept.play.requests
    assert sorted(task["focus"]["reference"] for task in tasks) == sorted(f"ServiceRequest/{each['id']}" for each in requests)
    asked = Counter((each["requisition"]["value"], performer["identifier"]["value"]) for each in requests for performer in each["performer"])
    assert len(asked) == kept.play.requests, "one request for each recipient of each call"
    for request in requests:
        (task,) = [each for each in tasks if each["focus"]["reference"] == f"ServiceRequest/{request['id']}"]
        assert [each["identifier"]["value"] for each in request["performer"]] == [task["owner"]["identifier"]["value"]]
        assert request["subject"] == task["for"]
        own = [consents[each["reference"]] for each in request["supportingInfo"]]
        assert own and all(each["patient"] == request["subject"] for each in own)
        ended = task["status"] in ("completed", "cancelled")
        assert {each["status"] for each in own} == {"inactive" if ended else "active"}
    named = [each["reference"] for request in requests for each in request["supportingInfo"]]
    assert sorted(named) == sorted(consents), "no Consent is shared, none is there that no request names"
    assert Counter(task["status"] for task in tasks) == {"completed": 1, "accepted": 1, "cancelled": 1}
    for type in ("ServiceRequest", "Task", "Consent", "Procedure"):
        ids = Counter((one["system"], one["value"]) for each in kept.ehr[type] for one in each["identifier"])
        assert ids and max(ids.values()) == 1


def test_ehr_holds_exactly_the_patient_that_was_there(kept: Kept) -> None:
    (patient,) = kept.ehr["Patient"]
    (planted,) = [json.loads(each["body"]) for each in kept.staffs if each["method"] == "POST" and each["path"] == "/fhir/Patient"]
    assert {name: part for name, part in patient.items() if name not in ("id", "meta")} == {name: part for name, part in planted.items() if name not in ("id", "meta")}
    assert patient["meta"]["versionId"] == "1", "nobody wrote it after the practice"
    assert {each["for"]["reference"] for each in kept.ehr["Task"]} == {f"Patient/{patient['id']}"}
    assert not [each for each in kept.sent if each["method"] in ("POST", "PUT") and re.fullmatch(r"/fhir/Patient(/[^_].*)?", each["path"])]


def test_what_only_the_ehr_knows_is_intact_after_our_later_writes(kept: Kept) -> None:
    (change,) = [each for each in kept.staffs if each["method"] == "PUT"]
    theirs = json.loads(change["body"])
    (task,) = [each for each in kept.ehr["Task"] if each["id"] == theirs["id"]]
    assert task["note"] == theirs["note"] and theirs["note"][0]["text"]
    assert task["extension"] == theirs["extension"] and theirs["extension"]
    assert task["status"] == "completed" and theirs["status"] == "in-progress", "Liaison wrote after the practice did"
    later = [each for each in kept.sent if each["method"] == "PUT" and each["path"] == change["path"] and each["at"] > change["at"]]
    assert later and all("if-match" in each["headers"] for each in later)
    (done,) = kept.ehr["Procedure"]
    assert [each["valueReference"]["reference"] for each in task["output"]] == [f"Procedure/{done['id']}"]


def test_deadline_that_was_sent_is_the_one_that_was_said_at_the_call(kept: Kept) -> None:
    (announced, *_) = [json.loads(each["body"]) for each in kept.lines("answers.ndjson") if each["path"] == f"/intake/{kept.play.mapping or 'appel-coursier'}"]
    said = {each["due"] for each in announced["referrals"]}
    (completed,) = [each for each in kept.ehr["Task"] if each["status"] == "completed"]
    assert completed["restriction"]["period"]["end"] in said and len(said) == 1


# ── every byte that left ─────────────────────────────────────────────────────────────────────────
def test_nothing_personal_left_for_the_ehr_but_the_search_for_its_own_patient(kept: Kept) -> None:
    assert len(kept.sent) > 20
    searches = [each for each in kept.sent if each["path"] == "/fhir/Patient/_search"]
    others = [each for each in kept.sent if each not in searches]
    assert kept.seen(json.dumps(others)) == set()
    assert kept.seen(json.dumps([each | {"body": ""} for each in kept.sent])) == set(), "no word in an address or a header"
    assert kept.seen(json.dumps(searches)) == MATCHING
    written = "".join(path.read_text("utf-8") for path in (kept.folder / "emitted").iterdir())
    assert kept.seen(written) == set() and len(written) > 5000


def test_each_client_got_only_the_words_that_its_view_allows(kept: Kept) -> None:
    got: dict[str, set[str]] = {}
    accepted = False
    for each in kept.lines("answers.ndjson"):
        seen, client = kept.seen(each["path"] + each["body"]), each["client"]
        view = OF_CLIENT.get(client, "")
        allowed = OFFER[view] if view in OFFER and not accepted else OPEN.get(view, set())
        accepted = accepted or (client == "saad" and each["path"].endswith("/accept"))
        if client == "saad" and each["path"].endswith("/accept"):
            allowed = OPEN[view]
        assert seen <= allowed, f"{client} {each['method']} {each['path']}: {seen - allowed}"
        got[client] = got.get(client, set()) | seen
    known = set(kept.play.words)
    first = next(client for client, view in OF_CLIENT.items() if view == kept.play.first)
    for client in (first, "saad", "saint-eloi"):
        assert got[client] == OPEN[OF_CLIENT[client]] & known, client
    assert got[""] == set() and all(not got.get(client) for client in {"coursiers", "carsat"} - {first})


def test_cards_and_all_else_that_the_demonstration_prints_keep_to_the_views(kept: Kept) -> None:
    *steps, summary = kept.printed
    assert summary["summary"] and summary["ok"] and kept.seen(kept.errors) == set()
    rest = [{name: part for name, part in step.items() if name != "cards"} for step in steps]
    assert kept.seen(json.dumps(rest)) == set(), "a word outside a card"
    shown: dict[str, set[str]] = {}
    for step in steps:
        for card in (each["card"] for each in step["cards"]):
            view = card.get("view", "none")
            stage = OFFER if view in OFFER and card["state"] == "requested" else OPEN
            allowed = stage.get(view, set()) if card.get("state") not in ("completed", "cancelled") or view == "prescripteur" else set()
            seen = kept.seen(json.dumps(card))
            if view == "none" and step["step"] == "answer":
                allowed = {"words"}  # the part of another referral's card that bears them
            assert seen <= allowed, f"{step['step']}, {view}: {seen - allowed}"
            shown[view] = shown.get(view, set()) | seen
    known = set(kept.play.words)
    assert shown[kept.play.first] == OPEN[kept.play.first] & known and shown["saad"] == OPEN["saad"] & known
    assert "words" in shown["prescripteur"] | shown["none"]


def test_search_for_words_finds_what_hides(kept: Kept) -> None:
    """The search itself: escaped, in an address, in base64."""
    hidden = kept.play.words["words"]
    for text in (json.dumps({"a": hidden}), quote(hidden), base64.b64encode(f"Attestation : {hidden}, dit-elle.".encode()).decode()):
        assert kept.seen(text) == {"words"}
    copied = copy.deepcopy(kept.play.words)
    assert kept.seen(copied["born"].replace("-", "")) == {"born"}

"""The engine on its real neighbours: a store in a file, the HTTP client, the matcher, FakeEhr over loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.ehr import HttpEhrClient, matching_patients, refs
from adapter.ehr.auth import NoAuth
from adapter.ehr.fake import FakeEhr
from adapter.ehr.fake.faults import Fault
from adapter.net import GuardedSession, Limits
from adapter.ports import EhrClient, Remote, Resource, Uow
from adapter.store import open_store, upgrade
from adapter.sync.links import Unlinked
from tests.unit.sync.house import CONSENT, PATIENT, REQUEST, START, SYSTEMS, TASK, House

CLINIC = {"resourceType": "Organization", "id": "clinic", "identifier": [{"system": SYSTEMS.sid("organisation"), "value": "clinic"}]}
REMOTE = {"clinic": "Organization/9001"}
NOTE = [{"text": "vu avec la famille"}]
ODD = [{"url": "https://ehr.example/odd", "valueString": "x"}]


KINDS = {"Organization": "organisation", "HealthcareService": "unit"}


class References:
    """Rewrites as the composition root does: linked, named by `remote:`, else by identifier."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def outward(self, uow: Uow, ehr: str, resource: Resource) -> Resource:
        def lookup(type: str, id: str) -> str | None:
            link = uow.link(ehr, type, id)
            return link.remote_id if link else REMOTE.get(id, "").rpartition("/")[2] or None

        def logical(type: str, id: str) -> dict[str, Any] | None:
            if type not in KINDS:
                raise Unlinked(type, id)
            return {"type": type, "identifier": {"system": SYSTEMS.sid(KINDS[type]), "value": id}}

        return refs.outward(resource, lookup, logical, base_url=self.base_url)

    def inward(self, uow: Uow, ehr: str, resource: Resource) -> Resource:
        def lookup(type: str, remote_id: str) -> str | None:
            link = uow.link_by_remote(ehr, type, remote_id)
            return link.id if link else None

        return refs.inward(resource, lookup, base_url=self.base_url)[0]


class OnFake(House):
    """A house whose EHR is FakeEhr."""

    def __init__(self, fake: FakeEhr, client: HttpEhrClient, file: Path, clock: FrozenClock) -> None:
        url = f"sqlite:///{file}"
        upgrade(url)
        store = open_store(url, clock=clock, seal=lambda before, event: "0", key=b"k" * 32)
        references = References(fake.base_url)
        super().__init__(store=store, clock=clock, client=client, references=(references.outward, references.inward))
        self.fake = fake

    def match(self, client: EhrClient, patient: Resource) -> list[Remote]:
        return matching_patients(client, patient)

    def referral(self, **task: Any) -> House:
        self.fake.plant({**PATIENT, "id": "42"}, {**CLINIC, "id": "9001", "name": "MSP"})
        self.put(PATIENT, CONSENT, REQUEST, {**TASK, **task})
        self.post("Consent/c1", "ServiceRequest/s1", "Task/t1")
        return self

    def one(self, type: str) -> Resource:
        (found,) = self.fake.all(type)
        return found

    def writes(self) -> list[str]:
        return [f"{each.method} {each.path.rpartition('/')[2]}" for each in self.fake.requests if each.method in ("POST", "PUT")]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[OnFake]:
    clock = FrozenClock(START)
    with FakeEhr(clock=clock) as fake:
        session = GuardedSession(allow=[fake.base_url], clock=clock, limits=Limits(connect=5, read=5, total=60, body=1_000_000))
        client = HttpEhrClient("clinic", fake.base_url, session=session, auth=NoAuth(), clock=clock)
        built = OnFake(fake, client, tmp_path / "liaison.db", clock)
        yield built
        client.close()
        built.store.close()


def settled(house: OnFake) -> set[str]:
    return {state for _, state, _ in house.states()}


def test_a_referral_reaches_the_ehr_whole_with_its_references(house: OnFake) -> None:
    house.referral()

    assert house.push().drain() == 3

    task, request, consent = house.one("Task"), house.one("ServiceRequest"), house.one("Consent")
    assert settled(house) == {"done"}
    assert task["for"] == {"reference": "Patient/42"} == consent["patient"]
    assert task["focus"] == {"reference": f"ServiceRequest/{request['id']}"}
    assert request["supportingInfo"] == [{"reference": f"Consent/{consent['id']}"}]
    assert request["requester"] == {"reference": "Organization/9001"}, "by remote: of the network file"
    assert task["owner"]["identifier"] == {"system": SYSTEMS.sid("unit"), "value": "u1"}, "by identifier"
    assert len(house.fake.all("Patient")) == 1


@pytest.mark.parametrize("kind", ["cut-after", "answer-after", "truncate", "cut-inside"])
def test_a_create_whose_answer_is_lost_is_found_and_not_repeated_y_02_y_03(house: OnFake, kind: Any) -> None:
    house.referral()
    house.fake.inject(Fault(kind, on="POST Task", status=504))

    push = house.push()
    push.drain()
    assert house.states()[-1][1] == "unknown"
    house.later(minutes=20)
    push.drain()

    assert settled(house) == {"done"}
    assert len(house.fake.all("Task")) == 1
    assert house.writes().count("POST Task") == 1


def test_a_create_that_never_arrived_is_repeated(house: OnFake) -> None:
    house.referral()
    house.fake.inject(Fault("cut-before", on="POST Task"))

    push = house.push()
    push.drain()
    house.later(minutes=20)
    push.drain()

    assert settled(house) == {"done"}
    assert len(house.fake.all("Task")) == 1


def test_a_server_without_conditional_create_still_gets_it_once_when_the_process_dies_y_01(house: OnFake) -> None:
    house.referral()
    house.fake.inject(Fault("ignore-if-none-exist", on="POST *", times=None))
    dying = house.push("dying")
    dying._settle = _die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        dying.step()
    house.later(minutes=2)

    house.push("next").drain()

    assert settled(house) == {"done"}
    assert [len(house.fake.all(type)) for type in ("Consent", "ServiceRequest", "Task")] == [1, 1, 1]


def _die(*_: Any) -> None:
    raise SystemExit(9)


def test_the_ehrs_own_content_survives_and_its_change_comes_back(house: OnFake) -> None:
    house.referral()
    house.push().drain()
    house.later(minutes=1)
    house.fake.edit("Task", house.one("Task")["id"], {"note": NOTE, "extension": ODD, "status": "cancelled"})

    assert house.pull().run(now=True).outcomes["Task"] == {"applied": 1}
    assert house.ours("Task")["status"] == "cancelled"
    house.push().drain()
    house.set("Task", businessStatus={"text": "clos"})
    house.push().drain()

    task = house.one("Task")
    assert (task["note"], task["extension"], task["status"], task["businessStatus"]) == (NOTE, ODD, "cancelled", {"text": "clos"})
    assert house.pull().run(now=True).total == {"echo": 3}
    assert settled(house) == {"done"}


def test_a_stale_write_is_merged_with_if_match_y_06_y_09(house: OnFake) -> None:
    house.referral()
    house.push().drain()
    house.fake.edit("Task", house.one("Task")["id"], {"note": NOTE})
    house.set("Task", status="accepted")

    house.push().drain()

    assert (house.one("Task")["status"], house.one("Task")["note"]) == ("accepted", NOTE)
    puts = [each for each in house.fake.requests if each.method == "PUT"]
    assert [{name.lower(): text for name, text in each.headers.items()}.get("if-match") for each in puts] == ['W/"1"', 'W/"2"']


@pytest.mark.parametrize("opaque", [True, False])
def test_versions_of_any_kind_serve_y_10(tmp_path: Path, opaque: bool) -> None:
    clock = FrozenClock(START)
    with FakeEhr(clock=clock, opaque_versions=opaque) as fake:
        session = GuardedSession(allow=[fake.base_url], clock=clock, limits=Limits(connect=5, read=5, total=60, body=1_000_000))
        client = HttpEhrClient("clinic", fake.base_url, session=session, auth=NoAuth(), clock=clock)
        house = OnFake(fake, client, tmp_path / "liaison.db", clock)
        fake.inject(Fault("etag-only" if opaque else "no-version", on="*", times=None))
        house.referral()
        house.push().drain()
        fake.edit("Task", house.one("Task")["id"], {"note": NOTE})
        house.set("Task", status="accepted")
        house.push().drain()

        assert (house.one("Task")["status"], house.one("Task")["note"]) == ("accepted", NOTE)
        assert settled(house) == {"done"}
        client.close()
        house.store.close()


def test_pages_of_the_real_client_are_all_read(house: OnFake) -> None:
    house.referral()
    for n in range(120):
        own = [{"system": SYSTEMS.sid("request"), "value": f"x{n}"}]
        house.put({**REQUEST, "id": f"x{n}", "identifier": own})
        house.post(f"ServiceRequest/x{n}", lane=f"x{n}")
    house.push().drain(1000)
    house.later(minutes=1)
    for resource in house.fake.all("ServiceRequest"):
        house.fake.edit("ServiceRequest", resource["id"], {"priority": "urgent"})
    house.fake.requests.clear()

    report = house.pull().run(now=True)

    assert report.outcomes["ServiceRequest"] == {"applied": 121}
    searches = [each for each in house.fake.requests if "ServiceRequest" in each.path or each.path.rstrip("/").endswith("/fhir")]
    assert all({k.lower(): v for k, v in each.headers.items()}["cache-control"] == "no-cache" for each in searches)


def test_a_wider_consent_waits_and_a_narrower_one_acts_across_references_y_46(house: OnFake) -> None:
    house.referral()
    house.push().drain()
    consent = house.one("Consent")
    actor = {"role": {"coding": [{"code": "IRCP"}]}, "reference": {"reference": "Organization/9001"}}

    def widened(resource: Resource) -> None:
        resource["provision"]["actor"].append(actor)
        resource["provision"]["action"].pop()

    house.fake.edit("Consent", consent["id"], widened)
    house.pull().run(now=True)

    ours = house.ours("Consent")["provision"]
    assert ours["actor"] == CONSENT["provision"]["actor"], "the actor it adds waits"
    assert ours["action"] == CONSENT["provision"]["action"][:1], "the action it takes away is gone"
    assert house.conflicts() == [("Consent", "consent-wider")]


def test_the_person_is_found_by_traits_where_the_ehr_has_no_number_of_ours(house: OnFake) -> None:
    traits = {"name": [{"use": "official", "family": "Aubier", "given": ["Lise"]}], "birthDate": "1941-05-06", "gender": "female"}
    house.fake.plant({**CLINIC, "id": "9001"}, {"resourceType": "Patient", "id": "77", **traits})
    house.put({"resourceType": "Patient", "id": "p1", **traits}, CONSENT, REQUEST, TASK)
    house.post("Consent/c1")

    house.push().drain()

    assert house.one("Consent")["patient"] == {"reference": "Patient/77"}
    assert not [each for each in house.fake.requests if "Aubier" in each.path]


def test_an_ehr_that_hangs_holds_up_nobody_else_for_ever(house: OnFake) -> None:
    house.referral()
    held = Fault("hold", on="POST Consent", event=threading.Event())
    house.fake.inject(held)
    sending = threading.Thread(target=lambda: house.push("slow").step())
    sending.start()
    house.later(minutes=2)
    held.event.set()
    sending.join(20)
    house.later(minutes=20)

    house.push("next").drain()

    assert settled(house) == {"done"}
    assert len(house.fake.all("Consent")) == 1

"""What the client promises, on FakeEhr and on a real HAPI: the same file proves the double true to the server it stands for.

Every test makes its own resources under identifiers of its own, so that it may run on a server that others use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest

from adapter.clock import SystemClock, instant
from adapter.ehr import HttpEhrClient, Matched, Several, inward, match_patient, outward
from adapter.ehr.auth import NoAuth
from adapter.ehr.fake import FakeEhr
from adapter.errors import EhrRejected, EhrStale
from adapter.net import GuardedSession
from adapter.ports import Remote, Resource

CLOCK = SystemClock()
SID = "https://liaison.example/sid"
JSON = "application/fhir+json"


@pytest.fixture(params=["fake", pytest.param("hapi", marks=pytest.mark.hapi)])
def base_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "hapi":
        yield os.environ.get("LIAISON_TEST_HAPI_URL") or request.getfixturevalue("hapi_url")
    else:
        with FakeEhr() as fake:
            yield fake.base_url


@pytest.fixture
def session(base_url: str) -> Iterator[GuardedSession]:
    guarded = GuardedSession(allow=[base_url], clock=CLOCK)
    yield guarded
    guarded.close()


@pytest.fixture
def client(base_url: str, session: GuardedSession) -> HttpEhrClient:
    return HttpEhrClient("clinic", base_url, session=session, auth=NoAuth(), clock=CLOCK)


@pytest.fixture
def run() -> str:
    """An identifier value that nobody else has."""
    return CLOCK.new_id()


def patient(value: str, **more: object) -> Resource:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": f"{SID}/patient", "value": value}],
        "name": [{"use": "official", "family": f"Lefèvre{value[-8:]}", "given": ["Jeanne"]}],
        "birthDate": "1938-02-03",
        "gender": "female",
        **more,
    }


def task(value: str, **more: object) -> Resource:
    identifier = [{"system": f"{SID}/task", "value": value}]
    return {"resourceType": "Task", "identifier": identifier, "status": "requested", "intent": "order", **more}


def sourceless(resource: Resource) -> Resource:
    """Without `meta.source`: HAPI stamps the request's id there, whole in the answer to a create, shortened in what it stores."""
    return resource | {"meta": {key: value for key, value in resource["meta"].items() if key != "source"}}


def found(client: HttpEhrClient, value: str, *params: tuple[str, str]) -> list[Remote]:
    return [remote for page in client.search("Task", [("identifier", f"{SID}/task|{value}"), *params]) for remote in page]


def delete(session: GuardedSession, base_url: str, path: str) -> int:
    return session.send("DELETE", f"{base_url}/{path}").status


# ── one resource ─────────────────────────────────────────────────────────────────────────────────
def test_ehr_says_that_it_speaks_r4_and_what_it_can_do(client: HttpEhrClient) -> None:
    capability = client.capability()
    assert capability.fhir_version.startswith("4.0.") and capability.software
    assert capability.transactions and capability.conditional_create
    assert {"create", "update", "read", "search-type"} <= capability.types["Task"]
    assert {"identifier", "status", "owner"} <= capability.search["Task"]


def test_ehr_gives_back_what_was_created(client: HttpEhrClient, run: str) -> None:
    made = client.create(task(run))
    assert made.id and made.version == "1"
    read = client.read("Task", made.id)
    assert (read.version, sourceless(read.resource)) == (made.version, sourceless(made.resource))
    assert made.resource["identifier"] == task(run)["identifier"]


def test_ehr_keeps_extensions_and_notes_that_it_does_not_know(client: HttpEhrClient, run: str) -> None:
    unknown = [{"url": "https://x.example/e", "valueString": "é"}]
    more = {"extension": unknown, "note": [{"text": "ours"}], "_status": {"extension": unknown}}
    made = client.create(task(run, **more))
    read = client.read("Task", made.id)
    assert read is not None
    assert {key: read.resource[key] for key in more} == more


def test_ehr_creates_once_when_the_same_is_created_conditionally_twice_Y_02(client: HttpEhrClient, run: str) -> None:
    own = (f"{SID}/task", run)
    first, second = (client.create(task(run), if_none_exist=own) for _ in range(2))
    assert (first.id, first.version) == (second.id, second.version)
    assert [remote.id for remote in found(client, run)] == [first.id]


@pytest.mark.parametrize("marks", ["a b&c=d", "a,b", "a$b", "é+%41"])
def test_ehr_finds_and_creates_once_whatever_marks_the_identifier_holds(client: HttpEhrClient, run: str, marks: str) -> None:
    value = f"{run} {marks}"
    ids = {client.create(task(value), if_none_exist=(f"{SID}/task", value)).id for _ in range(2)}
    assert len(ids) == 1
    escaped = value.replace(",", r"\,").replace("$", r"\$")
    assert {remote.id for remote in found(client, escaped)} == ids


def test_ehr_refuses_a_conditional_create_when_several_match_Y_05(client: HttpEhrClient, run: str) -> None:
    for _ in range(2):
        client.create(task(run))
    with pytest.raises(EhrRejected, match="several") as caught:
        client.create(task(run), if_none_exist=(f"{SID}/task", run))
    assert caught.value.status_code == 412


def test_ehr_updates_when_the_version_is_the_current_one(client: HttpEhrClient, run: str) -> None:
    made = client.create(task(run))
    changed = client.update({**made.resource, "status": "accepted"}, if_match=made.version)
    assert (changed.id, changed.version, changed.resource["status"]) == (made.id, "2", "accepted")


def test_ehr_refuses_a_stale_update_and_changes_nothing_Y_06(client: HttpEhrClient, run: str) -> None:
    made = client.create(task(run))
    client.update({**made.resource, "status": "accepted"}, if_match=made.version)
    with pytest.raises(EhrStale):
        client.update({**made.resource, "status": "rejected"}, if_match=made.version)
    now = client.read("Task", made.id)
    assert now is not None and (now.version, now.resource["status"]) == ("2", "accepted")


def test_ehr_patches_the_current_version_and_no_other(client: HttpEhrClient, run: str) -> None:
    made = client.create(task(run))
    accept = [{"op": "replace", "path": "/status", "value": "accepted"}]
    assert client.patch("Task", made.id, accept, if_match=made.version).resource["status"] == "accepted"
    with pytest.raises(EhrStale):
        client.patch("Task", made.id, accept, if_match=made.version)


def test_ehr_has_no_resource_that_was_deleted_or_never_was_Y_22(client: HttpEhrClient, session: GuardedSession, base_url: str, run: str) -> None:
    made = client.create(task(run))
    assert delete(session, base_url, f"Task/{made.id}") in (200, 204)
    assert session.send("GET", f"{base_url}/Task/{made.id}").status == 410
    assert client.read("Task", made.id) is None
    assert client.read("Task", f"no-{run[-8:]}") is None
    assert found(client, run) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"status": "nonsense"},
        {"focus": {"reference": "ServiceRequest/there-is-none"}},
        {"authoredOn": "yesterday"},
    ],
    ids=["code", "reference", "date"],
)
def test_ehr_refuses_what_is_no_valid_resource_and_the_reason_quotes_nothing(client: HttpEhrClient, run: str, bad: Resource) -> None:
    with pytest.raises(EhrRejected) as caught:
        client.create(task(run, **bad))
    assert 400 <= caught.value.status_code < 500
    assert not any(str(word) in str(caught.value) for word in ("nonsense", "there-is-none", "yesterday", run))


def test_ehr_refuses_a_number_chosen_by_us_as_an_id(client: HttpEhrClient, run: str) -> None:
    with pytest.raises(EhrRejected):
        client.update(task(run, id="999999001"), if_match="")


# ── searches ─────────────────────────────────────────────────────────────────────────────────────
def many(client: HttpEhrClient, run: str, count: int) -> set[str]:
    entries = [{"resource": task(run), "request": {"method": "POST", "url": "Task"}} for _ in range(count)]
    response = client.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert all(part["response"]["status"].startswith("201") for part in response["entry"])
    return {remote.id for remote in found(client, run, ("_count", "500"))}


def test_ehr_gives_every_page_once_Y_16(client: HttpEhrClient, run: str) -> None:
    planted = many(client, run, 11)
    pages = list(client.search("Task", [("identifier", f"{SID}/task|{run}"), ("_count", "3")]))
    assert [len(page) for page in pages] == [3, 3, 3, 2]
    assert {remote.id for page in pages for remote in page} == planted and len(planted) == 11


def test_ehr_misses_nothing_when_a_resource_changes_between_pages_Y_16(client: HttpEhrClient, run: str) -> None:
    planted = many(client, run, 6)
    pages = client.search("Task", [("identifier", f"{SID}/task|{run}"), ("_count", "2"), ("_sort", "_lastUpdated")])
    seen = [remote.id for remote in next(iter(pages))]
    current = client.read("Task", seen[0])
    assert current is not None
    client.update({**current.resource, "status": "accepted"}, if_match=current.version)
    client.create(task(run))
    seen += [remote.id for page in pages for remote in page]
    assert planted <= set(seen)


def test_ehr_answers_a_poll_afresh_each_time(client: HttpEhrClient, run: str) -> None:
    assert found(client, run) == []
    made = client.create(task(run))
    assert [remote.id for remote in found(client, run)] == [made.id]
    client.update({**made.resource, "status": "accepted"}, if_match=made.version)
    assert found(client, run, ("status", "requested")) == []
    assert [remote.version for remote in found(client, run)] == ["2"]


def test_ehr_gives_fresh_results_beyond_the_first_page_too(client: HttpEhrClient, run: str) -> None:
    for wanted in (3, 6):
        many(client, run, 3)
        assert len(found(client, run, ("_count", "2"))) == wanted


def test_ehr_finds_what_changed_since_by_its_own_clock(client: HttpEhrClient, run: str) -> None:
    made = client.create(task(run))
    at = CLOCK.now()
    assert len(found(client, run, ("_lastUpdated", f"ge{instant(at - timedelta(minutes=5))}"))) == 1
    assert found(client, run, ("_lastUpdated", f"gt{instant(at + timedelta(days=1))}")) == []
    assert len(found(client, run, ("_lastUpdated", f"ge{made.resource['meta']['lastUpdated']}"))) == 1


def test_ehr_finds_by_system_alone(client: HttpEhrClient, run: str) -> None:
    own = {**task(run), "identifier": [{"system": f"{SID}/{run}", "value": "1"}]}
    made = client.create(own)
    assert [remote.id for page in client.search("Task", [("identifier", f"{SID}/{run}|")]) for remote in page] == [made.id]


def test_ehr_refuses_a_parameter_that_it_does_not_know(client: HttpEhrClient) -> None:
    with pytest.raises(EhrRejected):
        list(client.search("Task", [("no-such-parameter", "x")]))


def test_ehr_finds_open_offers_and_what_belongs_to_a_request(client: HttpEhrClient, run: str) -> None:
    person = client.create(patient(run))
    order = client.create({"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": {"reference": f"Patient/{person.id}"}})
    about = {"focus": {"reference": f"ServiceRequest/{order.id}"}, "for": {"reference": f"Patient/{person.id}"}}
    made = client.create(task(run, **about))
    for params in ([("focus", f"ServiceRequest/{order.id}")], [("patient", f"Patient/{person.id}")]):
        assert [remote.id for page in client.search("Task", params) for remote in page] == [made.id]


# ── people ───────────────────────────────────────────────────────────────────────────────────────
def test_ehr_matches_a_patient_by_number_and_by_traits(client: HttpEhrClient, run: str) -> None:
    made = client.create(patient(run))
    unnumbered = {key: part for key, part in patient(run).items() if key != "identifier"}
    assert match_patient(client, patient(run)) == Matched(made.id)
    assert match_patient(client, unnumbered) == Matched(made.id)
    assert match_patient(client, {**unnumbered, "birthDate": "1938-02-04"}) is None
    client.create(patient(f"other-{run[-8:]}"))
    assert match_patient(client, unnumbered) == Several(2)


# ── transactions ─────────────────────────────────────────────────────────────────────────────────
def referral(run: str, person: str) -> Resource:
    order = {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": f"{SID}/request", "value": run}],
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{person}"},
    }
    entries = [("ServiceRequest", "request", order), ("Task", "task", task(run, focus={"reference": "urn:uuid:6b1f5a3e-0000-4000-8000-000000000001"}))]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:6b1f5a3e-0000-4000-8000-00000000000{number}",
                "resource": resource,
                "request": {"method": "POST", "url": type, "ifNoneExist": f"identifier={SID}/{kind}|{run}"},
            }
            for number, (type, kind, resource) in enumerate(entries, start=1)
        ],
    }


def test_ehr_carries_out_a_transaction_once_though_it_is_sent_twice(client: HttpEhrClient, run: str) -> None:
    person = client.create(patient(run)).id
    first, second = (client.transaction(referral(run, person)) for _ in range(2))
    assert [part["response"]["status"][:3] for part in first["entry"]] == ["201", "201"]
    assert [part["response"]["status"][:3] for part in second["entry"]] == ["200", "200"]
    [made] = found(client, run)
    [order] = [remote for page in client.search("ServiceRequest", [("identifier", f"{SID}/request|{run}")]) for remote in page]
    assert made.resource["focus"]["reference"] == f"ServiceRequest/{order.id}"


def test_ehr_carries_out_nothing_of_a_transaction_that_fails_Y_28(client: HttpEhrClient, run: str) -> None:
    bundle = referral(run, f"none-{run[-8:]}")
    with pytest.raises(EhrRejected):
        client.transaction(bundle)
    assert found(client, run) == []


def test_ehr_refuses_a_transaction_with_a_stale_version_whole(client: HttpEhrClient, run: str) -> None:
    made = client.create(task(run))
    client.update({**made.resource, "status": "accepted"}, if_match="1")
    entries = [
        {"resource": task(f"{run}-2"), "request": {"method": "POST", "url": "Task"}},
        {"resource": {**made.resource, "status": "failed"}, "request": {"method": "PUT", "url": f"Task/{made.id}", "ifMatch": 'W/"1"'}},
    ]
    with pytest.raises(EhrStale):
        client.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert found(client, f"{run}-2") == []


def test_ehr_settles_each_entry_of_a_batch_alone_Y_28(client: HttpEhrClient, run: str) -> None:
    made = client.create(task(run))
    urls = [f"Task/{made.id}", f"Task/no-{run[-8:]}"]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}} for url in urls]}
    response = client.transaction(batch)
    assert [part["response"]["status"][:3] for part in response["entry"]] == ["200", "404"]
    assert response["entry"][0]["resource"]["id"] == made.id


# ── references ───────────────────────────────────────────────────────────────────────────────────
def test_ehr_takes_references_as_we_rewrite_them_and_we_read_them_back(client: HttpEhrClient, base_url: str, run: str) -> None:
    person = client.create(patient(run)).id
    ours = task(run, owner={"reference": "HealthcareService/u1"}, **{"for": {"reference": "Patient/p1"}})

    def logical(type: str, id: str) -> Resource | None:
        return {"type": type, "identifier": {"system": f"{SID}/unit", "value": id}} if type == "HealthcareService" else None

    sent = outward(ours, lambda type, id: person if (type, id) == ("Patient", "p1") else None, logical)
    made = client.create(sent)
    read, unknown = inward(made.resource, lambda type, id: "p1" if (type, id) == ("Patient", person) else None, base_url=base_url)
    assert unknown == ()
    assert read["for"]["reference"] == "Patient/p1"
    assert read["owner"] == {"type": "HealthcareService", "identifier": {"system": f"{SID}/unit", "value": "u1"}}

"""Who subscribed with us is told that something changed which its client may find, at the moment of telling, and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.dossier import content
from adapter.errors import EhrUnavailable
from adapter.network import Secret
from adapter.ports import Change, Principal, Query
from adapter.store import upgrade
from adapter.sync import subscribers
from adapter.sync.subscribing import BACKPORT, TOPICS
from tests.e2e.records import VIEW, card
from tests.e2e.stage import CLINIC, COURSIER, Stage, staged
from tests.unit.web.conftest import SECRET, Door

DEVICE = Principal("liaison", CLINIC, role="device")
HEADERS = ["Authorization: Bearer zyx-hook-secret"]
MORE = ("system/Subscription.cruds",)


@dataclass
class House:
    """A stage, its doors, and subscribers who hear: (endpoint, headers, body) of each call; `answers`: the status that they give, or raise."""

    stage: Stage
    door: Door
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: int | Exception = 200

    def tell(self, subscriber: subscribers.Subscriber, headers: dict[str, str], body: bytes) -> int:
        if isinstance(self.answers, Exception):
            raise self.answers
        self.heard.append((subscriber.endpoint, headers, body))
        return self.answers

    def ask(self, method: str, path: str, client: str = "coursiers", **given: Any) -> httpx.Response:
        return self.door(method, path, headers=self.door.token(client), **given)

    def subscribe(self, client: str = "coursiers", **more: Any) -> str:
        answer = self.ask("POST", "/fhir/Subscription", client, json=wanted(**more))
        assert answer.status_code == 201, answer.text
        self.turn()
        self.heard.clear()
        return str(answer.json()["id"])

    def turn(self) -> list[Any]:
        """What the job does; what was told by it, the body of each call."""
        before = len(self.heard)
        self.stage.app.served.run()
        return [json.loads(body) if body else None for _, _, body in self.heard[before:]]

    def state(self, id: str, client: str = "coursiers") -> str:
        return str(self.ask("GET", f"/fhir/Subscription/{id}", client).json()["status"])

    def letters(self) -> list[str]:
        found = self.stage.app.read_now(lambda _, uow: uow.letters())
        return [each.state for each in found if each.ehr.startswith(subscribers.HOOK)]


def wanted(type: str = "Task", *, backport: bool = True, endpoint: str = "https://soft.example/hook", filters: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": endpoint, "header": HEADERS}
    made: dict[str, Any] = {"resourceType": "Subscription", "status": "requested", "reason": "work", "criteria": f"{type}?", "channel": channel}
    if backport:
        made["criteria"] = TOPICS[type]
        channel |= {"payload": "application/fhir+json", "_payload": {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": "id-only"}]}}
    if filters:
        made["_criteria"] = {"extension": [{"url": f"{BACKPORT}/backport-filter-criteria", "valueString": each} for each in filters]}
    return {**made, **more, "channel": channel | more.get("channel", {})}


def hidden(stage: Stage, type: str = "Task", **elements: Any) -> None:
    """A change of which the recipient sees nothing."""

    def write(story: Any, uow: Any) -> None:
        found = next(each for each in uow.search(Query(type)))
        changed = {**content(found), **(elements or {"description": f"Zyxhidden {found.number}"})}
        story.receive(uow, DEVICE, [Change("update", type, found.id, changed, origin="device")])

    stage.app.write_now(write)


PLACES = ["sqlite://", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=PLACES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with placed(request, tmp_path) as found:
        yield found


@contextmanager
def placed(request: pytest.FixtureRequest, folder: Path) -> Iterator[House]:
    """On the database that the parameter names."""
    url: str = request.param if request.param == "sqlite://" else request.getfixturevalue("postgres")()
    if url != "sqlite://":
        upgrade(url)
    with housed(folder / "secret", url) as found:
        yield found


@contextmanager
def housed(file: Path, url: str = "sqlite://") -> Iterator[House]:
    file.write_text(SECRET)
    with staged(url) as stage:
        network = stage.app.network
        clients = tuple(replace(each, secret=Secret(file=str(file)), scopes=(*each.scopes, *MORE)) for each in network.clients)
        stage.app.apply_network(replace(network, clients=clients))
        found = House(stage, Door(stage))
        stage.app.__dict__["served"] = replace(stage.app.served, tell=found.tell)
        yield found


def parameters(body: Any) -> dict[str, Any]:
    return {each["name"]: next((value for name, value in each.items() if name != "name"), None) for each in body["entry"][0]["resource"]["parameter"]}


# ── asked for ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("client", ["coursiers", "saint-eloi"])
@pytest.mark.parametrize("backport", [True, False])
def test_subscription_comes_into_force_by_a_handshake(house: House, client: str, backport: bool) -> None:
    answer = house.ask("POST", "/fhir/Subscription", client, json=wanted(backport=backport))
    assert answer.status_code == 201 and answer.json()["status"] == "requested"
    (said,) = house.turn()
    assert house.state(answer.json()["id"], client) == "active"
    assert parameters(said)["type"] == "handshake" if backport else said is None
    assert house.heard[0][1]["Authorization"] == "Bearer zyx-hook-secret"
    assert house.turn() == []


@pytest.mark.parametrize("answers", [404, 302, 500, EhrUnavailable("away")])
def test_handshake_that_fails_is_an_error_until_it_is_asked_for_again(house: House, answers: Any) -> None:
    house.answers = answers
    id = house.subscribe()
    assert house.state(id) == "error" and "error" in house.ask("GET", f"/fhir/Subscription/{id}").json()
    house.answers = 200
    assert house.turn() == []
    assert house.ask("PUT", f"/fhir/Subscription/{id}", json=wanted() | {"id": id}).status_code == 200
    house.turn()
    assert house.state(id) == "active"


@pytest.mark.parametrize("answers", [200, 500])
def test_subscription_that_is_read_changed_and_written_back_comes_into_force_anew(house: House, answers: int) -> None:
    house.answers = answers
    id = house.subscribe()
    read = house.ask("GET", f"/fhir/Subscription/{id}").json()
    assert read["status"] == ("active" if answers == 200 else "error")
    house.answers = 200
    written = house.ask("PUT", f"/fhir/Subscription/{id}", json=read | {"reason": "other work"})
    assert (written.status_code, written.json()["status"], written.json()["reason"]) == (200, "requested", "other work")
    assert parameters(house.turn()[0])["type"] == "handshake" and house.state(id) == "active"
    assert house.heard[-1][1]["Authorization"] == "Bearer zyx-hook-secret", "its headers are kept"


@pytest.mark.parametrize(("more", "place"), [
    ({"criteria": "Patient?family=x", "backport": False}, "criteria"), ({"criteria": "https://x.example/topic"}, "criteria"),
    ({"criteria": "Task?owner=HealthcareService/x", "backport": False}, "criteria"), ({"criteria": "Task?_include=Task:focus", "backport": False}, "criteria"),
    ({"filters": ("ServiceRequest?status=active",)}, "criteria"), ({"filters": ("Task?nonsense=1",)}, "criteria"),
    ({"channel": {"type": "email"}}, "channel.type"), ({"channel": {"endpoint": "http://soft.example/hook"}}, "channel.endpoint"),
    ({"channel": {"endpoint": "https://u:p@soft.example/"}}, "channel.endpoint"), ({"channel": {"endpoint": "file:///etc/passwd"}}, "channel.endpoint"),
    ({"channel": {"header": ["Host: inside"]}}, "channel.header"), ({"channel": {"header": ["Authorization: a\r\nHost: b"]}}, "channel.header"),
    ({"channel": {"payload": "application/fhir+json"}, "backport": False}, "channel.payload"), ({"status": "active"}, "status"),
    ({"channel": {"_payload": {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": "full-resource"}]}}}, "channel.payload"),
])  # fmt: skip
def test_what_may_not_be_asked_is_refused_with_its_place(house: House, more: dict[str, Any], place: str) -> None:
    answer = house.ask("POST", "/fhir/Subscription", json=wanted(**more))
    assert answer.status_code in (400, 422), answer.text
    assert house.turn() == [] and house.heard == []
    if answer.status_code == 422:
        assert f"Subscription.{place}" in {each["expression"][0] for each in answer.json()["issue"]}


def test_client_without_the_scope_subscribes_to_nothing(house: House) -> None:
    network = house.stage.app.network
    poorer = tuple(replace(each, scopes=MORE) if each.id == "coursiers" else each for each in network.clients)
    house.stage.app.apply_network(replace(network, clients=poorer))
    assert house.ask("POST", "/fhir/Subscription", json=wanted()).status_code == 422


def test_secrets_are_given_back_to_nobody_and_stand_nowhere_in_the_clear(house: House) -> None:
    id = house.subscribe()
    for path in (f"/fhir/Subscription/{id}", "/fhir/Subscription", f"/fhir/Subscription/{id}/$status"):
        answer = house.ask("GET", path)
        assert answer.status_code == 200 and "zyx-hook" not in answer.text
    rows = house.stage.app.read_now(lambda _, uow: [row.event for row in uow.audit_rows(limit=10_000)])
    kept = house.stage.app.read_now(lambda _, uow: uow.kept(f"subscriber/{id}")) or b""
    stored = house.stage.app.read_now(lambda _, uow: uow.current("Subscription", id))
    assert stored is not None and not any(b"zyx-hook" in each for each in (*rows, kept, stored.served, stored.received))


def test_subscription_written_back_as_it_was_read_stays_as_it_is(house: House) -> None:
    id = house.subscribe()
    read = house.ask("GET", f"/fhir/Subscription/{id}").json()
    assert house.ask("PUT", f"/fhir/Subscription/{id}", json=read).status_code == 200
    assert house.state(id) == "active" and house.turn() == []


def test_another_organisation_neither_sees_nor_changes_it(house: House) -> None:
    id = house.subscribe()
    other = wanted() | {"id": id}
    assert house.ask("GET", f"/fhir/Subscription/{id}", "saad").status_code == 404
    assert house.ask("GET", f"/fhir/Subscription/{id}/$status", "saad").status_code == 404
    assert house.ask("PUT", f"/fhir/Subscription/{id}", "saad", json=other).status_code == 404
    assert house.ask("DELETE", f"/fhir/Subscription/{id}", "saad").status_code == 404
    assert house.state(id) == "active"
    assert (found := house.stage.app.read_now(lambda _, uow: subscribers.load(uow, id))) and found.client == "coursiers" and found.sealed


# ── told ─────────────────────────────────────────────────────────────────────────────────────────
def test_recipient_is_told_by_its_own_id_and_of_nothing_else(house: House) -> None:
    house.subscribe()
    house.stage.sent()
    (said,) = house.turn()
    shown = card(house.stage)
    assert parameters(said)["type"] == "event-notification" and parameters(said)["events-since-subscription-start"] == "1"
    assert said["entry"][1]["fullUrl"].endswith(f"/fhir/Task/{shown.id}")
    text, ours = json.dumps(said), house.stage.app.read_now(lambda _, uow: [each.id for type in ("Task", "ServiceRequest", "Patient") for each in uow.search(Query(type))])
    assert "Zyx" not in text and "zyx" not in text.replace("zyx-hook", "") and not any(id in text for id in ours)
    assert house.ask("GET", f"/fhir/Task/{shown.id}").status_code == 200, "and can read what it was told of"


def test_plain_hook_says_nothing_at_all(house: House) -> None:
    house.subscribe(backport=False, criteria="Task?status=accepted")
    house.stage.sent()
    assert house.turn() == []
    shown = card(house.stage)
    house.stage.act(COURSIER, VIEW, shown, "accept")
    assert house.turn() == [None]


def test_request_topic_and_filters(house: House) -> None:
    house.subscribe("coursiers", type="ServiceRequest")
    house.subscribe("coursiers", filters=("Task?status=accepted", "Task?status=rejected"))
    house.stage.sent()
    (said,) = house.turn()
    assert "/fhir/ServiceRequest/" in said["entry"][1]["fullUrl"]
    house.stage.act(COURSIER, VIEW, card(house.stage), "accept")
    assert [each["entry"][1]["fullUrl"].split("/")[-2] for each in house.turn()].count("Task") == 1


def test_clinic_is_told_of_its_own_and_by_our_id(house: House) -> None:
    house.subscribe("saint-eloi")
    house.stage.sent()
    house.stage.act(COURSIER, VIEW, card(house.stage), "accept")
    said = house.turn()
    task = house.stage.app.read_now(lambda _, uow: uow.search(Query("Task"))[0])
    assert [each["entry"][1]["fullUrl"] for each in said] == [f"{house.stage.app.fhir_base}/Task/{task.id}"]


def test_Y_13_one_change_is_told_once(house: House) -> None:
    house.subscribe()
    house.stage.sent()
    assert len(house.turn()) == 1 and house.turn() == []
    assert set(house.letters()) <= {"done", "dropped"}


# ── and not told ─────────────────────────────────────────────────────────────────────────────────
def test_M_17_hidden_change_makes_no_call(house: House) -> None:
    house.stage.sent()
    house.subscribe()
    for change in ({}, {"note": [{"text": "Zyxhidden"}]}):
        hidden(house.stage, **change)
        hidden(house.stage, "ServiceRequest", patientInstruction="Zyxhidden")
        assert house.turn() == []
    house.stage.act(COURSIER, VIEW, card(house.stage), "accept")
    assert [parameters(each)["events-since-subscription-start"] for each in house.turn()] == ["1"]


def test_M_17_whatever_is_hidden_all_calls_are_the_same_to_the_byte(tmp_path: Path) -> None:
    """Two houses, the same seen story; in one of them much happens that the subscriber may not see."""
    heard = []
    for much in (False, True):
        with housed(tmp_path / "secret") as house:
            stage = house.stage
            beat = {"extension": [{"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": 300}]}
            stage.sent()
            house.subscribe(channel=beat)
            times = []
            for minute in range(20):
                stage.clock.tick(timedelta(minutes=1))
                if much:
                    hidden(stage)
                    if minute == 3:
                        stage.call(id="appel-2")  # a draft of the same unit
                if minute == 7:
                    stage.act(COURSIER, VIEW, card(stage), "accept")
                times += [(minute, parameters(each)["type"], parameters(each)["events-since-subscription-start"]) for each in house.turn()]
            heard.append(times)
    assert heard[0] == heard[1] and {kind for _, kind, _ in heard[0]} == {"heartbeat", "event-notification"}
    assert [minute for minute, kind, _ in heard[0] if kind == "heartbeat"] == [4, 9, 14, 19]


def test_draft_and_referral_of_another_unit_make_no_call(house: House) -> None:
    house.subscribe()
    house.stage.call()
    house.stage.agree("doctor")
    assert house.turn() == []
    house.stage.sent(id="appel-2", destinataire="saad-portage", besoins=["denutrition"], service="portage-repas")
    assert house.turn() == []


def test_letters_of_a_referral_that_was_withdrawn_are_dropped(house: House) -> None:
    house.subscribe()
    house.answers = EhrUnavailable("away")
    house.stage.sent()
    shown = card(house.stage)
    house.turn()
    assert "queued" in house.letters()
    house.stage.act(COURSIER, VIEW, house.stage.see(COURSIER, VIEW, shown.id) or shown, "accept")
    house.stage.act(COURSIER, VIEW, house.stage.see(COURSIER, VIEW, shown.id) or shown, "withdraw", heard_by="coursier-lea", how="telephone")
    house.answers = 200
    house.stage.clock.tick(timedelta(hours=1))
    assert house.turn() == [] and set(house.letters()) == {"dropped"}


@pytest.mark.parametrize("how", ["client", "scope", "organisation"])
def test_client_that_may_nothing_any_more_is_told_nothing(house: House, how: str) -> None:
    house.subscribe(channel={"extension": [{"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": 60}]})
    house.stage.sent()
    house.stage.clock.tick(timedelta(minutes=2))
    network = house.stage.app.network
    changed = {"client": {"active": False}, "scope": {"scopes": ()}, "organisation": {"organisation": "saad-seine", "unit": ""}}[how]
    house.stage.app.apply_network(replace(network, clients=tuple(replace(each, **changed) if each.id == "coursiers" else each for each in network.clients)))
    assert house.turn() == []

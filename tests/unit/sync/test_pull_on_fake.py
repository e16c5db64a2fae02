"""The pull over HTTP: pages that lead nowhere or for ever, tokens that end in the middle, an EHR that cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.ehr import HttpEhrClient
from adapter.ehr.auth import Auth, NoAuth, TokenAuth
from adapter.ehr.fake import FakeEhr
from adapter.ehr.fake.faults import Fault
from adapter.errors import EhrError, EhrUnavailable
from adapter.net import GuardedSession, Limits
from adapter.sync.cursors import Cursor, cursor_name
from adapter.sync.jobs import Jobs
from adapter.sync.probe import learned
from adapter.sync.pull import Pull, own_searches
from tests.unit.sync.house import REQUEST, START, SYSTEMS, House
from tests.unit.sync.test_jobs import Heard
from tests.unit.sync.test_on_fake_ehr import OnFake

SECOND = "GET "  # the path of a later page


class Tokens:
    """A token endpoint: `away` while it is down; a token is good for one hour."""

    def __init__(self) -> None:
        self.asked, self.away = 0, False

    def fetch(self) -> tuple[str, float]:
        self.asked += 1
        if self.away:
            raise EhrUnavailable("token endpoint: 503", status_code=503)
        return f"token-{self.asked}", 3600.0


def client_of(url: str, clock: FrozenClock, auth: Auth | None = None) -> HttpEhrClient:
    session = GuardedSession(allow=[url], clock=clock, limits=Limits(connect=5, read=5, total=60, body=1_000_000))
    return HttpEhrClient("clinic", url, session=session, auth=auth or NoAuth(), clock=clock)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[OnFake]:
    clock = FrozenClock(START)
    with FakeEhr(clock=clock) as fake:
        client = client_of(fake.base_url, clock)
        built = OnFake(fake, client, tmp_path / "liaison.db", clock)
        yield built
        client.close()
        built.store.close()


def changed(house: OnFake, count: int = 110) -> OnFake:
    """`count` requests more, in step, then each changed there."""
    house.referral()
    for n in range(count):
        house.put({**REQUEST, "id": f"x{n}", "identifier": [{"system": SYSTEMS.sid("request"), "value": f"x{n}"}]})
        house.post(f"ServiceRequest/x{n}", lane=f"x{n}")
    house.push().drain(1000)
    house.later(minutes=1)
    for resource in house.fake.all("ServiceRequest"):
        house.fake.edit("ServiceRequest", resource["id"], {"priority": "urgent"})
    return house


def watermark(house: House, type: str = "ServiceRequest") -> Any:
    return Cursor.decode(house.store.read_now(lambda uow: uow.kept(cursor_name("clinic", type)))).watermark


# ── pages ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("kind", "count"), [("repeat-next", 110), ("empty-page", 10)])
def test_Y_16_pages_that_repeat_or_are_empty_end_and_miss_nothing(house: OnFake, kind: Any, count: int) -> None:
    changed(house, count)
    house.fake.inject(Fault(kind, on="GET ServiceRequest"))

    house.pull().run(now=True)
    house.pull().run(now=True)

    assert len(house.pulled) == count + 1


@pytest.mark.parametrize("kind", ["endless-next", "foreign-next"])
def test_Y_16_pages_without_end_or_to_elsewhere_are_given_up_and_the_cursor_stays(house: OnFake, kind: Any) -> None:
    changed(house, 2)
    fault = Fault(kind, on="GET *", times=None, location="http://127.0.0.1:9/fhir")
    house.fake.inject(fault)

    with pytest.raises(EhrError):
        house.pull().run(now=True)

    assert watermark(house) is None
    house.fake.faults.clear()
    house.pull().run(now=True)
    assert len(house.pulled) == 3


def test_Y_16_a_link_that_expired_begins_the_chain_again(house: OnFake) -> None:
    changed(house)
    house.fake.inject(Fault("answer", on=SECOND, status=410))

    report = house.pull().run(now=True)

    assert report.outcomes["ServiceRequest"] == {"applied": 111, "echo": 100}


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────
def test_Y_12_a_token_that_ends_in_the_middle_is_renewed_once_and_the_chain_goes_on(house: OnFake) -> None:
    changed(house)
    tokens = Tokens()
    client = client_of(house.fake.base_url, house.clock, TokenAuth(tokens, monotonic=house.clock.monotonic))
    house.fake.inject(Fault("answer", on=SECOND, status=401))

    report = Pull(house.store, client, house.inbound, house.clock, searches=own_searches(SYSTEMS), holder="a").run(now=True)

    assert (report.outcomes["ServiceRequest"], tokens.asked) == ({"applied": 111}, 2)
    client.close()


def test_Y_12_a_token_endpoint_that_is_down_for_ten_minutes_is_met_again_without_a_storm(house: OnFake) -> None:
    changed(house, 2)
    tokens = Tokens()
    tokens.away = True
    client = client_of(house.fake.base_url, house.clock, TokenAuth(tokens, monotonic=house.clock.monotonic))
    jobs = Jobs(house.store, house.push(), {"clinic": Pull(house.store, client, house.inbound, house.clock, searches=own_searches(SYSTEMS), holder="a")})
    for _ in range(10):
        jobs.pull("clinic")
        house.later(minutes=1)
    assert 1 < tokens.asked <= 10
    tokens.away = False
    house.later(minutes=15)

    jobs.pull("clinic")

    assert len(house.pulled) == 3
    client.close()


# ── not reached ──────────────────────────────────────────────────────────────────────────────────
def test_Y_30_an_ehr_that_cannot_be_reached_holds_up_no_other(house: OnFake) -> None:
    changed(house, 2)
    heard = Heard()
    nowhere = client_of("https" + house.fake.base_url.removeprefix("http"), house.clock)  # no TLS is spoken there
    unknown = client_of("http://nobody.invalid/fhir", house.clock)
    pulls = {
        name: Pull(house.store, client, house.inbound, house.clock, searches=own_searches(SYSTEMS), holder="a")
        for name, client in (("tls", nowhere), ("dns", unknown), ("clinic", house.clients["clinic"]))
    }
    nowhere.name, unknown.name = "tls", "dns"
    jobs = Jobs(house.store, house.push(), pulls, failed=heard)

    for name in pulls:
        jobs.pull(name)

    assert heard.codes == ["pull-tls-ehr:EhrUnavailable", "pull-dns-ehr:EhrUnavailable"]
    assert len(house.pulled) == 3
    nowhere.close()
    unknown.close()


# ── many at once ─────────────────────────────────────────────────────────────────────────────────
def test_what_a_search_does_not_show_is_looked_for_by_batches_where_the_ehr_answers_them(house: OnFake) -> None:
    changed(house, 8)
    house.store.write_now(lambda uow: learned(uow, "clinic", batch=True))
    for resource in house.fake.all("ServiceRequest")[:3]:
        house.fake.delete("ServiceRequest", resource["id"])
    house.fake.requests.clear()

    report = house.pull().run(now=True)

    assert report.gone == 3
    sent = [each for each in house.fake.requests if each.method == "POST" and each.path.rstrip("/").endswith("/fhir")]
    assert [len(each.json["entry"]) for each in sent] == [3]
    assert not [each for each in house.fake.requests if each.path.startswith("/fhir/ServiceRequest/")]

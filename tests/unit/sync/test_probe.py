"""What an EHR honours: tried on a FakeEhr that lacks one thing after another, declared, met in use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapter.clock import FrozenClock
from adapter.ehr import HttpEhrClient
from adapter.ehr.auth import NoAuth
from adapter.ehr.fake import FakeEhr
from adapter.ehr.fake.faults import Fault
from adapter.errors import EhrUnavailable
from adapter.net import GuardedSession, Limits
from adapter.ports import Capability, EhrClient, Store
from adapter.store import open_store
from adapter.sync.probe import DEGRADED, MEANING, Mode, declared_mode, learned, mode_of, probe
from tests.unit.sync.house import START, SYSTEMS


class World:
    def __init__(self, fake: FakeEhr, client: EhrClient, clock: FrozenClock) -> None:
        self.fake, self.client, self.clock = fake, client, clock
        self.store: Store = open_store("sqlite://", clock=clock, seal=lambda before, event: "0", key=b"k" * 32)

    def probed(self, *, trying: bool = True) -> Mode:
        return probe(self.store, self.client, SYSTEMS, trying=trying, new_id=self.clock.new_id)

    def mode(self) -> Mode:
        return self.store.read_now(lambda uow: mode_of(uow, "clinic"))

    def told(self) -> int:
        return len(self.store.read_now(lambda uow: uow.audit_rows(limit=100)))


@pytest.fixture
def world() -> Iterator[World]:
    clock = FrozenClock(START)
    with FakeEhr(clock=clock) as fake:
        session = GuardedSession(allow=[fake.base_url], clock=clock, limits=Limits(connect=5, read=5, total=60, body=1_000_000))
        client = HttpEhrClient("clinic", fake.base_url, session=session, auth=NoAuth(), clock=clock)
        yield World(fake, client, clock)
        client.close()


def test_an_ehr_that_keeps_to_the_letter_is_found_so_on_two_resources_about_nobody(world: World) -> None:
    found = world.probed()

    assert (found.how, found.degraded, found.transactions, found.batch, found.software) == ("tried", (), True, True, "FakeEhr 1")
    assert not found.include, "FakeEhr knows no _include"
    assert world.mode() == found
    written = world.fake.all("Basic")
    assert len(written) == 2 and all(each["identifier"][0]["system"] == SYSTEMS.sid("probe") for each in written)
    assert not [type for type in ("Task", "Patient", "Consent", "ServiceRequest") if world.fake.all(type)]


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (Fault("ignore-if-match", on="PUT Basic/*", times=None), "if_match"),
        (Fault("ignore-if-none-exist", on="POST Basic", times=None), "if_none_exist"),
        (Fault("ignore-last-updated", on="GET Basic", times=None), "last_updated"),
        (Fault("answer", on="POST ", times=None, status=501), "transactions"),
        (Fault("no-version", on="*", times=None), "if_match"),
    ],
)
def test_Y_08_Y_20_what_it_does_not_honour_is_found_by_trying(world: World, fault: Fault, name: str) -> None:
    world.fake.inject(fault)

    found = world.probed()

    assert not getattr(found, name)
    assert (name in found.degraded) is (name != "transactions")
    assert {each: words for each, honoured, words in found.lines}[name] == DEGRADED[name]


def test_without_leave_nothing_is_written_there_and_its_statement_counts(world: World) -> None:
    found = world.probed(trying=False)

    assert (found.how, found.transactions, found.batch, found.degraded) == ("declared", True, True, ())
    assert {each.method for each in world.fake.requests} == {"GET"}


def test_what_was_tried_or_met_tells_more_than_a_statement(world: World) -> None:
    world.fake.inject(Fault("ignore-if-match", on="PUT Basic/*", times=None))
    world.probed()
    world.store.write_now(lambda uow: learned(uow, "clinic", last_updated=False))

    found = world.probed(trying=False)

    assert (found.if_match, found.last_updated, found.how, found.met) == (False, False, "tried", ("last_updated",))


def test_what_is_found_stands_in_the_audit_once(world: World) -> None:
    world.probed()
    assert world.told() == 1
    world.probed()
    assert world.told() == 1
    for _ in range(2):
        world.store.write_now(lambda uow: learned(uow, "clinic", last_updated=False))
    assert world.told() == 2


def test_an_ehr_that_is_away_changes_nothing_known(world: World) -> None:
    before = world.probed()
    world.fake.inject(Fault("answer", on="GET metadata", times=None, status=503))

    with pytest.raises(EhrUnavailable):
        world.probed()

    assert world.mode() == before


def test_nobody_looked_yet() -> None:
    assert (Mode().degraded, Mode().how, set(MEANING)) == ((), "assumed", set(DEGRADED))


def test_a_statement_that_lists_no_identifier_means_none() -> None:
    listed = {"Task": frozenset({"status", "_lastUpdated"})}
    assert not declared_mode(Capability(search=listed)).identifier
    assert declared_mode(Capability()).identifier
    assert replace(declared_mode(Capability(transactions=True)), at="").transactions

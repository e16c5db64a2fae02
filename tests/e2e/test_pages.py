"""Pages of a search on /fhir: complete, once each, of the client's own, and decided anew each time (C-E2, M-11)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import Malformed
from adapter.ports import Version
from adapter.web.paging import seal, unseal
from tests.e2e.stage import COURSIER, FRIDAY, Stage
from tests.unit.web.test_doors import Door, agreed
from tests.unit.web.test_doors import stage as _stage

stage = _stage
VIEW = "coursier-dac-asso"


@pytest.fixture
def door(stage: Stage) -> Door:
    """Five referrals of one person."""
    door = Door(stage)
    who = door.token("coursiers")
    for number in range(5):
        assert door("POST", "/intake/appel-coursier", json=agreed() | {"id": f"appel-{number}"}, headers=who).status_code == 201
    return door


def pages(door: Door, path: str, client: str) -> Iterator[list[str]]:
    who = door.token(client)
    while path:
        bundle = door("GET", path, headers=who).json()
        yield [each["resource"]["id"] for each in bundle.get("entry", ())]
        path = following(bundle)


def following(bundle: dict) -> str:  # type: ignore[type-arg]
    links = {each["relation"]: each["url"] for each in bundle["link"]}
    return links.get("next", "").partition("/fhir/")[2] and "/fhir/" + links["next"].partition("/fhir/")[2]


@pytest.mark.parametrize("client", ["saint-eloi", "coursiers"])
@pytest.mark.parametrize("sort", ["", "&_sort=_lastUpdated", "&_sort=-_lastUpdated", "&_sort=_id"])
def test_pages_give_everything_once_in_order(door: Door, client: str, sort: str) -> None:
    if client == "coursiers" and sort and sort != "&_sort=_id":
        assert door("GET", f"/fhir/Task?_count=2{sort}", headers=door.token(client)).status_code == 400
        return
    whole = next(pages(door, f"/fhir/Task?_count=50{sort}", client))
    cut = list(pages(door, f"/fhir/Task?_count=2{sort}", client))
    assert len(whole) == 5 and [len(each) for each in cut] == [2, 2, 1]
    assert [each for page in cut for each in page] == whole


def test_page_that_ends_exactly_has_no_next(door: Door) -> None:
    assert [len(each) for each in pages(door, "/fhir/Task?_count=5", "saint-eloi")] == [5]


def test_page_begun_before_a_withdrawal_ends_empty_C_E2(door: Door, stage: Stage) -> None:
    first = door("GET", "/fhir/Task?_count=2", headers=door.token("coursiers")).json()
    assert len(first["entry"]) == 2
    for card in stage.cards(COURSIER, VIEW):
        stage.act(COURSIER, VIEW, card, "withdraw", heard_by="coursier-lea")
    rest = door("GET", following(first), headers=door.token("coursiers")).json()
    assert "entry" not in rest and following(rest) == ""


def test_row_that_comes_or_goes_between_pages_moves_no_other(door: Door, stage: Stage) -> None:
    who = door.token("saint-eloi")
    before = next(pages(door, "/fhir/Task?_count=50", "saint-eloi"))
    first = door("GET", "/fhir/Task?_count=2", headers=who).json()
    door("POST", "/intake/appel-coursier", json=agreed() | {"id": "appel-6"}, headers=door.token("coursiers"))
    rest = [each for page in pages(door, following(first), "saint-eloi") for each in page]
    seen = [each["resource"]["id"] for each in first["entry"]] + rest
    assert len(seen) == len(set(seen)) and set(before) <= set(seen)


def test_link_holds_nothing_of_a_person_when_the_search_was_by_name(door: Door) -> None:
    who = door.token("saint-eloi")
    for number in range(2):
        patient = {"resourceType": "Patient", "identifier": [{"system": "urn:ipp", "value": str(number)}], "name": [{"family": "Zyxpage"}]}
        assert door("POST", "/fhir/Patient", content=json.dumps(patient), headers=who).status_code == 201
    first = door("POST", "/fhir/Patient/_search", data={"family": "Zyxpage", "_count": "1"}, headers=who)
    link = following(first.json())
    assert link and "zyxpage" not in first.json()["link"][1]["url"].lower() and "family" not in link
    second = door("GET", link, headers=who).json()
    assert [each["resource"]["name"][0]["family"] for each in second["entry"]] == ["Zyxpage"]
    assert second["entry"][0]["resource"]["id"] != first.json()["entry"][0]["resource"]["id"]


def test_link_is_of_one_client_type_and_half_hour(door: Door, stage: Stage) -> None:
    link = following(door("GET", "/fhir/Task?_count=2", headers=door.token("saint-eloi")).json())
    assert door("GET", link, headers=door.token("coursiers")).status_code == 400
    assert door("GET", link.replace("/Task", "/ServiceRequest"), headers=door.token("saint-eloi")).status_code == 400
    assert door("GET", f"{link}&status=requested", headers=door.token("saint-eloi")).status_code == 400
    stage.clock.tick(timedelta(minutes=31))
    answer = door("GET", link, headers=door.token("saint-eloi"))
    assert answer.status_code == 410 and "begin the search again" in answer.text


def test_register_names_only_what_the_page_gave(door: Door, stage: Stage) -> None:
    def disclosures() -> int:
        rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
        return sum(json.loads(row.event)["subtype"][0].get("code") == "disclose" for row in rows)

    before = disclosures()
    door("GET", "/fhir/Task?_count=2", headers=door.token("coursiers"))
    assert disclosures() == before + 2


LAST = Version("Task", "t1", 1, FRIDAY, "clinic", b"{}", b"{}")


@given(st.text(alphabet="abcXYZ019-_=", max_size=200))
def test_no_text_but_a_sealed_one_is_a_cursor(text: str) -> None:
    with pytest.raises(Malformed):
        unseal(text, "Task", client="saint-eloi", key=b"k" * 40, at=FRIDAY)


def test_cursor_is_refused_when_a_byte_of_it_is_changed() -> None:
    sealed = seal([("status", "requested")], ("", LAST.id), type="Task", client="saint-eloi", key=b"k" * 40, at=FRIDAY)
    assert unseal(sealed, "Task", client="saint-eloi", key=b"k" * 40, at=FRIDAY).params == (("status", "requested"),)
    for place in range(len(sealed) - 1):
        other = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(Malformed):
            unseal(other, "Task", client="saint-eloi", key=b"k" * 40, at=FRIDAY)

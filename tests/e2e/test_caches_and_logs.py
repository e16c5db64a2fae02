"""What is kept of an answer by others, and of a question by us: M-18 and M-19 of views.md 2.5."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest

from adapter import logs, showing
from adapter.errors import Unavailable
from tests.e2e.test_exits import ROUTES, SECRET, VIEW_OF, House, opened, played
from tests.e2e.test_exits import house as _house

house = _house
PEOPLE = {"family": "Zyxcherche", "given": "Zyxcherche", "name:exact": "Zyxcherche", "birthdate": "1931-12-30", "identifier": "urn:ipp|Zyxcherche", "phone": "0639987654",
          "email": "zyxcherche@exemple.fr", "address": "Zyxcherche", "address-city": "Zyxcherche"}  # fmt: skip
ODD = {"family:contains": "Zyxcherche", "nom": "Zyxcherche", "birthdate": "le Zyxcherche", "_id": "Zyxcherche", "_sort": "Zyxcherche", "_count": "Zyxcherche"}
WORDS = (b"zyxcherche", b"1931-12-30", b"0639987654", b"39987654")
PERSON = {"resourceType": "Patient", "identifier": [{"system": "urn:ipp", "value": "Zyxcherche"}], "name": [{"family": "Zyxcherche", "given": ["Zyxcherche"]}], "birthDate": "1931-12-30",
          "telecom": [{"system": "phone", "value": "0639987654"}, {"system": "email", "value": "zyxcherche@exemple.fr"}], "address": [{"city": "Zyxcherche"}]}  # fmt: skip


def kept(house: House, written: io.StringIO, capsys: pytest.CaptureFixture[str]) -> bytes:
    """All that stays of a request: log lines, what was printed, the trail, the metrics."""
    said = capsys.readouterr()
    trail = b"".join(row.event or b"" for row in house.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000)))
    return (written.getvalue() + said.out + said.err).encode() + trail + house.call("GET", "/metrics", "", "GET /metrics").content


# ── M-18 ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("param", [*PEOPLE, "gender", "telecom", "family:missing", "address-postalcode", "general-practitioner"])
@pytest.mark.parametrize("client", ["coursiers", "saad", "carsat"])
def test_service_cannot_search_people_by_what_identifies_them_M_18(house: House, client: str, param: str) -> None:
    answers = [house.call("GET", "/fhir/Patient", client, "", params={param: value}) for value in (PEOPLE.get(param, "true"), "1900-01-01" if param == "birthdate" else "false")]
    assert [each.status_code for each in answers] == [400, 400] and answers[0].content == answers[1].content
    assert not any(word in answers[0].content.lower() for word in WORDS)


@pytest.mark.parametrize("failing", [False, True])
def test_get_with_a_name_is_answered_to_the_clinics_software_and_kept_nowhere_M_18(house: House, failing: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert house.call("POST", "/fhir/Patient", "saint-eloi", "", json=PERSON).status_code == 201
    written = io.StringIO()
    logs.configure("debug", clock=house.stage.clock, stream=written)
    broken = mock.patch.object(showing.Window, "limited", side_effect=RuntimeError("Zyxcherche")) if failing else mock.patch.object(showing, "MOST", showing.MOST)
    try:
        with broken:
            found = {param: house.call("GET", "/fhir/Patient", "saint-eloi", "", params={param: value}) for param, value in PEOPLE.items()}
            odd = [house.call("GET", "/fhir/Patient", client, "", params={param: value}) for client in ("saint-eloi", "coursiers") for param, value in ODD.items()]
            lost = [house.call("GET", "/fhir/Patient?family=Zyxcherche", "", ""), house.call("GET", "/fhir/Zyxcherche?family=Zyxcherche", "saint-eloi", "")]
    finally:
        logs.structlog.reset_defaults()
    assert {each.status_code for each in found.values()} == ({500} if failing else {200})
    assert failing or all([entry["resource"]["name"][0]["family"] for entry in each.json()["entry"]] == ["Zyxcherche"] for each in found.values())
    assert [each.status_code for each in lost] == [401, 404] and {each.status_code for each in odd} >= {400}
    assert not any(word in each.content.lower() for each in [*odd, *lost] if each.status_code >= 400 for word in WORDS)
    remains = kept(house, written, capsys).lower()
    assert (b"request-failed" in remains) is failing and b"liaison_requests_total" in remains
    assert [word for word in WORDS if word in remains] == []


def test_next_link_and_self_link_of_a_search_by_name_hold_no_name_M_18(house: House) -> None:
    for number in range(2):
        person = PERSON | {"identifier": [{"system": "urn:ipp", "value": str(number)}]}
        assert house.call("POST", "/fhir/Patient", "saint-eloi", "", json=person).status_code == 201
    links = house.call("GET", "/fhir/Patient?family=Zyxcherche&_count=1", "saint-eloi", "").json()["link"]
    assert {each["relation"] for each in links} == {"self", "next"} and not any(word.decode() in each["url"].lower() for each in links for word in WORDS)


# ── M-19 ─────────────────────────────────────────────────────────────────────────────────────────
class Watched(House):
    """Keeps every answer, by its exit."""

    def __init__(self, stage: Any) -> None:
        self.answers: list[tuple[str, httpx.Response]] = []
        super().__init__(stage)

    def call(self, method: str, path: str, client: str, exit: str, **given: Any) -> httpx.Response:
        answer = super().call(method, path, client, exit, **given)
        self.answers.append((exit, answer))
        return answer


def test_no_answer_of_any_route_or_status_is_for_a_cache_M_19(tmp_path: Path) -> None:
    with opened(tmp_path) as plain:
        house = Watched(plain.stage)
        played(house)
        house.everywhere()
        house.call("POST", "/fhir/Task", "saint-eloi", "", content=b"{")
        house.call("POST", "/fhir/Task", "saint-eloi", "", content=b" " * 6_000_000)
        house.call("PUT", "/fhir/Task/x", "saint-eloi", "")
        house.call("GET", "/fhir/Task", "", "")
        house.call("GET", "/fhir/Task", "saint-eloi", "", headers={"accept": "text/turtle"})
        house.call("POST", "/fhir/Task/_search", "saint-eloi", "", json={})
        house.call("GET", "/nowhere", "saint-eloi", "")
        house.call("HEAD", "/fhir/Task", "saint-eloi", "")
        house.call("OPTIONS", "/fhir/Task", "saint-eloi", "")
        for fault in (RuntimeError(), Unavailable("away")):
            with mock.patch.object(type(house.stage.app), "write", side_effect=fault):
                house.call("GET", "/fhir/Task", "saint-eloi", "")
        assert {exit for exit, _ in house.answers if exit} == set(ROUTES)
        assert {answer.status_code for _, answer in house.answers} >= {200, 201, 204, 400, 401, 403, 404, 405, 406, 413, 415, 422, 428, 500, 503}
        for exit, answer in house.answers:
            where = (exit, str(answer.url), answer.status_code)
            assert answer.headers.get_list("cache-control") == ["no-store"], where
            assert {"authorization", "accept-language"} <= {each.strip() for each in answer.headers.get("vary", "").lower().split(",")}, where
            assert not {"expires", "age", "surrogate-control", "cdn-cache-control"} & set(answer.headers.keys()), where


def test_one_address_asked_by_two_recipients_has_no_key_in_common_M_19(house: House) -> None:
    """What varies by the token is said to: even a cache that keeps what it must not has an entry for each."""
    played(house)
    for path in ("/fhir/Task", "/fhir/Patient", "/fhir/ServiceRequest"):
        answers = {client: house.call("GET", path, client, "") for client in VIEW_OF}
        assert len({each.content for each in answers.values()}) >= 3 and {str(each.url) for each in answers.values()} == {f"http://liaison.example{path}"}
        keys = {tuple(each.request.headers.get(name.strip(), "") for name in each.headers["vary"].split(",")) for each in answers.values()}
        assert len(keys) == len(VIEW_OF) and SECRET not in str(keys)

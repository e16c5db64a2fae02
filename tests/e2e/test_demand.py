"""What a view shows on demand only (cells "y" of the matrix): asked for class by class, and said so in the register."""

from __future__ import annotations

import json

import orjson

from adapter.audit.register import in_words, line
from adapter.audit.told import told
from tests.e2e.test_matrix import planted
from tests.worlds.planted import Case, Software, found_in, unit_of

TEAM = Case("present", True, True, ("numerique-acces",))


def test_what_is_shown_on_demand_is_asked_for_by_class_and_the_register_says_so() -> None:
    with planted("as-msp-equipe", TEAM) as (made, tasks):
        software = Software(made, "c-as-msp-equipe-named", unit_of("as-msp-equipe", "named"), "as-msp-equipe")
        path = f"/views/as-msp-equipe/referrals/{software.own(tasks['named'])}"
        usual, asked = software.ask("GET", path), software.ask("GET", f"{path}?demand=D9")
        assert found_in(asked[3], TEAM.needs) - found_in(usual[3], TEAM.needs) == {"D9"}
        assert dict(usual[2])["etag"] == dict(asked[2])["etag"]  # either may be acted on
        rows = made.app.read_now(lambda _, uow: uow.audit_rows())
        lines = [found for row in rows if (found := line(row.seq, told(orjson.loads(row.event)))) and found.view.startswith("as-msp-equipe")]
        assert [each.demanded for each in lines] == [(), ("D9",)]
        said = [in_words(each, name=lambda key: key, lang="fr", zone="Europe/Paris") for each in lines]
        assert "demande expresse" not in said[0] and "sur demande expresse : des personnes de votre entourage" in said[1]
        assert lines[1].loads(lines[1].dumps()) == lines[1]


def test_class_that_the_view_has_nothing_of_on_demand_is_refused_whatever_is_there() -> None:
    with planted("as-carsat", TEAM) as (made, tasks):
        software = Software(made, "c-as-carsat-named", unit_of("as-carsat", "named"), "as-carsat")
        answers = [
            software.ask("GET", f"/views/as-carsat/referrals/{id}?demand={word}") for id in (software.own(tasks["named"]), "absent") for word in ("D9", "Zyxdone")
        ]
        assert {answer[1] for answer in answers} == {400}
        assert len({answer[3] for answer in answers}) == 1 and b"Zyx" not in answers[0][3]
        assert json.loads(answers[0][3])["issue"][0]["expression"] == ["demand"]
        other = software.ask("GET", f"/views/prescripteur/referrals/{software.own(tasks['named'])}?demand=D9")
        assert other[1] == 404

"""Reading the network file: what it becomes, and that every mistake is named with its line."""

from __future__ import annotations

import contextlib
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import SettingsError
from adapter.names import FR_IDENTIFIER_TYPE, RPPS
from adapter.network import Closure, Identifier, Limits, Opening, Permanence, Secret, from_json, load, parse, to_json
from tests.unit.network.network import TEXT, changed, line_of

DEMO = Path(__file__).resolve().parents[3] / "mappings" / "demo" / "network.yaml"


def refused(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(text, file="n.yaml")
    assert caught.value.fix
    return str(caught.value).splitlines()


def test_parse_reads_the_clinic_and_its_ehr_when_the_file_is_right() -> None:
    clinic = parse(TEXT).organisation("clinic")
    assert clinic is not None and clinic.category == "prescripteur" and clinic.active
    ehr = clinic.ehr
    assert ehr is not None and ehr.name == "clinic" and ehr.level == "task" and ehr.patients == "link"
    assert (ehr.auth.kind, ehr.auth.secret) == ("bearer", Secret(file="secrets/ehr"))
    assert (ehr.interval, ehr.limits) == (900, Limits(rate=5, parallel=1, page=50))
    assert ehr.remote == {"clinic": "Organization/77", "gp": "PractitionerRole/9"}
    assert ehr.hours[0] == Opening(0, 7 * 60, 20 * 60) and ehr.transactions is None


def test_parse_reads_the_permanence_that_a_unit_holds() -> None:
    network = parse(changed(("ages: 18+", 'ages: 18+\n        permanence: {hours: {tue: "09:00-12:30"}, slot_minutes: 30, at_once: 2}'), ("stage: pool", "stage: pool\n        permanence: {}")))
    held, plain, none = (network.unit(key) for key in ("coursier", "pool", "desk"))
    assert held and held.permanence == Permanence((Opening(1, 540, 750),), 30, 2)
    assert plain and plain.permanence == Permanence((), 45, 1) and none and none.permanence is None
    assert from_json(to_json(network)) == network


def test_parse_reads_how_an_ehr_is_polled_and_how_often_a_sandbox_may_be() -> None:
    found = parse(changed(("interval: 15m", "interval: 1m\n      sandbox: true\n      poll: [requester, offers]"))).organisation("clinic")
    assert found is not None and found.ehr is not None
    assert (found.ehr.interval, found.ehr.poll) == (60, ("requester", "offers"))
    assert (found := parse(TEXT).organisation("clinic")) and found.ehr and found.ehr.poll == ("identifier",)


def test_parse_reads_how_an_ehr_tells_of_changes_and_refuses_another_way_with_its_line() -> None:
    assert (found := parse(TEXT).ehr_of("clinic")) and found.subscriptions == ""
    for kind in ("rest-hook", "backport"):
        assert (found := parse(changed(("interval: 15m", f"interval: 15m\n      subscriptions: {kind}"))).ehr_of("clinic")) and found.subscriptions == kind
    with pytest.raises(SettingsError, match=r"network\.yaml:\d+: .*subscriptions.*rest-hook"):
        parse(changed(("interval: 15m", "interval: 15m\n      subscriptions: email")))


def test_parse_reads_units_when_they_have_hours_ages_and_closures() -> None:
    pool = parse(TEXT).unit("pool")
    assert pool is not None and pool.stage == "pool" and pool.ages == (60, 90)
    assert pool.hours[:2] == (Opening(0, 510, 750), Opening(0, 810, 1050)) and len(pool.hours) == 10
    assert pool.closures == (Closure(date(2026, 8, 3), date(2026, 8, 21), "Congés"),)
    coursier = parse(TEXT).unit("coursier")
    assert coursier is not None and coursier.ages == (18, None) and coursier.service == "intervention-coursier"


def test_parse_splits_a_name_when_it_is_one_text_and_keeps_parts_when_they_are_given() -> None:
    network = parse(TEXT)
    doctor, courier = network.person("gp"), network.person("lea")
    assert doctor is not None and (doctor.prefix, doctor.given, doctor.family) == ("Dr", ("Anne",), "de la Tour")
    assert doctor.identifiers == (Identifier(RPPS, "00000000101", "RPPS", FR_IDENTIFIER_TYPE),)
    assert courier is not None and (courier.name, courier.family, courier.start) == ("Léa Fictive", "Fictive", date(2026, 1, 1))


def test_parse_reads_who_sends_and_who_takes_what_persons_ask_themselves() -> None:
    network = parse(changed(("kind: clinic", "kind: clinic\n    platform: true"), ("ages: 18+", "ages: 18+\n        self_referrals: true")))
    assert [each.key for each in network.organisations if each.platform] == ["clinic"]
    assert [unit.key for each in network.organisations for unit in each.units if unit.self_referrals] == ["coursier"]
    assert from_json(to_json(network)) == network


@pytest.mark.parametrize(
    ("old", "new", "piece", "says"),
    [
        ("zone: Europe/Paris", "zome: Europe/Paris", "zome", "zome: unknown key; did you mean zone?"),
        ("zone: Europe/Paris", "zone: Europe/Pariss", "zone", "expected a time zone"),
        ("version: 1", "version: 2", "version", "expected a whole number from 1 to 1"),
        ('        territory: ["76"]', '        teritory: ["76"]', "teritory", "did you mean territory?"),
        ('territory: ["76"]', "territory: [rouen]", "[rouen]", "organisations[1].units[0].territory[0]: expected the INSEE code"),
        ('territory: ["76"]', 'territory: "76"', 'territory: "76"', "expected a list, but found a single value"),
        ("ages: 18+", "ages: adults", "ages: adults", 'expected ages as "60+" or "18-64"'),
        ("ages: 60-90", "ages: 90-60", "90-60", "expected ages"),
        ('hours: {mon-fri: "09:00-18:00"}', 'hours: {mon-fry: "09:00-18:00"}', "mon-fry", "expected a day"),
        ('hours: {mon-fri: "09:00-18:00"}', 'hours: {mon-fri: "18:00-09:00"}', "18:00-09:00", "closing time after the opening time"),
        ('hours: {mon-fri: "09:00-18:00"}', 'hours: {mon-fri: "9h-18h"}', "9h-18h", 'expected hours as "09:00-18:00"'),
        ('hours: {mon-fri: "09:00-18:00"}', 'hours: {mon-fri: "09:00-24:30"}', "24:30", "24:00 at most"),
        ('hours: {mon-fri: "09:00-18:00"}', 'hours: {mon-fri: "09:00-09:00"}', "09:00-09:00", "after the opening time"),
        ('["08:30-12:30", "13:30-17:30"]', '["08:30-12:30", "12:00-17:30"]', "12:00-17:30", "do not overlap on mon"),
        ('hours: {mon-fri: "09:00-18:00"}', 'hours: {mon: "09:61-18:00"}', "09:61", "expected hours as"),
        ("stage: pool", "stage: pol", "stage: pol", "expected one of named, pool; did you mean pool?"),
        ("kind: clinic", "kind: clinique", "clinique", "did you mean clinic?"),
        ("category: coursier-dac-asso", "category: coursier", "category", "expected one of prescripteur"),
        ("category: coursier-dac-asso", "category: bailleur", "bailleur", "a letter is handed to the person"),
        ("category: coursier-dac-asso", "category: prescripteur", "key: asso", "prescripteur is for clinics"),
        ("category: coursier-dac-asso", "category: coursier-dac-asso\n    platform: true", "key: asso", "expected kind clinic"),
        ("ages: 18+", "ages: 18+\n        self_referrals: often", "self_referrals", "expected true or false"),
        ("ages: 18+", "ages: 18+\n        permanence: {slot_minutes: 3}", "slot_minutes", "expected a whole number from 5 to 480"),
        ("ages: 18+", "ages: 18+\n        permanence: {minutes: 45}", "minutes", "unknown key"),
        ("ages: 18+", "ages: 18+\n        permanence: tue", "permanence", "expected keys and values"),
        ("    category: coursier-dac-asso\n", "", "key: asso", "the key category is missing"),
        ("    controller: Asso\n", "", "key: asso", "a service needs controller"),
        ("    legal_basis: mission\n", "", "key: asso", "a service needs legal_basis"),
        ("    secrecy_text: engagement de confidentialité signé\n", "", "key: asso", "a service needs secrecy_text"),
        ("    legal_basis: mission\n", "    legal_basis: ''\n", "legal_basis", "expected"),
        ("key: asso", "key: a b", "a b", "expected a FHIR id"),
        ("key: pool", "key: coursier  # again", "# again", "another unit has this key"),
        ("key: asso", "key: clinic  # again", "# again", "another organisation has this key"),
        ("key: desk, ", "", "name: Secrétariat", "the key key is missing"),
        ("unit: coursier, phone", "unit: coursiers, phone", "coursiers", "no such unit in this file; did you mean coursier?"),
        ("organisation: asso, unit", "organisation: assso, unit", "assso", "no such organisation in this file; did you mean asso?"),
        ("organisation: asso, unit", "organisation: clinic, unit", "asso-app", "its unit belongs to another organisation"),
        ("unit: coursier, secret_file", "role: clinic, secret_file", "asso-app", "role clinic reads whole resources on /fhir"),
        ("unit: coursier, secret_file", "person: gp, secret_file", "asso-app", "its person belongs to another organisation"),
        ("unit: coursier, phone", "phone", "key: lea", "expected exactly one of unit and organisation"),
        ("role: doctor", "role: docteur", "docteur", "expected one of doctor"),
        ("{clinic: Organization/77", "{clinc: Organization/77", "clinc:", "no such key in this file; did you mean clinic?"),
        ("Organization/77", "Organization-77", "Organization-77", "expected a reference of the EHR"),
        ("secret_file: secrets/asso", "jwks_file: a, secret_file: b", "jwks_file: a", "expected exactly one of jwks_url"),
        ("secret_file: secrets/ehr", "token: abc", "token: abc", "a secret is not written here"),
        ("secret_file: secrets/ehr", "secret_variable: LIAISON_EHR", "LIAISON_EHR", "does not begin with LIAISON_"),
        ("{kind: bearer, secret_file: secrets/ehr}", "{kind: bearer}", "kind: bearer", "exactly one of secret_file and secret_variable"),
        (
            "{kind: bearer, secret_file: secrets/ehr}",
            "{kind: basic, secret_file: x}",
            "kind: basic",
            "the key user is missing; basic needs it",
        ),
        ("https://ehr.example/fhir", "http://ehr.example/fhir", "http://ehr", "expected https"),
        ("https://ehr.example/fhir", "https://u:p@ehr.example/fhir", "u:p@", "without user"),
        ("interval: 15m", "interval: 15", "interval", "expected a duration"),
        ("interval: 15m", "interval: 14m", "interval", "expected 15m or more"),
        ("interval: 15m", "interval: 15m\n      poll: [requestr]", "requestr", "did you mean requester?"),
        ('siret: "00000000000010"', 'siret: "10"', "siret", "the form of this identifier"),
        ('siret: "00000000000010"', 'sirett: "10"', "sirett", "unknown identifier; did you mean siret?"),
        ("stage: pool", "stage: pool\n        telling: true", "key: pool", "a telling unit needs relay_phone"),
        ("stage: pool", "stage: pool\n        telling: yes", "telling: yes", "expected true or false"),
        ("stage: pool", "stage:", "stage:", "expected a value, but found nothing"),
        ("stage: pool", "stage: pool\n        stage: named", "stage: named", "this key is here twice"),
        ("from: 2026-08-03", "from: 2026-08-30", "2026-08-30", "expected `to` on or after `from`"),
        ("from: 2026-08-03", "from: 3 août", "3 août", "expected a date"),
    ],
)
def test_parse_names_line_and_nearest_key_when_something_is_wrong(old: str, new: str, piece: str, says: str) -> None:
    text = changed((old, new))
    lines = [line for line in refused(text) if says in line]
    assert lines, refused(text)
    assert all(line.startswith("n.yaml:") for line in refused(text))
    assert line_of(text, piece) in {int(line.split(":")[1]) for line in lines}, lines


@pytest.mark.parametrize("written", ["-", "TODO", "5", "\u200b\u200b", "a b c", "12 34", "…", "à compléter", "xxx"])
@pytest.mark.parametrize("key", ["controller", "legal_basis", "secrecy_text"])
def test_officers_pack_is_said_in_words(key: str, written: str) -> None:
    was = {"controller": "Asso", "legal_basis": "mission", "secrecy_text": "engagement de confidentialité signé"}[key]
    text = changed((f"    {key}: {was}", f"    {key}: {json.dumps(written)}"))
    assert refused(text) == [f"n.yaml:{line_of(text, f'    {key}:')}: organisations[1].{key}: expected a real name or sentence: at least {20 if key == 'secrecy_text' else 3} letters"]


def test_secrecy_is_a_sentence_and_a_name_may_be_short_and_decomposed() -> None:
    signed = "    secrecy_text: engagement de confidentialité signé"
    assert len(refused(changed((signed, "    secrecy_text: engagement signé tôt")))) == 1  # 18 letters
    parse(changed((signed, "    secrecy_text: engagement signé en mai"), ("    controller: Asso", "    controller: e\u0301te\u0301 76")))


def test_parse_names_the_exact_line_when_a_key_is_misspelt() -> None:
    text = changed(("ages: 18+", "agges: 18+"))
    assert refused(text) == [f"n.yaml:{line_of(text, 'agges')}: organisations[1].units[0].agges: unknown key; did you mean ages?"]


def test_parse_collects_every_mistake_when_there_are_several() -> None:
    text = changed(("zone: Europe/Paris", "zome: x"), ("kind: clinic", "kind: y"), ("role: doctor", "role: z"), ("ages: 18+", "ages: w"))
    assert len(refused(text)) == 4


def test_parse_says_nothing_of_the_value_when_a_secret_is_written_out() -> None:
    assert "hunter2" not in "\n".join(refused(changed(("secret_file: secrets/ehr", "password: hunter2"))))


def test_parse_refuses_a_unit_without_organisation_when_it_stands_alone() -> None:
    assert any("units: unknown key" in line for line in refused(TEXT + "units:\n  - {key: alone, name: Seule}\n"))


def test_parse_refuses_the_nir_without_a_basis_and_takes_it_with_one() -> None:
    assert any(
        "legal basis" in line for line in refused(changed(("    controller: Asso", "    nir_authorised: true\n    controller: Asso")))
    )
    network = parse(changed(("    controller: Asso", "    nir_authorised: décret 2019-341\n    controller: Asso")))
    assert [organisation.nir_authorised for organisation in network.organisations] == ["", "décret 2019-341"]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "a: [", "\t- x", "just words", "- a\n- b\n", "version: 1\n", "a: !!python/object:x {}\n", "&a [*a]"]
)
def test_parse_refuses_with_a_line_when_it_is_no_network_at_all(text: str) -> None:
    assert refused(text)[0].startswith("n.yaml:")


def test_parse_allows_http_when_it_is_this_machine_or_a_sandbox() -> None:
    assert parse(changed(("https://ehr.example/fhir", "http://127.0.0.1:8080/fhir"))).ehr_of("clinic")
    assert parse(changed(("https://ehr.example/fhir", "http://hapi:8080/fhir\n      sandbox: true"))).ehr_of("clinic")


@pytest.mark.parametrize("auth", [
    "none", "{kind: none}", "{kind: basic, user: u, secret_variable: EHR_PASSWORD}", "{kind: header, header: X-Key, secret_file: k}",
    "{kind: client_secret, client_id: c, token_url: https://a.example/token, secret_file: s}",
    "{kind: smart, client_id: c, secret_file: key.jwk, algorithm: ES384, kid: k1, scopes: [system/Task.cruds]}",
    "{kind: mtls, certificate_file: c.pem, secret_file: k.pem}",
])  # fmt: skip
def test_parse_takes_every_way_to_authenticate_when_it_is_whole(auth: str) -> None:
    ehr = parse(changed(("{kind: bearer, secret_file: secrets/ehr}", auth))).ehr_of("clinic")
    assert ehr is not None and ehr.auth.kind in auth


def test_load_names_the_setting_when_the_file_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "none.yaml")
    assert caught.value.variable == "LIAISON_NETWORK_FILE" and "init" in caught.value.fix
    (tmp_path / "latin.yaml").write_bytes(b"version: 1\nzone: Europe/Paris # \xe9t\xe9\n")
    with pytest.raises(SettingsError, match=r"latin\.yaml:2: it is not UTF-8") as caught:
        load(tmp_path / "latin.yaml")
    assert caught.value.fix.startswith("save ") and "UTF-8" in caught.value.fix and "LIAISON_NETWORK_FILE" not in str(caught.value)


def test_demo_network_is_right_and_has_the_services_of_the_story_when_loaded() -> None:
    network = load(DEMO)
    views = {
        unit: network.view_of(network.organisation_of_unit(unit) or "")
        for unit in ("coursier-rouen", "saad-portage", "permanence-saint-eloi")
    }
    assert views == {"coursier-rouen": "coursier-dac-asso", "saad-portage": "saad", "permanence-saint-eloi": "as-carsat"}
    assert network.ehr_of("msp-saint-eloi") is not None
    assert network.telling("cmp-rouen") and not network.telling("coursier-rouen")
    assert {client.organisation for client in network.clients} == {organisation.key for organisation in network.organisations}


def test_demo_network_uses_only_telephone_numbers_kept_for_fiction_when_read_as_text() -> None:
    network = load(DEMO)
    numbers = [o.phone for o in network.organisations] + [u.phone for _, u in network.units()] + [p.phone for p in network.people]
    numbers += [unit.relay_phone for _, unit in network.units()]
    assert all(number.startswith(("02 61 91", "06 39 98")) for number in numbers if number)


@given(st.text(alphabet="aZ0:-{}[]\"'\\U?&*!|>#, \n\t%@`ékey", max_size=80))
def test_parse_answers_or_refuses_whatever_text_it_gets(text: str) -> None:
    with contextlib.suppress(SettingsError):
        parse(text)


@given(
    st.integers(0, len(TEXT) - 1),
    st.integers(0, 12),
    st.sampled_from(["", "[", "{a: b}", "? [x]\n", "\n", " ", "- ", ": ", "é", '"', "*a", "0x", "null"]),
)
def test_parse_answers_or_refuses_whatever_is_changed_in_a_good_file(place: int, length: int, piece: str) -> None:
    try:
        network = parse(TEXT[:place] + piece + TEXT[place + length :])
    except SettingsError as refused_:
        assert refused_.fix and "network.yaml:" in str(refused_)
    else:
        assert from_json(to_json(network)) == network


def test_parse_takes_any_other_role_at_a_service_and_role_clinic_at_a_clinic() -> None:
    for role in ("service", "officer", "operator", "device"):
        assert parse(changed(("unit: coursier, secret_file", f"role: {role}, secret_file"))).client("asso-app") is not None
    assert parse(changed(("id: clinic-app,", "id: clinic-app, role: clinic, person: gp,"))).client("clinic-app") is not None

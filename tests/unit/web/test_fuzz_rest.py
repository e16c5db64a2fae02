"""The doors that take a resource, a patch or a Bundle, given what nobody should send, as JSON and as XML: seeded changes, and bodies
made to be dear to read (nesting, doubled keys, huge numbers, lone surrogates, entities). Never a 5xx, no value repeated, memory bounded."""

from __future__ import annotations

import base64
import json
import random
import resource as process
from collections.abc import Iterator
from typing import Any

import pytest

from adapter import fhir
from tests.unit.web.test_bundles import bundle, entry, referral
from tests.unit.web.test_fuzz import KEY, ODD, ROUNDS, TOKEN, Street, bent, changed, headers, street, written

__all__ = ["street"]  # the fixture
JSON, XML, PATCH = b"application/fhir+json", b"application/fhir+xml", b"application/json-patch+json"
PERSON: dict[str, Any] = {
    "resourceType": "Patient", "id": "fuzz", "identifier": [{"system": "urn:ipp", "value": "fuzz"}], "name": [{"family": "Invente", "given": ["Anne"]}],
    "birthDate": "1938-02-03", "multipleBirthInteger": 2, "managingOrganization": {"reference": "Organization/msp-saint-eloi"},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Anne</p></div>'}, "_gender": {"extension": [{"url": "urn:x", "valueDecimal": 1.50}]},
}  # fmt: skip
OPERATIONS: list[dict[str, Any]] = [
    {"op": "replace", "path": "/name/0/family", "value": "Autre"}, {"op": "add", "path": "/name/0/given/-", "value": "Marie"}, {"op": "test", "path": "/birthDate", "value": "1938-02-03"},
    {"op": "remove", "path": "/birthDate"}, {"op": "move", "from": "/name/0", "path": "/name/-"}, {"op": "copy", "from": "/identifier/0", "path": "/identifier/-"},
]  # fmt: skip
PATHS = ("", "/", "/-", "/name/-1", "/name/99999999999999999999", "/name/0/given/1e3", "/~2", "/~", "/a~1b", "/meta/versionId", "/resourceType", "/id", "/" + TOKEN, "/name" * 2000)
DEEP, WIDE = 20_000, 50_000
FHIR = 'xmlns="http://hl7.org/fhir"'


def json_bombs() -> Iterator[bytes]:
    head = b'{"resourceType":"Patient","id":"fuzz",'
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}"), (b'{"extension":[', b"]}")):
        for depth in (60, 400, 3000, DEEP):
            yield head + b'"contact":' + opened * depth + b"1" + closed * depth + b"}"
        yield opened * DEEP
    for number in (b"1e999999999", b"-1e-999999999", b"9" * 20_000, b"0." + b"0" * 20_000 + b"1", b"-0", b"NaN", b"Infinity", b"01", b"1.", b"18446744073709551616"):
        yield head + b'"multipleBirthInteger":' + number + b"}"
        yield head + b'"extension":[{"url":"urn:x","valueDecimal":' + number + b"}]}"
    for text in (b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"', b'"\xff"', b'"\\u0000"', b'"\x00"', b'"\\uFFFE"', b'"' + b"a" * WIDE + b'"', b'"' + b"\\ud83d\\ude00" * 9000 + b'"'):
        yield head + b'"gender":' + text + b"}"
        yield head + b'"name":[{"family":' + text + b"}]}"
        yield head + text + b":1}"
    yield head + b'"id":"fuzz","id":"other"}'
    yield head + b'"resourceType":"Task"}'
    yield head + b",".join(b'"birthDate":"1938-02-03"' for _ in range(6_000)) + b"}"
    yield head + b",".join(b'"k%d":1' % number for number in range(6_000)) + b"}"
    yield head + b'"name":[' + b",".join([b"{}"] * WIDE) + b"]}"
    yield head + b'"name":[' + b",".join([b"null"] * WIDE) + b'],"_name":[' + b",".join([b"null"] * WIDE) + b"]}"
    yield b"\xef\xbb\xbf" + json.dumps(PERSON).encode()
    yield json.dumps(PERSON).encode("utf-16")
    yield from (b"", b" ", b"null", b"[]", b"{}", b'""', b"1", b"{", b'{"resourceType":', b"\x00" * 5000, b"[" + b"1," * WIDE)


def xml_bombs() -> Iterator[bytes]:
    def patient(inside: str, before: str = "") -> bytes:
        return f'<?xml version="1.0"?>{before}<Patient {FHIR}><id value="fuzz"/>{inside}</Patient>'.encode("utf-8", "surrogatepass")

    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    yield patient('<language value="&a11;"/>', f'<!DOCTYPE Patient [<!ENTITY a0 "{TOKEN}">{laughs}]>')
    yield patient('<language value="&a;"/>', f'<!DOCTYPE Patient [<!ENTITY a "{"x" * WIDE}">]>').replace(b"&a;", b"&a;" * 5000)
    for entity in ('SYSTEM "file:///etc/hostname"', 'SYSTEM "http://127.0.0.1:1/x"', 'PUBLIC "a" "file:///etc/hostname"'):
        yield patient("<gender>&a;</gender>", f"<!DOCTYPE Patient [<!ENTITY a {entity}>]>")
    yield patient("", '<!DOCTYPE Patient SYSTEM "file:///etc/hostname">')
    yield patient("", '<!DOCTYPE Patient [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>')
    yield patient("", f'<!DOCTYPE Patient [<!ATTLIST Patient a CDATA "{"x" * WIDE}">]>')
    yield patient('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hostname" parse="text"/>')
    yield patient("<!-- -->" * WIDE)
    yield patient(f"<?{TOKEN} x?>" * 5000)
    for depth in (60, 300, 3000, DEEP):
        yield patient("<contact>" * depth + "</contact>" * depth)
        yield patient('<extension url="urn:x">' * depth + "</extension>" * depth)
        yield patient('<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">' + "<b>" * depth + "</b>" * depth + "</div></text>")
        yield patient("<contained><Patient>" * depth + "</Patient></contained>" * depth)
    yield patient("<contact>" * DEEP)
    for number in ("1e999999999", "9" * 20_000, "NaN", "", "-0", "0." + "0" * 20_000 + "1"):
        yield patient(f'<multipleBirthInteger value="{number}"/>')
        yield patient(f'<extension url="urn:x"><valueDecimal value="{number}"/></extension>')
    for text in ("&#0;", "&#xD800;", "&#xFFFE;", "\ud800", "&#55357;&#56832;", "a" * WIDE, "\x01", "&lt;" * WIDE, "&nothing;", "&amp"):
        yield patient(f'<gender value="{text}"/>')
        yield patient(f'<name><family value="{text}"/></name>')
    yield patient('<gender value="male" value="female"/>')
    yield patient("<gender " + " ".join(f'a{number}="1"' for number in range(6_000)) + "/>")
    yield patient("<name " + " ".join(f'xmlns:a{number}="urn:{number}"' for number in range(6_000)) + "/>")
    yield patient('<name id="a"/>' * 10_000)
    yield patient('<id value="other"/>')
    yield patient(f"<{KEY.replace(' ', '')}/>")
    yield patient('<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><script>1</script></div></text>')
    yield patient("<![CDATA[x]]>")
    yield patient("").replace(b"1.0", b"1.1")
    for encoding in ("utf-7", "utf-16", "ebcdic-cp-be", "latin-1", TOKEN):
        yield patient("").replace(b'"1.0"', f'"1.0" encoding="{encoding}"'.encode())
    yield patient("").decode().encode("utf-16")
    yield from (b"", b" ", b"<", b"<a", b"<Patient/>", f"<Patient {FHIR}/>".encode(), f"<Bundle {FHIR}/>".encode(), b"<?xml?>", b"\x00" * 5000, b"<" * WIDE)


def as_bundle(body: bytes, media: bytes) -> bytes:
    """A transaction with this as the resource of its one entry."""
    if media == XML:
        inside = body.partition(b"?>")[2] if body.startswith(b"<?xml") else body
        return f"<Bundle {FHIR}><type value='transaction'/><entry><resource>".encode() + inside + b"</resource><request><method value='POST'/><url value='Patient'/></request></entry></Bundle>"
    return b'{"resourceType":"Bundle","type":"transaction","entry":[{"resource":' + body + b',"request":{"method":"POST","url":"Patient"}}]}'


@pytest.mark.parametrize("media", [JSON, XML], ids=["json", "xml"])
def test_bodies_made_to_be_dear_are_answered_below_500_at_every_door_and_cost_no_memory_that_stays(street: Street, media: bytes) -> None:
    clinic, statuses, limit = street.tokens["saint-eloi"], set(), street.stage.app.settings.max_body
    doors = [("POST", "/fhir/Patient"), ("PUT", "/fhir/Patient/fuzz"), ("PUT", "/fhir/Patient?identifier=urn:ipp%7Cfuzz"), ("POST", "/fhir/Patient/$validate"), ("POST", "/fhir")]
    before = process.getrusage(process.RUSAGE_SELF).ru_maxrss
    for number, bomb in enumerate(json_bombs() if media == JSON else xml_bombs()):
        for method, path in doors:
            body = as_bundle(bomb, media) if path == "/fhir" else bomb
            assert len(body) < limit
            answer = street.ask(method, path, clinic, body, [(b"content-type", media)])
            street.sane(answer, f"bomb {number} at {method} {path}: {bomb[:200]!r}")
            assert len(answer.content) < 2 * WIDE, f"bomb {number}: {len(answer.content)} bytes to tell what is wrong"
            statuses.add(answer.status_code)
        street.sane(street.ask("PATCH", "/fhir/Patient/fuzz", clinic, bomb, [(b"content-type", PATCH)]), f"bomb {number} as a patch: {bomb[:200]!r}")
    assert 400 in statuses
    grown = process.getrusage(process.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400 * 1024, f"{grown} KiB more at the worst"


def test_update_answers_whatever_comes_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses, clinic = random.Random(11), set(), street.tokens["saint-eloi"]
    for turn in range(ROUNDS):
        new = PERSON | {"id": f"made-{turn}"}
        which = chance.choice([PERSON, new])
        body = written(chance, changed(chance, which) if chance.random() < 0.8 else which)
        place = chance.choice([f"/{which['id']}"] * 6 + ["/other", "/%00", "/" + TOKEN, "?identifier=urn:ipp%7Cfuzz", "?" + TOKEN + "=1", "?identifier=", "?"])
        sent = [(b"content-type", JSON), *headers(chance, "if-match", "prefer")] if chance.random() < 0.5 else [(b"content-type", JSON)]
        answer = street.ask("PUT", f"/fhir/Patient{place}", clinic, body, sent)
        street.sane(answer, f"turn {turn}: {place} {sent} {body[:2000]!r}")
        statuses.add(answer.status_code)
    assert {200, 201, 400} <= statuses, statuses


def test_patch_answers_whatever_comes_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses, clinic = random.Random(12), set(), street.tokens["saint-eloi"]
    for turn in range(ROUNDS):
        if turn % 10 == 0:
            assert street.ask("PUT", "/fhir/Patient/fuzz", clinic, json.dumps(PERSON).encode(), [(b"content-type", JSON)]).status_code in (200, 201)
        some = [dict(each) for each in chance.choices(OPERATIONS, k=chance.randint(1, 3))]
        if chance.random() < 0.5:
            chance.choice(some)[chance.choice(["path", "from", "value", "op"])] = chance.choice([*PATHS, *ODD])
        body = written(chance, changed(chance, some) if chance.random() < 0.4 else some)
        place = chance.choice(["Patient/fuzz"] * 8 + [f"Task/{street.task}", "Patient/absent", "Patient/%00"])
        answer = street.ask("PATCH", f"/fhir/{place}", clinic, body, [(b"content-type", PATCH), *(headers(chance, "if-match", "prefer") if chance.random() < 0.3 else [])])
        street.sane(answer, f"turn {turn}: {place} {body[:2000]!r}")
        statuses.add(answer.status_code)
    assert {200, 400, 404, 422} <= statuses, statuses


def test_batch_and_transaction_answer_whatever_comes_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses, within, clinic = random.Random(13), set(), set(), street.tokens["saint-eloi"]
    patch = {"resourceType": "Binary", "contentType": PATCH.decode(), "data": base64.b64encode(json.dumps(OPERATIONS[:2]).encode()).decode()}
    reads = [entry(None, "GET", url) for url in ("Patient/fuzz", "Patient?identifier=urn:ipp|fuzz", "Patient/fuzz/_history", "Patient/fuzz/_history/1", "Task/_history?_count=1", "Patient/" + TOKEN)]
    for turn in range(ROUNDS):
        entries = [*(referral() if chance.random() < 0.3 else []), entry(PERSON, "PUT", "Patient/fuzz"), entry(patch, "PATCH", "Patient/fuzz"), *reads]
        sent = bundle(*chance.sample(entries, k=chance.randint(1, len(entries))), type=chance.choice(["batch", "transaction"]))
        if chance.random() < 0.1:
            next(iter(sent["entry"]))["resource"] = patch | {"data": chance.choice(["é", "=", "W10=", "W", "////", TOKEN])}
            next(iter(sent["entry"]))["request"] = {"method": "PATCH", "url": "Patient/fuzz"}
        body = written(chance, changed(chance, sent) if chance.random() < 0.7 else sent)
        answer = street.ask("POST", "/fhir", clinic, body, [(b"content-type", JSON), *headers(chance, "prefer")])
        street.sane(answer, f"turn {turn}: {body[:3000]!r}")
        statuses.add(answer.status_code)
        for each in answer.json().get("entry", []) if answer.status_code == 200 else ():
            within.add(int(each["response"]["status"][:3]))
            assert int(each["response"]["status"][:3]) < 500, f"turn {turn}: {each['response']} {body[:3000]!r}"
            assert TOKEN not in json.dumps(each["response"]), f"turn {turn}: {each['response']}"
    assert {200, 400, 422} <= statuses and {200, 201, 404} <= within, (statuses, within)


def test_validate_tells_of_whatever_comes_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses, clinic = random.Random(14), set(), street.tokens["saint-eloi"]
    asked = {"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "create"}, {"name": "resource", "resource": PERSON}]}
    for turn in range(ROUNDS):
        body = written(chance, changed(chance, chance.choice([asked, PERSON])))
        type = chance.choice(["Patient"] * 6 + ["Task", TOKEN])
        answer = street.ask("POST", f"/fhir/{type}/$validate", clinic, body, [(b"content-type", JSON)])
        street.sane(answer, f"turn {turn}: {body[:2000]!r}")
        assert answer.json()["resourceType"] == "OperationOutcome"
        statuses.add(answer.status_code)
    assert {200, 400, 404} <= statuses, statuses


def test_xml_answers_whatever_comes_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses, clinic = random.Random(15), set(), street.tokens["saint-eloi"]
    seeds = [fhir.to_xml(json.dumps(each).encode()) for each in (PERSON, bundle(*referral()))]
    words = [b'value="', b"<name>", b"</name>", b"<extension", b"xmlns", b"<", b">", b"&", b"http://hl7.org/fhir", b"<family", b"/>", b"<div", b"<contained>", b"<resource>"]
    for turn in range(ROUNDS):
        which = chance.randrange(2)
        body = seeds[which]
        for _ in range(chance.randrange(3)):
            word, other = chance.choice(words), chance.choice([*words, b"", TOKEN.encode(), b"&#x1F600;", b'a="1" '])
            at = body.find(word, chance.randrange(len(body)))
            body = body if at < 0 else body[:at] + other + body[at + len(word) * chance.randrange(2) :]
        body = bent(chance, body)
        method, path = ("POST", "/fhir") if which else chance.choice([("PUT", "/fhir/Patient/fuzz"), ("POST", "/fhir/Patient"), ("POST", "/fhir/Patient/$validate")])
        media = chance.choice([XML] * 6 + [b"application/xml", b"text/xml; charset=utf-16", b"application/fhir+xml; charset=\xff", JSON])
        answer = street.ask(method, path, clinic, body, [(b"content-type", media)])
        street.sane(answer, f"turn {turn}: {method} {path} {body[:3000]!r}")
        statuses.add(answer.status_code)
    assert {200, 400, 415} <= statuses, statuses

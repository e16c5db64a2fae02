"""JSON to XML and back: nothing lost, and the order of R4."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapter import fhir
from adapter.errors import Malformed, Refused
from adapter.fhir import xml_document
from tests.unit.fhir.arbitrary import resources
from tests.unit.fhir.specimens import specimens

XMLNS = 'xmlns="http://hl7.org/fhir"'
XHTML = "http://www.w3.org/1999/xhtml"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'


def tree(body: bytes) -> Any:
    """The JSON tree, numbers as their text and apart from strings."""
    return json.loads(body, parse_float=lambda text: ("number", text), parse_int=lambda text: ("number", text))


def xml(text: str) -> bytes:
    """What `to_xml` makes of JSON, without the declaration and the namespace."""
    return fhir.to_xml(text.encode()).removeprefix(DECLARATION).replace(f" {XMLNS}".encode(), b"", 1)


# There and back


@pytest.mark.parametrize("resource", specimens(), ids=lambda r: r["resourceType"])
def test_a_specimen_comes_back_as_it_was_and_is_still_valid(resource):
    body = orjson.dumps(resource)
    back = fhir.from_xml(fhir.to_xml(body))
    assert tree(back) == tree(body)
    assert fhir.parse(back) == resource


@given(resources())
def test_any_resource_comes_back_as_it_was(resource):
    body = orjson.dumps(resource)
    written = fhir.to_xml(body)
    back = fhir.from_xml(written)
    assert tree(back) == tree(body)
    assert fhir.to_xml(back) == written, "the order of members changes nothing"


@given(resources(), st.randoms(use_true_random=False))
def test_elements_may_come_in_any_order(resource, chance):
    """Those of one name keep theirs."""
    body = orjson.dumps(resource)
    root = etree.fromstring(fhir.to_xml(body))
    for node in root.iter("{http://hl7.org/fhir}*"):
        names = sorted({child.tag for child in node}, key=lambda _: chance.random())
        node[:] = sorted(node, key=lambda child: names.index(child.tag))
    assert tree(fhir.from_xml(etree.tostring(root))) == tree(body)


# Out


def test_to_xml_declares_utf_8_and_the_namespace_once():
    body = fhir.to_xml('{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Basic","id":"é"}}]}'.encode())
    assert body.startswith(DECLARATION + f"<Bundle {XMLNS}>".encode()) and body.count(b"xmlns") == 1
    assert '<entry><resource><Basic><id value="é"/></Basic></resource></entry>'.encode() in body


def test_to_xml_puts_the_elements_in_the_order_of_r4_when_the_members_are_in_another():
    body = (
        '{"birthDate":"1980","name":[{"given":["a","b"],"family":"c","use":"usual"}],"extension":[{"valueCode":"x","url":"u"}],"meta":{"tag":[{"code":"t",'
        '"system":"s"}],"versionId":"1"},"identifier":[{"value":"v","system":"s"}],"language":"fr","resourceType":"Patient","id":"p","active":true}'
    )
    assert xml(body) == (
        b'<Patient><id value="p"/><meta><versionId value="1"/><tag><system value="s"/><code value="t"/></tag></meta><language value="fr"/>'
        b'<extension url="u"><valueCode value="x"/></extension><identifier><system value="s"/><value value="v"/></identifier><active value="true"/>'
        b'<name><use value="usual"/><family value="c"/><given value="a"/><given value="b"/></name><birthDate value="1980"/></Patient>'
    )


def test_to_xml_orders_a_choice_and_the_elements_of_a_datatype():
    body = (
        '{"resourceType":"ServiceRequest","occurrenceTiming":{"code":{"text":"x"},"repeat":{"when":["AFT"],"offset":5,"dayOfWeek":["mon"],'
        '"periodUnit":"d","period":1.50,"frequency":1,"boundsPeriod":{"end":"2026","start":"2025"}}},"status":"active","subject":{"display":"d","reference":"Patient/1"}}'
    )
    assert xml(body) == (
        b'<ServiceRequest><status value="active"/><subject><reference value="Patient/1"/><display value="d"/></subject><occurrenceTiming><repeat>'
        b'<boundsPeriod><start value="2025"/><end value="2026"/></boundsPeriod><frequency value="1"/><period value="1.50"/><periodUnit value="d"/>'
        b'<dayOfWeek value="mon"/><when value="AFT"/><offset value="5"/></repeat><code><text value="x"/></code></occurrenceTiming></ServiceRequest>'
    )


def test_to_xml_joins_a_primitive_and_what_stands_beside_it():
    body = (
        '{"resourceType":"Patient","_gender":{"extension":[{"url":"u","valueCode":"unknown"}]},"birthDate":"1980","_birthDate":{"id":"b"},'
        '"name":[{"given":["a",null,"c"],"_given":[null,{"id":"g"},null]}]}'
    )
    assert xml(body) == (
        b'<Patient><name><given value="a"/><given id="g"/><given value="c"/></name><gender><extension url="u"><valueCode value="unknown"/></extension></gender>'
        b'<birthDate value="1980" id="b"/></Patient>'
    )


@pytest.mark.parametrize("number", ["7.10", "1e-7", "100", "0.10000000000000000000000000001", "-3.0"])
def test_a_number_keeps_its_text(number):
    body = f'{{"resourceType":"Observation","valueQuantity":{{"value":{number}}}}}'.encode()
    assert f'<value value="{number}"/>'.encode() in fhir.to_xml(body)
    assert fhir.from_xml(fhir.to_xml(body)) == body


@pytest.mark.parametrize(("start", "end"), [("", ""), ('<?xml version="1.0"?>\n', ""), ("\ufeff", "\n"), ("<!-- a -->", "<!-- b -->")])
def test_to_xml_puts_the_narrative_in_when_the_text_holds_more_than_the_div(start, end):
    div = f'<div xmlns="{XHTML}"><p>a<br/>b</p></div>'
    resource = {"resourceType": "Basic", "code": {"text": "x"}, "text": {"status": "generated", "div": start + div + end}}
    assert fhir.parse(orjson.dumps(resource))
    assert tree(fhir.from_xml(fhir.to_xml(orjson.dumps(resource))))["text"]["div"] == div


def test_to_xml_writes_a_sign_that_xml_lacks_as_the_sign_for_such():
    assert xml('{"resourceType":"Basic","id":"a\ufffeb\uffff"}') == '<Basic><id value="a\ufffdb\ufffd"/></Basic>'.encode()


@pytest.mark.parametrize(
    "body",
    ['{"resourceType":"Patient","nom":"Dupont"}', '{"resourceType":"Patient","name":[{"resourceType":"Dupont"}]}', '{"resourceType":"Patient","name":[{"_id":{"id":"Dupont"}}]}'],
)
def test_to_xml_leaves_nothing_out_that_it_cannot_write(body):
    with pytest.raises(Malformed) as caught:
        fhir.to_xml(body.encode())
    assert "Dupont" not in str(caught.value)


# In


@pytest.mark.parametrize(
    "body",
    [
        f'<Patient {XMLNS}><active value="true"/></Patient>',
        '<f:Patient xmlns:f="http://hl7.org/fhir"><f:active value="true"></f:active></f:Patient>',
        '<a:Patient xmlns:a="http://hl7.org/fhir" xmlns:b="http://hl7.org/fhir"><b:active value="true"/></a:Patient>',
        f'<Patient {XMLNS} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n\t<active  value = \'&#116;rue\' />\r\n</Patient>\n',
        f'<?xml version="1.0" encoding="utf-8" standalone="yes"?><!-- a --><?b c?><Patient {XMLNS}><!-- d --><active value="true"><?e?></active><!-- f --></Patient><!-- g -->',
        f"\ufeff<?xml version='1.0'?>\n<Patient {XMLNS}><![CDATA[ ]]><active value='true'/>&#10;</Patient>",
    ],
)
def test_from_xml_reads_the_same_whatever_way_it_is_written(body):
    assert fhir.from_xml(body.encode()) == b'{"resourceType":"Patient","active":true}'


def test_from_xml_aligns_the_arrays_of_a_repeated_primitive():
    given = '<given value="a"/><given id="g"><extension url="u"><valueCode value="x"/></extension></given><given value="c"/>'
    name = json.loads(fhir.from_xml(f"<Patient {XMLNS}><name>{given}</name></Patient>".encode()))["name"]
    assert name == [{"given": ["a", None, "c"], "_given": [None, {"id": "g", "extension": [{"url": "u", "valueCode": "x"}]}, None]}]


@pytest.mark.parametrize("text", ["", " 1", "+1", "01", "1.", ".5", "0x1", "NaN", "INF", "1e", "--1", "1_0", "١", "1,5"])
def test_from_xml_leaves_what_is_no_number_to_the_validator(text):
    body = fhir.from_xml(f'<Observation {XMLNS}><status value="final"/><code><text value="x"/></code><valueInteger value="{text}"/></Observation>'.encode())
    assert json.loads(body)["valueInteger"] == text
    with pytest.raises(Malformed) as caught:
        fhir.parse(body)
    assert "Observation.valueInteger" in {issue.expression for issue in caught.value.issues}


@pytest.mark.parametrize("text", ["TRUE", "1", "0", "yes", ""])
def test_from_xml_leaves_what_is_no_boolean_to_the_validator(text):
    body = fhir.from_xml(f'<Patient {XMLNS}><active value="{text}"/></Patient>'.encode())
    assert json.loads(body) == {"resourceType": "Patient", "active": text}
    with pytest.raises(Malformed):
        fhir.parse(body)


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        (f'<div xmlns="{XHTML}">a <b>c</b>\n d</div>', "a <b>c</b>\n d"),
        (f'<h:div xmlns:h="{XHTML}" xmlns:x="urn:x"><h:p h2="1" xml:lang="fr">é</h:p>t</h:div>', '<p h2="1" xml:lang="fr">é</p>t'),
        (f'<div xmlns="{XHTML}"><![CDATA[<script>]]> &amp; &quot;<a title="&lt;&quot;&#10;"/></div>', '&lt;script&gt; &amp; "<a title="&lt;&quot;&#10;"/>'),
        (f'<div xmlns="{XHTML}"><!-- c --><br></br>&#13;&#160;</div>', "<!-- c --><br/>&#13;\u00a0"),
    ],
)
def test_from_xml_gives_the_narrative_as_text_in_one_namespace(inside, text):
    body = fhir.from_xml(f'<Basic {XMLNS}><text><status value="generated"/>{inside}</text></Basic>'.encode())
    assert json.loads(body)["text"] == {"status": "generated", "div": f'<div xmlns="{XHTML}">{text}</div>'}


def test_from_xml_reads_a_resource_in_a_resource():
    contained = '<contained><Organization><id value="o"/></Organization></contained><contained><Patient><id value="p"/></Patient></contained>'
    assert json.loads(fhir.from_xml(f"<Task {XMLNS}>{contained}</Task>".encode())) == {
        "resourceType": "Task",
        "contained": [{"resourceType": "Organization", "id": "o"}, {"resourceType": "Patient", "id": "p"}],
    }


def test_lxml_is_imported_only_when_it_is_needed(monkeypatch):
    program = "import sys; from adapter import fhir; print('lxml' in sys.modules, fhir.xml_available())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    monkeypatch.setattr(xml_document, "find_spec", lambda name: None)
    assert not fhir.xml_available()


def test_parse_takes_nothing_beside_a_narrative():
    """xhtml has no extension in R4, and its id is one of its own attributes."""
    resource = {"resourceType": "Basic", "code": {"text": "x"}, "text": {"status": "generated", "div": f'<div xmlns="{XHTML}" id="a">a</div>'}}
    assert fhir.parse(orjson.dumps(resource))
    resource["text"]["_div"] = {"id": "a"}
    with pytest.raises(Malformed):
        fhir.parse(orjson.dumps(resource))


def test_parse_takes_an_extension_whose_value_is_only_extended():
    """Legal in R4, and what XML says without further ado."""
    resource = {"resourceType": "Patient", "extension": [{"url": "http://a", "_valueCode": {"extension": [{"url": "http://b", "valueCode": "unknown"}]}}]}
    assert fhir.parse(orjson.dumps(resource)) == resource
    both = {**resource["extension"][0], "valueString": "x"}
    with pytest.raises(Malformed):
        fhir.parse(orjson.dumps({**resource, "extension": [both]}))


def test_parse_refuses_a_narrative_with_elements_of_another_namespace():
    div = f'<div xmlns="{XHTML}"><p xmlns="urn:x">a</p></div>'
    with pytest.raises(Refused) as caught:
        fhir.parse(orjson.dumps({"resourceType": "Basic", "code": {"text": "x"}, "text": {"status": "generated", "div": div}}))
    assert "txt-1" in str(caught.value)

"""JSON to XML and back: nothing lost, R4's order, and whatever comes in as XML is read or refused with 400."""

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


def refused(body: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        fhir.from_xml(body)
    assert caught.value.status == 400
    return caught.value


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


FAULTS = [  # what stands in Patient, where the fault is said to be, a word of what is said
    ("<nom value='Dupont'/>", "Patient.?", "no element"),
    ("<birthdate value='Dupont'/>", "Patient.?", "no element"),
    ("<code value='Dupont'/>", "Patient.code", "no element"),
    ("<name><family value='a'/><Dupont/></name>", "Patient.name[0].?", "number 2 of its parent"),
    ("<name xmlns=''/>", "Patient.name", "namespace"),
    ("<name xmlns='urn:Dupont'/>", "Patient.name", "namespace"),
    ("<name/><name Dupont='a'/>", "Patient.name[1]", "attribute"),
    ("<name url='Dupont'/>", "Patient.name[0]", "attribute"),
    ("<name value='Dupont'/>", "Patient.name[0]", "attribute"),
    ("<name xml:id='Dupont'/>", "Patient.name[0]", "attribute"),
    ("<active value='true' lang='Dupont'/>", "Patient.active", "attribute"),
    ("<active value='true'/><birthDate value='1980'/><active value='false'/>", "Patient.active", "twice"),
    ("<active id='a'><extension url='u'/></active><active value='false'/>", "Patient.active", "twice"),
    ("<id value='Dupont'/><id value='Dupont'/>", "Patient.id", "twice"),
    ("<active/>", "Patient.active", "empty"),
    ("<name><given/></name>", "Patient.name[0].given[0]", "empty"),
    ("Dupont", "Patient", "text"),
    ("<name>Dupont</name>", "Patient.name[0]", "text"),
    ("<name><family value='a'/><![CDATA[Dupont]]></name>", "Patient.name[0]", "text"),
    ("<name><!-- a -->Dupont</name>", "Patient.name[0]", "text"),
    ("<active value='true'>Dupont</active>", "Patient.active", "text"),
    ("<active value='true'>\u00a0</active>", "Patient.active", "text"),
    ("<active value='true'><Dupont/></active>", "Patient.active.?", "no element"),
    ("<contained/>", "Patient.contained[0]", "one resource"),
    ("<contained id='Dupont'><Patient/></contained>", "Patient.contained[0]", "one resource"),
    ("<contained><Patient/><Patient/></contained>", "Patient.contained[0]", "one resource"),
    ("<contained><Dupont/></contained>", "Patient.contained[0]", "resource type"),
    ("<contained><Patient xmlns=''/></contained>", "Patient.contained[0]", "namespace"),
    ("<contained><Patient id='Dupont'/></contained>", "Patient.contained[0]", "attribute"),
    ("<text><div/></text>", "Patient.text.div", "no element"),
    (f"<text><div xmlns='{XHTML}'><p xmlns='urn:Dupont'/></div></text>", "Patient.text.div", "XHTML"),
    (f"<text><div xmlns='{XHTML}' xmlns:x='urn:x' x:y='Dupont'/></text>", "Patient.text.div", "XHTML"),
    (f"<text><div xmlns='{XHTML}'/><div xmlns='{XHTML}'/></text>", "Patient.text.div", "twice"),
]


@pytest.mark.parametrize(("inside", "expression", "said"), FAULTS, ids=range(len(FAULTS)))
def test_from_xml_says_where_the_fault_is_and_never_what_it_read(inside, expression, said):
    error = refused(f"<Patient {XMLNS}>{inside}</Patient>".encode())
    (issue,) = error.issues
    assert (issue.expression, said in issue.text) == (expression, True), issue.text
    assert "Dupont" not in f"{error} {error.issues}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (f"<Dupont {XMLNS}/>", "structure"),
        (f"<MedicationRequest {XMLNS}/>", "not-supported"),
        ("<Patient/>", "structure"),
        ("<Patient xmlns='http://hl7.org/fhir/'/>", "structure"),
        ("<Patient xmlns='urn:hl7-org:v3'/>", "structure"),
        (f"<Patient {XMLNS} xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='a b'/>", "structure"),
        (f"<Patient {XMLNS} id='Dupont'/>", "structure"),
    ],
)
def test_from_xml_refuses_a_root_that_is_no_resource_of_ours(body, code):
    error = refused(body.encode())
    assert [issue.code for issue in error.issues] == [code] and "Dupont" not in str(error)


BOMB = "<!DOCTYPE Patient [<!ENTITY a '" + "ha" * 50 + "'>" + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)) + "]>"


@pytest.mark.parametrize(
    "body",
    [
        f"{BOMB}<Patient {XMLNS}><id value='&j;'/></Patient>".encode(),
        f"{BOMB}<Patient {XMLNS}>&j;</Patient>".encode(),
        f"<!DOCTYPE Patient SYSTEM 'file:///etc/passwd'><Patient {XMLNS}/>".encode(),
        f"<!DOCTYPE Patient [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><Patient {XMLNS}><id value='a'/>&e;</Patient>".encode(),
        f"<!DOCTYPE Patient [<!ENTITY % e SYSTEM 'http://127.0.0.1:9/'> %e;]><Patient {XMLNS}/>".encode(),
        f"<!DOCTYPE Patient><Patient {XMLNS}/>".encode(),
        f"\ufeff<?xml version='1.0'?>\n<!-- <a> -->\n<?p q?> <!DOCTYPE Patient><Patient {XMLNS}/>".encode(),
        b"<!---->" * 2_000 + b"<!DOCTYPE a><a/>",
    ],
    ids=range(8),
)
def test_from_xml_refuses_a_document_type_before_it_is_read(body, monkeypatch):
    monkeypatch.setattr(etree, "fromstring", None)
    assert "document type" in str(refused(body))


@pytest.mark.parametrize("ending", [b"", b"<", b"<!DOCTYP", b"-->", b"x"])
def test_from_xml_takes_no_longer_when_a_prolog_could_be_read_in_many_ways(ending):
    """With backtracking, this would not end."""
    refused(b"<!---->" * 20_000 + ending)


def test_from_xml_takes_the_word_doctype_where_it_is_none():
    comment = "<!-- <!DOCTYPE html> -->"
    assert fhir.from_xml(f"{comment}<Patient {XMLNS}>{comment}<id value='!DOCTYPE'/></Patient>".encode()) == b'{"resourceType":"Patient","id":"!DOCTYPE"}'


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"\x00", b"\xef\xbb\xbf", b"{}", b"nonsense", b"<", b"<?xml?>", b"<Patient", b"<Patient/><Patient/>", b"<a:Patient/>",
        f"<Patient {XMLNS}><id value='&e;'/></Patient>".encode(), f"<Patient {XMLNS}>&nbsp;</Patient>".encode(), f"<Patient {XMLNS}><id value='&#0;'/></Patient>".encode(),
        f"<Patient {XMLNS}><id value='&#xD800;'/></Patient>".encode(), f"<Patient {XMLNS}><id value='a' value='b'/></Patient>".encode(),
        f"<Patient {XMLNS}><id value='\x01'/></Patient>".encode(), f"<Patient {XMLNS}><id value='\uffff'/></Patient>".encode(),
        f"<Patient {XMLNS}><id value='".encode() + b"\xed\xa0\x80'/></Patient>", f"<Patient {XMLNS}><id value='".encode() + b"\xc3\x28'/></Patient>",
        f"<Patient {XMLNS}/>".encode("utf-16"), f"<Patient {XMLNS}/>".encode("utf-16-le"), f"<Patient {XMLNS}/>".encode("utf-32"),
        f"<?xml version='1.0' encoding='UTF-16'?><Patient {XMLNS}/>".encode(), f"<?xml version='1.0' encoding='UTF-16'?><Patient {XMLNS}/>".encode("utf-16"),
        f"<?xml version='1.0' encoding='iso-8859-1'?><Patient {XMLNS}><id value='é'/></Patient>".encode("latin-1"),
        f"<?xml version='1.0' encoding='utf-7'?><Patient {XMLNS}/>".encode(), f"<?xml version='1.0' encoding=''?><Patient {XMLNS}/>".encode(),
        b"\x1f\x8b\x08\x00",
    ],
)  # fmt: skip
def test_from_xml_refuses_with_400_when_it_is_no_xml_of_ours(body):
    assert [issue.code for issue in refused(body).issues] == ["structure"]


HUGE = {
    "levels": b"<a>" * 10_000 + b"</a>" * 10_000,
    "levels left open": b"<a>" * 10_000,
    "a name": f"<Patient {XMLNS} ".encode() + b"a" * 100_000,
    "a value of more than 10 MB": f"<Patient {XMLNS}><id value='".encode() + b"a" * 10_000_001 + b"'/></Patient>",
    "attributes": f"<Patient {XMLNS} ".encode() + b" ".join(b"a%d=''" % n for n in range(200_000)) + b"/>",
    "attributes in a narrative": f"<Patient {XMLNS}><text><div xmlns='{XHTML}' ".encode() + b" ".join(b"a%d=''" % n for n in range(200_000)) + b"/></text></Patient>",
    "namespaces": f"<Patient {XMLNS} ".encode() + b" ".join(b"xmlns:a%d='a%d'" % (n, n) for n in range(50_000)) + b"><a1:a/></Patient>",
    "elements": f"<Patient {XMLNS}>".encode() + b"<a/>" * 500_000 + b"</Patient>",
    "comments": f"<Patient {XMLNS}>".encode() + b"<!-- -->" * 200_000 + b"x</Patient>",
}


@pytest.mark.parametrize("name", HUGE)
def test_from_xml_refuses_what_is_huge_in_a_time_that_grows_with_its_size(name):
    """By the square, one of these would take minutes."""
    assert [issue.code for issue in refused(HUGE[name]).issues] == ["structure"]


def test_from_xml_refuses_what_json_may_not_nest_either():
    def nested(levels: int) -> bytes:
        return f"<Patient {XMLNS}>{'<extension>' * levels}{'</extension>' * levels}</Patient>".encode()

    assert fhir.from_xml(nested(49)).count(b"extension") == 49
    (issue,) = refused(nested(50)).issues
    assert issue.code == "too-long"
    bundle = f"<Bundle {XMLNS}>" + '<entry><resource><Bundle xmlns="http://hl7.org/fhir">' * 60 + "</Bundle></resource></entry>" * 60 + "</Bundle>"
    assert refused(bundle.encode()).issues[0].code == "too-long"


def test_from_xml_takes_an_attribute_of_a_megabyte_and_a_thousand_elements():
    family = "é" * 500_000
    names = "".join(f'<name><family value="{n}"/></name>' for n in range(1_000))
    body = fhir.from_xml(f'<Patient {XMLNS}>{names}<name><family value="{family}"/></name></Patient>'.encode())
    found = json.loads(body)["name"]
    assert len(found) == 1_001 and found[999] == {"family": "999"} and found[1_000] == {"family": family}


def test_from_xml_takes_a_deep_narrative_or_refuses_it():
    def deep(levels: int) -> bytes:
        return f'<Basic {XMLNS}><text><div xmlns="{XHTML}">{"<b>" * levels}x{"</b>" * levels}</div></text></Basic>'.encode()

    assert fhir.from_xml(deep(250)).count(b"<b>") == 250
    refused(deep(300))


PIECES = [
    b"", b"<", b">", b"&", b"'", b'"', b"/", b"/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?", b"?>", b"<!DOCTYPE a>", b"&a;", b"&#0;", b"&lt;", b"\x00", b"\xff",
    b"\xed\xa0\x80", b"\xef\xbf\xbf", b" ", b"\n", b"x", b"<a/>", b"<id value='1'/>", b"<extension/>", b"<value value='1e5'/>", b"<contained>", b"</contained>",
    b"<resource><Patient/></resource>", b"<given/>", b' id="a"', b' value="7.10"', b' value="true"', b' xmlns=""', b' xmlns="http://hl7.org/fhir"', b' xmlns:f="http://hl7.org/fhir"',
    b"f:", b"xml:id='a'", b"<div xmlns='http://www.w3.org/1999/xhtml'><p>x</p></div>", b' xmlns="http://www.w3.org/1999/xhtml"',
]  # fmt: skip
_WRITTEN = [fhir.to_xml(orjson.dumps(resource)) for resource in specimens()]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """The XML of a specimen, with a few pieces of it left out, doubled or replaced."""
    body = draw(st.sampled_from(_WRITTEN))
    marks = [0, *(at for at, byte in enumerate(body) if byte in b'<> ="'), len(body)]
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted(draw(st.tuples(st.sampled_from(marks), st.sampled_from(marks))))
        end = min(end, start + draw(st.sampled_from([0, 1, 20, 200])))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=6) | st.just(body[start:end] * 2))
        body = body[:start] + piece + body[end:]
    return body


@given(broken() | st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_from_xml_reads_or_refuses_whatever_comes(body):
    try:
        read = fhir.from_xml(body)
    except Malformed as error:
        assert error.issues
        return
    assert tree(read)["resourceType"]
    try:
        valid = fhir.parse(read)
    except Refused:
        return
    assert fhir.parse(fhir.from_xml(fhir.to_xml(read))) == valid


# The rest


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

"""Whatever comes in as XML is read or refused with 400, and the refusal says where and never what."""

from __future__ import annotations

import copy
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapter import fhir
from adapter.errors import Malformed, Refused
from tests.unit.fhir.specimens import specimens
from tests.unit.fhir.test_xml import XHTML, XMLNS, tree


def refused(body: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        fhir.from_xml(body)
    assert caught.value.status == 400
    return caught.value


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
    """Each comment is read once, never as the start of a longer one."""
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


_TAGS = sorted({node.tag for body in _WRITTEN for node in etree.fromstring(body).iter()})


@st.composite
def deranged(draw: st.DrawFn) -> bytes:
    """The XML of a specimen, well-formed still, with elements left out, doubled, moved, renamed, and attributes and text added."""
    root = etree.fromstring(draw(st.sampled_from(_WRITTEN)))
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from([*root.iter()]))
        act = draw(st.sampled_from(["drop", "double", "move", "rename", "attribute", "no attribute", "text", "comment", "namespace"]))
        if act == "drop" and node is not root:
            node.getparent().remove(node)
        elif act == "double" and node is not root:
            node.addnext(copy.deepcopy(node))
        elif act == "move":
            draw(st.sampled_from([*root.iter()])).append(copy.deepcopy(node))
        elif act == "rename" and isinstance(node.tag, str):
            node.tag = draw(st.sampled_from(_TAGS))
        elif act == "attribute" and isinstance(node.tag, str):
            node.set(draw(st.sampled_from(["id", "url", "value", "xmlns_", "{urn:x}id"])), draw(st.sampled_from(["", "a", "7.10", "true", "1e999", "9" * 5000])))
        elif act == "no attribute" and isinstance(node.tag, str):
            node.attrib.clear()
        elif act == "text":
            node.text = draw(st.sampled_from([" \n", "a", "\u00a0", ""]))
        elif act == "comment":
            node.append(etree.Comment("a")) if isinstance(node.tag, str) else node.addnext(etree.PI("a", "b"))
        elif isinstance(node.tag, str):
            node.tag = draw(st.sampled_from(["", "{urn:x}", f"{{{XHTML}}}", "{http://hl7.org/fhir}"])) + node.tag.rpartition("}")[2]
    written: bytes = etree.tostring(root, encoding="utf-8")
    return written


@given(deranged() | broken() | st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
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

"""Every example in the shared material as XML: nothing lost on the way and back, the order of R4, and a second converter's word."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from adapter import fhir
from adapter.fhir import facts
from adapter.fhir.elements import element, reachable
from tests.contract.test_fhir_examples import EXCEPTIONS, examples

pytestmark = pytest.mark.shared

# The same XHTML in other signs: &quot; where a quotation mark may stand, <td></td> for <td/>.
OTHER_SIGNS = {"subscriptions/capability_statement_example.json", "subscriptions/full_resource_notification_bundle_example.json"}
# What fhir.resources itself will not read.
UNREAD = {name for name, (_, why) in EXCEPTIONS.items() if "valueString with no text" in why}

Comparable = Any


def tree(body: bytes) -> Comparable:
    """The JSON tree, numbers as their text and apart from strings."""
    return json.loads(body, parse_float=lambda text: ("number", text), parse_int=lambda text: ("number", text))


def canonical(value: Comparable) -> Comparable:
    """The same with every narrative in canonical XML."""
    if isinstance(value, dict):
        return {name: etree.canonicalize(one) if name == "div" else canonical(one) for name, one in value.items()}
    return [canonical(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", examples())
def test_the_example_survives_json_to_xml_to_json(shared, name):
    body = (shared / "data" / name).read_bytes()
    back = fhir.from_xml(fhir.to_xml(body))
    if name in OTHER_SIGNS:
        assert tree(back) != tree(body), "no exception any more"
        assert canonical(tree(back)) == canonical(tree(body))
    else:
        assert tree(back) == tree(body)
    assert fhir.to_xml(back) == fhir.to_xml(fhir.from_xml(fhir.to_xml(back)))


def _values(body: bytes) -> bytes:
    """Canonical XML, with times and numbers as values: the other converter changes their text."""
    root = etree.fromstring(body, etree.XMLParser(remove_blank_text=True))
    for node in root.iter("{http://hl7.org/fhir}*"):
        text = node.get("value", "")
        if re.fullmatch(r"\d{4}-\d\d-\d\dT.*", text):
            node.set("value", str(datetime.fromisoformat(text)))
        elif re.fullmatch(r"-?\d+(\.\d+)?", text):
            node.set("value", str(Decimal(text).normalize()))
    canonical: bytes = etree.tostring(root, method="c14n")
    return canonical


@pytest.mark.parametrize("name", sorted(set(examples()) - UNREAD))
def test_to_xml_says_what_fhir_resources_says(shared, name):
    """The differential oracle, times and numbers apart (it writes .123Z as .123000+00:00 and 7.10 as 7.1)."""
    from fhir.resources.R4B import get_fhir_model_class

    body = (shared / "data" / name).read_bytes()
    other = get_fhir_model_class(json.loads(body)["resourceType"]).model_validate_json(body).model_dump_xml()
    assert _values(fhir.to_xml(body)) == _values(other.encode() if isinstance(other, str) else other)


@pytest.mark.parametrize("type", sorted(facts.served_types()))
def test_the_compiled_elements_stand_in_the_order_of_r4(shared, type):
    """XML asks for it, and the classes of fhir.resources list their members by the alphabet."""
    table = json.loads((shared / "data" / "r4" / "elements.json").read_text())
    by_class = {"".join(part[0].upper() + part[1:] for part in path.split(".")): path for path in table}
    for found in reachable(type):
        if found.name == "FHIRPrimitiveExtension":
            continue
        expected = [path.rpartition(".")[2] for path in table if path.rpartition(".")[0] == by_class[found.name]]
        ours = [f"{field.choice}[x]" if field.choice else name for name, field in found.fields.items()]
        assert [*dict.fromkeys(ours)] == expected, found.name
        choices = [ours.index(name) for name in dict.fromkeys(ours) if name.endswith("[x]")]
        assert all(len({*ours[at : at + ours.count(ours[at])]}) == 1 for at in choices), "a choice stands together"


def test_the_first_elements_of_a_resource_are_those_of_every_resource():
    assert [*element("Task").fields][:8] == ["id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"]

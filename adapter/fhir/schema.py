"""The compiled validator: one flat pydantic-core schema of typed dicts per resource type, built at first use.

Rust does the shape in one pass: members, kinds, repetition, required members, codes, patterns. The rules that
need Python (choices, reference targets, invariants) hang on their objects as gates that only say "broken";
`walk` then names every broken rule with its path, so a rule is written once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic_core import PydanticCustomError, SchemaValidator
from pydantic_core import core_schema as cs

from adapter.fhir import facts, primitives, rules
from adapter.fhir.elements import SIBLING, Element, Field, reachable

BROKEN = "rule"  # the error type of a gate


@cache
def validator(type: str) -> SchemaValidator:
    """The compiled validator of a served resource type (a few milliseconds, once). Raises KeyError otherwise."""
    definitions: list[cs.CoreSchema] = []
    used: set[str] = set()
    for found in reachable(type):
        definitions.append(_object(found, root=found.name == type))
        used |= {f.type for f in found.fields.values() if f.primitive}
    for name in sorted(used):
        definitions.append(_named(primitives.schema(name), name))
    return SchemaValidator(cs.definitions_schema(cs.definition_reference_schema(type), definitions))


def warm(*types: str) -> None:
    """Compiles the validators of these types now (a third of a second for the first), not at the first request."""
    for type in types:
        validator(type)


def _named(schema: cs.CoreSchema, name: str) -> cs.CoreSchema:
    return {**schema, "ref": f"primitive:{name}"}


def _object(found: Element, *, root: bool) -> cs.CoreSchema:
    members: dict[str, cs.TypedDictField] = {}
    if root:
        members["resourceType"] = cs.typed_dict_field(cs.literal_schema([found.name]))
    for name, field in found.fields.items():
        members[name] = cs.typed_dict_field(_repeated(_value(found, field), field), required=field.required)
        if field.sibling:
            sibling = cs.definition_reference_schema(SIBLING)
            members[f"_{name}"] = cs.typed_dict_field(_repeated(sibling, field), required=False)
    shape = cs.typed_dict_schema(members, extra_behavior="forbid", strict=True)
    applying = rules.of(found)
    if not applying:
        return {**shape, "ref": found.name}
    return cs.no_info_after_validator_function(_gate([rule.holds for rule in applying]), shape, ref=found.name)


def _value(owner: Element, field: Field) -> cs.CoreSchema:
    if field.type == "Resource":
        return cs.no_info_plain_validator_function(_inner)
    if field.codes:
        return cs.literal_schema(list(facts.codes(field.codes)))
    if (owner.name, field.name) == ("Reference", "reference"):
        return cs.str_schema(strict=True, pattern=primitives.reference())
    schema: cs.CoreSchema = cs.definition_reference_schema(f"primitive:{field.type}" if field.primitive else field.type)
    if field.targets:
        return cs.no_info_after_validator_function(_gate([rules.targeting(field.targets).holds]), schema)
    return schema


def _repeated(schema: cs.CoreSchema, field: Field) -> cs.CoreSchema:
    """Arrays of primitives and of their siblings are padded with null (JSON page of R4); `gaps` sees to the pairing."""
    if not field.many:
        return schema
    return cs.list_schema(cs.nullable_schema(schema) if field.primitive else schema, strict=True, min_length=1)


def _gate(conditions: list[Callable[[dict[str, Any]], bool]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def gate(value: dict[str, Any]) -> dict[str, Any]:
        for holds in conditions:
            if not holds(value):
                raise PydanticCustomError(BROKEN, "a rule is broken")
        return value

    return gate


def _inner(value: Any) -> Any:
    """A contained resource or the resource of an entry: its own validator, compiled when first met."""
    if not isinstance(value, dict):
        raise PydanticCustomError("structure", "expected a resource")
    fault = unfit(value.get("resourceType"))
    if fault:
        raise PydanticCustomError(fault[0], "{text}", {"text": fault[1]})
    return validator(value["resourceType"]).validate_python(value)


def unfit(type: Any) -> tuple[str, str] | None:
    """Why a resourceType cannot be taken, as (FHIR issue code, text); None when it can."""
    if type is None:
        return "structure", "expected a resourceType"
    if not isinstance(type, str) or type not in facts.resource_types():
        return "structure", "expected the name of a resource type of FHIR R4 as resourceType"
    if type not in facts.served_types():
        return "not-supported", f"{type} is not supported here: no part of a social referral is kept in it"
    return None

"""What of a Patient, and of any resource with numbers of France, may come in from outside (france.md 1.2, 1.3, 1.6).

Where somebody lives by a number, a wrong one is an error; in a sandbox, and for the numbers that exist for tests, it is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapter.errors import Issue
from adapter.identity import keys, reliability
from adapter.identity.kinds import INS, NUMBERS, TRIALS, kind_of
from adapter.identity.places import postal_and_city

DROPPED_INS = "is not kept: an INS goes with a qualified identity only; send it with the identity's status (identityStatus QUAL or VALI)"
DROPPED_INS_C = "is not kept: the INS-C is used no more"
TRIAL = "expected no INS of tests or demonstrations: this server is in production"
REAL = "expected an INS of tests (urn:oid:1.2.250.1.213.1.4.10): this one may be somebody's, and this server is for tests"
KEY = "expected a number whose check digit fits its kind ({})"
UNLIKE = "the social security number says otherwise; one of them is wrong, or was rectified"
CITY = "has the postal code in it: expected postalCode and city apart"


@dataclass(frozen=True, slots=True)
class Entered:
    """`dropped`: indexes of `Patient.identifier` that are not kept; `errors` refuse the whole, `warnings` are told to the sender."""

    dropped: tuple[int, ...]
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...]


def entered(resource: dict[str, Any], *, production: bool, sandbox: bool, authorised: bool = True) -> Entered:
    """What is to be said of the numbers in a resource that comes from outside. `production`: the server is; `sandbox`: the sender's side is
    for tests, or the server is; `authorised`: it may handle numbers of the social security at all: else nothing is said of them here, they are
    refused elsewhere. Never raises, never repeats a number."""
    type = str(resource.get("resourceType", ""))
    dropped = _dropped(resource, authorised) if type == "Patient" else {}
    warnings = [Issue("business-rule", text, f"Patient.identifier[{number}]", "warning") for number, text in dropped.items()]
    errors: list[Issue] = []
    for path, identifier in _identifiers(resource, type):
        if type == "Patient" and any(path == f"Patient.identifier[{number}]" for number in dropped):
            continue
        if not authorised and kind_of(identifier) in NUMBERS:
            continue
        for text, mild in _wrong(identifier, production=production, sandbox=sandbox):
            (warnings if mild else errors).append(Issue("business-rule", text, path, "warning" if mild else "error"))
    if type == "Patient":
        warnings += _unlike(resource) if authorised else ()
        warnings += _towns(resource)
    return Entered(tuple(dropped), tuple(errors), tuple(warnings))


def _dropped(patient: dict[str, Any], authorised: bool) -> dict[int, str]:
    found, sure = {}, reliability.status(patient) in reliability.QUALIFIED
    for number, identifier in enumerate(_list(patient.get("identifier"))):
        kind = kind_of(identifier)
        if kind == "INS-C":
            found[number] = DROPPED_INS_C
        elif kind in INS and authorised and not sure:
            found[number] = DROPPED_INS
    return found


def _wrong(identifier: dict[str, Any], *, production: bool, sandbox: bool) -> Iterator[tuple[str, bool]]:
    """(what is wrong, whether it is a warning only)."""
    kind, value = kind_of(identifier), identifier.get("value")
    fits = keys.fits(kind, value)
    if kind in TRIALS and production:
        yield TRIAL, False
    if kind == "INS-NIR" and not production and fits:
        yield REAL, False
    if value is not None and not fits:
        yield KEY.format(kind), sandbox or kind in TRIALS


def _unlike(patient: dict[str, Any]) -> Iterator[Issue]:
    for identifier in _list(patient.get("identifier")):
        kind = kind_of(identifier)
        if kind in NUMBERS - {"NSS", "INS-C"} and isinstance(identifier.get("value"), str) and keys.fits(kind, identifier["value"]):  # an NSS may be a parent's
            for name in keys.unlike(identifier["value"], patient.get("gender"), patient.get("birthDate")):
                yield Issue("business-rule", UNLIKE, f"Patient.{name}", "warning")


def _towns(patient: dict[str, Any]) -> Iterator[Issue]:
    for number, address in enumerate(_list(patient.get("address"))):
        if isinstance(address, dict) and postal_and_city(address.get("city"))[0]:
            yield Issue("business-rule", CITY, f"Patient.address[{number}].city", "warning")


def _identifiers(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        for number, each in enumerate(node):
            yield from _identifiers(each, f"{path}[{number}]")
    elif isinstance(node, dict):
        if "value" in node and kind_of(node):
            yield path, node
        for name, each in node.items():
            if isinstance(each, dict | list):
                yield from _identifiers(each, f"{path}.{name}")


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []

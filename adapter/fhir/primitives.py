"""The primitive types of FHIR R4 as pydantic-core schemas. All strict: a decimal is a JSON number, never text.

Patterns run in Rust's regex engine: linear time, `$` is the very end. Control characters are not looked for here but in the
serialised bytes (`gaps`), which is cheaper.
"""

from __future__ import annotations

import binascii

from pydantic_core import PydanticCustomError
from pydantic_core import core_schema as cs

from adapter.fhir import facts, narrative

_YEAR = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_IN_MONTH = "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
_DAY = f"(?:{_YEAR}-{_IN_MONTH}|{_LEAP_YEAR}-02-29)"
_PARTIAL = f"{_YEAR}(?:-(?:0[1-9]|1[0-2]))?"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = "(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_ID = r"[A-Za-z0-9\-.]{1,64}"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*:"

LONGEST = 1024 * 1024  # characters of a string, datatypes of R4

# type -> (whole pattern, what an issue says was expected)
_PATTERNS = {
    "id": (_ID, "an id: 1 to 64 letters, digits, - and ."),
    "code": (r"\S+(?: \S+)*", "a code: no leading, trailing or double spaces"),
    "uri": (r"\S+", "a URI without spaces"),
    "canonical": (r"\S+", "a URI without spaces"),
    "url": (rf"(?:{_SCHEME}(?:///?)?[^\s/?#:]\S*|/?[A-Za-z0-9\-.#][^\s:]*)", "a URL without spaces"),
    "oid": (r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+", "urn:oid: and an OID"),
    "uuid": ("urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "urn:uuid: and a UUID in lower case"),
    "date": (f"(?:{_DAY}|{_PARTIAL})", "a calendar date: YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": (
        f"(?:{_DAY}(?:T{_CLOCK}{_ZONE})?|{_PARTIAL})",
        "a calendar date: YYYY, YYYY-MM, YYYY-MM-DD, or with time, seconds and zone",
    ),
    "instant": (f"{_DAY}T{_CLOCK}{_ZONE}", "a calendar date with time, seconds and zone"),
    "time": (_CLOCK, "a time: hh:mm:ss"),
}
_RANGES = {"integer": (-(2**31), 2**31 - 1), "unsignedInt": (0, 2**31 - 1), "positiveInt": (1, 2**31 - 1)}


def reference() -> str:
    """The pattern of Reference.reference: relative to a type of R4 (or conditional), absolute, or a fragment."""
    names = "|".join(sorted(facts.resource_types()))
    return rf"^(?:(?:{names})(?:/{_ID}(?:/_history/{_ID})?|\?\S+)|#\S*|{_SCHEME}\S+)$"


EXPECTED = {f"^(?:{whole})$": expected for whole, expected in _PATTERNS.values()}
OF_REFERENCE = "a reference: Type/id of an R4 type, an absolute URI or #id"


def schema(name: str) -> cs.CoreSchema:
    """The schema of one primitive type; names not known here are plain strings (string, markdown)."""
    if name == "boolean":
        return cs.bool_schema(strict=True)
    if name == "decimal":
        return cs.float_schema(strict=True, allow_inf_nan=False)
    if name in _RANGES:
        low, high = _RANGES[name]
        return cs.int_schema(strict=True, ge=low, le=high)
    if name in _PATTERNS:
        return cs.str_schema(strict=True, pattern=f"^(?:{_PATTERNS[name][0]})$")
    if name == "base64Binary":
        return cs.no_info_after_validator_function(_base64, cs.str_schema(strict=True, min_length=1))
    if name == "xhtml":
        return cs.no_info_after_validator_function(_xhtml, cs.str_schema(strict=True, min_length=1, max_length=LONGEST))
    return cs.str_schema(strict=True, min_length=1, max_length=LONGEST)


def _base64(text: str) -> str:
    try:
        binascii.a2b_base64("".join(text.split()).encode("ascii"), strict_mode=True)
    except ValueError:  # also UnicodeEncodeError and binascii.Error
        raise PydanticCustomError("value", "expected base64") from None
    return text


def _xhtml(text: str) -> str:
    if fault := narrative.fault(text):
        raise PydanticCustomError("invariant", "{fault}", {"fault": f"txt-1: {fault}"})
    return text

"""One FHIR interaction as it was asked for: by a request of its own, or by an entry of a Bundle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from adapter.errors import Malformed
from adapter.fhir.subsetting import Subsetting, subsetting
from adapter.ports import Resource

Interaction = Literal["read", "vread", "history-instance", "history-type", "search-type", "create", "update", "patch", "delete"]
Pairs = tuple[tuple[str, str], ...]
RETURNS = ("minimal", "representation", "OperationOutcome")
PRESENTED = ("_format", "_pretty", "_summary", "_elements")  # how the answer is given, not what is looked for
_PREFERENCE = re.compile(r"\s*(return|handling)\s*=\s*\"?(\w+)\"?\s*")
_ETAG = re.compile(r'(?:W/)?"([^"]*)"')
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """`conditions`: the search of a conditional create or update. `params`: those of a search or history, without what only says how the
    answer is to look (`subsetting`). `written`: the body as JSON; `resource`: the same, parsed and checked."""

    interaction: Interaction
    type: str
    id: str = ""
    version: str = ""
    params: Pairs = ()
    conditions: Pairs | None = None
    resource: Resource | None = None
    written: bytes = b""
    if_match: int | None = None
    if_none_match: str = ""
    if_modified_since: datetime | None = None
    lenient: bool = False
    returns: str = ""  # one of RETURNS, where the client says so
    how: Pairs = ()  # the parameters that only say how the answer is to look
    subsetting: Subsetting = field(default_factory=Subsetting)

    @property
    def number(self) -> int:
        """The version asked for; 0 for text that no version has."""
        return int(self.version) if _NUMBER.fullmatch(self.version) else 0


def presented(type: str, params: Iterable[tuple[str, str]]) -> tuple[Subsetting, Pairs, Pairs]:
    """How much of each resource is wanted, the other parameters, and those that said it. Raises Malformed (400)."""
    given = tuple(params)
    how = tuple(pair for pair in given if pair[0] in PRESENTED)
    wanted = dict(how)
    rest = tuple(pair for pair in given if pair[0] not in PRESENTED)
    return subsetting(type, summary=wanted.get("_summary", ""), elements=wanted.get("_elements", "")), rest, how


def local(pairs: Iterable[tuple[str, str]], base: str) -> Pairs:
    """The same conditions with addresses of our own `/fhir` as the references that they are."""
    root = f"{base}/"
    return tuple((name, ",".join(part.removeprefix(root) for part in value.split(","))) if root in value else (name, value) for name, value in pairs)


def preferences(header: str) -> tuple[str, bool]:
    """(return, lenient) of a Prefer header (R4 http, 3.1.0.1.8 and 3.1.1.4.3); what it does not know is passed over (RFC 7240)."""
    found = {pair[1]: pair[2] for part in re.split(r"[,;]", header) if (pair := _PREFERENCE.fullmatch(part))}
    returns = found.get("return", "")
    return returns if returns in RETURNS else "", found.get("handling") == "lenient"


def matched(header: str, name: str = "If-Match") -> int | None:
    """The version number of an If-Match header; None where there is none. 0 (which no version has) for a tag that is none of ours.
    Raises Malformed for several tags or no tag."""
    if not header.strip():
        return None
    tag = _ETAG.fullmatch(header.strip())
    if tag is None:
        raise Malformed('expected one ETag as it was given, W/"3"', expression=name, code="invalid")
    return int(tag[1]) if _NUMBER.fullmatch(tag[1]) else 0


def same_tag(header: str, number: int) -> bool:
    """Whether an If-None-Match header names this version."""
    return header.strip() == "*" or str(number) in _ETAG.findall(header)


def since(header: str) -> datetime | None:
    """The time of an If-Modified-Since header; None for none, and for one that cannot be read (RFC 9110, 13.1.3)."""
    try:
        found = parsedate_to_datetime(header) if header else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def asked_by(
    interaction: Interaction, type: str, *, id: str = "", version: str = "", params: Iterable[tuple[str, str]] = (), headers: Mapping[str, str],
    resource: Resource | None = None, written: bytes = b"", conditions: Pairs | None = None,
) -> Asked:  # fmt: skip
    """The Asked of these parts and of the headers (names in small letters) that FHIR gives a meaning. Raises Malformed (400)."""
    wanted, rest, how = presented(type, params)
    returns, lenient = preferences(headers.get("prefer", ""))
    return Asked(
        interaction, type, id, version, rest, conditions, resource, written,
        if_match=matched(headers.get("if-match", "")) if interaction in ("update", "patch", "delete") else None,
        if_none_match=headers.get("if-none-match", ""), if_modified_since=since(headers.get("if-modified-since", "")),
        lenient=lenient, returns=returns, how=how, subsetting=wanted,
    )  # fmt: skip

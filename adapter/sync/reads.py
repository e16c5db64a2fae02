"""Reads many resources of an EHR: by batch where it takes one (SDOHCC refer-4), else one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from adapter.errors import EhrError, EhrRejected, EhrUnavailable, EhrUnknown
from adapter.ports import EhrClient, Remote

BATCH = 50


def read_many(client: EhrClient, references: Sequence[str], *, batch: bool) -> Iterator[tuple[str, Remote | None]]:
    """(reference, the resource as it is now) of each "Type/id", in order; None where the EHR says 404 or 410. Raises EhrError:
    then nothing is known of that one and of the rest."""
    for start in range(0, len(references), BATCH):
        part = references[start : start + BATCH]
        yield from zip(part, _together(client, part), strict=True) if batch and len(part) > 1 else ((each, _one(client, each)) for each in part)


def _one(client: EhrClient, reference: str) -> Remote | None:
    type, _, id = reference.partition("/")
    return client.read(type, id)


def _together(client: EhrClient, references: Sequence[str]) -> list[Remote | None]:
    """Each entry is settled on its own answer (Y-28): one that is neither there nor gone is read by itself, and says why."""
    asked = [{"request": {"method": "GET", "url": each}} for each in references]
    try:
        answer = client.transaction({"resourceType": "Bundle", "type": "batch", "entry": asked})
    except EhrUnknown as error:  # reading does nothing: not carried out is as good as not answered
        raise EhrUnavailable(str(error), status_code=error.status_code) from None
    return [_settled(client, *pair) for pair in zip(references, answer["entry"], strict=True)]


def _settled(client: EhrClient, reference: str, entry: Any) -> Remote | None:
    type, _, id = reference.partition("/")
    response = entry.get("response", {}) if isinstance(entry, dict) else {}
    status = str(response.get("status", ""))[:3]
    found = entry.get("resource") if isinstance(entry, dict) else None
    if status == "200" and isinstance(found, dict) and (found.get("resourceType"), found.get("id")) == (type, id):
        return Remote(found, _version(found, response))
    if status in ("404", "410"):
        return None
    return _one(client, reference)


def _version(found: dict[str, Any], response: dict[str, Any]) -> str:
    version = found.get("meta", {}).get("versionId") if isinstance(found.get("meta"), dict) else None
    return str(version or str(response.get("etag", "")).removeprefix("W/").strip('"'))


def refused(error: EhrError) -> bool:
    """Whether the EHR says that it does not know what it was asked (Y-20), not that it may not or cannot now."""
    return isinstance(error, EhrRejected) and error.status_code in (400, 422, 501)

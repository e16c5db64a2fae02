"""Documents that come in: of which kinds, and whose (Binary, and what a DocumentReference carries in itself)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from adapter.dossier import split
from adapter.errors import Invalid, Issue
from adapter.ports import Resource

# What a document of a kind begins with; text has to be text.
KINDS: dict[str, bytes] = {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "text/plain": b""}
_OFFERED = ", ".join(KINDS)


def check_attachments(resource: Resource) -> None:
    """Raises Invalid with every document that is of no kind we take or not of the kind it is said to be, and for a Binary that says not
    of which Patient it is: nobody would find it when that person is erased."""
    issues = [issue for place, kind, data in _documents(resource) if (issue := _fault(place, kind, data))]
    if resource["resourceType"] == "Binary" and split(str(resource.get("securityContext", {}).get("reference", "")))[0] != "Patient":
        text = "expected a reference to the Patient whose document it is (as raw bytes: in X-Security-Context)"
        issues.append(Issue("required", text, "Binary.securityContext"))
    if issues:
        raise Invalid(issues[0].text, issues=issues)


def content_of(binary: Resource) -> tuple[str, bytes]:
    """(media type, bytes) of a stored Binary."""
    return str(binary.get("contentType", "application/octet-stream")), base64.b64decode(str(binary.get("data", "")))


def _documents(resource: Resource) -> Iterator[tuple[str, str, Any]]:
    """(place, kind, base64) of each document that is in the resource itself."""
    if resource["resourceType"] == "Binary":
        yield "Binary", str(resource.get("contentType", "")), resource.get("data", "")
    elif resource["resourceType"] == "DocumentReference":
        for number, each in enumerate(resource.get("content", ())):
            attachment = each.get("attachment", {})
            if "data" in attachment:
                yield f"DocumentReference.content[{number}].attachment", str(attachment.get("contentType", "")), attachment["data"]


def _fault(place: str, kind: str, data: Any) -> Issue | None:
    media = kind.partition(";")[0].strip().lower()
    if media not in KINDS:
        return Issue("not-supported", f"expected a document of one of: {_OFFERED}", f"{place}.contentType")
    try:
        found = base64.b64decode("".join(str(data).split()), validate=True)
    except binascii.Error:
        return Issue("value", "expected base64", f"{place}.data")
    if not found.startswith(KINDS[media]) or (media == "text/plain" and not _is_text(found)):
        return Issue("value", f"expected the bytes of {media}, as contentType says", f"{place}.data")
    return None


def _is_text(found: bytes) -> bool:
    try:
        return "\x00" not in found.decode("utf-8")
    except UnicodeDecodeError:
        return False

"""The proof of an oral agreement: what was read to the person, in which wording and language, who heard the answer and when
(workflow.md 4; france.md 2.7)."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from binascii import Error
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapter.clock import instant
from adapter.ports import Resource


@dataclass(frozen=True, slots=True)
class Wording:
    """The text that was read: its version (a text never changes; a new wording is a new version) and its language."""

    version: str
    language: str
    text: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the words, in hexadecimal: the same whatever the line breaks and the composition of accents."""
        folded = " ".join(unicodedata.normalize("NFC", self.text).split())
        return hashlib.sha256(folded.encode()).hexdigest()

    @property
    def cited(self) -> str:
        """What an attestation says of it: "accord-1, fr, sha-256 3f…"."""
        return f"{self.version}, {self.language}, sha-256 {self.fingerprint}"


def attested(consent: Resource, text: str, *, at: datetime, title: str = "Attestation d'accord", language: str = "fr") -> Resource:
    """The Consent with `text` as its attestation and `at` (aware) as the time of the agreement. A new dict."""
    written, when = text.encode(), instant(at)
    attachment = {
        "contentType": "text/plain", "language": language, "data": base64.b64encode(written).decode(), "hash": _sha1(written),
        "title": title, "creation": when,
    }  # fmt: skip
    kept = {name: value for name, value in consent.items() if name != "sourceReference"}
    return kept | {"dateTime": when, "sourceAttachment": attachment}


def intact(consent: Resource) -> bool:
    """Whether the attestation is there and is still the one whose hash the Consent carries."""
    attachment: Any = consent.get("sourceAttachment")
    if not isinstance(attachment, dict) or not isinstance(attachment.get("data"), str):
        return False
    try:
        return attachment.get("hash") == _sha1(base64.b64decode(attachment["data"], validate=True))
    except (Error, ValueError):
        return False


def _sha1(written: bytes) -> str:
    """As FHIR R4 wants Attachment.hash: SHA-1 in base64. It finds a slip, not a forger: the audit chain does that."""
    return base64.b64encode(hashlib.sha1(written, usedforsecurity=False).digest()).decode()

"""The proof of an oral agreement: what was read to the person, in which wording and language, who heard the answer and when
(workflow.md 4; france.md 2.7)."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from binascii import Error
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapter.clock import instant
from adapter.ports import Resource

_DIGEST = "Empreinte : sha-256 "
_QUOTED = re.compile(r"\(([^(),\n]+), langue ([^(),\n]+)\) : (.+)", re.DOTALL)  # how an attestation quotes what was read
_SEAL = re.compile(r"(\nModèle : [^\n]*)?\nSel : [^\n]*\nEmpreinte : sha-256 [0-9a-f]{64}\Z")


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


def attested(consent: Resource, text: str, *, at: datetime, salt: str, title: str = "Attestation d'accord", language: str = "fr") -> Resource:
    """The Consent with `text` as its attestation, sealed, and `at` (aware) as the time of the agreement. A new dict."""
    when = instant(at)
    attachment = {"contentType": "text/plain", "language": language, **_written(_closed(text, salt)), "title": title, "creation": when}
    kept = {name: value for name, value in consent.items() if name != "sourceReference"}
    return kept | {"dateTime": when, "sourceAttachment": attachment}


def sealed(consent: Resource, *, salt: str) -> Resource:
    """The Consent with its attestation, or the proposal that became none yet, sealed: closed by the digest of the wording that
    it quotes, by `salt`, and by the SHA-256 of all that. An EHR is told the hash alone: without the salt, which never leaves,
    it does not give away the needs by trying them out. A new dict; the same where there is no text."""
    text = said(consent)
    if text is None:
        return consent
    return consent | {"sourceAttachment": consent["sourceAttachment"] | _written(_closed(text, salt))}


def said(consent: Resource) -> str | None:
    """The text of the attestation without its seal; None where there is none that can be read."""
    attachment: Any = consent.get("sourceAttachment")
    if not isinstance(attachment, dict) or not isinstance(attachment.get("data"), str):
        return None
    try:
        return _SEAL.sub("", base64.b64decode(attachment["data"], validate=True).decode())
    except (Error, ValueError):
        return None


def intact(consent: Resource) -> bool:
    """Whether the attestation is there and is still the one whose hash the Consent carries and whose digest it ends with."""
    attachment: Any = consent.get("sourceAttachment")
    if not isinstance(attachment, dict) or not isinstance(attachment.get("data"), str):
        return False
    try:
        written = base64.b64decode(attachment["data"], validate=True)
        body, found, digest = written.decode().rpartition(f"\n{_DIGEST}")
    except (Error, ValueError):
        return False
    return attachment.get("hash") == _sha1(written) and (not found or digest == _sha256(body))


def state(consent: Resource) -> str:
    """ "intact", "changed" (its hash or its digest no longer match), or "" for a Consent that carries no text."""
    attachment: Any = consent.get("sourceAttachment")
    if not isinstance(attachment, dict) or "data" not in attachment:
        return ""
    return "intact" if intact(consent) else "changed"


def _closed(text: str, salt: str) -> str:
    quoted = _QUOTED.search(text)
    model = [f"Modèle : {Wording(quoted[1], quoted[2], quoted[3]).cited}"] if quoted else []
    body = "\n".join([text, *model, f"Sel : {salt}"])
    return f"{body}\n{_DIGEST}{_sha256(body)}"


def _written(text: str) -> Resource:
    return {"data": base64.b64encode(text.encode()).decode(), "hash": _sha1(text.encode())}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sha1(written: bytes) -> str:
    """As FHIR R4 wants Attachment.hash: SHA-1 in base64. It finds a slip, not a forger: the audit chain does that."""
    return base64.b64encode(hashlib.sha1(written, usedforsecurity=False).digest()).decode()

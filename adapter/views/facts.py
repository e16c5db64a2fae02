"""What a projection must be told: nothing of it is read from anywhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from adapter.names import Systems

Stage = Literal["offer", "open", "closed"]
Ground = Literal["consent", "self", "author", "team"]


@dataclass(frozen=True, slots=True)
class Need:
    """A row of the table of needs, as far as views care: the neutral code under which it travels, and 1 to 3."""

    neutral: str
    sensitivity: int


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at one referral by one recipient.

    stage: offer (pool, not yet accepted), open, closed. basis: "consent", or the basis that permitted.
    needs: "system|code" the permit names (`Decision.codes`), None when it names none or a basis permits.
    asked: "system|code" of all needs of the request: decides what is withheld.
    terms: need code -> Need. labels: table -> code -> language -> label (`need` by neutral code).
    pairwise: (type, id) -> the id this recipient knows it by. parties: references of the caller, for addressed messages.
    telling: reference -> relay phone ("" for none): their names and the names of their people are replaced; give the
    organisation, its units and its people. demanded: data classes asked for on demand. unsafe: the person must not be
    contacted. accepted: the unit took the file. on: the day of the look, YYYY-MM-DD: names and addresses that ended before it are left out ("": none is).
    tick: the prescriber let a sensitive request into the EHR. reference: spoken reference. area, age_class: texts for a
    pool offer.
    """

    stage: Stage
    basis: Ground
    needs: frozenset[str] | None
    asked: frozenset[str]
    terms: Mapping[str, Need]
    pairwise: Callable[[str, str], str]
    parties: frozenset[str] = frozenset()
    labels: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    telling: Mapping[str, str] = field(default_factory=dict)
    demanded: frozenset[str] = frozenset()
    unsafe: bool = False
    accepted: bool = False
    on: str = ""
    tick: bool = False
    reference: str = ""
    area: str = ""
    age_class: str = ""
    lang: str = "fr"
    systems: Systems = field(default_factory=Systems)


@lru_cache(maxsize=65_536)  # a look at one referral asks for a dozen, and the next look for the same
def pairwise(key: bytes, recipient: str, type: str, id: str) -> str:
    """The id under which one recipient knows one resource: base32 of the first 128 bits of HMAC-SHA256, 26 small letters
    and digits. Each part goes in with its length, so no two triples meet (views.md 2.4)."""
    parts = [part.encode() for part in (recipient, type, id)]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return base64.b32encode(hmac.digest(key, message, "sha256")[:16]).decode().rstrip("=").lower()


def etag(visible: Any) -> str:
    """The view's own version, of the visible content alone (a card, or projected resources): 32 hex digits, without quotes.
    A change that the caller cannot see does not change it (views.md 2.3)."""
    text = json.dumps(visible, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]

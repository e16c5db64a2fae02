"""What a look at a referral gives, and what it was decided by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from adapter.consent.life import FRESH_FOR
from adapter.dossier import Dossier
from adapter.ports import Ask, Basis, Decision, Resource
from adapter.views import Facts


@dataclass(frozen=True, slots=True)
class Revealed:
    """What one caller may see of one referral now. `id`: the Task under the caller's own pseudonym; `etag` follows from
    what is visible; `decision` says why. `needs`: those that the caller's acts know, as `own_needs`."""

    id: str
    etag: str
    card: dict[str, Any]
    resources: tuple[Resource, ...]
    decision: Decision
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """What one caller may see of one referral: the projected resources, with the caller's own ids; none when denied."""

    view: str
    dossier: Dossier
    decision: Decision
    facts: Facts | None = None
    resources: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What one decision is made of: the Consents as anchored by the request, the other bases, the ask. `complete`: no
    Consent can be missing (S14)."""

    consents: tuple[Resource, ...]
    bases: tuple[Basis, ...]
    ask: Ask
    complete: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """How old what an EHR masters may be to decide; how long a recipient keeps reference, dates and outcome of a closed
    file (workflow.md 4)."""

    consents: timedelta = FRESH_FOR
    reference: timedelta = timedelta(days=30)

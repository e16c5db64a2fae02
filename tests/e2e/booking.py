"""RDV Service Public as the tests play it: it signs what it tells, as the tool does, and calls the door of a unit."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import httpx

from adapter import web
from adapter.network import RdvEntry, Secret
from adapter.ports import Principal
from tests import looping
from tests.e2e.records import stored
from tests.e2e.stage import CALL, CARSAT, FRIDAY, Stage, staged

UNIT, OTHER = "permanence-saint-eloi", "saad-portage"
SECRETS = {UNIT: "un secret de la permanence", OTHER: "un secret du portage"}
NUMBERS = {UNIT: 309, OTHER: 310}
VIEW = "as-carsat"
ANOTHER = CALL["personne"] | {"nom": "Zyxautre", "nom_naissance": "Zyxautre", "prenom": "Paulzyx", "naissance": "1951-05-06"}
USER = {"id": 68, "first_name": "Jeannezyx", "last_name": "ZYXDURAND", "birth_date": "1938-02-03"}
LEAKS = {"notes": "Zyxnotes du service", "address": "1 rue Zyxtool", "phone_number": "0639980099", "affiliation_number": "Zyxallocataire"}


class Tool:
    """One unit's account. Each call is told a second after the one before, by the clock of the tool."""

    def __init__(self, stage: Stage, unit: str = UNIT) -> None:
        self.stage, self.unit, self.asgi, self.at = stage, unit, web.create(stage.app), FRIDAY

    def rdv(self, status: str = "unknown", *, rdv: str = "rdv-1", event: str = "updated", at: datetime | None = None, **user: Any) -> dict[str, Any]:
        self.at += timedelta(seconds=1)
        return {
            "meta": {"model": "Rdv", "event": event, "timestamp": (at or self.at).isoformat()},
            "data": {
                "id": 12, "uuid": rdv, "starts_at": "2026-03-10 09:30:00 +0100", "ends_at": "2026-03-10 10:15:00 +0100", "duration_in_min": 45,
                "created_by_type": "Agent", "context": "Zyxcontexte", "address": "2 rue Zyxlieu", "lieu": {"name": "Zyxlieu", "address": "2 rue Zyxlieu"},
                "organisation": {"id": NUMBERS[self.unit]}, "motif": {"location_type": "public_office", "name": "Zyxmotif"},
                "participations": [{"status": status, "user": USER | LEAKS | user}],
            },
        }  # fmt: skip

    def tell(self, status: str = "unknown", **more: Any) -> httpx.Response:
        return self.send(self.rdv(status, **more))

    def send(self, record: Any, *, secret: str | None = None, signature: str | None = None, unit: str = "", **headers: str) -> httpx.Response:
        body = record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()
        signed = hmac.new((secret if secret is not None else SECRETS[self.unit]).encode(), body, hashlib.sha256).hexdigest()
        shown = {"Content-Type": "application/json; charset=utf-8", "X-Lapin-Signature": signed if signature is None else signature} | headers
        said = [(name.encode(), value.encode("latin-1")) for name, value in shown.items()]

        async def call() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.asgi), base_url="http://liaison.example") as client:
                return await client.post(f"/hooks/rdv/{unit or self.unit}", content=body, headers=said)

        return looping.run(call())


@contextmanager
def booked(accepted: bool = True, **record: Any) -> Iterator[tuple[Stage, Tool]]:
    """A referral of F4 to the permanence of the CARSAT, accepted, and its tool. `record`: what is otherwise on the form."""
    variables = {f"RDV_{number}": SECRETS[unit] for unit, number in NUMBERS.items()}
    with mock.patch.dict(os.environ, variables), staged() as stage:
        network = stage.app.network
        stage.app.apply_network(
            replace(network, organisations=tuple(
                replace(each, units=tuple(
                    replace(unit, rdv=RdvEntry(NUMBERS[unit.key], Secret(variable=f"RDV_{NUMBERS[unit.key]}"))) if unit.key in NUMBERS else unit
                    for unit in each.units
                )) for each in network.organisations
            ))
        )  # fmt: skip
        refer(stage, **record)
        if accepted:
            stage.act(CARSAT, VIEW, stage.cards(CARSAT, VIEW)[0], "accept")
        yield stage, Tool(stage)


def refer(stage: Stage, **record: Any) -> None:
    stage.sent(**{"destinataire": UNIT, "besoins": ["acces-droits"], "urgence": "normale", "personne": CALL["personne"], **record})


# ── what the tests look at ───────────────────────────────────────────────────────────────────────
def task(stage: Stage, owner: str = UNIT) -> dict[str, Any]:
    (found,) = [each for each in stored(stage, "Task") if each["owner"]["reference"].endswith(owner)]
    return found


def state(stage: Stage, owner: str = UNIT) -> tuple[str, str]:
    found = task(stage, owner)
    return found["status"], "".join(each["code"] for each in found.get("businessStatus", {}).get("coding", ()))


def appointments(stage: Stage) -> list[str]:
    return sorted(each["status"] for each in stored(stage, "Appointment"))


def reference(stage: Stage) -> str:
    return str(stage.cards(CARSAT, VIEW)[0].card["reference"])


def parked(stage: Stage, who: Principal = CARSAT, view: str = VIEW) -> list[dict[str, Any]]:
    found = stage.app.write_now(lambda story, uow: story.appointments.parked(uow, who, view))
    return [each.shown() for each in found or ()]


def why(stage: Stage) -> list[str]:
    return [each["why"] for each in parked(stage)]


def versions(stage: Stage) -> dict[str, int]:
    ids = [(type, each["id"]) for type in ("Task", "Appointment", "Provenance") for each in stored(stage, type)]
    return stage.app.read_now(lambda _, uow: {f"{type}/{id}": len(uow.history(type, id)) for type, id in ids})

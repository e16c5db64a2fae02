"""Referrals read whole, kept for as long as nothing was saved: a long drain asks for one again with each of its letters."""

from __future__ import annotations

import threading
from dataclasses import replace

from adapter import dossier, identity
from adapter.dossier import DOUBTED, FROZEN, Dossier, patient_of
from adapter.ports import Uow

MOST = 64  # referrals


class Recall:
    """`dossier.of_request`, from memory where the store proves that every resource is as it was."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Dossier]] = {}
        self._lock = threading.Lock()

    def of_request(self, uow: Uow, request_id: str) -> Dossier | None:
        """To be looked at, not changed: others get the same."""
        if ("dossier", request_id) not in uow.memo:
            uow.memo["dossier", request_id] = self._of_request(uow, request_id)
        found: Dossier | None = uow.memo["dossier", request_id]
        return found

    def _of_request(self, uow: Uow, request_id: str) -> Dossier | None:
        revision = uow.revision()
        with self._lock:
            known = self._kept.get(request_id)
        if known is not None and known[0] == revision:
            patient = patient_of(known[1].request)
            kept = uow.kept_many(FROZEN + patient, DOUBTED + patient)
            doubt = identity.unchecked(known[1].patient, kept.get(DOUBTED + patient))
            return replace(known[1], frozen=bool(kept.get(FROZEN + patient)), doubt=doubt)
        found = dossier.of_request(uow, request_id)
        if found is not None and revision >= 0:
            with self._lock:
                self._kept.pop(request_id, None)
                while len(self._kept) >= MOST:
                    del self._kept[next(iter(self._kept))]
                self._kept[request_id] = revision, found
        return found

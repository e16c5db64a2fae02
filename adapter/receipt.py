"""What the sender of a record is told, at once and whenever the same record comes again. It names no person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from adapter.dossier import content, split
from adapter.mapping import Mapped
from adapter.ports import Resource, Uow
from adapter.referral import due, spoken
from adapter.referral.states import TERMINAL


@dataclass(frozen=True, slots=True)
class Receipt:
    """`status`: draft | requested (sent, and it runs) | cancelled | closed (it ended) | refused (the person said no: nothing is
    kept) | not-sent (an opposition stands: nothing was taken in) | reported (it tells about a referral that is here already)."""

    record: str
    status: str
    referrals: tuple[dict[str, Any], ...] = ()
    warnings: tuple[dict[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    replayed: bool = False

    def shown(self) -> dict[str, Any]:
        return {
            "record": self.record,
            "status": self.status,
            "referrals": list(self.referrals),
            "warnings": list(self.warnings),
            "dropped": list(self.dropped),
        }

    def dumps(self) -> bytes:
        return orjson.dumps(self.shown())

    @classmethod
    def loads(cls, kept: bytes, *, replayed: bool = False) -> Receipt:
        found: dict[str, Any] = orjson.loads(kept)
        lists = {name: tuple(found[name]) for name in ("referrals", "warnings", "dropped")}
        return cls(found["record"], found["status"], **lists, replayed=replayed)


def first(mapped: Mapped, tasks: list[Resource], zone: str) -> Receipt:
    """The receipt of a record that was just taken in."""
    warnings = tuple({"path": each.record_path, "mapping": each.document_place, "text": each.text} for each in mapped.warnings)
    status = "refused" if mapped.refused else _status(tasks)
    return Receipt(mapped.record_id, status, tuple(line(task, zone) for task in tasks), warnings, tuple(mapped.dropped))


def refreshed(uow: Uow, receipt: Receipt, zone: str) -> Receipt:
    """The receipt as things stand now; of what is gone nothing is told but why: refused, or (erased since) closed."""
    if not receipt.referrals:
        return receipt
    stored = (uow.current("Task", each["task"]) for each in receipt.referrals)
    tasks = [content(found) for found in stored if found and not found.deleted]
    if tasks:
        return replace(receipt, status=_status(tasks), referrals=tuple(line(task, zone) for task in tasks))
    refused = any(uow.kept(refused_mark(each["task"])) for each in receipt.referrals)
    return replace(receipt, status="refused" if refused else "closed", referrals=())


def refused_mark(task: str) -> str:
    """Under which name it is kept that the person said no before this Task was sent."""
    return f"refused-task:{task}"


def line(task: Resource, zone: str) -> dict[str, Any]:
    """One referral as its sender sees it."""
    end = task.get("restriction", {}).get("period", {}).get("end")
    at = datetime.fromisoformat(end) if end else None
    return {
        "reference": spoken.of_task(task),
        "status": task["status"],
        "task": task["id"],
        "serviceRequest": split(task["focus"]["reference"])[1],
        "unit": split(task.get("owner", {}).get("reference", ""))[1],
        "due": end,
        "dueSaid": {lang: due.said(at.astimezone(ZoneInfo(zone)), lang) for lang in ("fr", "en")} if at else None,
    }


def _status(tasks: Iterable[Resource]) -> str:
    statuses = {task["status"] for task in tasks}
    if "draft" in statuses:
        return "draft"
    if statuses - TERMINAL:
        return "requested"
    return "cancelled" if statuses == {"cancelled"} else "closed"

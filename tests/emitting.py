"""Keeps what Liaison sent to an EHR while the end-to-end tests ran, so that the official validator may judge it afterwards
(`tests/profiles/emitted.py`). What differs in names, times and ids only is kept once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = "LIAISON_TEST_EMITTED"  # names the folder; nothing is kept without it
SUITE = "tests/e2e/"  # others send what no Liaison would
SAID = {"resourceType", "system", "code", "url", "profile", "status", "intent", "use", "type", "linkId", "contentType", "unit", "action", "source"}
_seen: set[str] = set()


def outline(what: Any, name: str = "") -> Any:
    """The same with every word of its texts an `x`, except where the word itself matters, and what repeats itself in a list once. Of what a
    Bundle holds the type alone: it is kept by itself as well."""
    if isinstance(what, dict):
        if name in ("resource", "outcome"):
            return what.get("resourceType")
        return {key: outline(part, key) for key, part in what.items()}
    if isinstance(what, list):
        return [json.loads(each) for each in dict.fromkeys(json.dumps(outline(each, name), sort_keys=True) for each in what)]
    if not isinstance(what, str) or (name in SAID and "/fhir" not in what):
        return what
    if name == "reference":
        return re.sub(r"/[^/]*$", "/1", what)
    return re.sub(r"x(\W+x)+", "x", re.sub(r"\w+", "x", what))


def resources(body: Any) -> Iterator[dict[str, Any]]:
    """Those of a body: itself, or what the entries of a Bundle hold."""
    if isinstance(body, dict) and body.get("resourceType") == "Bundle":
        for entry in body.get("entry", []):
            yield from resources(entry.get("resource") if isinstance(entry, dict) else None)
    if isinstance(body, dict) and isinstance(body.get("resourceType"), str):
        yield body


def keep(raw: bytes) -> None:
    """What is FHIR of `raw`, each once in this process: a file by its outline."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "")
    if not test.startswith(SUITE):
        return
    folder = Path(os.environ[FOLDER])
    try:
        body = json.loads(raw)
    except ValueError:  # a search by form
        return
    for resource in resources(body):
        told = hashlib.sha256(json.dumps(outline(resource), sort_keys=True).encode()).hexdigest()[:24]
        if told in _seen:
            continue
        _seen.add(told)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{resource['resourceType']}-{told}.json"
        if not path.exists():
            part = path.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps({"test": test, "resource": resource}, ensure_ascii=False), "utf-8")
            part.replace(path)


def watch() -> None:
    """From now on, in this process."""
    from adapter.ehr.fake import FakeEhr

    recorded = FakeEhr.record

    def record(self: FakeEhr, asked: Any, target: str) -> None:
        if asked.method in ("POST", "PUT") and not target.startswith("/auth/"):
            keep(asked.body)
        recorded(self, asked, target)

    FakeEhr.record = record  # type: ignore[method-assign]

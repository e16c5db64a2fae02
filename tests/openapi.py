"""Writes the snapshot that tests/unit/web/test_openapi.py compares with: `python -m tests.openapi`, then read the difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.routing import Mount

from adapter import web
from tests.e2e.stage import staged

SNAPSHOT = Path(__file__).parent / "unit" / "web" / "openapi.json"


def document() -> dict[str, Any]:
    """What /openapi.json says, without the version of the product."""
    with staged() as stage:
        (described,) = [route.app for route in web.create(stage.app).inner.routes if isinstance(route, Mount)]  # type: ignore[attr-defined]
        assert isinstance(described, FastAPI)
        found = described.openapi()
    return found | {"info": {name: text for name, text in found["info"].items() if name != "version"}}


def written(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(written(document()), "utf-8")
    print(f"written: {SNAPSHOT}")

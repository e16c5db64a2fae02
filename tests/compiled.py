"""The repository's own documents (mappings, code tables, views, the demonstration's network) compiled once a process: most tests begin a
whole Liaison, and most of what that takes is reading the same files again. Files elsewhere are read each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from adapter import mapping, network, views
from adapter.sync import ownership

MAPPINGS = Path(__file__).resolve().parents[1] / "mappings"


def once(load: Callable[..., Any]) -> Callable[..., Any]:
    """The same loader, whose results for files of the repository are kept. What is loaded is never changed in place."""
    known: dict[tuple[str, str], Any] = {}

    @wraps(load)
    def loaded(where: Any = MAPPINGS / "views", **more: Any) -> Any:
        if (MAPPINGS not in (place := Path(str(where)).absolute()).parents and place != MAPPINGS) or "words" in more:  # what the reader knows
            return load(where, **more)
        key = str(place), repr(sorted((name, sorted(value or ())) for name, value in more.items()))
        if key not in known:
            known[key] = load(where, **more)
        return known[key]

    return loaded


def keep() -> None:
    """From here on in this process."""
    mapping.load, views.load_views, network.load, ownership.load = map(once, (mapping.load, views.load_views, network.load, ownership.load))
    mapping.Terms.load = staticmethod(once(mapping.Terms.load))  # type: ignore[method-assign,assignment]

"""The table of settings as README must have it: `python -m tests.readme` prints it, tests/unit/settings/test_readme.py compares."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import ByteSize

from adapter.settings import Settings, variables

UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def default(value: Any) -> str:
    """A default as one would write it."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, ByteSize):
        return f"`{value // 2**20}MiB`"
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        size, unit = next((size, unit) for size, unit in UNITS if seconds % size == 0)
        return f"`{seconds // size}{unit}`"
    return f"`{value}`"


def rows() -> list[str]:
    """One row a setting, in the order of the class. Raises KeyError for one that says nothing of itself."""
    found = []
    for variable, name in variables().items():
        field = Settings.model_fields[name]
        if not field.description:
            raise KeyError(f"{name}: give it a description")
        found.append(f"| `{variable}` | {default(field.default)} | {field.description} |")
    return found


if __name__ == "__main__":
    print("\n".join(rows()))

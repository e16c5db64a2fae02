"""The table of settings as README must have it: `python -m tests.readme` prints it, tests/unit/settings/test_readme.py compares."""

from __future__ import annotations

from typing import Any

from adapter.settings import Settings, variables, written


def default(value: Any) -> str:
    """A default as the table shows it."""
    return "" if value is None or value == "" else f"`{written(value)}`"


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

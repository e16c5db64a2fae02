"""Rules of the house that no linter knows: `python -m tests.house` prints what breaks them, exit 1 if any."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 400
PURE = {
    "referral": {"holidays"},
    "consent": set(),
    "views": {"yaml"},
    "mapping": {"yaml", "phonenumbers", "stdnum"},
    "identity": {"stdnum"},
}
BELOW = {"ports", "errors", "clock", "names", "network", "identity"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


def impure(room: str, path: Path) -> Iterator[str]:
    """Imports of a pure room beyond the standard library, its few libraries and the layers below."""
    for line, module in imports(path):
        top, *rest = module.split(".")
        if top == "adapter":
            if rest and rest[0] not in BELOW | {room}:
                yield f"{path}:{line}: a pure room imports {module}"
        elif top not in sys.stdlib_module_names and top not in PURE[room]:
            yield f"{path}:{line}: a pure room imports {module}"


def broken(root: Path = ROOT) -> list[str]:
    found = []
    for path in sorted([*root.glob("adapter/**/*.py"), *root.glob("tests/**/*.py")]):
        length = len(path.read_text(encoding="utf-8").splitlines())
        if length > LONGEST:
            found.append(f"{path.relative_to(root)}: {length} lines, {LONGEST} is the most")
    for room in PURE:
        for path in sorted(root.glob(f"adapter/{room}/**/*.py")):
            found += impure(room, path)
    return found


if __name__ == "__main__":
    lines = broken()
    print("\n".join(lines) or "house rules: kept")
    sys.exit(bool(lines))

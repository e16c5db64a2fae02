"""What a mutant is, and the mutants of Python source: one small change each, made in the text so that the rest stays as it is."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

OPPOSITE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
}  # fmt: skip
OTHER_SIDE: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.Pow: ast.Mult,
}  # fmt: skip
OTHER_NAME = {
    "min": "max", "max": "min", "any": "all", "all": "any", "startswith": "endswith", "endswith": "startswith", "partition": "rpartition",
    "rpartition": "partition", "issubset": "issuperset", "isdisjoint": "issubset",
}  # fmt: skip
BRANCHES = (ast.If, ast.While, ast.Assert)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A whole file with one fault. `place`: the function or table it is in; `kind`: code | table."""

    file: str
    place: str
    before: str
    after: str
    text: str
    kind: str = "code"
    twin: int = 0  # how many mutants of the same words came before it in the same place

    @property
    def key(self) -> str:
        """What names it in a report and in equivalents.yaml; it outlives changes elsewhere in the file."""
        return f"{self.file} {self.place}: {self.before} => {self.after}" + (f" #{self.twin + 1}" if self.twin else "")


def numbered(mutants: Iterator[Mutant]) -> Iterator[Mutant]:
    seen: Counter[str] = Counter()
    for mutant in mutants:
        yield replace(mutant, twin=seen[mutant.key])
        seen[mutant.key] += 1


def of_python(path: Path, name: str) -> Iterator[Mutant]:
    """Every mutant of a module. Left alone: annotations, decorators, docstrings, imports, `__all__`, text that is only said
    (f-strings), and what stands under `if TYPE_CHECKING`."""
    text = path.read_text("utf-8")
    source = _Source(text, name)
    return numbered(source.mutants(ast.parse(text), "module", top=True))


class _Source:
    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line.encode()))

    def mutants(self, node: ast.AST, place: str, *, top: bool) -> Iterator[Mutant]:
        """Depth first, in the order of the text."""
        if _left_alone(node):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            place, top = (node.name if place == "module" else f"{place}.{node.name}"), top and isinstance(node, ast.ClassDef)
        elif top and isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            place = ast.unparse(target)
        kind = "table" if top and isinstance(node, ast.expr) else "code"
        if isinstance(node, ast.expr | ast.stmt):
            for after in _changed(node):
                yield Mutant(self.name, place, _short(ast.unparse(node)), _short(after), self._put(node, after), kind)
            for row, left in _rows(node) if kind == "table" else ():
                yield Mutant(self.name, place, row, "(dropped)", self._put(node, left), kind)
        for child in _children(node):
            yield from self.mutants(child, place, top=top)

    def _put(self, node: ast.expr | ast.stmt, after: str) -> str:
        raw = self.text.encode()
        start = self.starts[node.lineno - 1] + node.col_offset
        end = self.starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        new = f"({after})" if isinstance(node, ast.expr) else after
        return (raw[:start] + new.encode() + raw[end:]).decode()


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom | ast.Raise):
        return True
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return True
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """The parts that may be changed: no annotation, no decorator, no base of a class."""
    unwanted = [getattr(node, name, None) for name in ("annotation", "returns")]
    unwanted += [one for name in ("bases", "decorator_list", "type_params") for one in getattr(node, name, ())]
    skipped = {id(one) for one in unwanted}
    for child in ast.iter_child_nodes(node):
        if id(child) not in skipped:
            yield child


def _changed(node: ast.expr | ast.stmt) -> Iterator[str]:
    """The texts that may stand in the place of a node."""
    match node:
        case ast.Compare():
            for number, operator in enumerate(node.ops):
                for other in OPPOSITE[type(operator)]:
                    changed = copy.deepcopy(node)
                    changed.ops[number] = other()
                    yield ast.unparse(changed)
        case ast.BoolOp():
            changed_bool = copy.deepcopy(node)
            changed_bool.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield ast.unparse(changed_bool)
        case ast.UnaryOp(op=ast.Not()):
            yield ast.unparse(node.operand)
        case ast.BinOp() if type(node.op) in OTHER_SIDE:
            changed_binary = copy.deepcopy(node)
            changed_binary.op = OTHER_SIDE[type(node.op)]()
            yield ast.unparse(changed_binary)
        case ast.Constant():
            yield from _constants(node.value)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in OTHER_NAME:
            yield _renamed(node, OTHER_NAME[name])
        case ast.IfExp():
            yield ast.unparse(ast.IfExp(node.test, node.orelse, node.body))
        case ast.AugAssign() | ast.Expr(value=ast.Call()):
            yield "pass"
        case ast.Continue():
            yield "break"
        case ast.Break():
            yield "continue"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return None"
    if isinstance(node, BRANCHES) and not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
        yield _negated(node)
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        yield from _unfiltered(node)


def _constants(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, int):
        yield repr(value + 1)
    elif isinstance(value, str) and not _is_words(value):
        yield repr(f"XX{value}")


def _is_words(value: str) -> bool:
    """A table written as words: "TREAT COC ETREAT"."""
    return " " in value.strip() and value.upper() == value and not any(mark in value for mark in "|:/%")


def _rows(node: ast.expr | ast.stmt) -> Iterator[tuple[str, str]]:
    """(row, the table without it), and for a table of words the row misspelt."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_words(node.value):
        words = node.value.split()
        for number, word in enumerate(words):
            yield word, repr(" ".join(words[:number] + words[number + 1 :]))
            yield f"{word} misspelt", repr(" ".join([*words[:number], f"XX{word}", *words[number + 1 :]]))
    elif isinstance(node, ast.Dict):
        for number, key in enumerate(node.keys):
            keys, values = node.keys[:number] + node.keys[number + 1 :], node.values[:number] + node.values[number + 1 :]
            yield _short(ast.unparse(key) if key else ast.unparse(node.values[number])), ast.unparse(ast.Dict(keys, values))
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        for number, row in enumerate(node.elts):
            left = copy.copy(node)
            left.elts = node.elts[:number] + node.elts[number + 1 :]
            yield _short(ast.unparse(row)), ast.unparse(left)


def _renamed(node: ast.Call, name: str) -> str:
    changed = copy.deepcopy(node)
    if isinstance(changed.func, ast.Name):
        changed.func.id = name
    elif isinstance(changed.func, ast.Attribute):
        changed.func.attr = name
    return ast.unparse(changed)


def _negated(node: ast.If | ast.While | ast.Assert) -> str:
    changed = copy.deepcopy(node)
    changed.test = ast.UnaryOp(ast.Not(), changed.test)
    indented = ast.unparse(ast.fix_missing_locations(changed))
    return indented.replace("\n", "\n" + " " * node.col_offset)


def _unfiltered(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> Iterator[str]:
    """A comprehension without its conditions."""
    for number, generator in enumerate(node.generators):
        if generator.ifs and not any(isinstance(part, ast.NamedExpr) for condition in generator.ifs for part in ast.walk(condition)):
            changed = copy.deepcopy(node)
            changed.generators[number].ifs = []
            yield ast.unparse(changed).removeprefix("(").removesuffix(")") if isinstance(node, ast.GeneratorExp) else ast.unparse(changed)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:60]} … {line[-27:]}"

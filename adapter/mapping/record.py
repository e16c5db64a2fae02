"""A record read once into clean values, every problem collected, and written back.

Values live in a flat dict by dotted name (`personne.nom`); a list of groups is a list of such dicts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapter.errors import numbered, told
from adapter.mapping.context import Run
from adapter.mapping.document import nearest
from adapter.mapping.shape import UNLESS, Field, Group
from adapter.mapping.values import Unfit

Env = dict[str, Any]
Take = Callable[[Any, Env, Run, str], None]  # value, where to put it, the run, path


def taker(group: Group, *, refuse_unknown: bool) -> Take:
    """The closure that reads one group of a record into the flat values."""
    takes = [(key, _member(member, refuse_unknown), member) for key, member in group.members.items()]
    known = frozenset(group.members)
    defaults = [(field.name, field.default) for field in group.fields() if field.default is not None] if not group.name else []

    def take(value: Any, env: Env, run: Run, path: str) -> None:
        if type(value) is not dict:
            run.problem(path, group.place, "expected an object", "structure")
            return
        prefix = f"{path}." if path else ""
        left = len(value)
        for key, read, member in takes:
            given = value.get(key)
            if given is None:
                if key in value:
                    left -= 1
                _missing(member, run, prefix + key, True)
                continue
            left -= 1
            read(given, env, run, prefix + key)
        if left:
            _unknown(value, known, run, prefix, group.place, refuse_unknown)
        for name, default in defaults:
            env[name + ".given"] = name in env
            env.setdefault(name, default)

    return take


def _missing(member: Field | Group, run: Run, path: str, here: bool) -> None:
    """Problems of a member that was not given; `here`: its group was."""
    if isinstance(member, Field):
        if member.owner != "liaison" and (member.required == "always" or (here and member.required == "here") or member.least):
            run.problem(path, member.place, "required", "required")
    elif member.required:
        run.problem(path, member.place, "required", "required")
    else:
        for key, inner in member.members.items():
            _missing(inner, run, f"{path}.{key}", False)


def _member(member: Field | Group, refuse_unknown: bool) -> Take:
    if isinstance(member, Group):
        return taker(member, refuse_unknown=refuse_unknown)
    if member.never or member.owner == "liaison":
        return _dropped(member)
    if member.most:
        return _list(member, refuse_unknown)
    return _one(member)


def _one(field: Field) -> Take:
    assert field.kind
    read, name, place, required = field.kind.read, field.name, field.place, bool(field.required)

    def take(value: Any, env: Env, run: Run, path: str) -> None:
        try:
            kept = read(value, run, path, place)
        except Unfit as error:
            run.problem(path, place, error.text, error.code)
            return
        if kept is not None:
            env[name] = kept
        elif required:
            run.problem(path, place, "required", "required")

    return take


def _dropped(field: Field) -> Take:
    """What is never stored: taken out at the door; the sender is told, the value goes nowhere."""
    allowed = UNLESS[field.unless] if field.unless else None
    take_it = _one(field) if field.kind and allowed else None
    why = field.why or ("the answer of the service is not taken from a record" if field.owner == "liaison" else "never stored")

    def take(value: Any, env: Env, run: Run, path: str) -> None:
        if take_it and allowed and allowed(run):
            take_it(value, env, run, path)
        elif value not in ("", [], {}):
            run.dropped.append(path)
            run.remark(path, field.place, f"refused at the door and not stored: {why}")

    return take


def _list(field: Field, refuse_unknown: bool) -> Take:
    name, place, least, most = field.name, field.place, field.least, field.most
    read = field.kind.read if field.kind else None
    inner = taker(field.group, refuse_unknown=refuse_unknown) if field.group else None

    def take(value: Any, env: Env, run: Run, path: str) -> None:
        if type(value) is not list:
            run.problem(path, place, "expected a list", "structure")
            return
        if not least <= len(value) <= most:
            run.problem(path, place, f"expected {least} to {most} entries", "required" if len(value) < least else "too-long")
            return
        kept: list[Any] = []
        for at, entry in enumerate(value):
            if inner:
                child: Env = {}
                inner(entry, child, run, f"{path}[{at}]")
                kept.append(child)
                continue
            assert read
            try:
                word = read(entry, run, f"{path}[{at}]", place)
            except Unfit as error:
                run.problem(f"{path}[{at}]", place, error.text, error.code)
                continue
            if word is not None and word not in kept:
                kept.append(word)
        if kept:
            env[name] = kept
        elif least and not run.problems:
            run.problem(path, place, "required", "required")

    return take


_COMPARED = 40  # characters of an unknown key that are compared with the known ones


def _unknown(value: dict[Any, Any], known: frozenset[str], run: Run, prefix: str, place: str, refuse: bool) -> None:
    """Fields the document does not know: refused, or dropped with a warning, by its `unmapped`."""
    for key in value:
        if key in known:
            continue
        path = prefix + told(key, known)
        if refuse:
            run.problem(path, place, f"unknown field ({numbered(key, value)}){nearest(str(key)[:_COMPARED], known)}", "structure")
        else:
            run.dropped.append(path)
            run.remark(path, place, f"not part of this kind of record ({numbered(key, value)}): left out")


def write(group: Group, env: Env, run: Run, *, top: bool = True) -> tuple[dict[str, Any], bool]:
    """(the record, whether anything but defaults is in it)."""
    out: dict[str, Any] = {}
    filled = top
    for key, member in group.members.items():
        if isinstance(member, Group):
            inner, has = write(member, env, run, top=False)
            if has:
                out[key], filled = inner, True
            continue
        value = env.get(member.name)
        if value is None:
            if member.default is not None and member.kind and not member.one_way:
                out[key] = member.kind.write(member.default, run)
            continue
        out[key], filled = _written(member, value, run), True
    return out, filled


def _written(field: Field, value: Any, run: Run) -> Any:
    if field.group:
        return [write(field.group, entry, run)[0] for entry in value]
    assert field.kind
    if field.most:
        return [field.kind.write(entry, run) for entry in value]
    return field.kind.write(value, run)

"""A document compiled: the closures that turn a record into resources and resources into a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from adapter.mapping.condition import Test
from adapter.mapping.context import Run, Told
from adapter.mapping.document import Tree
from adapter.mapping.record import Take
from adapter.mapping.scalars import Make, Match, Read
from adapter.mapping.scope import Env
from adapter.mapping.shape import Group
from adapter.mapping.step import Step
from adapter.ports import Resource


class Entry(NamedTuple):
    """One template of a resource. `match`: whether a found resource is this one's."""

    name: str
    type: str
    tree: Tree
    make: Make
    read: Read | None
    match: Match | None


@dataclass(frozen=True, slots=True)
class Block:
    """Entries made together: once, or (`each`) once for every value of a list (`grouped`: a list of groups)."""

    entries: list[Entry]
    each: str = ""
    word: str = ""
    steps: list[Step] = field(default_factory=list)
    inside: tuple[str, ...] = ()  # made of a list of groups: the names in each
    grouped: bool = False  # of an answer: fills a list of groups

    @property
    def ids(self) -> list[str]:
        return [f"{entry.name}.id" for entry in self.entries]


class About(NamedTuple):
    """Of which referral a record tells, and what came of it: names of the record's own fields, and the keys inside each group of `of`."""

    reference: str
    of: str
    need: str
    outcome: str
    result: str
    ends: Test

    def told(self, env: Env) -> Told:
        groups = [group for group in env.get(self.of) or () if group.get(self.need) and group.get(self.outcome)]
        outcomes = {group[self.need]: group[self.outcome] for group in groups}
        results = {group[self.need]: group[self.result] for group in groups if group.get(self.result)}
        return Told(str(env.get(self.reference, "")), outcomes, results, self.ends(env))


class Rule(NamedTuple):
    broken: Test
    path: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Program:
    """Everything of one document for one base of systems."""

    name: str
    version: int
    source: str
    id_field: str
    shape: Group
    take: Take
    declined: Test | None
    steps: list[Step]
    rules: list[Rule]
    blocks: list[Block]
    answers: list[Block]
    answer_steps: list[Step]
    withheld: list[tuple[str, Test]]
    instead: list[tuple[str, str]]
    about: About | None = None

    def facts(self, run: Run) -> Env:
        """The names every document knows."""
        context = run.context
        return {
            "context.clinic": context.clinic,
            "context.requester": context.requester,
            "context.recorder": context.recorder,
            "context.patient_id": context.patient.rpartition("/")[2] if context.patient else None,
            "context.request": context.request,
            "context.policy": context.policy,
            "now": moment(context.at).astimezone(context.zone).isoformat(),
            "mapping.source": self.source,
            "mapping.id": f"{self.name}/{self.version}",
        }

    def make(self, env: Env, run: Run) -> list[Resource]:
        """The resources, in the order of the document. Ids are given first, so that any may refer to any."""
        out: list[Resource] = []
        for block in self.blocks:
            if not block.each:
                _fill(block, env, out)
                continue
            values = env.get(block.each) or ()
            for at, value in enumerate(values, 1):
                env[block.word], env[f"{block.word}.last"] = value, at == len(values)
                for key in block.inside:
                    env[f"{block.word}.{key}"] = value.get(key)
                for name in block.ids:
                    env[name] = run.context.new_id()
                for step in block.steps:
                    step.run(env, run)
                _fill(block, env, out)
        return out

    def give_ids(self, env: Env, run: Run) -> None:
        for block in self.blocks:
            if not block.each:
                for name in block.ids:
                    env[name] = run.context.new_id()

    def read(self, resources: list[Resource], run: Run, *, whole: bool = False) -> Env:
        """The values found in resources, by the templates and then by the patterns of the answer; without those that are not given
        back as things stand (`whole`: with them)."""
        by_type: dict[str, list[Resource]] = {}
        for resource in resources:
            by_type.setdefault(str(resource.get("resourceType")), []).append(resource)
        env: Env = {}
        for block in self.blocks:
            _read_block(block, by_type, env, run)
        for step in reversed(self.steps):
            if step.back:
                step.back(env, run)
        for block in self.answers:
            _read_block(block, by_type, env, run)
        for step in self.answer_steps:
            step.run(env, run)
        left = [] if whole else [name for name, given in self.withheld if not given(env)]
        for name in (*left, *(other for name, other in self.instead if name in env)):
            env.pop(name, None)
        return env


def moment(at: datetime) -> datetime:
    """A time to the millisecond, as the wire keeps it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _fill(block: Block, env: Env, out: list[Resource]) -> None:
    for entry in block.entries:
        made = entry.make(env)
        if made is not None:
            out.append(made)


def _read_block(block: Block, by_type: Mapping[str, list[Resource]], env: Env, run: Run) -> None:
    groups: list[Env] = []  # of a list of groups: the first resources of each type tell of the first group, and so on
    for entry in block.entries:
        if not entry.read:
            continue
        at = 0
        for resource in by_type.get(entry.type, ()):
            if entry.match is not None and not entry.match(resource):
                continue
            if not block.each:
                entry.read(resource, env)
                continue
            child: Env = {}
            entry.read(resource, child)
            for step in reversed(block.steps):
                if step.back:
                    step.back(child, run)
            if block.grouped:
                dotted = f"{block.word}."
                if group := {key.removeprefix(dotted): child.pop(key) for key in [*child] if key.startswith(dotted)}:
                    env.setdefault(block.each, []).append(group)
            if block.inside:
                start = len(block.word) + 1
                mine = {key[start:]: child.pop(key) for key in [*child] if key[start:] in block.inside and key.startswith(f"{block.word}.")}
                groups += [{}] if at == len(groups) else []
                groups[at] |= {key: value for key, value in mine.items() if key not in groups[at]}
                at += 1
            if not block.grouped and block.word in child:
                env.setdefault(block.each, []).append(child.pop(block.word))
            for key, value in child.items():
                env.setdefault(key, value)
    if groups:
        env.setdefault(block.each, groups)

"""A Liaison with one referral of each kind, made once for a file of tests; what a test changes, it changes on the copy that it holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from adapter.dossier import Dossier, load
from adapter.network import Network
from adapter.ports import Decision, Principal, Resource, Uow
from adapter.showing import Window
from adapter.views import pairwise
from tests.e2e.stage import CARSAT, COURSIER, GP, SAAD
from tests.worlds.world import World, world

T = TypeVar("T")
CMP = Principal("cmp", "centre-hospitalier-exemple", "cmp-rouen", "service", person="as-cmp")
PERMIT = Decision(True, "permit", "S1")
VIEW_OF = {COURSIER: "coursier-dac-asso", SAAD: "saad", CARSAT: "as-carsat", GP: "prescripteur", CMP: "as-departement"}
CALLS = {  # name -> (unit, number of the person, what is otherwise)
    "open": ("coursier-rouen", 0, {}),
    "second": ("coursier-rouen", 1, {"appel": "2026-03-06T19:30:00+01:00"}),
    "pool": ("saad-portage", 0, {}),
    "carsat": ("permanence-saint-eloi", 2, {}),
    "draft": ("coursier-rouen", 3, {"agreed": False}),
    "withdrawn": ("coursier-rouen", 4, {}),
}


@dataclass(frozen=True)
class Scene:
    made: World
    tasks: dict[str, str]  # name -> id of the Task

    def on(self, fn: Callable[[Window, Uow], T]) -> T:
        """`fn` in a unit of work that is undone."""
        found: list[T] = []

        def run(story: Any, uow: Uow) -> None:
            found.append(fn(story.window, uow))
            raise _Undone

        try:
            self.made.app.write_now(run)
        except _Undone:
            pass
        return found[0]

    def dossier(self, name: str, *, task: dict[str, Any] | None = None, request: dict[str, Any] | None = None, **more: Any) -> Dossier:
        """The referral of that name, with some elements otherwise."""
        found = self.made.app.read_now(lambda _, uow: load(uow, self.tasks[name]))
        assert found is not None
        return replace(found, task=found.task | (task or {}), request=found.request | (request or {}), **more)

    @property
    def network(self) -> Network:
        return self.made.app.network


class _Undone(Exception):
    pass


class Told:
    """A unit of work whose audit events are kept in `events`, as they were given."""

    def __init__(self, uow: Uow) -> None:
        self._uow, self.events = uow, list[Resource]()

    def audit(self, event: Resource, **_: Any) -> None:
        self.events.append(event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._uow, name)


@contextmanager
def played() -> Iterator[Scene]:
    with world() as made:
        tasks = {}
        for number, (name, (unit, person, more)) in enumerate(CALLS.items()):
            made.act(name, number)
            tasks[name] = made.refer(unit, person, **more).referrals[0]["task"]
        made.act("taken-back", 20)
        shown = next(each for each in made.cards(COURSIER, "coursier-dac-asso") if each.card["person"]["family_name"].endswith("e"))
        made.do(COURSIER, "coursier-dac-asso", shown, "withdraw", heard_by="coursier-lea")
        made.act("tests", 60)
        yield Scene(made, tasks)


def plain(event: Resource) -> Any:
    """An event without what differs each time."""
    return json.loads(json.dumps({name: value for name, value in event.items() if name not in ("id", "meta")}))


def own(scene: Scene, name: str, holder: str = "coursier-rouen") -> str:
    """The id under which `holder` knows the referral of that name."""
    return scene.on(lambda window, uow: pairwise(window.writer.key, holder, "Task", scene.tasks[name]))


def told(scene: Scene, fn: Callable[[Window, Any], Any]) -> tuple[Any, list[Resource]]:
    """What `fn(window, uow)` gives, and the events it left."""

    def run(window: Window, uow: Uow) -> tuple[Any, list[Resource]]:
        listening = Told(uow)
        return fn(window, listening), listening.events

    return scene.on(run)

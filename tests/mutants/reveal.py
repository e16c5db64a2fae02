"""Six ways in which `reveal` could leak without a wrong word in any card: each a patch of one function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from adapter import showing
from adapter.dossier import Dossier
from adapter.ports import Decision, Resource
from adapter.showing import Window

Patch = Callable[[], Any]


@contextmanager
def order_follows_the_last_edit() -> Iterator[None]:
    whole = Window.dossiers

    def dossiers(self: Window, *given: Any, **named: Any) -> list[Dossier]:
        return sorted(whole(self, *given, **named), key=lambda each: each.task_version.updated, reverse=True)

    with mock.patch.object(Window, "dossiers", dossiers):
        yield


@contextmanager
def etag_follows_the_stored_version() -> Iterator[None]:
    """One more on every edit, of whatever element."""
    whole = Window.show

    def show(self: Window, uow: Any, who: Any, view: Any, dossier: Dossier, **named: Any) -> Any:
        shown = whole(self, uow, who, view, dossier, **named)
        return shown and showing.replace(shown, etag=f"{dossier.task_version.number}")

    with mock.patch.object(Window, "show", show):
        yield


@contextmanager
def words_of_the_doctor_go_along() -> Iterator[None]:
    whole = showing.project

    def project(resource: Resource, view: Any, *, facts: Any, glass: Any) -> Resource | None:
        shown = whole(resource, view, facts=facts, glass=glass)
        return shown and shown | {name: resource[name] for name in ("note",) if name in resource}

    with mock.patch.object(showing, "project", project):
        yield


@contextmanager
def drafts_are_listed() -> Iterator[None]:
    whole = Window._known_as

    def known_as(self: Window, uow: Any, who: Any, view: str, index: str, value: str, *more: Any) -> Any:
        return [*whole(self, uow, who, view, index, value, *more), *whole(self, uow, who, view, "_hidden", value, *more)]

    def decision(self: Window, *given: Any, **named: Any) -> Decision:
        return Decision(True, "broken", "broken")

    with mock.patch.object(Window, "_known_as", known_as), mock.patch.object(Window, "decision", decision):
        yield


@contextmanager
def version_counts_hidden_edits() -> Iterator[None]:
    """FHIR's meta of the stored resource on the projected one."""
    whole = showing.project

    def project(resource: Resource, view: Any, *, facts: Any, glass: Any) -> Resource | None:
        shown = whole(resource, view, facts=facts, glass=glass)
        return shown and shown | {"meta": shown.get("meta", {}) | {"lastUpdated": resource.get("meta", {}).get("lastUpdated", "")}}

    with mock.patch.object(showing, "project", project):
        yield


@contextmanager
def acts_know_every_need() -> Iterator[None]:
    def own_needs(self: Window, look: Any) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for code in self.sight.asked(look.dossier):
            found[self.terms.neutral(code)] = (*found.get(self.terms.neutral(code), ()), code)
        return found

    with mock.patch.object(Window, "own_needs", own_needs):
        yield


MUTANTS: dict[str, Patch] = {
    each.__name__: each
    for each in (
        order_follows_the_last_edit, etag_follows_the_stored_version, words_of_the_doctor_go_along, drafts_are_listed, version_counts_hidden_edits,
        acts_know_every_need,
    )
}  # fmt: skip

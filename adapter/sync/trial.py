"""Tries what an EHR honours, on two resources of our own there: type Basic, about nobody, marked as a probe.

They stay (a Basic has no status to end it by): a trial is for a sandbox, or where an operator agreed.
"""

from __future__ import annotations

from collections.abc import Callable

from adapter.errors import EhrError, EhrStale, EhrUnavailable
from adapter.names import Systems
from adapter.ports import EhrClient, Remote, Resource

FAR = "2999-01-01T00:00:00Z"


def tried(client: EhrClient, systems: Systems, *, new_id: Callable[[], str]) -> dict[str, bool]:
    """What of `probe.Mode` it honours, each by name. Raises EhrUnavailable when it went away meanwhile, EhrRejected when it
    takes no Basic at all: then nothing was learnt."""
    trial = _Trial(client, systems.sid("probe"), new_id())
    first = client.create(trial.resource("a"), if_none_exist=trial.own("a"))
    again = client.create(trial.resource("a"), if_none_exist=trial.own("a"))
    second = client.create({**trial.resource("b"), "subject": {"reference": f"Basic/{first.id}"}}, if_none_exist=trial.own("b"))
    return {
        "if_none_exist": again.id == first.id,
        "identifier": trial.finds_by_identifier(first, second),
        "last_updated": trial.finds_by_time(),
        "paging": trial.gives_every_page(),
        "transactions": trial.together("transaction", first, second),
        "batch": trial.together("batch", first, second),
        "include": trial.includes(first, second),
        "if_match": trial.refuses_stale(first),
    }


class _Trial:
    def __init__(self, client: EhrClient, system: str, run: str) -> None:
        self.client, self.system, self.run = client, system, run

    def own(self, name: str) -> tuple[str, str]:
        return self.system, f"{self.run}-{name}"

    def resource(self, name: str) -> Resource:
        system, value = self.own(name)
        return {"resourceType": "Basic", "identifier": [{"system": system, "value": value}], "code": {"text": "Liaison: a probe, about nobody"}}

    def found(self, *params: tuple[str, str]) -> list[Remote] | None:
        """None: it does not know how to search so."""
        try:
            return [remote for page in self.client.search("Basic", params) for remote in page]
        except EhrUnavailable:
            raise
        except EhrError:
            return None

    def finds_by_identifier(self, first: Remote, second: Remote) -> bool:
        one = self.found(("identifier", "|".join(self.own("a"))))
        every = self.found(("identifier", f"{self.system}|"))
        if one is None or every is None:
            return False
        return second.id not in _ids(one) and {first.id, second.id} <= _ids(every)

    def finds_by_time(self) -> bool:
        """Everything since long ago, nothing since the far future: what is ignored gives both."""
        early = self.found(("identifier", "|".join(self.own("a"))), ("_lastUpdated", "ge2000-01-01T00:00:00Z"), ("_sort", "_lastUpdated"))
        late = self.found(("identifier", "|".join(self.own("a"))), ("_lastUpdated", f"ge{FAR}"))
        return bool(early) and late == []

    def gives_every_page(self) -> bool:
        found = self.found(("identifier", f"{'|'.join(self.own('a'))},{'|'.join(self.own('b'))}"), ("_count", "1"))
        return found is not None and len(_ids(found)) >= 2

    def includes(self, first: Remote, second: Remote) -> bool:
        found = self.found(("identifier", "|".join(self.own("b"))), ("_include", "Basic:subject"))
        return found is not None and {first.id, second.id} <= _ids(found)

    def together(self, kind: str, first: Remote, second: Remote) -> bool:
        """Two reads in one Bundle."""
        entries = [{"request": {"method": "GET", "url": f"Basic/{each.id}"}} for each in (first, second)]
        try:
            answer = self.client.transaction({"resourceType": "Bundle", "type": kind, "entry": entries})
        except EhrUnavailable:
            raise
        except EhrError:
            return False
        given = [entry.get("resource", {}).get("id") for entry in answer["entry"] if isinstance(entry, dict)]
        return given == [first.id, second.id]

    def refuses_stale(self, first: Remote) -> bool:
        """A write over the present version, then one over the one before it."""
        if not first.version:
            return False
        changed = {**self.resource("a"), "id": first.id}
        try:
            self.client.update({**changed, "language": "fr"}, if_match=first.version)
            self.client.update({**changed, "language": "en"}, if_match=first.version)
        except EhrStale:
            return True
        except EhrUnavailable:
            raise
        except EhrError:
            return False
        return False



def _ids(found: list[Remote]) -> set[str]:
    return {each.id for each in found}

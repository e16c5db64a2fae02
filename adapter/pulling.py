"""What the pull of an EHR asks of the story: what to search for there, and what to make of work that was done there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from adapter.flows import Flows
from adapter.network import EhrEntry
from adapter.ports import Change, Resource, Uow
from adapter.referral.scene import activity_output
from adapter.sync import links
from adapter.sync.inbound import Pulled
from adapter.sync.light import made_ours
from adapter.sync.searches import Search, declared_searches, own_searches, pace


def searches_of(story: Flows, entry: EhrEntry, *, there: Callable[[str], Resource], consents: timedelta) -> tuple[Search, ...]:
    """What an EHR is asked for, as its network entry says. `there`: our reference -> a Reference as the EHR knows it."""
    referrals = pace(entry.interval, sandbox=entry.sandbox)
    own = own_searches(story.writer.systems, consents=min(consents, referrals), referrals=referrals)
    if set(entry.poll) == {"identifier"}:
        return own
    units = [each.key for organisation, each in story.network.units() if each.active and organisation.kind == "service"]
    owners = [there(f"HealthcareService/{key}") for key in units]
    requesters = [there(f"PractitionerRole/{each.key}") for each in story.network.people if each.organisation == entry.name]
    return declared_searches(own, entry.poll, clinic=there(f"Organization/{entry.name}"), requesters=requesters, owners=owners, referrals=referrals)


def work_done(uow: Uow, story: Flows, pulled: Pulled, *, url: str, performer: str) -> tuple[list[Change], Resource]:
    """The Procedures of a unit that works in the EHR as ours, each linked to the one it was read from, and the Task that points
    to them in place of the EHR's (SDOHCC Direct Light)."""
    changes, task = list[Change](), pulled.next
    for remote in pulled.done:
        if uow.link_by_remote(pulled.ehr, "Procedure", remote.id):
            continue
        made = made_ours(remote.resource, story.writer.clock.new_id(), task=pulled.ours, performer=performer, systems=story.writer.systems)
        links.save(uow, links.Known(links.linked(pulled.ehr, "Procedure", made["id"], remote, story.ownership, sent=1), {}))
        changes.append(Change("create", "Procedure", made["id"], made, origin="pull"))
        there = {f"Procedure/{remote.id}", f"{url.rstrip('/')}/Procedure/{remote.id}"}
        kept = [each for each in task.get("output", ()) if each.get("valueReference", {}).get("reference") not in there]
        task = {**task, "output": [*kept, activity_output(made)]}
    return changes, task

"""What a person of a practice says of a person: that an identity was checked, that two records are one person's or two's."""

from __future__ import annotations

from dataclasses import replace

from adapter.dossier import split
from adapter.flows import Flows
from adapter.ports import Principal, Uow
from adapter.referral.spoken import of_task
from adapter.sync import doubts, pairs

CHECKED = "checked"
CHOICES = (CHECKED, pairs.SAME, pairs.DIFFERENT)


def settle(story: Flows, uow: Uow, who: Principal, number: int, choice: str) -> list[str]:
    """Settles the doubt or the pair of that number, as `liaison sync list` tells it; what whoever said so has to know, by spoken references.
    Raises NotFound."""
    if choice == CHECKED:
        return [f"{doubts.checked(uow, who, number)} letters go on"]
    row = pairs.row_of(uow, number)
    who = replace(who, organisation=row.ehr)
    aside = pairs.both(uow, row)[1].reference if choice == pairs.SAME else ""
    story.pair(uow, who, number, choice)
    if not aside:
        return []
    told = [f"the record {split(aside)[1]} is set aside: it takes no new referral"]
    if running := ", ".join(map(of_task, pairs.running(uow, aside))):
        told.append(f"these run on to their end on it, under their own agreements: {running}")
    if pairs.opposed(uow, aside):
        told.append("an opposition stands on it: write it down on the other record too")
    return told

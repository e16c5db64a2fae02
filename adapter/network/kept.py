"""The applied network in the store: as JSON, and joined with what an earlier file had."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from adapter.errors import SettingsError
from adapter.network.model import EhrEntry, Network, Organisation, Unit

Entry = TypeVar("Entry")
_shape: TypeAdapter[Network] = TypeAdapter(Network)


def to_json(network: Network) -> bytes:
    """UTF-8 JSON of the whole network, inactive entries too. It holds no secret, only where secrets lie."""
    return _shape.dump_json(network)


def from_json(kept: bytes) -> Network:
    """The network that `to_json` wrote; keys that this version does not know are left out, those it does not
    find have their defaults. Raises SettingsError when it is no network."""
    try:
        return _shape.validate_json(kept)
    except ValidationError:
        fix = "run `liaison network apply` with the network file"
        raise SettingsError("the network kept in the database cannot be read", fix=fix) from None


def merged(previous: Network, new: Network) -> Network:
    """`new`, with everything that only `previous` has, made inactive: nothing is deleted, references go on resolving.
    Raises SettingsError where a key would change what it is: its kind, or the organisation of a unit (Consents name
    that organisation, so a unit that moves takes a new key)."""
    for organisation in new.organisations:
        before = previous.organisation(organisation.key)
        if before and before.kind != organisation.kind:
            raise _changed(organisation.key, f"was a {before.kind} and is a {organisation.kind} now")
    for organisation, unit in new.units():
        was = previous.organisation_of_unit(unit.key)
        if was not in (None, organisation.key):
            raise _changed(unit.key, "was a unit of another organisation")
    return replace(
        new,
        organisations=_joined(previous.organisations, new.organisations, _key, _retired, _both),
        people=_joined(previous.people, new.people, _key, lambda person: replace(person, active=False)),
        clients=_joined(previous.clients, new.clients, lambda client: client.id, lambda client: replace(client, active=False)),
    )


def without(network: Network, clients: Collection[str]) -> Network:
    """The network with these clients inactive, whatever its file says of them."""
    return replace(network, clients=tuple(replace(each, active=False) if each.id in clients else each for each in network.clients))


def _changed(key: str, what: str) -> SettingsError:
    return SettingsError(f"{key} {what}; a key is the identity that stays", variable=key, fix="give the new one a key of its own")


def _key(entry: Any) -> str:
    return str(entry.key)


def _joined(
    previous: tuple[Entry, ...],
    new: tuple[Entry, ...],
    key: Callable[[Entry], str],
    retired: Callable[[Entry], Entry],
    both: Callable[[Entry, Entry], Entry] | None = None,
) -> tuple[Entry, ...]:
    earlier = {key(entry): entry for entry in previous}
    present = {key(entry) for entry in new}
    kept = [both(earlier[key(entry)], entry) if both and key(entry) in earlier else entry for entry in new]
    return (*kept, *(retired(entry) for entry in previous if key(entry) not in present))


def _unit_retired(unit: Unit) -> Unit:
    return replace(unit, active=False)


def _ehr_retired(ehr: EhrEntry | None) -> EhrEntry | None:
    return replace(ehr, active=False) if ehr else None


def _retired(organisation: Organisation) -> Organisation:
    units = tuple(_unit_retired(unit) for unit in organisation.units)
    return replace(organisation, active=False, units=units, ehr=_ehr_retired(organisation.ehr))


def _both(before: Organisation, now: Organisation) -> Organisation:
    return replace(now, units=_joined(before.units, now.units, _key, _unit_retired), ehr=now.ehr or _ehr_retired(before.ehr))

"""Which EHRs are asked to tell us of changes, and whether they may call us: what the network file and the settings say of it now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

from adapter.clock import Clock
from adapter.network import EhrEntry, Network
from adapter.ports import EhrClient, Store, Uow
from adapter.settings import Settings
from adapter.sync.searches import Search
from adapter.sync.subscribing import Kind, Subscribing

HERE = ("127.0.0.1", "localhost", "::1")
Named = Callable[[str], EhrEntry | None]


def subscribing_at(
    store: Store, clients: Mapping[str, EhrClient], clock: Clock, *, settings: Settings, holder: str, network: Callable[[], Network],
    searches: Mapping[str, Callable[[Uow], Sequence[Search]]],
) -> dict[str, Subscribing]:  # fmt: skip
    """Our Subscriptions at each EHR."""

    def named(ehr: str) -> EhrEntry | None:
        return next((entry for entry in network().ehrs() if entry.name == ehr), None)

    def open(ehr: str) -> bool:
        entry = named(ehr)
        return entry is not None and unguarded(entry, settings.url)

    return {
        name: Subscribing(store, client, clock, partial(_kind, named, name), searches[name], settings.url, holder, partial(open, name))
        for name, client in clients.items()
    }


def _kind(named: Named, ehr: str) -> Kind:
    entry = named(ehr)
    return entry.subscriptions if entry else ""


def unguarded(entry: EhrEntry, address: str) -> bool:
    """Whether that EHR may call us at this address without TLS: a sandbox, or one on this machine."""
    return urlsplit(address).hostname in HERE or entry.sandbox


def fares(address: str, entry: EhrEntry, states: Sequence[str]) -> tuple[bool, str, str]:
    """(well, in words, what mends it) of our Subscriptions at one EHR, each in one of `states` ("": not asked for yet)."""
    if urlsplit(address).scheme != "https" and not unguarded(entry, address):
        return False, "it is to call us, and our address is not https", "give LIAISON_PUBLIC_URL, the https address by which it reaches this server"
    lacking = sorted({state or "not asked for yet" for state in states if state != "active"})
    if lacking:
        fix = "see that it reaches our address, and whether it offers them; it is asked again by itself"
        return False, f"not in force: {', '.join(lacking)}; it is polled as ever", fix
    return True, f"{len(states)} in force", ""

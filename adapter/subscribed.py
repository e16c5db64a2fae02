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

    return {
        name: Subscribing(
            store, client, clock, partial(_kind, named, name), searches[name], settings.url, holder, partial(_open, named, name, settings.url)
        )
        for name, client in clients.items()
    }


def _kind(named: Named, ehr: str) -> Kind:
    entry = named(ehr)
    return entry.subscriptions if entry else ""


def _open(named: Named, ehr: str, address: str) -> bool:
    """Whether that EHR may call us without TLS: a sandbox, or one on this machine."""
    entry = named(ehr)
    return urlsplit(address).hostname in HERE or (entry is not None and entry.sandbox)

"""The composition root: the only place that knows concrete classes. `build(settings)` gives an App."""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import orjson

from adapter import __version__, audit, ehr, mapping, views
from adapter.audit import events
from adapter.clock import Clock, SystemClock
from adapter.drop import Folder
from adapter.errors import EhrUnavailable, LiaisonError, NotFound, Refused, SettingsError
from adapter.flows import Flows
from adapter.intake import Intake
from adapter.limits import Limits, NoneLeft
from adapter.logs import declare, log
from adapter.look import Bounds
from adapter.names import Systems
from adapter.network import ClientEntry, EhrEntry, Network, Secret, Unit, from_json, merged, resources, to_json, without
from adapter.ports import Change, EhrClient, Letter, Principal, Store, Uow, Version
from adapter.served import Served
from adapter.settings import Settings, mappings_folder
from adapter.showing import Window
from adapter.smart import KeyRing
from adapter.store import open_store
from adapter.sync import ownership
from adapter.sync.acts import What
from adapter.sync.due import COUNTED
from adapter.sync.due import Report as Done
from adapter.sync.halts import Halted
from adapter.sync.jobs import Jobs
from adapter.sync.line import Line
from adapter.sync.pull import Report
from adapter.sync.status import status as behind
from adapter.terminology import Terminology
from adapter.wiring import NETWORK_NUMBER, Wiring, link_directory, wire
from adapter.writing import Writer

T = TypeVar("T")
CALLS = 600  # a minute at one of the addresses that EHRs call, and at all that nobody has
NETWORK, NUMBER, DISABLED = "network", NETWORK_NUMBER, "clients-disabled"


class App:
    """One process of Liaison. `read` and `write` hand a unit of work and the story as the network file stands now."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, *, ehrs: Callable[[EhrEntry], EhrClient]) -> None:
        self.settings, self.store, self.clock, self._ehrs = settings, store, clock, ehrs
        self.systems = Systems(settings.system_base)
        self.limits, self.calls = Limits(settings.rate_limit), Limits(CALLS)
        self.started: datetime = clock.now()
        self.holder = f"{socket.gethostname()}-{os.getpid()}-{clock.new_id()[-8:]}"
        folder = mappings_folder(settings)
        self.terms = mapping.Terms.load(folder / "terms")
        self.documents = mapping.load(folder)
        self.views = views.load_views(folder / "views", needs=self.terms.choosable("need"))
        self.ownership = ownership.load(Path(str(folder / "ownership.yaml")))
        self._loaded: tuple[bytes, Flows] | None = None

    # ── the story, fresh in every unit of work ───────────────────────────────────────────────────
    def story(self, uow: Uow) -> Flows:
        """The flows for the network file as applied now; another process may have applied a newer one."""
        number = uow.kept(NUMBER) or b"0"
        if self._loaded is None or self._loaded[0] != number:
            kept = uow.kept(NETWORK)
            self._loaded = number, self.flows(from_json(kept) if kept else Network())
        return self._loaded[1]

    def flows(self, network: Network) -> Flows:
        declare([each.id for each in network.clients] + [each.name for each in network.ehrs()])
        writer = Writer(network, self.systems, self.clock, self.settings.key(), self.fhir_base, self.settings.environment == "production")
        intake = Intake(self.documents, network, self.systems, self.clock)
        bounds = Bounds(self.settings.consent_max_age, self.settings.reference_kept)
        return Flows(network, writer, intake, Window(network, self.views, self.terms, writer, bounds), self.ownership)

    async def read(self, fn: Callable[[Flows, Uow], T]) -> T:
        return await self.store.read(lambda uow: fn(self.story(uow), uow))

    async def write(self, fn: Callable[[Flows, Uow], T]) -> T:
        """What `fn` gives, after the commit. A refusal rolls its unit back and is told to the audit in one of its own."""
        while True:
            try:
                return await self._written(fn)
            except NoneLeft as asked:  # of what this process may give to a client: another part of the minute, then again
                client, limits = asked.client, asked.limits
                await self.store.write(lambda uow, client=client, limits=limits: limits.reserve(uow, client))  # type: ignore[misc]

    async def _written(self, fn: Callable[[Flows, Uow], T]) -> T:
        try:
            return await self.store.write(lambda uow: fn(self.story(uow), uow))
        except Refused as refusal:
            event, kept = refusal.event, refusal.kept
            refusal.event = refusal.kept = None

            def tell(uow: Uow) -> None:
                if kept is not None:
                    kept(uow)
                if event is not None:
                    uow.audit(event(uow.at))

            if event is not None or kept is not None:
                await self.store.write(tell)
                refusal.told = refusal.told or event is not None
            raise

    def read_now(self, fn: Callable[[Flows, Uow], T]) -> T:
        return self.store.read_now(lambda uow: fn(self.story(uow), uow))

    def write_now(self, fn: Callable[[Flows, Uow], T]) -> T:
        return self.store.write_now(lambda uow: fn(self.story(uow), uow))

    @property
    def network(self) -> Network:
        return self.read_now(lambda story, _: story.network)

    def apply_network(self, wanted: Network) -> list[Version]:
        """Makes the network file the one in force: stores its directory as FHIR resources; what it no longer names becomes
        inactive. Returns the versions that changed."""

        def apply(story: Flows, uow: Uow) -> list[Version]:
            network = without(merged(story.network, wanted), _disabled(uow))
            who = Principal("liaison", "liaison", role="operator")
            changes = [
                Change(
                    "update" if uow.current(each["resourceType"], each["id"]) else "create",
                    each["resourceType"],
                    each["id"],
                    each,
                    origin="device",
                )
                for each in resources(network, self.systems)
            ]
            flows = self.flows(network)
            before = {(each.type, each.id): uow.current(each.type, each.id or "") for each in changes}
            saved = [flows.writer.write(uow, who, change) for change in changes]
            _keep(uow, network)
            uow.audit(events.act(who, "network-apply", at=uow.at, what="network"))
            return [each for each in saved if (old := before[each.type, each.id]) is None or old.number != each.number]

        changed = self.write_now(apply)
        log("network-applied", count=len(changed))
        return changed

    def disable_client(self, id: str, *, undo: bool = False) -> None:
        """Shuts a client out in every process from its next request on, its tokens too, and for every network file applied from
        now on. `undo`: no longer; the next network file brings it back. Raises NotFound for a client nobody has."""

        def disable(story: Flows, uow: Uow) -> None:
            if not any(each.id == id for each in story.network.clients):
                raise NotFound("no such client in force; `liaison client list` names them")
            now = _disabled(uow) - {id} if undo else _disabled(uow) | {id}
            uow.keep(DISABLED, orjson.dumps(sorted(now)))
            _keep(uow, without(story.network, now))
            who = Principal("liaison", "liaison", role="operator")
            uow.audit(events.act(who, "client-enable" if undo else "client-disable", what="network", details=[("client", id)], at=uow.at))

        self.write_now(disable)

    def disabled_clients(self) -> frozenset[str]:
        return self.read_now(lambda _, uow: _disabled(uow))

    # ── the other side ───────────────────────────────────────────────────────────────────────────
    @cached_property
    def clients(self) -> dict[str, EhrClient]:
        """One client per EHR of the network file that keeps referrals (level task), within the limits that the file sets."""
        return {entry.name: self._line(entry) for entry in self.network.ehrs() if entry.level == "task"}

    def _line(self, entry: EhrEntry) -> Line:
        return Line(self._ehrs(entry), parallel=entry.limits.parallel, rate=entry.limits.rate)

    @cached_property
    def wiring(self) -> Wiring:
        """The synchronisation engine of this process: `push`, `pulls`, `jobs`."""
        return wire(
            self.settings, self.store, self.clock, holder=self.holder, story=self.story, network=lambda: self.network,
            clients=self.clients, rules=self.ownership, failed=failed, settled=settled,
        )  # fmt: skip

    @cached_property
    def served(self) -> Served:
        """Those who subscribed with us."""
        return Served(self.store, self.clock, self.story, self.holder, self.fhir_base)

    @cached_property
    def jobs(self) -> Jobs:
        drop = self.folder.look if self.folder else None
        return self.wiring.jobs(
            link=self.link_directory, failed=failed, pulled=pulled, late=late, serve=self.served.run, drop=drop, done=elapsed,
        )  # fmt: skip

    @cached_property
    def columns(self) -> dict[str, mapping.Columns]:
        """The column maps: how tables become records."""
        return mapping.load_columns(mappings_folder(self.settings), self.documents)

    @cached_property
    def folder(self) -> Folder | None:
        """Where tables are dropped. Raises SettingsError where there is no such folder."""
        root = self.settings.drop_dir
        return Folder(root, self, self.clock, columns=self.columns, keep=self.settings.drop_kept, tell=dropped) if root else None

    def link_directory(self, ehr: str) -> list[str]:
        """Links the clinic's Organization to the one its EHR has under the same identifiers; returns what was linked.
        Raises EhrError."""
        mine = [each for each in resources(self.network, self.systems) if (each["resourceType"], each["id"]) == ("Organization", ehr)]
        return link_directory(self.store, self.clients[ehr], mine)

    def link_directories(self) -> list[str]:
        """The same for every EHR. Raises EhrError."""
        return [each for ehr in self.clients for each in self.link_directory(ehr)]

    @property
    def behind(self) -> Callable[[Uow], list[dict[str, Any]]]:
        """What tells `adapter.sync.status` of every EHR in a unit; asked for outside of one."""
        wiring = self.wiring

        def told(uow: Uow) -> list[dict[str, Any]]:
            names = [entry.name for entry in self.story(uow).network.ehrs() if entry.level == "task"]
            return behind(uow, {name: wiring.searches(uow, name) for name in names})

        return told

    def elapsed(self, uow: Uow) -> dict[str, int]:
        """What was done since ever because time had passed: code of the table `reminder` -> how many."""
        return {name.removeprefix(COUNTED): count for name, count in uow.added(COUNTED).items()}

    @cached_property
    def terminology(self) -> Terminology:
        """The code tables as FHIR."""
        return Terminology(self.terms, self.systems, __version__)

    # ── what the doors ask ───────────────────────────────────────────────────────────────────────
    @cached_property
    def keyring(self) -> KeyRing:
        """The public keys of clients that prove themselves by an assertion."""
        return KeyRing(self.clock)

    @property
    def fhir_base(self) -> str:
        return f"{self.settings.url}/fhir"

    def secret_of(self, client: ClientEntry) -> str:
        """The client's secret, "" when there is none to be read (then nothing matches)."""
        if not client.secret.file and not client.secret.variable:
            return ""
        try:
            return read_secret(client.secret)
        except SettingsError:
            log("token-refused", client=client.id, reason="secret-unreadable")
            return ""

    def signed(self, unit: Unit | None, signature: str, body: bytes) -> bool:
        """Whether a webhook bears the signature of this unit's tool: hex HMAC-SHA256 of the body under the secret of the network file. False,
        after the same work, where there is no such unit or no secret to be read."""
        secret = ""
        if unit is not None and unit.active and unit.rdv is not None:
            try:
                secret = read_secret(unit.rdv.secret)
            except SettingsError:
                log("hook-refused", reason="secret-unreadable")
        found = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(found.encode(), signature.strip().lower().encode()) and bool(secret)

    def metrics_token(self) -> str:
        file = self.settings.metrics_token_file
        return file.read_text().strip() if file and file.is_file() else ""

    async def ready(self) -> dict[str, str]:
        """Each check "ok" or why not."""
        try:
            network = await self.read(lambda story, _: story.network)
        except (LiaisonError, OSError):
            return {"database": "away"}
        return {"database": "ok", "network": "ok" if network.organisations else "no network file was applied"}

    def close(self) -> None:
        if "keyring" in vars(self):
            self.keyring.close()
        if (folder := vars(self).get("folder")) is not None:
            folder.close()
        self.store.close()


def _disabled(uow: Uow) -> frozenset[str]:
    return frozenset(orjson.loads(uow.kept(DISABLED) or b"[]"))


def _keep(uow: Uow, network: Network) -> None:
    """Makes it the network in force, which other processes see by its number."""
    uow.keep(NETWORK, to_json(network))
    uow.keep(NUMBER, str(int(uow.kept(NUMBER) or b"0") + 1).encode())
    uow.weigh()


def read_secret(secret: Secret) -> str:
    """The secret behind a file or a variable. Raises SettingsError naming it."""
    if secret.variable:
        if secret.variable not in os.environ:
            raise SettingsError("the variable is not set", variable=secret.variable, fix="set it, or name a file in the network file")
        return os.environ[secret.variable].strip()
    try:
        with open(secret.file, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        raise SettingsError(
            f"cannot read {secret.file}: {error.strerror}", variable="secret_file", fix="make the file, readable by Liaison"
        ) from None


def failed(code: str, error: Exception) -> None:
    """A job went wrong: logged by class, never by its text."""
    code_of = "ehr-halted" if isinstance(error, Halted) else "ehr-away" if isinstance(error, EhrUnavailable) else "job-failed"
    log(code_of, job=code, error=type(error).__name__)


_LETTERS: dict[str, str] = {
    "created": "push-sent", "updated": "push-sent", "adopted": "push-sent", "withheld": "push-dropped", "parked": "push-parked",
    "conflict": "push-conflict", "retry": "push-retry", "unknown": "push-retry",
}  # fmt: skip


def settled(what: What, letter: Letter) -> None:
    """What became of a letter, in the log."""
    if what in _LETTERS:
        log(_LETTERS[what], ehr=letter.ehr, attempts=letter.attempts, request_id=letter.request_id)


def pulled(report: Report) -> None:
    """What a pull found: changes taken in, and those that wait for a person."""
    total = report.total
    if changed := total["applied"]:
        log("pull-done", ehr=report.ehr, count=changed)
    if held := total["conflict"]:
        log("pull-refused", ehr=report.ehr, count=held)


def dropped(code: str, count: int) -> None:
    """What became of what was dropped."""
    log(code, count=count)


def elapsed(report: Done) -> None:
    """What time had brought was done."""
    if count := report.done.total():
        log("due-done", count=count)


def late(ehr: str) -> None:
    """An EHR was not read to the end for a whole business day."""
    log("pull-overdue", ehr=ehr)


def build(
    settings: Settings, *, store: Store | None = None, ehrs: Callable[[EhrEntry], EhrClient] | None = None, clock: Clock | None = None
) -> App:
    """An App on its settings. Raises SettingsError: database, key, mappings."""
    clock = clock or SystemClock()
    store = store or open_store(settings.database_url, clock=clock, seal=audit.seal, canonical=audit.canonical, key=settings.key())
    return App(settings, store, clock, ehrs=ehrs or (lambda entry: ehr.connect(entry, clock=clock)))

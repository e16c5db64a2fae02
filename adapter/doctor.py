"""What stands between this house and its EHRs, looked at one thing after another: each a line, OK or cause and fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

import orjson

from adapter.app import App
from adapter.clock import Clock
from adapter.ehr import HttpEhrClient, connect
from adapter.errors import EhrError, LiaisonError, SettingsError
from adapter.net import Answer, GuardedSession, Limits, server_date
from adapter.network import ClientEntry, EhrEntry
from adapter.ports import Capability, EhrClient, Uow
from adapter.scopes import limits
from adapter.smart import keys_of
from adapter.subscribed import fares
from adapter.sync import halts
from adapter.sync.probe import DEGRADED, Mode, mode_of
from adapter.sync.searches import Search
from adapter.sync.subscribing import TOPICS, standing_of

State = Literal["ok", "warning", "wrong", "unusable"]
CODES: dict[str, int] = {"ok": 0, "warning": 0, "wrong": 1, "unusable": 2}
"""What the worst line makes of the whole: 0 all is well, 1 something to mend at a partner, 2 this house cannot run."""
SKEW = timedelta(seconds=30)
PATIENCE = Limits(connect=5, read=10, total=20)
NEEDED = {"Task": "crus", "ServiceRequest": "crus", "Consent": "crus", "Procedure": "crus", "Patient": "rs"}
MENDS = {
    "SSLError": "the certificate is not valid for this address, or expired, or signed by whom this machine does not know: renew it, or install its CA",
    "NameResolutionError": "no such host name: look at `ehr.url` in the network file, and at the DNS of this machine",
    "ConnectTimeout": "nothing answers there: look at firewalls between, and at `ehr.url`",
    "ConnectionError": "nothing listens there, or something between refuses: look at `ehr.url`, and whether the EHR runs",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `ehr`: whose, "" for this house; `fix`: what to do, "" where all is well."""

    name: str
    state: State
    text: str
    fix: str = ""
    ehr: str = ""


def examined(app: App) -> Iterator[Check]:
    """Everything that is looked at, in the order in which one thing needs the other. Never raises for what it looks at."""
    yield Check("settings", "ok", f"read; this server is {app.settings.url}")
    yield from _database(app)
    network = app.network
    for client in network.clients:
        if client.active and client.jwks_url:
            yield _jwks(client, app.clock)
    for entry in network.ehrs():
        yield from _ehr(app, entry)


def probed(app: App, ehr: str, *, agreed: bool) -> list[Check]:
    """Looks anew at what the EHR honours; a line only where it could not be asked."""
    try:
        app.wiring.probe(ehr, agreed=agreed)
    except EhrError as error:
        return [Check("probe", "wrong", str(error), "what was known of it before stays", ehr)]
    return []


def unusable(error: SettingsError) -> Check:
    """The line of what kept the house from being built."""
    about = "database" if "DATABASE" in error.variable or "schema" in str(error) else "settings"
    return Check(about, "unusable", str(error), error.fix)


def code(checks: list[Check]) -> int:
    return max((CODES[each.state] for each in checks), default=0)


# ── this house ───────────────────────────────────────────────────────────────────────────────────
def _database(app: App) -> Iterator[Check]:
    try:
        found = app.network
    except LiaisonError as error:
        yield Check("database", "unusable", str(error), "see that it runs, and `liaison db check`")
        return
    yield Check("database", "ok", "answers, with the schema of this version")
    if found.organisations:
        yield Check("network", "ok", f"{len(found.organisations)} organisations, {len(found.ehrs())} EHRs")
    else:
        yield Check("network", "unusable", "no network file was applied", "run `liaison network apply`")


def _jwks(client: ClientEntry, clock: Clock) -> Check:
    try:
        keys, _ = keys_of(client, clock=clock)
    except (EhrError, OSError, ValueError) as error:
        fix = "its software gets no token until its key set is reachable: tell its vendor, or name `jwks_file`"
        return Check(f"jwks {client.id}", "wrong", str(error), fix)
    if not keys:
        return Check(f"jwks {client.id}", "wrong", "the key set has no key that may sign", "its vendor publishes an RS384 or ES384 key")
    return Check(f"jwks {client.id}", "ok", f"{len(keys)} keys")


# ── one EHR ──────────────────────────────────────────────────────────────────────────────────────
def _ehr(app: App, entry: EhrEntry) -> Iterator[Check]:
    try:
        client = connect(entry, clock=app.clock, limits=PATIENCE)
        session = GuardedSession(allow=[entry.url], clock=app.clock, limits=PATIENCE)
    except (SettingsError, ValueError) as error:
        yield Check("address", "wrong", str(error), getattr(error, "fix", ""), entry.name)
        return
    try:
        yield from _reached(app, entry, client, session)
    finally:
        session.close()
        client.close()


def _reached(app: App, entry: EhrEntry, client: HttpEhrClient, session: GuardedSession) -> Iterator[Check]:
    def told(name: str, state: State, text: str, fix: str = "") -> Check:
        return Check(name, state, text, fix, entry.name)

    try:
        answer = session.send("GET", f"{entry.url.rstrip('/')}/metadata", headers={"Accept": "application/fhir+json"})
    except EhrError as error:
        cause = next((mend for name, mend in MENDS.items() if name in str(error)), "see whether it runs, at the address in the network file")
        yield told("tls" if "SSLError" in str(error) else "reached", "wrong", str(error), cause)
        return
    secure = urlsplit(entry.url).scheme == "https"
    yield told("tls", "ok", "a certificate that this machine trusts") if secure else told("tls", "warning", "plain http", "https, once it leaves this machine")
    yield _clock(answer, app.clock, told)
    trusted = list(_trusted(entry, client, session, told))
    yield from trusted
    if any(each.state == "wrong" for each in trusted):
        return  # what follows would be told no more than that
    try:
        capability = client.capability()
    except LiaisonError as error:
        yield told("metadata", "wrong", str(error), "`ehr.url` must be the base of a FHIR R4 server")
        return
    yield told("metadata", "ok", f"FHIR {capability.fhir_version} {capability.software}".strip())
    yield from _granted(entry, client, told)
    if entry.level == "task":
        yield from _honoured(app.store.read_now(lambda uow: mode_of(uow, entry.name)), told)
        if entry.subscriptions:
            searches = app.wiring.searches
            well, text, fix = app.store.read_now(lambda uow: _subscribed(uow, entry, searches(uow, entry.name), app.settings.url))
            yield told("subscriptions", "ok" if well else "warning", text, fix)
        for each in app.store.read_now(lambda uow: halts.halts(uow, entry.name)):
            fix = f"look with `liaison reconcile --ehr {entry.name}`, then `liaison sync resume`"
            yield told("halted", "wrong", f"{each.patient or 'the whole EHR'}: {each.why}", fix)
    level = proposed(capability)
    same = entry.level in (level, "none")
    fix = "" if same else f"write `level: {level}` in the network file if the clinic agrees"
    yield told("level", "ok" if same else "warning", f"it could keep referrals as {level}; the network file says {entry.level}", fix)


Told = Callable[..., Check]


def _subscribed(uow: Uow, entry: EhrEntry, searches: Sequence[Search], address: str) -> tuple[bool, str, str]:
    offered = [each for each in searches if entry.subscriptions != "backport" or each.type in TOPICS]
    stood = [standing_of(uow, entry.name, each) for each in offered]
    return fares(address, entry, [each.state if each else "" for each in stood])


def _clock(answer: Answer, clock: Clock, told: Told) -> Check:
    date = server_date(answer.headers)
    if date is None:
        return told("clock", "warning", "it says no time (no Date header)", "nothing to do: its times of change are believed within the overlap")
    skew = date - clock.now()
    if abs(skew) <= SKEW:
        return told("clock", "ok", f"{skew.total_seconds():+.0f} s from ours")
    return told("clock", "wrong", f"its clock is {skew.total_seconds():+.0f} s from ours", "set both by NTP: tokens and searches by time depend on it")


def _trusted(entry: EhrEntry, client: HttpEhrClient, session: GuardedSession, told: Told) -> Iterator[Check]:
    """Discovery where it is needed, and a token where it wants one."""
    if entry.auth.kind in ("smart", "client_secret") and not entry.auth.token_url:
        try:
            answer = session.send("GET", f"{entry.url.rstrip('/')}/.well-known/smart-configuration", headers={"Accept": "application/json"})
            endpoint = orjson.loads(answer.body).get("token_endpoint")
        except (EhrError, ValueError, AttributeError):
            endpoint = None
        if not endpoint:
            yield told("discovery", "wrong", "no token_endpoint at .well-known/smart-configuration", "name `auth.token_url` in the network file")
            return
        yield told("discovery", "ok", "names its token endpoint")
    if entry.auth.kind == "none":
        yield told("token", "ok", "it wants none")
        return
    try:
        client.trusted()
    except SettingsError as error:
        yield told("token", "wrong", str(error), error.fix)
    except EhrError as error:
        yield told("token", "wrong", str(error), "see that the EHR knows our client id and the public half of our key, and both clocks")
    else:
        yield told("token", "ok", "granted" if entry.auth.kind in ("smart", "client_secret") else "a secret is there")


def _granted(entry: EhrEntry, client: EhrClient, told: Told) -> Iterator[Check]:
    """What we may do there: by the scopes we ask for, and by trying to read."""
    asked = frozenset(entry.auth.scopes)
    lacking = [f"{type}.{act}" for type, acts in NEEDED.items() for act in acts if asked and not limits(asked, f"{type}", act)]
    if lacking:
        wanted = " ".join(f"system/{type}.{acts}" for type, acts in NEEDED.items())
        yield told("scopes", "wrong", f"the network file asks for no {', '.join(lacking)}", f"ask for {wanted}, and have them granted")
        return
    for type in ("Task", "ServiceRequest", "Consent"):
        try:
            next(iter(client.search(type, [("_count", "1"), ("identifier", "urn:liaison:doctor|none")])), None)
        except SettingsError as error:
            yield told("scopes", "wrong", str(error), error.fix)
            return
        except EhrError as error:
            why = "have the EHR grant it to us" if error.status_code in (401, 403) else "see whether the EHR keeps this type, and searches it by identifier"
            yield told("scopes", "wrong", f"{type} cannot be searched: {error}", why)
            return
    yield told("scopes", "ok", "Tasks, requests and Consents may be read")


def _honoured(mode: Mode, told: Told) -> Iterator[Check]:
    if mode.how == "assumed":
        yield told("probe", "warning", "nobody looked yet what it honours", "run `liaison doctor --probe`, or let the jobs run once")
        return
    for name in mode.degraded:
        yield told(f"probe {name}", "warning", "it does not", f"the engine {DEGRADED[name]}")
    yield told("probe", "ok", f"{mode.how} {mode.at}; " + ("keeps to the letter" if not mode.degraded else "the engine is in a degraded mode"))


def proposed(capability: Capability) -> str:
    """The `ehr.level` that its statement allows, for a person to confirm (workflow.md 7)."""
    acts = capability.types

    def may(type: str, *wanted: str) -> bool:
        return set(wanted) <= acts.get(type, frozenset())

    if all(may(type, "create", "update", "search-type") for type in ("Task", "ServiceRequest")):
        return "task"
    return "document" if may("DocumentReference", "create") else "patient" if may("Patient", "read") else "none"

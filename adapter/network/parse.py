"""`network.yaml` to a Network: every key known, every reference met, every error with its line, all of them in one message."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from adapter.errors import SettingsError
from adapter.network import fields as of
from adapter.network.model import CATEGORIES, PAPER_ONLY, POLLS, PRESCRIBER, ROLES, SELDOM, ClientEntry, EhrEntry, Network, Organisation, Person, Unit
from adapter.network.reading import Field, Reader, Wrong, address, choice, day, flag, key, kind_of, matching, number, root_of, seconds, text
from adapter.network.words import Words

OFFICERS_PACK = {"controller": 3, "legal_basis": 3, "secrecy_text": 20}  # and how many letters each has at least
LEVELS = ("task", "document", "mail", "patient", "none")
CLIENT_ROLES = ("clinic", "service", "officer", "operator", "device")


def load(path: Path, *, words: Words | None = None) -> Network:
    """The network of a file. Raises SettingsError: unreadable, or anything `parse` refuses."""
    try:
        found = path.read_bytes()
    except OSError as error:
        fix = "name the file with LIAISON_NETWORK_FILE, or make one with `liaison init`"
        why = f"cannot read the network file {path}: {error.strerror}"
        raise SettingsError(why, variable="LIAISON_NETWORK_FILE", fix=fix) from None
    try:
        written = found.decode("utf-8")
    except UnicodeDecodeError as error:
        line = found.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}:{line}: it is not UTF-8 text", fix=f"save {path} as UTF-8; line {line} is the first that is not") from None
    return parse(written, file=str(path), words=words)


def parse(written: str, *, file: str = "network.yaml", words: Words | None = None) -> Network:
    """The network of a YAML text. Raises SettingsError naming file, line, path and the nearest known key of
    everything that is wrong at once; values that other rooms know are held against `words`."""
    root = root_of(written, file)
    if root is None:
        raise SettingsError(f"{file}:1: the file is empty", fix="`liaison init` writes one to start from")
    reading = _Reading(Reader(file), words or Words())
    network = reading.network(root)
    reading.reader.refuse()
    return network


def zone(node: yaml.Node, path: str) -> str:
    written = text(node, path)
    try:
        ZoneInfo(written)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Wrong("expected a time zone such as Europe/Paris") from None
    return written


def misplaced(network: Network, client: ClientEntry) -> Iterator[str]:
    """What a client of this organisation may not be: it would act as somebody else."""
    if client.unit and network.organisation_of_unit(client.unit) not in (None, client.organisation):
        yield "its unit belongs to another organisation"
    if client.person and network.organisation_of_person(client.person) not in (None, client.organisation):
        yield "its person belongs to another organisation"
    organisation = network.organisation(client.organisation)
    if client.role == "clinic" and organisation and organisation.kind != "clinic":
        yield "role clinic reads whole resources on /fhir: it is for clients of a clinic, this organisation is of kind service"


class _Reading:
    """One pass over one file: what was read, and where each key was, for the checks across entries."""

    def __init__(self, reader: Reader, words: Words) -> None:
        self.reader, self.words = reader, words
        self.places: dict[tuple[str, str], yaml.Node] = {}  # (kind, key) -> where it stands
        self.mentions: list[tuple[str, str, str, yaml.Node]] = []  # kind, key, path, where
        self.systems: dict[tuple[str, str, str], str] = {}  # identifier -> path of its owner

    def network(self, root: yaml.Node) -> Network:
        reader = self.reader
        fields: dict[str, Field] = {
            "version": number(1, 1), "zone": zone, "hours": partial(of.hours, reader), "organisations": reader.many(self.organisation),
            "people": reader.many(self.person), "clients": reader.many(self.client),
        }  # fmt: skip
        try:
            found = reader.mapping(root, "", fields, ("version", "organisations"))
        except Wrong as wrong:
            reader.say(root, "", str(wrong))
            return Network()
        for kind, name, path, node in self.mentions:
            kinds = ("organisation", "unit", "person") if kind == "any" else (kind,)
            if not any((each, name) in self.places for each in kinds):
                reader.say(node, path, "no such " + ("key" if kind == "any" else kind) + " in this file" + self.near(kinds, name))
        network = Network(**found)
        for client in network.clients:
            for problem in misplaced(network, client):
                reader.say(self.places["client", client.id], "clients", problem)
        return network

    def near(self, kinds: tuple[str, ...], name: str) -> str:
        close = difflib.get_close_matches(name, [known for kind, known in self.places if kind in kinds], n=1)
        return f"; did you mean {close[0]}?" if close else ""

    def claim(self, kind: str, node: yaml.Node, path: str, found: dict[str, Any], name: str = "key") -> bool:
        """Whether the entry has a key that no other of its kind has; organisations also share Endpoint ids with none."""
        if name not in found:
            return False
        if (kind, found[name]) in self.places:
            line = self.places[kind, found[name]].start_mark.line + 1
            self.reader.say(node, f"{path}.{name}", f"another {kind} has this {name} (line {line})")
            return False
        self.places[kind, found[name]] = node
        for identifier in found.get("identifiers", ()):
            owner = self.systems.setdefault((identifier.system, identifier.type, identifier.value), path)
            if owner != path:
                self.reader.say(node, f"{path}.identifiers", f"{owner} has the same identifier")
        return True

    def mention(self, kind: str) -> Callable[[yaml.Node, str], str]:
        """A reader of a key that must be one of this file, checked when all has been read."""

        def read(node: yaml.Node, path: str) -> str:
            written = key(node, path)
            self.mentions.append((kind, written, path, node))
            return written

        return read

    def organisation(self, node: yaml.Node, path: str) -> Organisation | None:
        reader = self.reader
        fields: dict[str, Field] = {
            "key": key, "kind": choice("clinic", "service"), "name": text, "category": self.category, "telling": flag, "phone": of.phone,
            "commune": of.commune, **{name: of.words(letters) for name, letters in OFFICERS_PACK.items()}, "nir_authorised": of.nir_basis,
            "identifiers": partial(of.identifiers, reader), "units": reader.many(self.unit), "ehr": self.ehr, "platform": flag,
        }  # fmt: skip
        found = reader.mapping(node, path, fields, ("key", "kind", "name"))
        if found.get("kind") == "clinic":
            found.setdefault("category", PRESCRIBER)
        if found.get("kind") == "service":
            self.service(node, path, found)
        if not self.claim("organisation", node, path, found) or not {"kind", "name", "category"} <= found.keys():
            return None
        for unit in found.get("units", ()):
            if (unit.telling or found.get("telling")) and not unit.relay_phone:
                place = self.places["unit", unit.key]
                reader.say(place, f"{path}.units", "a telling unit needs relay_phone: its own number would name it (workflow.md 6)")
        if ehr := found.pop("ehr", None):
            found["ehr"] = EhrEntry(name=found["key"], **ehr)
        return Organisation(**found)

    def service(self, node: yaml.Node, path: str, found: dict[str, Any]) -> None:
        """What a service must have besides: a category, and what a data protection officer asks for."""
        given = {name.value for name, _ in node.value} if isinstance(node, yaml.MappingNode) else set()
        if missing := [name for name in OFFICERS_PACK if name not in given]:
            self.reader.say(node, path, f"a service needs {', '.join(missing)} (the data protection officer's pack)")
        if "category" not in given:
            self.reader.say(node, path, "the key category is missing")
        if found.get("category") == PRESCRIBER:
            self.reader.say(node, f"{path}.category", f"{PRESCRIBER} is for clinics")
        if "ehr" in found:
            self.reader.say(node, f"{path}.ehr", "only a clinic has an EHR")
        if found.get("platform"):
            self.reader.say(node, f"{path}.platform", "a platform sends what persons ask themselves: expected kind clinic")

    def category(self, node: yaml.Node, path: str) -> str:
        if isinstance(node, yaml.ScalarNode) and node.value in PAPER_ONLY:
            raise Wrong("nothing goes to such a recipient electronically: a letter is handed to the person (workflow.md 3)")
        return str(choice(*CATEGORIES)(node, path))

    def unit(self, node: yaml.Node, path: str) -> Unit | None:
        reader = self.reader
        fields: dict[str, Field] = {
            "key": key, "name": text, "phone": of.phone, "relay_phone": of.phone, "stage": choice("named", "pool"), "service": self.words.service(),
            "hours": partial(of.hours, reader), "open_on_holidays": flag, "closures": reader.many(partial(of.closure, reader)),
            "capacity": number(0, 1000), "commune": of.commune, "zone": zone, "territory": reader.many(of.area), "ages": of.ages,
            "schemes": reader.many(of.code), "needs": reader.many(self.words.need()), "telling": flag, "works_on_ehr": flag,
            "self_referrals": flag, "permanence": partial(of.permanence, reader), "rdv": partial(of.rdv, reader),
        }  # fmt: skip
        found = reader.mapping(node, path, fields, ("key", "name"))
        return Unit(**found) if self.claim("unit", node, path, found) and "name" in found else None

    def ehr(self, node: yaml.Node, path: str) -> dict[str, Any] | None:
        reader = self.reader
        fields: dict[str, Field] = {
            "url": address("https", "http"), "auth": partial(of.auth, reader), "level": choice(*LEVELS),
            "patients": choice("link", "create"), "consents": choice("liaison", "ehr"),
            "remote": self.remote, "interval": seconds, "hours": partial(of.hours, reader),
            "limits": partial(of.limits, reader), "poll": reader.many(choice(*POLLS)), "transactions": flag, "searches": flag, "provenance": flag,
            "subscriptions": choice("rest-hook", "backport"), "sandbox": flag,
        }  # fmt: skip
        found = reader.mapping(node, path, fields, ("url", "auth"))
        parts = urlsplit(found.get("url", "https:"))
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1") and not found.get("sandbox"):
            reader.say(node, f"{path}.url", "expected https; plain http is for this machine, or for a sandbox (`sandbox: true`)")
        if found.get("interval", SELDOM) < SELDOM and not found.get("sandbox"):
            place = next(value for name, value in node.value if name.value == "interval")
            reader.say(place, f"{path}.interval", "expected 15m or more (SDOHCC task-12); a sandbox (`sandbox: true`) may be asked as often as you like")
        return found if {"url", "auth"} <= found.keys() else None

    def remote(self, node: yaml.Node, path: str) -> dict[str, str]:
        """Our key to the EHR's reference, as `gp-martin: Practitioner/123`."""
        if not isinstance(node, yaml.MappingNode):
            raise Wrong(f"expected keys of this file and the EHR's references, but found {kind_of(node)}")
        reference = matching(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}", "a reference of the EHR such as Organization/123")
        found: dict[str, str] = {}
        for name, value in node.value:
            place = f"{path}.{name.value}"
            self.mentions.append(("any", str(name.value), place, name))
            found[str(name.value)] = self.reader.attempt(reference, value, place) or ""
        return found

    def person(self, node: yaml.Node, path: str) -> Person | None:
        reader = self.reader
        fields: dict[str, Field] = {
            "key": key, "name": partial(of.person_name, reader), "role": choice(*ROLES), "unit": self.mention("unit"),
            "organisation": self.mention("organisation"), "email": of.email, "phone": of.phone,
            "identifiers": partial(of.identifiers, reader), "from": day, "to": day,
        }  # fmt: skip
        found = reader.mapping(node, path, fields, ("key", "name", "role"))
        if ("unit" in found) == ("organisation" in found):
            reader.say(node, path, "expected exactly one of unit and organisation")
        found |= found.pop("name", {})
        found["start"], found["end"] = found.pop("from", None), found.pop("to", None)
        return Person(**found) if self.claim("person", node, path, found) and {"name", "role"} <= found.keys() else None

    def client(self, node: yaml.Node, path: str) -> ClientEntry | None:
        fields: dict[str, Field] = of.SECRET | {
            "id": matching(r"[A-Za-z0-9\-._]{1,64}", "a client id (letters, digits, -, . and _)"), "role": choice(*CLIENT_ROLES),
            "organisation": self.mention("organisation"), "unit": self.mention("unit"), "person": self.mention("person"),
            "jwks_url": address("https", "http"), "jwks_file": text, "jwks_private": flag, "hooks_private": flag, "scopes": self.reader.many(self.words.scope),
            "purposes": self.reader.many(self.words.purpose()),
        }  # fmt: skip
        found = self.reader.mapping(node, path, fields, ("id", "organisation"))
        ways = [name for name in ("jwks_url", "jwks_file", "secret_file", "secret_variable") if name in found]
        if len(ways) != 1:
            self.reader.say(node, path, "expected exactly one of jwks_url, jwks_file, secret_file, secret_variable")
        if found.get("jwks_url", "").startswith("http:") and not found.get("jwks_private"):
            self.reader.say(node, f"{path}.jwks_url", "expected https; plain http is for an address of the house (`jwks_private: true`)")
        found["secret"] = of.secret_of(found)
        return ClientEntry(**found) if self.claim("client", node, path, found, "id") and "organisation" in found else None



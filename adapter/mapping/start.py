"""A document to begin with, made of one record of a tool that nobody here knows yet: what the sample shows is written down, what it cannot
show is marked as a gap (`compiling` refuses a document that has one, by its line).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapter.mapping.check import example_context
from adapter.mapping.context import Run
from adapter.mapping.document import parse
from adapter.mapping.gaps import GAP
from adapter.mapping.kinds import fold, kind_of
from adapter.mapping.terms import Terms
from adapter.mapping.values import Unfit

Path = tuple[str, ...]
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # what a name of the language may be made of
_MANY = 12
# What a key means, by its words without accents and separators; the first key that means something has it.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "uuid", "identifiant", "ref", "reference", "numero", "numerodossier", "dossier"),
    "asked": ("date", "datedemande", "datecreation", "createdat", "creele", "appel"),
    "family": ("nom", "nomusage", "nomdusage", "lastname", "family", "familyname"), "maiden": ("nomnaissance", "nomdenaissance", "birthname"),
    "given": ("prenom", "firstname", "given", "givenname"), "birth": ("naissance", "datenaissance", "datedenaissance", "birthdate", "neele"),
    "gender": ("sexe", "genre", "civilite", "gender"), "phone": ("telephone", "tel", "phone", "mobile", "portable", "phonenumber"),
    "email": ("email", "courriel", "mail", "adressemail"), "line": ("adresse", "rue", "voie", "ligne", "address", "street"),
    "postcode": ("codepostal", "cp", "zip", "postcode", "postalcode"), "city": ("ville", "commune", "city", "localite"),
    "needs": ("besoins", "needs", "motifs", "thematiques", "problematiques", "demandes"), "recipient": ("destinataire", "structure", "unite", "recipient"),
}  # fmt: skip
_TYPES: Mapping[str, str] = {
    "id": "{type: id, required: true}", "asked": "{type: instant, latest: now}", "family": "{type: name}", "maiden": "{type: name}", "given": "{type: name}",
    "birth": "{type: date, precision: year, latest: now}", "phone": "{type: phone}", "email": "{type: email}", "line": "{type: line}",
    "postcode": "{type: postcode}", "city": "{type: name}", "recipient": "{type: key, required: true}",
}  # fmt: skip
_HEAD = (
    f"# A start, made from one record by `liaison map new`. Each {GAP} is for you: the record cannot tell it. `liaison map check FILE` names the",
    "# next one, mappings/README.md explains every word. What is `never: drop` here may have a type and a use instead.",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One value of the sample: what it means ("": nobody knows), how its field is declared, how it comes back."""

    path: Path
    meaning: str
    declared: str
    back: Any = None

    @property
    def name(self) -> str:
        return "$" + ".".join(self.path)


def start(name: str, sample: Mapping[str, Any], *, terms: Terms) -> str:
    """The text of a mapping document for records like `sample` (parsed JSON). Its gaps filled, `check` takes it."""
    sample, seen = _named(sample), dict[Path, Seen]()
    for path, value in _values(sample):
        taken = {each.meaning for each in seen.values()}
        seen[path] = _seen(path, value, {meaning for meaning in _WORDS if meaning not in taken}, terms)
    by = {each.meaning: each for each in seen.values() if each.meaning}
    key = by["id"].name.removeprefix("$") if "id" in by else GAP
    given = {path for path, value in _values(sample) if value not in (None, "", [], {})}
    dropped = [".".join(each.path) for each in seen.values() if not each.meaning and each.path in given]
    unit = _flow(by["recipient"].back) if "recipient" in by else GAP
    lines = [
        *_HEAD, f"mapping: {name}", "version: 1", f"title: {{fr: {GAP}, en: {GAP}}}", "unmapped: refuse", f"id: {key}", "parts: [referral]",
        "", "record:", *_record(sample, (), seen),
        "", "let:", *(f"  {line}" for line in _let(by)),
        "", "resources:", "  patient:", *(f"    {line}" for line in _patient(by)),
        "", "examples:", "  - name: the record that this began with",
        f"    context: {{due: 2026-03-10T18:00:00+01:00, units: {{{unit}: [Organization/exemple]}}}}",
        f"    record: {_flow(sample)}", *([f"    warns: {_flow(dropped)}"] if dropped else []), f"    back: {_flow(_back(sample, (), seen))}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


# ── what the sample shows ────────────────────────────────────────────────────────────────────────
def _named(node: Any) -> Any:
    """Without what has no name, which no document can speak of."""
    if isinstance(node, dict):
        return {key: _named(value) for key, value in node.items() if key}
    return [_named(each) for each in node] if isinstance(node, list) else node


def _values(node: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from _values(value, (*path, key))
        else:
            yield (*path, key), value


def _seen(path: Path, value: Any, free: set[str], terms: Terms) -> Seen:
    unknown = Seen(path, "", f"{{never: drop, why: {GAP}}}")
    word = re.sub(r"[^a-z0-9]", "", fold(path[-1]))
    meaning = next((each for each, words in _WORDS.items() if word in words), "")
    if meaning not in free or not all(map(_PLAIN.fullmatch, path)):
        return unknown
    if meaning in ("needs", "gender"):
        return _coded(path, meaning, value) or unknown
    try:
        kind = kind_of(parse(_TYPES[meaning], name=""), terms)
        read = kind.read(value, run := Run(example_context(None)), "", "")
    except Unfit:
        return unknown
    return Seen(path, meaning, _TYPES[meaning], kind.write(read, run)) if read else unknown


def _coded(path: Path, meaning: str, value: Any) -> Seen | None:
    """A field whose words stand for codes of ours: which, the sample cannot tell."""
    words = value if meaning == "needs" else [value]
    if not isinstance(words, list) or not words or not all(isinstance(each, str) and each.strip() for each in words):
        return None
    pairs = "{" + ", ".join(f"{_flow(each)}: {GAP}" for each in dict.fromkeys(words)) + "}"
    said = f"{{type: code, table: need, list: {{min: 1, max: {_MANY}}}, map: {pairs}}}" if meaning == "needs" else f"{{type: choice, map: {pairs}}}"
    return Seen(path, meaning, said, value)


# ── what is written ──────────────────────────────────────────────────────────────────────────────
def _record(node: Mapping[str, Any], path: Path, seen: Mapping[Path, Seen]) -> Iterator[str]:
    for key, value in node.items():
        place = (*path, key)
        indent, written = "  " * len(place), key if _PLAIN.fullmatch(key) else _flow(key)
        if place in seen:
            yield f"{indent}{written}: {seen[place].declared}"
        else:
            yield f"{indent}{written}:"
            yield from _record(value, place, seen)


def _let(by: Mapping[str, Seen]) -> Iterator[str]:
    def of(meaning: str, otherwise: str) -> str:
        return by[meaning].name if meaning in by else otherwise

    yield f"record_id: {of('id', GAP)}"
    yield f"asked_at: {{first: [{by['asked'].name}, $now]}}" if "asked" in by else "asked_at: $now"
    yield f"needs: {of('needs', GAP)}" + ("" if "needs" in by else "  # a list of codes of the table need")
    yield f"recipient: {of('recipient', GAP)}" + ("" if "recipient" in by else "  # key of a unit of the network file; the example below names it too")
    yield "recorder: $context.recorder"
    yield "requester: {first: [$context.requester, $context.clinic]}"
    yield "author: $requester"
    yield "person_id: {first: [$context.patient_id, $patient.id]}"
    yield f"doctor_agreed: {{choose: [{{is: {GAP}}}]}}  # oui where whoever sends has the doctor's agreement; or `when: $field = word`"
    yield f"person_agreed: {{choose: [{{is: {GAP}}}]}}  # the same of the person's"
    yield "text_version: {choose: [{is: accord-1}]}"
    yield "text_language: {choose: [{is: fr}]}"


def _patient(by: Mapping[str, Seen]) -> Iterator[str]:
    def those(*meanings: str, **words: str) -> str:
        return ", ".join(words[each].replace("$", by[each].name) for each in meanings if each in by)

    yield "resourceType: Patient"
    yield "id: $person_id"
    yield "meta: {source: $mapping.source}"
    yield "identifier: [{system: $sid/patient, value: $person_id}]"
    names = [each for each in (those("family", "given", family="family: $", given="given: [$]"), those("maiden", maiden="family: $")) if each]
    if names:
        uses = ["official"] if "maiden" not in by else ["usual", "official"][-len(names) :]
        yield "name: [" + ", ".join(f"{{use: {use}, {each}}}" for use, each in zip(uses, names, strict=True)) + "]"
    if reached := those("phone", "email", phone="{system: phone, value: $}", email="{system: email, value: $}"):
        yield f"telecom: [{reached}]"
    if "gender" in by:
        yield f"gender: {by['gender'].name}  # female, male, other or unknown"
    if "birth" in by:
        yield f"birthDate: {by['birth'].name}"
    if lives := those("line", "city", "postcode", line="line: [$]", city="city: $", postcode="postalCode: $"):
        yield f"address: [{{{lives}}}]"


def _back(node: Mapping[str, Any], path: Path, seen: Mapping[Path, Seen]) -> dict[str, Any]:
    """The record as it comes back: without what is dropped, each value as it is kept."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        one = seen.get((*path, key))
        if one is None and (below := _back(value, (*path, key), seen)):
            found[key] = below
        elif one is not None and one.meaning:
            found[key] = one.back
    return found


def _flow(value: Any) -> str:
    """JSON as YAML reads it: what does not print is escaped by its number."""
    if isinstance(value, str):
        return '"' + "".join(f"\\{each}" if each in '"\\' else each if each.isprintable() else f"\\U{ord(each):08X}" for each in value) + '"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)

"""The values of the network file that have a form of their own: hours, territories, ages, names, identifiers, secrets."""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from typing import Any

import yaml

from adapter.names import FINESS, FR_IDENTIFIER_TYPE, RPPS, SIRENE
from adapter.network.hours import Opening, days_from, joined, range_from
from adapter.network.model import Closure, EhrAuth, Identifier, Limits, Permanence, RdvEntry, Secret
from adapter.network.reading import Field, Reader, Wrong, address, choice, day, flag, kind_of, matching, nearest, number, seconds, text

# Given identifiers: system, type code, form (france.md 1.2)
GIVEN = {
    "siret": (SIRENE, "SIRET", r"\d{14}"),
    "siren": (SIRENE, "SIREN", r"\d{9}"),
    "finess": (FINESS, "FINEG", r"[0-9AB]{9}"),
    "finess_juridique": (FINESS, "FINEJ", r"[0-9AB]{9}"),
    "rpps": (RPPS, "RPPS", r"\d{11}"),
    "idnat_struct": ("urn:oid:1.2.250.1.71.4.2.2", "IDNST", r"\d[0-9A-Z]{8,14}"),
    "idnat_ps": ("urn:oid:1.2.250.1.71.4.2.1", "IDNPS", r"\d[0-9A-Z]{8,14}"),
}
commune = matching(r"(\d{5}|2[AB]\d{3})", "the INSEE code of a commune (five characters)")
phone = matching(r"\+?[0-9][0-9 .\-]{3,20}[0-9]", "a telephone number")
email = matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")
code = matching(r"[a-z0-9][a-z0-9\-]{0,63}", "a code (small letters, digits and -)")
AREA = r"(0[1-9]|[1-8]\d|9[0-5]|2[AB]|97\d|98[678]|\d{5}|2[AB]\d{3})"
area = matching(AREA, "the INSEE code of a commune or the number of a department, in quotes")
# A secret named LIAISON_… would be refused as a misspelt setting.
variable = matching(r"(?!LIAISON_)[A-Z][A-Z0-9_]*", "the name of an environment variable, which does not begin with LIAISON_")
SECRET: dict[str, Any] = {"secret_file": text, "secret_variable": variable}
WORD, PLACEHOLDERS = 3, frozenset(["todo", "tbd", "tbc", "fixme", "xxx", "néant", "à", "a", "compléter", "completer", "définir", "definir"])
LITERAL = ("secret", "token", "password", "client_secret", "value")


def hours(reader: Reader, node: yaml.Node, path: str) -> tuple[Opening, ...]:
    """`{mon-fri: "09:00-18:00", sat: ["09:00-12:00", "14:00-16:00"]}`."""
    if not isinstance(node, yaml.MappingNode):
        raise Wrong('expected days and hours such as {mon-fri: "09:00-18:00"}, but found ' + kind_of(node))
    found: list[Opening] = []
    for days_node, ranges_node in node.value:
        place = f"{path}.{days_node.value}"
        ranges = ranges_node.value if isinstance(ranges_node, yaml.SequenceNode) else [ranges_node]
        for entry in ranges:
            try:
                opens, closes = range_from(text(entry, place))
                found += [Opening(number_, opens, closes) for number_ in days_from(str(days_node.value))]
            except ValueError as error:
                reader.say(entry, place, str(error))
    try:
        return joined(found)
    except ValueError as error:
        raise Wrong(str(error)) from None


def closure(reader: Reader, node: yaml.Node, path: str) -> Closure | None:
    found = reader.mapping(node, path, {"from": day, "to": day, "why": text}, ("from",))
    if "from" not in found:
        return None
    end = found.get("to", found["from"])
    if end < found["from"]:
        raise Wrong("expected `to` on or after `from`")
    return Closure(found["from"], end, found.get("why", ""))


def permanence(reader: Reader, node: yaml.Node, path: str) -> Permanence:
    """`{hours: {tue: "09:00-12:30"}, slot_minutes: 45, at_once: 1}`; its closures and holidays are the unit's."""
    fields: dict[str, Field] = {"hours": partial(hours, reader), "slot_minutes": number(5, 480), "at_once": number(1, 100)}
    return Permanence(**reader.mapping(node, path, fields))


def ages(node: yaml.Node, path: str) -> tuple[int, int | None]:
    """(60, None) of "60+", (18, 64) of "18-64"."""
    found = re.fullmatch(r"(\d{1,3})(?:\+|-(\d{1,3}))", text(node, path))
    if not found or (found[2] and int(found[2]) < int(found[1])):
        raise Wrong('expected ages as "60+" or "18-64"')
    return int(found[1]), int(found[2]) if found[2] else None


def nir_basis(node: yaml.Node, path: str) -> str:
    """The basis on which the NIR may be received; `false` says no. `true` alone is no basis."""
    written = text(node, path)
    if written == "true":
        raise Wrong("expected the legal basis in words: the NIR is refused without one (workflow.md 8)")
    return "" if written == "false" else written


def words(letters: int) -> Field:
    """A name or a sentence: of this many letters or more, three in a row, and not only words that keep its place."""

    def read(node: yaml.Node, path: str) -> str:
        written = text(node, path)
        found = re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", written).casefold())
        if sum(map(len, found)) < letters or max(map(len, found)) < WORD or PLACEHOLDERS.issuperset(found):
            raise Wrong(f"expected a real name or sentence: at least {letters} letters")
        return written

    return read


def identifiers(reader: Reader, node: yaml.Node, path: str) -> tuple[Identifier, ...]:
    """`{siret: "…", rpps: "…", https://some.system: "…"}`; a value is a text, in quotes when it begins with 0."""
    if not isinstance(node, yaml.MappingNode):
        raise Wrong(f"expected identifiers by name ({', '.join(GIVEN)} or a system's address), but found {kind_of(node)}")
    found: list[Identifier] = []
    for name_node, value_node in node.value:
        name = str(name_node.value)
        system, type_code, form = GIVEN.get(name, (name, "", r"\S(.*\S)?"))
        if name not in GIVEN and not re.match(r"(https?://|urn:)\S+$", name):
            reader.say(name_node, f"{path}.{name}", "unknown identifier" + nearest(name, GIVEN))
            continue
        value = reader.attempt(matching(form, f"the form of this identifier ({form})"), value_node, f"{path}.{name}")
        if value:
            found.append(Identifier(system, value, type_code, FR_IDENTIFIER_TYPE if type_code else ""))
    if len({identifier.system + identifier.type for identifier in found}) < len(found):
        raise Wrong("an identifier is here twice")
    return tuple(found)


def person_name(reader: Reader, node: yaml.Node, path: str) -> dict[str, Any]:
    """`Dr Anne de la Tour` (prefix, first word, the rest) or `{prefix, given, family}` where that reading is wrong."""
    if isinstance(node, yaml.MappingNode):
        found = reader.mapping(node, path, {"prefix": text, "given": text, "family": text}, ("family",))
        given = tuple(found.get("given", "").split())
        words = (found.get("prefix", ""), *given, found.get("family", ""))
        return {"prefix": words[0], "given": given, "family": words[-1], "name": " ".join(word for word in words if word)}
    written = text(node, path)
    first, *rest = written.split()
    prefix = first if first.rstrip(".") in ("Dr", "Pr", "M", "Mme") and rest else ""
    words_left = rest if prefix else [first, *rest]
    given = tuple(words_left[:1]) if len(words_left) > 1 else ()
    return {"prefix": prefix, "given": given, "family": " ".join(words_left[len(given):]), "name": written}


def secret_of(found: dict[str, Any]) -> Secret:
    return Secret(found.pop("secret_file", ""), found.pop("secret_variable", ""))


def auth(reader: Reader, node: yaml.Node, path: str) -> EhrAuth | None:
    """`none`, or `{kind: …}` with what that kind needs; its secret by `secret_file` or `secret_variable` only."""
    if isinstance(node, yaml.ScalarNode):
        return EhrAuth(kind=choice("none")(node, path))
    literal = [name for name, _ in node.value if name.value in LITERAL] if isinstance(node, yaml.MappingNode) else []
    for name in literal:
        reader.say(name, f"{path}.{name.value}", "a secret is not written here; name its file or variable (secret_file, secret_variable)")
    if literal:
        return None
    kinds = ("none", "bearer", "basic", "header", "client_secret", "smart", "mtls")
    fields = SECRET | {
        "kind": choice(*kinds), "user": text, "header": matching(r"[A-Za-z0-9\-]+", "a header's name"), "client_id": text,
        "token_url": address("https", "http"), "scopes": reader.many(text), "algorithm": choice("RS384", "ES384"), "kid": text,
        "certificate_file": text,
    }  # fmt: skip
    found = reader.mapping(node, path, fields, ("kind",))
    needs = {"basic": ("user",), "header": ("header",), "client_secret": ("client_id", "token_url"), "smart": ("client_id",),
             "mtls": ("certificate_file",)}  # fmt: skip
    kind = found.get("kind")
    for name in needs.get(kind or "", ()):
        if name not in found:
            reader.say(node, path, f"the key {name} is missing; {kind} needs it")
    secret = secret_of(found)
    if kind and kind != "none" and bool(secret.file) == bool(secret.variable):
        reader.say(node, path, f"expected exactly one of secret_file and secret_variable; {kind} needs it")
    return EhrAuth(secret=secret, **found) if kind else None


def rdv(reader: Reader, node: yaml.Node, path: str) -> RdvEntry | None:
    """`{organisation_id: 309, secret_file: …}`: a unit whose appointments are kept in RDV Service Public."""
    if literal := [name for name, _ in node.value if name.value in LITERAL] if isinstance(node, yaml.MappingNode) else []:
        raise Wrong(f"a secret is not written here ({literal[0].value}); name its file or variable (secret_file, secret_variable)")
    found = reader.mapping(node, path, SECRET | {"organisation_id": number(1, 999_999_999)}, ("organisation_id",))
    secret = secret_of(found)
    if bool(secret.file) == bool(secret.variable):
        raise Wrong("expected exactly one of secret_file and secret_variable: what the webhooks are signed by")
    return RdvEntry(secret=secret, **found) if "organisation_id" in found else None


def limits(reader: Reader, node: yaml.Node, path: str) -> Limits:
    return Limits(**reader.mapping(node, path, {"rate": number(1, 1000), "parallel": number(1, 64), "page": number(1, 1000)}))


__all__ = [
    "SECRET", "ages", "area", "auth", "choice", "closure", "code", "commune", "email", "flag", "hours", "identifiers", "limits",
    "nir_basis", "permanence", "person_name", "phone", "rdv", "seconds", "secret_of", "words",
]

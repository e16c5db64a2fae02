"""The identifier systems of France under one name each, whatever they are called in the wild (france.md 1.2).

The table is all there is: a system that stands in it is known by its own name, by the names beside it, and by the spellings that
`_spelt` adds to each (http for https, a slash at the end, an OID without `urn:oid:`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.names import FINESS, NIR, RPPS, SIRENE

_INS = NIR.rpartition(".")[0]
INS_C, INS_NIA, INS_TEST, INS_DEMO = f"{_INS}.2", f"{_INS}.9", f"{_INS}.10", f"{_INS}.11"
NDP = "urn:oid:1.2.250.1.176.1.2"
IDNAT_PS, IDNAT_STRUCT = "urn:oid:1.2.250.1.71.4.2.1", "urn:oid:1.2.250.1.71.4.2.2"
ADELI = "https://adeli.esante.gouv.fr"
ADELI_RANG, RPPS_RANG = "https://adelirang.esante.gouv.fr", "https://rppsrang.esante.gouv.fr"
OI = "https://oi.esante.gouv.fr"
LOCAL = "https://identifiant-medicosocial-{}.esante.gouv.fr"  # medico-social local numbers (TDDUI)

TABLE: dict[str, tuple[str, ...]] = {
    NIR: (), INS_C: (), INS_NIA: (), INS_TEST: (), INS_DEMO: (), NDP: (), IDNAT_PS: (), IDNAT_STRUCT: (),
    RPPS: (), ADELI: (), ADELI_RANG: (), RPPS_RANG: (), OI: (),
    FINESS: ("https://finess.sante.gouv.fr",),  # the directory of health as it was
    SIRENE: ("https://www.sirene.fr",),
    LOCAL.format("localusager"): (), LOCAL.format("besoin"): (), LOCAL.format("demandeorientation"): (),
}  # fmt: skip


def _spelt(name: str) -> Iterator[str]:
    """The ways in which one name is written."""
    if oid := name.removeprefix("urn:oid:") if name.startswith("urn:oid:") else "":
        yield from (name, f"urn:OID:{oid}", f"oid:{oid}", f"OID:{oid}", oid)
        return
    plain = name.replace("https://", "http://", 1)
    yield from (name, plain, f"{name}/", f"{plain}/")


_SPELLINGS = {system: tuple(dict.fromkeys(each for name in (system, *names) for each in _spelt(name))) for system, names in TABLE.items()}
_CANONICAL = {each: system for system, every in _SPELLINGS.items() for each in every}
_MARKS = (b"sante.gouv.fr", b"sirene.fr", b"1.2.250.1.")  # one of these is in each of them


def canonical(system: str) -> str:
    """The one name of an identifier system; any other system as it is."""
    return _CANONICAL.get(system, system)


def spellings(system: str) -> tuple[str, ...]:
    """Every name of the same system, its own first; of a system that the table does not have: itself alone."""
    own = canonical(system)
    return _SPELLINGS.get(own, (own,))


def marked(body: bytes) -> bool:
    """Whether a resource of these bytes may have such a system at all: looked at before it is walked through."""
    return any(mark in body for mark in _MARKS)


def canonised(node: Any) -> Any:
    """The same tree with each Identifier's system under its one name; the very tree where nothing is to be changed."""
    if isinstance(node, list):
        done = [canonised(each) for each in node]
        return done if any(new is not old for new, old in zip(done, node, strict=True)) else node
    if not isinstance(node, dict):
        return node
    changed = {name: new for name, value in node.items() if isinstance(value, dict | list) and (new := canonised(value)) is not value}
    system = node.get("system")
    if isinstance(system, str) and "value" in node and (own := canonical(system)) != system:
        changed["system"] = own
    return {**node, **changed} if changed else node

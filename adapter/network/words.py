"""The values of the network file that other rooms know: scopes, purposes of use, codes of the term tables."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass

import yaml

from adapter.network import fields as of
from adapter.network.reading import Field, Wrong, among, matching, text
from adapter.scopes import ACTS, DOORS, V1, parse


@dataclass(frozen=True, slots=True)
class Words:
    """What there is: types that /fhir serves, purposes (codes of v3-ActReason), services and needs. None said: any of the form."""

    types: Collection[str] = ()
    purposes: Collection[str] = ()
    services: Collection[str] = ()
    needs: Collection[str] = ()

    def purpose(self) -> Field:
        return among("a purpose of v3-ActReason", self.purposes, matching(r"[A-Z]+", "a code of v3-ActReason"))

    def service(self) -> Field:
        return among("a code of the table service", self.services, of.code)

    def need(self) -> Field:
        return among("a code of the table need that a record may choose", self.needs, of.code)

    def scope(self, node: yaml.Node, path: str) -> str:
        """A door's name, or `system/Type.cruds` as `scopes.parse` reads it: with a constraint, or in SMART v1's words."""
        written = text(node, path)
        if written in DOORS:
            return written
        try:
            type = parse(written).type
        except ValueError as error:
            why = str(error) if "?" in written else ""
        else:
            if type == "*" or not self.types or type in self.types:
                return written
            why = ""
        usual = "expected intake, views or system/Type.cruds: a type that /fhir serves or *, and of c r u d s, in that order, what it may"
        raise Wrong((why or usual) + self._near(written))

    def _near(self, written: str) -> str:
        _, slash, rest = written.partition("/")
        type, _, acts = rest.partition(".")
        if not slash:
            close = difflib.get_close_matches(written, DOORS, n=1)
            return f"; did you mean {close[0]}?" if close else ""
        types = [type] if type == "*" or not self.types else difflib.get_close_matches(type, self.types, n=1)
        may = V1.get(acts) or "".join(act for act in ACTS if act in acts.partition("?")[0])
        return f"; did you mean system/{types[0]}.{may}?" if types and may else ""

"""The allow-list at work: picks the listed elements out of one object after the other."""

from __future__ import annotations

import re
from typing import Any

from adapter.identity import canonical as named
from adapter.names import NIR, SDOHCC_CODES, SNOMED, US_CORE_CATEGORY, Systems
from adapter.views.facts import Facts
from adapter.views.view import Branch, View, codes_of, sensitivity

RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?")
_PRIMITIVE = (str, int, float)  # a boolean is an int
DATED = frozenset({"address", "identifier", "name", "telecom"})  # what a person or house keeps under that name when it changed

# The selectors that are not tables of ours: the system they stand for.
_SYSTEMS = {"sdohcc": SDOHCC_CODES, "us-core": US_CORE_CATEGORY, "snomed": SNOMED, "phone": "phone", "email": "email"}

# Numbers of the social security, however they are written down (france.md 1.6, note 9).
_NIR_SYSTEMS = re.compile(re.escape(NIR.rpartition(".")[0]) + r"\.\d+|http://hl7\.org/fhir/sid/us-ssn")
_NIR_TYPES = frozenset({"NH", "NSS", "SS", "SB", "INS", "INS-NIR", "INS-NIA", "INS-C"})
_NIR_SHAPE = re.compile(r"[12378]\d{4}(?:\d{2}|2[AB])\d{6}(?:\d{2})?")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def of_now(entry: Any, on: str) -> bool:
    """Whether a name, number or address is one of now: neither marked old nor ended before the day `on`."""
    if not isinstance(entry, dict):
        return True
    period = entry.get("period")
    end = period.get("end") if isinstance(period, dict) else None
    ended = bool(on) and isinstance(end, str) and end[:10] < on[: len(end[:10])]
    return entry.get("use") != "old" and not ended


def canonical(reference: Any) -> str:
    """ "Type/id" of a Reference to something of ours, without version; "" for any other."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    found = RELATIVE.fullmatch(text) if isinstance(text, str) else None
    return f"{found[1]}/{found[2]}" if found else ""


def telling(view: View, facts: Facts) -> str:
    """What is said instead of a telling name."""
    return view.telling.get(facts.lang) or view.telling["fr"]


def selected(value: dict[str, Any], selector: str, systems: Systems) -> dict[str, Any] | None:
    """What of an entry (a Coding's owner, an Identifier, a ContactPoint) `[selector]` means; None where it means another."""
    if selector in ("nir", "local"):
        return value if _is_nir(value) == (selector == "nir") and isinstance(value.get("system"), str) else None
    wanted = _SYSTEMS.get(selector) or systems.code(selector)
    if "coding" in value:
        codings = [one for one in listed(value["coding"]) if isinstance(one, dict) and one.get("system") == wanted]
        return {**value, "coding": codings} if codings else None
    return value if value.get("system") == wanted else None


class Glass:
    """One view with one set of facts; remembers which rules hold."""

    def __init__(self, view: View, facts: Facts) -> None:
        self.view, self.facts = view, facts
        self.need_system = facts.systems.code("need")
        self._held: dict[int, bool] = {}
        named = codes_of(facts.needs or frozenset())
        self._named = named | {facts.terms[code].neutral for code in named if code in facts.terms}

    def holds(self, branch: Branch) -> bool:
        if (known := self._held.get(id(branch))) is None:
            known = self._held[id(branch)] = branch.rule is not None and self.view.allows(branch.rule, self.facts)
        return known

    def pick(self, value: dict[str, Any], children: dict[str, list[Branch]]) -> dict[str, Any] | None:
        """The listed parts of one object; None when nothing is left."""
        told = self.view.ids == "local" and "reference" in children and canonical(value) in self.facts.telling
        if told and self.holds(children["reference"][0]):
            return {"display": self.instead(value["reference"], telling(self.view, self.facts))}
        if value.get("system") == self.need_system and "code" in children:
            return self._need(value, children)
        out = {}
        for name, branches in children.items():
            kept = value.get(name)
            if name in DATED and isinstance(kept, list):
                kept = [entry for entry in kept if of_now(entry, self.facts.on)]
            if name in value and (found := self._each(kept, branches)) is not None:
                out[name] = found
        for branch in children.get("text", ()):
            made = "coding" in out and branch.rule and "label" in branch.rule.conditions and self.holds(branch)
            if made and (label := self._label(out["coding"])):
                out["text"] = label
        return out or None

    def _each(self, value: Any, branches: list[Branch]) -> Any:
        if not isinstance(value, list):
            return self._one(value, branches)
        entries = usual(value) if any(branch.selector == "usual" for branch in branches) else value
        found: list[Any] = []
        for entry in entries:
            got = self._one(entry, branches)
            if got is not None and (not isinstance(got, dict) or got not in found):  # needs with one neutral code meet here
                found.append(got)
        return found or None

    def _one(self, value: Any, branches: list[Branch]) -> Any:
        together: Any = None
        for branch in branches:
            got = self._leaf(value, branch) if branch.rule is not None else self._inside(value, branch)
            if got is not None:
                together = got if together is None or not isinstance(got, dict) else _joined(together, got)
        return together

    def _inside(self, value: Any, branch: Branch) -> Any:
        if not isinstance(value, dict) or (chosen := self.chosen(value, branch)) is None:
            return None
        return self.pick(chosen, branch.children)

    def _leaf(self, value: Any, branch: Branch) -> Any:
        if not self.holds(branch):
            return None
        if branch.type == "Extension":
            return _extension(value, branch.selector)
        if branch.rule and "label" in branch.rule.conditions:
            return None  # made from the codes, never copied
        if branch.type == "reference":
            return self._reference(value)
        return value if isinstance(value, _PRIMITIVE) else None

    def _reference(self, text: Any) -> str | None:
        """Only to what this view shows too, by the id this recipient knows; never a raw, absolute or contained one (M-06)."""
        found = RELATIVE.fullmatch(text) if isinstance(text, str) else None
        if not found or found[1] not in self.view.trees:
            return None
        return self.instead(text, f"{found[1]}/{found[2] if self.view.ids == 'local' else self.facts.pairwise(found[1], found[2])}")

    def chosen(self, value: dict[str, Any], branch: Branch) -> dict[str, Any] | None:
        """The value as far as the branch's selector goes; None when it does not fit."""
        if not branch.selector or branch.selector == "usual":
            return value
        return selected(value, branch.selector, self.facts.systems)

    def _need(self, value: dict[str, Any], children: dict[str, list[Branch]]) -> dict[str, Any] | None:
        """A need under its neutral code, when the permit names it and the view may show it."""
        code: Any = value.get("code")
        if self.need_kept(code) or not self.holds(children["code"][0]):
            return None
        return {"system": value["system"], "code": self.instead(code, self.facts.terms[code].neutral)}

    def need_kept(self, code: Any) -> str:
        """What keeps a need back: unknown (no table has it), sensitive, unnamed (the permit does not name it); "" when it is shown."""
        if not isinstance(code, str) or code not in self.facts.terms:
            return "unknown"
        worth = sensitivity(code, self.facts)
        if self.view.sensitivity is not None and worth > self.view.sensitivity:
            return "sensitive"
        unlimited = self.facts.needs is None and (worth < 3 or self.facts.basis in ("self", "author"))
        return "" if unlimited or code in self._named else "unnamed"

    def instead(self, stored: Any, said: str) -> str:
        """What is said in the place of a stored value. (Here and nowhere else, so that it can be followed: `why`.)"""
        return said

    def _label(self, codings: Any) -> str | None:
        """The label of the first code of a table of ours, else the first code itself."""
        base = self.facts.systems.code("")
        coded = [one for one in (codings if isinstance(codings, list) else [codings]) if isinstance(one, dict) and "code" in one]
        for coding in coded:
            system = str(coding.get("system"))
            if system.startswith(base):
                return self.view.label(system.removeprefix(base), str(coding["code"]), self.facts.lang, self.facts)
        return str(coded[0]["code"]) if coded else None


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two pickings of the same entry, by two selectors, as one."""
    lists = {key: [*one[key], *value] for key, value in other.items() if isinstance(value, list) and isinstance(one.get(key), list)}
    return {**one, **other, **lists}


def _extension(value: Any, url: str) -> dict[str, Any] | None:
    """A listed extension with its simple value; what hangs inside it stays behind."""
    if not isinstance(value, dict) or value.get("url") != url:
        return None
    kept = {key: inner for key, inner in value.items() if key.startswith("value") and isinstance(inner, _PRIMITIVE)}
    return {"url": url, **kept} if kept else None


def usual(names: list[Any]) -> list[Any]:
    """The name a person goes by: usual, else one without use, else official."""
    for wanted in ("usual", None, "official"):
        if found := [name for name in names if isinstance(name, dict) and name.get("use") == wanted]:
            return found[:1]
    return []


def _is_nir(identifier: dict[str, Any]) -> bool:
    """A social security number by its system, its type or its mere shape."""
    system, value, kind = identifier.get("system"), identifier.get("value"), identifier.get("type")
    codings = listed(kind.get("coding")) if isinstance(kind, dict) else []
    codes = {str(coding.get("code")) for coding in codings if isinstance(coding, dict)}
    shape = isinstance(value, str) and _NIR_SHAPE.fullmatch(value.replace(" ", ""))
    return bool(shape) or not codes.isdisjoint(_NIR_TYPES) or (isinstance(system, str) and _NIR_SYSTEMS.fullmatch(named(system)) is not None)


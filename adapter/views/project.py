"""One resource through one view: only listed elements come out, in a new object (rule 3 of the house).

What is not listed is not looked at: unknown elements, extensions, `_x` siblings, narrative, display, contained
resources and free text stay behind because nothing copies them (views.md M-01 to M-06, M-23).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

from adapter.names import OBSERVATION_VALUE
from adapter.ports import Resource
from adapter.views.facts import Facts
from adapter.views.glass import Glass, canonical, listed, telling
from adapter.views.view import Branch, View, sensitivity

_PARTIES = ("Organization", "HealthcareService", "Practitioner", "PractitionerRole")
_NESTED = (dict, list)
_OF_THE_REQUEST = ("ServiceRequest", "Task", "Consent", "Procedure", "Communication")


def project(resource: Resource, view: View, *, facts: Facts, glass: Glass | None = None) -> Resource | None:
    """What this view shows of `resource`, as a new resource; None: nothing of it may be shown.

    None for what `withheld` names, and where no listed element is left.
    Never changes `resource`; whatever JSON it is, only listed paths come out. `glass`: of this view and these facts.
    """
    if withheld(resource, view, facts):
        return None
    kind, glass = resource["resourceType"], glass or Glass(view, facts)
    own, known = _own_id(resource), {}
    if own and any(map(glass.holds, view.trees[kind].get("id", [])[:1])):
        known = {"id": own if view.ids == "local" else glass.instead(own, facts.pairwise(kind, own))}
    if f"{kind}/{own}" in facts.telling:
        return _veiled(kind, resource, view, facts) if known else None
    picked = glass.pick(_prepared(kind, resource), {name: branches for name, branches in view.trees[kind].items() if name != "id"})
    return {"resourceType": kind, **known, **_meta(resource, view), **(picked or {})} if known or picked else None


def withheld(resource: Resource, view: View, facts: Facts) -> str:
    """Why nothing of a resource may be shown: type (the view lists nothing of it), modifier (an unlisted modifierExtension or
    implicitRules anywhere in it: its meaning could be turned round), addressee (a message not addressed to or from the
    caller), sensitive (a request above the view's sensitivity, and what follows it); "" when its elements may be looked at."""
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or kind not in view.trees:
        return "type"
    if not _plain(resource, _modifiers(view.trees[kind])):
        return "modifier"
    return _unadmitted(kind, resource, view, facts)


def _own_id(resource: Resource) -> str:
    own = resource.get("id")
    return own if isinstance(own, str) else ""


def _meta(resource: Resource, view: View) -> Resource:
    meta = resource.get("meta")
    kept: Resource = {}
    profiles = meta.get("profile") if view.profile and isinstance(meta, dict) else None
    if isinstance(profiles, list) and (named := [one for one in profiles if isinstance(one, str)]):
        kept["profile"] = named
    if view.subsetted:
        kept["tag"] = [{"system": OBSERVATION_VALUE, "code": "SUBSETTED"}]
    return {"meta": kept} if kept else {}


# ── may it be shown at all ───────────────────────────────────────────────────────────────────────
def _modifiers(tree: dict[str, list[Branch]]) -> frozenset[str]:
    return frozenset(branch.selector for branch in tree.get("modifierExtension", []))


def _plain(resource: Resource, known: frozenset[str]) -> bool:
    """No modifier that this view does not know. A stack, not recursion: any depth of JSON must do."""
    if resource.get("implicitRules") is not None:
        return False
    rest: list[Any] = [resource]
    while rest:
        node = rest.pop()
        if isinstance(node, dict):
            modifiers = node.get("modifierExtension")
            if modifiers and not (node is resource and _all_known(modifiers, known)):
                return False
            node = node.values()
        rest += [child for child in node if isinstance(child, _NESTED)]
    return True


def _all_known(modifiers: Any, known: frozenset[str]) -> bool:
    return isinstance(modifiers, list) and all(isinstance(one, dict) and one.get("url") in known for one in modifiers)


def _unadmitted(kind: str, resource: Resource, view: View, facts: Facts) -> str:
    if kind == "Communication":
        parties = [resource.get("sender"), *listed(resource.get("recipient"))]
        if not any(canonical(party) in facts.parties for party in parties):
            return "addressee"
    if view.sensitivity is None or facts.tick or kind not in _OF_THE_REQUEST:
        return ""
    own = {coding["code"] for coding in _codings(resource, facts.systems.code("need"))}
    mild = all(sensitivity(code, facts) <= view.sensitivity for code in own)
    return "" if mild and not view.exceeds(facts) else "sensitive"


def _codings(resource: Resource, system: str) -> Iterable[dict[str, Any]]:
    """Codings of one system in the places where a request, a consent or an outcome names needs."""
    provision = resource.get("provision")
    places = [resource.get("reasonCode"), provision.get("code") if isinstance(provision, dict) else None]
    for place in places:
        for concept in place if isinstance(place, list) else [place]:
            for coding in listed(concept.get("coding")) if isinstance(concept, dict) else []:
                if isinstance(coding, dict) and coding.get("system") == system and isinstance(coding.get("code"), str):
                    yield coding


def _veiled(kind: str, resource: Resource, view: View, facts: Facts) -> Resource | None:
    """Somebody whose mere name tells (workflow.md 6): a neutral name and a relay phone. Into an EHR nothing: even the id tells."""
    if view.ids == "local" or kind not in _PARTIES:
        return None
    out: Resource = {"resourceType": kind, "id": facts.pairwise(kind, _own_id(resource)), **_meta(resource, view)}
    label, phone = telling(view, facts), facts.telling[f"{kind}/{_own_id(resource)}"]
    shown = {name for name, branches in view.trees[kind].items() if any(_any_shown(branch, view, facts) for branch in branches)}
    if "name" in shown:
        out["name"] = [{"text": label}] if kind == "Practitioner" else label
    if "telecom" in shown and phone:
        out["telecom"] = [{"system": "phone", "value": phone}]
    return out


def _any_shown(branch: Branch, view: View, facts: Facts) -> bool:
    if branch.rule is not None:
        return view.allows(branch.rule, facts)
    return any(_any_shown(child, view, facts) for children in branch.children.values() for child in children)


def _prepared(kind: str, resource: Resource) -> Resource:
    """The attestation of a Consent always has its hash (SHA-1, as R4 says), so that its text need not travel."""
    source = resource.get("sourceAttachment")
    if kind != "Consent" or not isinstance(source, dict) or "hash" in source or not isinstance(source.get("data"), str):
        return resource
    try:
        content = base64.b64decode(source["data"], validate=True)
    except ValueError:
        return resource
    digest = base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
    return {**resource, "sourceAttachment": {**source, "hash": digest}}

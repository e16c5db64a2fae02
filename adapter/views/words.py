"""What a line of a view file, a cell of the matrix and the reason for an absence mean, in words for who must judge them."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.views.facts import Facts
from adapter.views.matrix import STRUCTURE
from adapter.views.view import STAGES, Rule, View
from adapter.views.why import Left

LANGS = ("fr", "en")
Words = Mapping[str, tuple[str, str]]

CELLS: Words = {
    "Y": ("montré (information et droit d'opposition)", "shown (information and right to object)"),
    "y": ("montré à la demande seulement, et noté", "shown on demand only, and logged"),
    "C": ("avec l'accord enregistré qui nomme ce destinataire", "with recorded consent naming this recipient"),
    "c": ("avec cet accord, et si un besoin l'exige", "with such consent, and where a need requires it"),
    "s": ("l'état seulement", "status only"),
    "P": ("par la personne seulement, sur papier", "through the person only, on paper"),
    "n": ("jamais", "never"),
    "agg": ("des nombres seulement", "counts only"),
    "hors": ("jamais conservé", "not held at all"),
}
STAGE: Words = {
    "offer": ("avant acceptation par un pool", "before a pool accepts"),
    "open": ("une fois acceptée (service nommé : dès l'envoi)", "once accepted (named service: once sent)"),
    "closed": ("après la clôture", "after it is closed"),
}
CONDITION: Words = {
    "demand": ("à la demande, et noté", "on demand, and logged"),
    "safe": ("sauf si joindre la personne est dangereux", "not where contacting the person is unsafe"),
    "mild": ("sauf si un besoin de la demande est plus sensible", "not where a need of the request is more sensitive"),
    "label": ("le libellé du code, jamais le texte d'origine", "the label of the code, never the stored words"),
}
GROUND: Words = {
    "consent": ("accord", "consent"), "self": ("la personne elle-même", "the person"), "author": ("sa propre demande", "its own request"),
    "team": ("équipe de soins", "care team"),
}  # fmt: skip
REASON: Words = {
    "denied": ("rien n'est montré : voir la décision", "nothing is shown: see the decision"),
    "aside": ("aucune vue n'en parle dans cette demande", "no view speaks of it in this referral"),
    "told": ("la fiche elle-même a dit autre chose, montré jusqu'à ce que le cabinet confirme", "the record told otherwise, shown until the practice confirms"),
    "unlisted": ("pas de ligne dans cette vue", "no line in this view"),
    "third": ("de l'entourage, rôle et classe d'âge seulement ; ce tiers n'a pas été prévenu", "of people around, role and age class only: they were not told"),
    "empty": ("vide", "empty"),
    "selector": ("seul {} a une ligne", "only {} has a line"),
    "ended": ("ancien, ou plus en vigueur", "old, or no longer in use"),
    "usual": ("seul le nom d'usage est montré", "only the name the person goes by is shown"),
    "type": ("cette vue ne montre rien de ce type", "this view shows nothing of this type"),
    "modifier": ("porte un modificateur que cette vue ne connaît pas", "carries a modifier that this view does not know"),
    "addressee": ("message d'autrui à autrui", "a message between others"),
    "sensitive": ("besoin trop sensible pour cette vue", "a need too sensitive for this view"),
    "telling": ("nom qui en dit trop : remplacé par « un service de soins »", "a telling name: replaced by “a care service”"),
    "stage": ("montré seulement : {}", "shown only: {}"),
    "consent": ("demande un accord enregistré ; montré ici à un autre titre", "needs recorded consent; the ground here is another"),
    "demand": ("à la demande seulement, et noté", "on demand only, and logged"),
    "need": ("seulement pour les besoins {}", "only for the needs {}"),
    "safe": ("joindre la personne est dangereux", "contacting the person is unsafe"),
    "mild": ("un besoin de la demande est plus sensible", "a need of the request is more sensitive"),
    "unknown": ("besoin d'aucune table", "a need of no table"),
    "unnamed": ("besoin que l'accord ne nomme pas", "a need that the agreement does not name"),
    "label": ("dit par le libellé de son code", "said by the label of its code"),
    "hash": ("seule son empreinte est montrée", "its hash only"),
    "reference": ("renvoie à ce que cette vue ne montre pas", "points to what this view does not show"),
    "once": ("déjà dit par une entrée égale", "said already by an equal entry"),
}  # fmt: skip


def when(rule: Rule, view: View, lang: str) -> str:
    """The conditions of one line: "named service, or accepted; only for the needs …; recorded consent"."""
    at = LANGS.index(lang)
    if rule.stages == frozenset(STAGES):
        stages = ("toujours", "always")[at]
    else:
        stages = (" ou ", " or ")[at].join(STAGE[stage][at] for stage in STAGES if stage in rule.stages)
    parts = [stages, *(CONDITION[each][at] for each in CONDITION if each in rule.conditions)]
    if "need" in rule.conditions:
        parts.append(REASON["need"][at].format(", ".join(sorted(view.needs_for.get(rule.cls, ()))) or "-"))
    if rule.consent:
        parts.append(("accord enregistré", "recorded consent")[at])
    return "; ".join(parts)


def reason(left: Left, *, cell: str, facts: Facts | None, lang: str) -> str:
    """Why a place was left out. `cell`: what the matrix gives its class, "" where it has none."""
    at = LANGS.index(lang)
    about = left.about
    if left.why == "stage":
        about = tuple(STAGE[each][at] for each in STAGES if each in left.about)
    elif left.why == "selector":
        about = tuple(f"[{each}]" for each in left.about)
    text = REASON[left.why][at].format(", ".join(about) or "-")
    if left.why == "stage" and facts is not None:
        text += f" ({('maintenant', 'now')[at]}: {STAGE[facts.stage][at]})"
    if left.why == "consent" and facts is not None:
        text += f" ({GROUND[facts.basis][at]})"
    if left.why in ("unlisted", "type", "third") and left.cls not in ("", STRUCTURE) and cell:
        text += f" ({left.cls}: {CELLS[cell][at]})"
    return text

"""The register of disclosures a person may ask for (RGPD art. 15): who saw what, when, on which Consent and by which rule, in
plain words. Pure: it is given events in short and the names of the directory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from adapter.audit.told import Told

EVERY = ("fr", "en")
CLASSES: Mapping[str, tuple[str, str]] = {
    "D1": ("vos nom et coordonnées", "your name and contact details"),
    "D2": ("votre date de naissance et votre sexe", "your date of birth and sex"),
    "D3": ("votre numéro de sécurité sociale", "your social security number"),
    "D4": ("le besoin, sous un libellé neutre", "the need, under a neutral label"),
    "D5": ("l'urgence et l'échéance", "the urgency and the deadline"),
    "D6": ("votre situation sociale", "your social situation"),
    "D7": ("ce qui vous gêne au quotidien, sans diagnostic", "what hinders you day to day, without a diagnosis"),
    "D8": ("des données de santé", "health data"),
    "D9": ("des personnes de votre entourage", "people around you"),
    "D10": ("le nom et les coordonnées du demandeur", "name and contact of who asked"),
    "D11": ("votre accord : sa date et sa portée", "your agreement: its date and scope"),
    "D12": ("l'avancement et la suite donnée", "the progress and the outcome"),
    "D13": ("des notes privées", "private notes"),
}
RULES: Mapping[str, tuple[str, str]] = {
    "S": ("votre accord en vigueur", "your agreement in force"),
    "basis:author": ("sa propre demande", "its own request"),
    "basis:answer": ("sa propre réponse", "its own answer"),
    "basis:team": ("équipe de soins que vous avez reconnue", "the care team that you recognised"),
    "basis:urgency": ("urgence, sans votre accord", "urgency, without your agreement"),
    "basis:self": ("vous-même", "yourself"),
}
STAGES: Mapping[str, tuple[str, str]] = {
    "offer": ("avant acceptation : sans votre identité", "before acceptance: without your identity"),
    "closed": ("dossier clos", "file closed"),
    "search": ("au plus, pour y retrouver votre fiche", "at most, to find your record there"),
}
PURPOSES: Mapping[str, tuple[str, str]] = {
    "TREAT": ("votre accompagnement", "your care and support"),
    "COC": ("la coordination de votre accompagnement", "coordinating your care"),
    "CAREMGT": ("le suivi de votre accompagnement", "managing your care"),
    "PATRQT": ("votre demande", "your own request"),
    "ETREAT": ("une urgence", "an emergency"),
}
RIGHTS = (
    "Ces données viennent de vous et de qui a demandé l'orientation ; aucune décision n'est prise par une machine. "
    "Vous pouvez faire rectifier ce qui est faux, vous opposer, retirer votre accord, demander l'effacement, "
    "et saisir la CNIL (www.cnil.fr). Ces lignes sont gardées le temps où un litige est possible, sans contenu.",
    "These data come from you and from who asked for the referral; no decision is taken by a machine. "
    "You may have what is wrong corrected, object, take your agreement back, ask for erasure, and complain to the data "
    "protection authority. These lines are kept as long as a dispute is possible, without content.",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `seq` is its link in the chain; `to` the recipient ("Organization/x", or the key of the clinic whose EHR it
    is), `by` who looked, `view` "name|version" (the element set), `consents` with their versions. What survives erasure."""

    seq: int
    at: str
    to: str
    by: str
    view: str
    rule: str
    classes: tuple[str, ...] = ()
    consents: tuple[str, ...] = ()
    agreed: tuple[str, ...] = ()  # the days on which these were given
    purposes: tuple[str, ...] = ()
    stage: str = ""
    times: int = 1
    demanded: tuple[str, ...] = ()  # those of the classes that were shown because they were asked for

    def dumps(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def loads(cls, kept: bytes) -> Line:
        found: dict[str, Any] = orjson.loads(kept)
        return cls(**found | {name: tuple(found.get(name, ())) for name in ("classes", "consents", "agreed", "purposes", "demanded")})


def line(seq: int, one: Told) -> Line | None:
    """The register's line of an event; None for an event that shows nothing to anybody else. What a clinic's own software
    read or found of its own patient stands in the register too."""
    if one.kind == "disclosed":
        return Line(
            seq, one.at, one.recipient, one.by, one.view, one.rule, one.classes, one.consents, (), one.purposes,
            one.details.get("stage", ""), demanded=one.demanded,
        )  # fmt: skip
    if one.kind == "rest" and one.ok and one.name in ("read", "vread", "search-type") and one.rule == "basis:author":
        return Line(seq, one.at, one.by, one.by, "", one.rule, (), (), (), one.purposes)
    return None


def gathered(lines: Iterable[Line]) -> list[Line]:
    """Repeats on one day as one line that says how often: same recipient, same look, same ground."""
    found: dict[tuple[Any, ...], Line] = {}
    for each in lines:
        same = (each.at[:10], each.to, each.by, each.view, each.rule, each.classes, each.consents, each.stage, each.demanded)
        before = found.get(same)
        found[same] = replace(before, times=before.times + each.times) if before else each
    return list(found.values())


Name = Callable[[str], str]


def in_words(one: Line, *, name: Name, lang: str, zone: str) -> str:
    """One line as a sentence. `name` gives the name of a reference."""
    at = EVERY.index(lang)
    when = datetime.fromisoformat(one.at).astimezone(ZoneInfo(zone))
    classes = ", ".join(CLASSES[each][at] for each in one.classes if each in CLASSES)
    who, ehr = name(one.to), bool(one.to) and "/" not in one.to
    by = f" ({name(one.by)})" if one.by not in ("", one.to) and not ehr else ""
    purpose = ", ".join(PURPOSES.get(each, (each, each))[at] for each in one.purposes)
    demanded = ", ".join(CLASSES[each][at] for each in one.demanded if each in CLASSES)
    asked = f"{('sur demande expresse', 'because it was asked for')[at]} : {demanded}" if demanded else ""
    notes = [part for part in (STAGES.get(one.stage, ("", ""))[at], asked, _times(one.times, lang)) if part]
    because = f"{_rule(one)[at]}{_cited(one, lang)} [{one.rule}{', ' + one.view if one.view else ''}]"
    if lang == "fr":
        verb = "a reçu" if ehr else "a vu"
        own = f"le dossier informatique de {who}" if ehr else who
        what = classes or ("le dossier que le cabinet a écrit sur vous" if not one.view else "la référence et l'état du dossier")
        said = f"Le {when:%d/%m/%Y} à {when:%H:%M}, {own}{by} {verb} : {what}"
        return said + (f" ({' ; '.join(notes)})" if notes else "") + (f". Pour : {purpose}" if purpose else "") + f". Motif : {because}"
    own = f"the records of {who}" if ehr else who
    what = classes or ("the file that the practice wrote about you" if not one.view else "reference and state of the file")
    said = f"On {when:%Y-%m-%d} at {when:%H:%M}, {own}{by} {'received' if ehr else 'saw'}: {what}"
    return said + (f" ({'; '.join(notes)})" if notes else "") + (f". For: {purpose}" if purpose else "") + f". Ground: {because}"


def _rule(one: Line) -> tuple[str, str]:
    if one.rule == "basis:author" and one.stage == "closed":
        return RULES["basis:answer"]  # a recipient keeps what it answered for a while
    return RULES.get(one.rule) or (RULES["S"] if one.rule.startswith("S") else (one.rule, one.rule))


def _times(times: int, lang: str) -> str:
    return "" if times == 1 else f"{times} fois ce jour" if lang == "fr" else f"{times} times that day"


def _cited(one: Line, lang: str) -> str:
    if not one.consents:
        return ""
    cited = ", ".join(each.removeprefix("Consent/").replace("/_history/", " version ") for each in one.consents)
    days = ", ".join(one.agreed)
    if lang == "fr":
        return f" ({f'accord du {days}, ' if days else ''}enregistré sous {cited})"
    return f" ({f'given on {days}, ' if days else ''}kept as {cited})"

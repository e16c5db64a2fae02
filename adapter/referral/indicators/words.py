"""What the indicators and their parts are called, in French and English."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.referral.indicators.counting import REASONED

Words = Mapping[str, str]


def _said(fr: str, en: str) -> Words:
    return {"fr": fr, "en": en}


TITLES: Mapping[str, Words] = {
    "I1": _said("Volume par mois et par intervenant", "Volume per month and per worker"),
    "I2": _said("De la demande au premier contact", "From request to first contact"),
    "I3": _said("De la demande à la décision", "From request to decision"),
    "I4": _said("De la demande au rendez-vous honoré", "From request to appointment kept"),
    "I5": _said("Acceptations, et refus par motif", "Acceptance, and refusal by reason"),
    "I6": _said("Mauvaises orientations", "Wrong orientations"),
    "I7": _said("Refus de la personne à la proposition, retraits", "Refusals by the person at the proposal, withdrawals"),
    "I8": _said("Absences aux rendez-vous", "No-shows"),
    "I9": _said("Sans réponse à 30 jours", "Unanswered at 30 days"),
    "I10": _said("Boucle fermée : le prescripteur a eu la suite donnée", "Loop closed: the prescriber got an outcome"),
    "I11": _said("Besoin satisfait, en partie, non satisfait, abandonné", "Need met, partly, not, dropped"),
    "I12": _said("Durée de l'accompagnement", "Length of support"),
    "I13": _said("Intervenants par personne et par besoin", "Workers per person per need"),
    "I14": _said("Retard et conflits de synchronisation (à ce jour)", "Lag and conflicts of synchronisation (as of now)"),
    "I15": _said("Jours d'hospitalisation évités (déclaré)", "Hospital days avoided (declared)"),
    "I16": _said("Ce qui a été montré au-delà du besoin et de son échéance, par destinataire", "What was shown beyond the need and its deadline, by recipient"),
}
DECLARED = _said("déclaré par le prescripteur, sans contrôle", "declared by the prescriber, uncontrolled")
HIDDEN = _said("masqué", "hidden")
OTHERS, UNKNOWN = _said("Autres, regroupés", "Others, put together"), _said("Non connu", "Not known")
CUTS: Mapping[str, Words] = {
    "": _said("Ensemble", "All"), "month": _said("Mois", "Month"), "unit": _said("Unité", "Unit"), "area": _said("Commune", "Commune"),
    "age": _said("Âge", "Age"), "ehr": _said("Logiciel du cabinet", "Clinic record"), "recipient": _said("Destinataire", "Recipient"),
}  # fmt: skip
UNITS: Mapping[str, Words] = {
    "hours": _said("heures", "hours"), "days": _said("jours", "days"), "referrals": _said("demandes par intervenant", "referrals per worker"),
    "workers": _said("unités", "units"), "classes": _said("classes de données", "data classes"), "": _said("", ""),
}  # fmt: skip
_STAGES = dict(
    zip(REASONED, (
        _said("Refusée", "Rejected"), _said("Annulée avant acceptation", "Cancelled before acceptance"),
        _said("Annulée après acceptation", "Cancelled after acceptance"), _said("Impossible", "Failed"),
    ), strict=True)
)  # fmt: skip
_PARTS: Mapping[str, Words] = {
    "sent": _said("Demandes envoyées", "Referrals sent"), "per-worker": _said("Demandes par intervenant", "Referrals per worker"),
    "wall": _said("Heures d'horloge", "Wall-clock hours"), "opening": _said("Heures d'ouverture de l'unité", "Opening hours of the unit"),
    "decided": _said("Acceptée ou refusée", "Accepted or rejected"), "met": _said("Premier rendez-vous honoré", "First appointment kept"),
    "accepted": _said("Acceptée", "Accepted"), "rejected": _said("Refusée", "Rejected"), "undecided": _said("Sans décision", "No decision"),
    "misdirected": _said("Relevait d'un autre service", "Was for another service"),
    "misdirected-before": _said("… vue avant acceptation", "… found before acceptance"),
    "misdirected-after": _said("… vue après acceptation", "… found after acceptance"),
    "refused": _said("Refus à la proposition (mois entiers, sans identité)", "Refusals at the proposal (whole months, no identity)"),
    "withdrawn": _said("Accord retiré ensuite", "Agreement withdrawn later"), "noshow": _said("Rendez-vous manqués", "Appointments missed"),
    "unanswered": _said("Close sans réponse", "Closed without an answer"), "told": _said("Suite donnée reçue, de toutes", "Outcome received, of all"),
    "completed-told": _said("Suite donnée reçue, des terminées", "Outcome received, of the completed"),
    "satisfait": _said("Satisfait", "Met"), "partiel": _said("En partie", "Partly"), "non-satisfait": _said("Non satisfait", "Not met"),
    "abandonne": _said("Abandonné par la personne", "Dropped by the person"), "non-dit": _said("Non dit", "Not said"),
    "completed": _said("De l'acceptation à la fin", "From acceptance to the end"), "workers": _said("Unités par besoin", "Units per need"),
    "one-worker": _said("Une seule unité", "One unit only"), "several-workers": _said("Plusieurs unités", "Several units"),
    "lag": _said("Plus ancien envoi en attente", "Oldest letter that waits"), "conflicts": _said("Conflits ouverts", "Open conflicts"),
    "parked": _said("Envois en attente d'une personne", "Letters that wait for a person"),
    "estimated": _said("Jours par orientation, estimés par le prescripteur", "Days per referral, estimated by the prescriber"),
    "beyond": _said("Part des consultations au-delà de D4 et D5", "Share of the disclosures beyond D4 and D5"),
    "fields": _said("Classes de données au-delà, en moyenne", "Data classes beyond, on average"),
}  # fmt: skip


def part(code: str, lang: str, reason: str = "") -> str:
    """The label of a part of an indicator; of one by reason ("rejected:autre") with `reason`, its label in that language."""
    stage, colon, _ = code.partition(":")
    return f"{_STAGES[stage][lang]} : {reason or _PARTS['non-dit'][lang]}" if colon else _PARTS[code][lang]

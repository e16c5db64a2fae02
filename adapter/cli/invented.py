"""Twenty people who do not exist, and what becomes of the referral of each: the table of `liaison seed`.

Family names say that they are made up, telephone numbers are of the range that France keeps for fiction, streets bear the name of
the Example. Nobody has a social security number, and no record has free text about a person.
"""

from __future__ import annotations

from typing import NamedTuple

COMMUNES = {"rouen": ("76100", "Rouen", "76540"), "elbeuf": ("76500", "Elbeuf", "76231"), "sotteville": ("76300", "Sotteville-lès-Rouen", "76681")}


class Invented(NamedTuple):
    """A person and a referral. `to`: which kind of unit is asked (`seeding.Places`). `story`: the acts in order, each `verb` or
    `verb:code`; "doctor" and "patient" are the agreements. `shows`: what somebody looks for here."""

    given: str
    family: str
    born: str
    sex: str
    lives: str
    to: str
    needs: tuple[str, ...]
    story: str
    shows: str
    urgency: str = "normale"
    constraints: tuple[str, ...] = ()


PEOPLE = (
    Invented("Odette", "Fictivelle", "1936-05-14", "F", "rouen", "coursier", ("isolement",), "", "draft: nobody has agreed yet"),
    Invented("Aïcha", "Benimagine", "1952-11-02", "F", "rouen", "coursier", ("acces-droits",), "doctor", "draft: the doctor alone agreed"),
    Invented("Gaston", "Chimérault", "1944-01-23", "M", "elbeuf", "coursier", ("mobilite",), "doctor patient", "sent, unread"),
    Invented(
        "Thi Lan", "Nguyen-Factice", "1939-08-30", "F", "rouen", "coursier", ("denutrition",), "doctor patient", "urgent, within 48 hours", "48h",
        ("interprete",),
    ),
    Invented("Marcel", "Supposat", "1931-03-09", "M", "sotteville", "pool", ("denutrition",), "doctor patient", "offered to a pool"),
    Invented("Fatoumata", "Diallofictive", "1971-06-17", "F", "rouen", "coursier", ("demarches-admin",), "doctor patient accept", "accepted"),
    Invented("Yannick", "Rêvasson", "1958-12-05", "M", "elbeuf", "coursier", ("isolement",), "doctor patient accept progress:contact-tente", "contact tried"),
    Invented("Simone", "Inventoriau", "1948-02-27", "F", "rouen", "permanence", ("acces-droits",), "patient accept progress:rdv-fixe", "appointment fixed"),
    Invented("Paulo", "Imaginario", "1966-09-19", "M", "rouen", "coursier", ("mobilite",), "doctor patient accept start inform", "in progress"),
    Invented("Ginette", "Hypothèse", "1941-07-11", "F", "sotteville", "coursier", ("aide-menagere",), "doctor patient accept start refer", "further service"),
    Invented(
        "Bogdan", "Fantomescu", "1979-04-03", "M", "rouen", "permanence", ("couverture-maladie",),
        "patient accept start hold:beneficiaire-non-joignable", "on hold",
    ),
    Invented("Lucienne", "Mirageot", "1934-10-21", "F", "elbeuf", "coursier", ("isolement",), "doctor patient accept progress:absent-1", "a no-show"),
    Invented("Karim", "Aït-Songe", "1963-05-08", "M", "rouen", "coursier", ("numerique-acces",), "doctor patient ask:joignable-quand", "a question is open"),
    Invented(
        "Élise", "Prétendue", "1987-01-30", "F", "rouen", "permanence", ("maintien-emploi",), "patient accept ask:coordonnees answer:oui message",
        "a question was answered",
    ),
    Invented(
        "Raymond", "Leurrier", "1938-06-06", "M", "rouen", "coursier", ("denutrition", "isolement"),
        "doctor patient accept start complete:aide-alimentaire-en-place", "completed", "48h",
    ),
    Invented(
        "Maryam", "Songezadeh", "1990-03-15", "F", "sotteville", "coursier", ("acces-droits",),
        "doctor patient decline:mauvaise-orientation reorient", "rejected, replaced by another",
    ),
    Invented("Hervé", "Faussemblant", "1955-08-12", "M", "elbeuf", "permanence", ("surendettement",), "patient cancel:sans-reponse", "cancelled, no answer"),
    Invented(
        "Josiane", "Illusoire", "1946-12-24", "F", "rouen", "coursier", ("isolement",), "doctor patient accept start fail:beneficiaire-non-joignable",
        "failed", "normale", ("marche-aide",),
    ),
    Invented("Awa", "Ndiaye-Postiche", "1983-02-18", "F", "rouen", "coursier", ("acces-logement", "violences"), "doctor patient accept", "sensitivity 3"),
    Invented(
        "Denis", "Trompeloeil", "1974-11-11", "M", "rouen", "telling", ("sante-mentale",), "doctor patient accept withdraw",
        "withdrawn, at a service whose name tells",
    ),
)  # fmt: skip

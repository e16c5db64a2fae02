"""The story on the terminal: each step a panel with who did what, what travelled (folded), why, and what each person sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from adapter.cli.story.account import Account, Decided, Travelled, Words
from adapter.cli.story.steps import STEPS
from adapter.ports import Resource

DAY = re.compile(r"\d{4}-\d\d-\d\d")
PARIS = ZoneInfo("Europe/Paris")
DAYS = Words("lundi mardi mercredi jeudi vendredi samedi dimanche", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = Words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
               "January February March April May June July August September October November December")  # fmt: skip
KEYS = {
    "reference": "référence", "status": "état", "state": "état", "progress": "avancement", "reason": "motif", "service": "service demandé",
    "needs": "besoins", "urgency": "urgence", "due": "échéance", "asked": "demandée le", "area": "secteur", "age_class": "âge", "initials": "initiales",
    "person": "personne", "family_name": "nom", "given_name": "prénom", "phone": "téléphone", "address": "adresse", "birth_date": "naissance",
    "sex": "sexe", "social_security_number": "n° de sécurité sociale", "contact": "contact", "constraints": "à savoir",
    "situation": "situation", "already_followed": "déjà suivie", "people": "entourage", "prescriber": "demandeur", "name": "nom",
    "organisation": "structure", "consent": "accord", "since": "depuis", "scope": "portée", "outcome": "suite donnée", "results": "résultat",
    "ended": "fait le", "messages": "messages", "words": "mots du médecin", "recipient": "destinataire", "sent": "envoyé le", "read": "lu le",
    "text": "texte", "kind": "nature", "about": "à propos", "appointments": "rendez-vous", "start": "de", "end": "à",
}  # fmt: skip
VALUES = {  # codes that a card shows as they are
    "contacting-subject-prohibited": Words("ne pas contacter par les voies habituelles", "do not contact in the usual ways"),
    "active": Words("en vigueur", "in force"),
    "inactive": Words("terminé", "ended"),
    "proposed": Words("proposé, pas encore donné", "proposed, not given yet"),
    "rejected": Words("refusé", "refused"),
}
WHY = {
    (True, "S1"): Words("un accord actif nomme ce destinataire pour ce besoin", "an active consent names this recipient for this need"),
    (True, "basis:author"): Words("c'est sa propre demande", "it is its own request"),
    (True, "basis:answer"): Words("c'est sa propre réponse", "it is its own answer"),
    (False, "scope"): Words("pas encore envoyée, ou pas à ce service", "not sent yet, or not to this unit"),
    (False, "S1"): Words("aucun accord en vigueur ne le permet", "no consent in force permits it"),
    (False, "draft"): Words("un brouillon : il manque un accord", "a draft: an agreement is missing"),
    (False, "withdrawn"): Words("la personne a retiré son accord", "the person took the agreement back"),
    (False, "absent"): Words("rien à ce numéro pour ce service", "nothing under that id for this service"),
    (False, "view-not-assigned"): Words("cette vue n'est pas celle de ce service", "this view is not this service's"),
    (False, "absent-or-not-theirs"): Words("rien sous ce numéro qui soit à lui", "nothing of its own under that id"),
}
HIDDEN = {"id", "etag", "view", "version", "state", "need_codes"}  # for machines


class Teller:
    """Prints accounts in one language; `full` unfolds the FHIR that travelled."""

    def __init__(self, lang: str, *, full: bool, console: Console | None = None) -> None:
        self.lang, self.full, self.console = lang, full, console or Console()

    def say(self, fr: str, en: str) -> str:
        return Words(fr, en).of(self.lang)

    def opening(self) -> None:
        self.console.print(Text(self.say("Une demande, du téléphone à la réponse", "One referral, from the call to the answer"), style="bold"))
        self.console.print(Text(self.say("Toutes les personnes sont inventées.", "All persons are invented."), style="dim"))

    def step(self, number: int, account: Account) -> None:
        mark, colour = ("✓", "green") if account.ok else ("✗", "red")
        title = Text(f"{mark} {number}. {account.title.of(self.lang)}", style=f"bold {colour}")
        who = Text(f"{self.when(account.at)} · {account.actor.name.of(self.lang)}", style="bold")
        parts = Group(who, *self.parts(account))
        self.console.print(Panel(parts, title=title, title_align="left", border_style=colour, box=box.ROUNDED))

    def closing(self, summary: dict[str, Any]) -> None:
        done, failed = summary["steps"] - summary["failed"], summary["failed"]
        style = "bold green" if summary["ok"] else "bold red"
        text = self.say(f"{done} étapes tenues, {failed} manquées", f"{done} steps hold, {failed} failed")
        self.console.print(Text(text, style=style))
        if left := summary["not_played"]:
            names = ", ".join(step.title.of(self.lang) for step in STEPS if step.name in left)
            text = self.say(f"{len(left)} étapes non jouées : {names}", f"{len(left)} steps not played: {names}")
            self.console.print(Text(text, style="bold red"))

    def parts(self, account: Account) -> Iterator[RenderableType]:
        yield from (Text(line.of(self.lang)) for line in account.did)
        if account.left_out:
            yield Text(self.say("Laissée de côté : ", "Left out: ") + account.left_out.of(self.lang), style="dim")
        for what, held in account.checks:
            yield Text(f"{'✓' if held else '✗'} {what.of(self.lang)}", style="green" if held else "bold red")
        if account.error:
            yield Text(account.error, style="bold red")
        yield from (Text(f"→ {each.of(self.lang)}", style="red") for each in account.causes)
        if calls := self.calls(account):
            yield Text(calls, style="dim")
        for travelled in account.travelled:
            yield from self.travelled(travelled)
        yield from (self.decision(each) for each in account.decisions)
        yield from (self.card(who.of(self.lang), card) for who, card in account.cards)

    def calls(self, account: Account) -> str:
        acts = [f"{each['method']} {_short(each['path'])} → {each['status']}" for each in account.calls if each["method"] != "GET"]
        return "HTTP  " + "  ·  ".join(acts) if acts else ""

    def travelled(self, one: Travelled) -> Iterator[RenderableType]:
        size = f"{len(str(one.resource)):,}".replace(",", " ")
        folded = "" if self.full else self.say(f"  ▸ {len(one.resource)} éléments, {size} caractères", f"  ▸ {len(one.resource)} elements, {size} characters")
        yield Text.assemble(("FHIR  ", "dim"), (f"{one.method} {one.place}", "cyan"), f"  {_gist(one.resource)}", (folded, "dim"))
        if self.full:
            yield JSON.from_data(one.resource)

    def decision(self, one: Decided) -> Text:
        word = self.say("permis", "permit") if one.permit else self.say("refusé", "deny")
        own, rule = one.view in ("prescripteur", "dossier-clinique"), one.rule or one.reason
        known = WHY.get((one.permit, rule if own or rule != "basis:author" else "basis:answer"))
        why = known.of(self.lang) if known else one.reason
        whom = self.say(f" à {one.who}", f" to {one.who}") if one.who else ""
        view = self.say(f", vue {one.view}", f", view {one.view}") if one.view else ""
        return Text(self.say(f"Décision  {word}{whom}{view} : {why}", f"Decision  {word}{whom}{view}: {why}") + f" [{rule}]", style="magenta")

    def card(self, who: str, card: dict[str, Any]) -> RenderableType:
        table = Table(
            box=box.SIMPLE,
            show_header=False,
            pad_edge=False,
            title=self.say(f"Ce que voit {who}", f"What {who} sees"),
            title_style="italic",
            title_justify="left",
        )
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for key, value in _rows(card):
            table.add_row(" · ".join(self.key(part) for part in key), self.value(value))
        return table

    def key(self, key: str) -> str:
        return KEYS.get(key, key) if self.lang == "fr" else key.replace("_", " ")

    def value(self, value: Any) -> str:
        if isinstance(value, list):
            return ", ".join(map(self.value, value))
        text = str(value)
        if text in VALUES:
            return VALUES[text].of(self.lang)
        try:
            if DAY.fullmatch(text):
                return self.day(date.fromisoformat(text))
            at = datetime.fromisoformat(text) if "T" in text[:11] else None
        except ValueError:
            at = None
        return self.when(at) if at and at.tzinfo else text

    def day(self, at: date) -> str:
        """3 février 1938; 3 February 1938."""
        return f"{at.day} {MONTHS.of(self.lang).split()[at.month - 1]} {at.year}"

    def when(self, at: datetime) -> str:
        """vendredi 6 mars, 18 h 50; Friday 6 March, 18:50."""
        local = at.astimezone(PARIS)
        day, month = DAYS.of(self.lang).split()[local.weekday()], MONTHS.of(self.lang).split()[local.month - 1]
        return f"{day} {local.day} {month}, " + (f"{local.hour} h {local.minute:02}" if self.lang == "fr" else f"{local:%H:%M}")


def _short(path: str) -> str:
    """A path with long ids cut."""
    return "/".join(part if len(part) <= 24 else f"{part[:6]}…" for part in path.split("/"))


def _gist(resource: Resource) -> str:
    """The few elements that tell what a resource is about."""
    told = [f"{name} {resource[name]}" for name in ("status", "intent", "priority") if name in resource]
    if end := resource.get("restriction", {}).get("period", {}).get("end"):
        told.append(f"due {end}")
    concept = resource.get("code")
    codings = concept.get("coding", []) if isinstance(concept, dict) else []
    if codings:
        told.append(f"code {codings[-1].get('code')}")
    return " · ".join(told)


def _rows(card: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in card.items():
        if (key in HIDDEN and not above) or value in ("", None):
            continue
        if isinstance(value, dict):
            yield from _rows(value, (*above, key))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for entry in value:
                yield (*above, key), " · ".join(str(part) for name, part in entry.items() if name != "sent")
        else:
            yield (*above, key), value

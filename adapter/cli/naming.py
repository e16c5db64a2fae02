"""How a person is named on the command line: by the house's own id or a referral's spoken reference. A name would stay in the
shell's history and in the list of processes: it is only ever asked for, or read from standard input.
"""

from __future__ import annotations

import getpass
import re
import sys
from typing import TYPE_CHECKING

import typer

from adapter.errors import NotFound, SettingsError

if TYPE_CHECKING:
    from adapter.flows import Flows
    from adapter.ports import Principal, Uow

_TYPED = re.compile(r"(?:Patient|Task|ServiceRequest)/[A-Za-z0-9\-.]{1,64}")
_BARE = re.compile(r"(?=\D*\d)[A-Za-z0-9\-.]{8,64}")  # with a figure: a name has none
_MISHEARD = re.compile(r"[A-Za-z0-9]{2}[ -][A-Za-z0-9]{3}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
HELP = "RC-P4N, Patient/ID, Task/ID or ServiceRequest/ID. Nothing: the name is asked for; -: it is read from standard input."


def said(argument: str) -> tuple[str, str]:
    """("reference", …) or ("name", …): what was said, or what was typed when it was asked for. Raises SettingsError for a name
    on the command line."""
    from adapter.fhir import resource_types
    from adapter.referral import spoken

    if argument == "-":
        return "name", sys.stdin.readline().strip()
    if not argument:
        return "name", str(typer.prompt("Name, given name, date of birth (DURAND, JEANNE, 1938-02-03)", err=True)).strip()
    if reference := spoken.parse(argument):
        return "reference", reference
    if _TYPED.fullmatch(argument):
        return "reference", argument
    if _BARE.fullmatch(argument):
        return "reference", f"Patient/{argument}"
    if argument.partition("/")[0] in resource_types() and "/" in argument:
        fix = "an ID has letters, digits, - and ., at most 64; or say the spoken reference of a card, as RC-P4N"
        raise SettingsError("expected Patient/ID, Task/ID or ServiceRequest/ID", variable="PERSON", fix=fix)
    if _MISHEARD.fullmatch(argument):
        fix = "read it again from the card, its last character checks the others; for a name leave it out, and you are asked"
        raise SettingsError("expected a reference as it is spoken; this one was misheard or mistyped", variable="PERSON", fix=fix)
    fix = "leave it out and you are asked for the name, or pipe the name in and say -"
    raise SettingsError("expected a reference: a name stays in the shell's history", variable="PERSON", fix=fix)


def person(story: Flows, uow: Uow, kind: str, text: str) -> str:
    """ "Patient/x" of what was said. Raises NotFound (nobody), SettingsError (several)."""
    return _named(uow, text) if kind == "name" else _referred(story, uow, text)


def _referred(story: Flows, uow: Uow, text: str) -> str:
    from adapter import dossier
    from adapter.ports import Clause, Query

    type, id = dossier.split(text)
    if type == "Patient":
        return text  # of a person erased there is a register, and no Patient any more
    if not type:
        tasks = uow.search(Query("Task", (Clause("identifier", "token", (f"{story.writer.systems.sid('spoken')}|{text}",)),)))
        type, id = ("Task", tasks[0].id) if tasks else ("", "")
    found = dossier.load(uow, id) if type == "Task" else dossier.of_request(uow, id) if type == "ServiceRequest" else None
    if found is None:
        raise NotFound("no such person; expected a spoken reference, Patient/ID, Task/ID or ServiceRequest/ID", expression="PERSON")
    return str(found.request["subject"]["reference"])


def _named(uow: Uow, text: str) -> str:
    from adapter import fhir

    words = [word for word in re.split(r"[\s,;]+", text) if word]
    params = [("birthdate" if _DATE.fullmatch(word) else "name", word) for word in words]
    found = uow.search(fhir.query("Patient", params)) if params else []
    if not found:
        raise NotFound("nobody of that name; each word must begin a name as it is stored", expression="PERSON")
    if len(found) > 1:
        fix = "add given name and date of birth, or use the reference of a referral"
        raise SettingsError(f"{len(found)} persons fit that name", variable="PERSON", fix=fix)
    return found[0].reference


def officer() -> Principal:
    """Who sits at the terminal: the officer or the operator of this installation, by the name of the account."""
    from adapter.ports import Principal

    try:
        account = getpass.getuser()
    except (OSError, KeyError):
        account = ""
    client = f"liaison-cli.{account}" if _CODE.fullmatch(account) else "liaison-cli"
    return Principal(client, "liaison", role="officer")

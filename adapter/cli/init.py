"""`liaison init`: a folder to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter.cli import house
from adapter.errors import SettingsError

NETWORK = """\
# Who takes part. Every key is explained in README, "The network file"; a larger one: mappings/demo/network.yaml.
# A key (msp, coursiers, …) is the identity that stays: rename what you like, never a key in use.
version: 1
zone: Europe/Paris
hours: {mon-fri: "09:00-18:00"}

organisations:
  - key: msp
    kind: clinic
    name: Maison de santé
    phone: "02 61 91 00 10"
    # ehr:  # without it referrals stay in Liaison
    #   url: https://ehr.example/fhir
    #   auth: {kind: smart, client_id: liaison, secret_file: secrets/ehr-key.json}

  - key: coursiers
    kind: service
    name: Coursiers sanitaires et sociaux
    category: coursier-dac-asso
    controller: Association, 1 rue de l'Exemple, 76000 Rouen
    legal_basis: to be said by your data protection officer
    secrecy_text: to be said by your data protection officer
    units:
      - {key: coursiers-ville, name: Coursiers, service: intervention-coursier, phone: "02 61 91 00 20"}

people:
  - {key: medecin, name: Dr Camille Exemple, role: doctor, organisation: msp, identifiers: {rpps: "10000000009"}}  # a call is known by it as the practice's
  - {key: coursier, name: Léa Fictive, role: coursier, unit: coursiers-ville}

clients:
  - {id: cabinet, organisation: msp, person: medecin, secret_file: secrets/cabinet, scopes: [system/*.cruds, intake, views]}
  - {id: coursiers, organisation: coursiers, unit: coursiers-ville, secret_file: secrets/coursiers, scopes: [intake, views]}
"""
KEY, FILE = "liaison.key", "network.yaml"


def init(
    folder: Annotated[Path, typer.Argument(help="Made if need be.")] = Path(),
    demo: Annotated[bool, typer.Option("--demo", help="With the network of the demonstration, to try Liaison out.")] = False,
) -> None:
    """Make a secret key, a network file to start from and its clients' secrets. Never writes over anything."""
    from adapter.clock import SystemClock
    from adapter.network import parse

    clock = SystemClock()
    network = _demonstration() if demo else NETWORK
    secrets = [client.secret.file for client in parse(network).clients if client.secret.file]
    wanted = {KEY: clock.secret(), FILE: network, **{name: clock.secret() for name in secrets}}
    there = [name for name in wanted if (folder / name).exists()]
    if there:
        raise SettingsError(f"{folder} has {', '.join(there)} already", fix="name another folder, or go on with this one: liaison db upgrade")
    made: list[Path] = []
    try:
        for name, text in wanted.items():
            made.append(house.private(folder / name, text))
    except OSError as error:
        for file in made:
            file.unlink(missing_ok=True)
        raise SettingsError(f"cannot write in {folder} ({error.strerror})", fix="name a folder that you may write in") from None
    for name in wanted:
        typer.echo(f"made  {folder / name}")
    steps = [] if folder == Path() else [f"cd {folder}"]
    steps += ["liaison db upgrade", "liaison network apply", "liaison serve"]
    first = "Next:" if demo else "Next: put your own organisations in network.yaml, then"
    typer.echo(f"\n{first}\n" + "\n".join(f"  {step}" for step in steps))
    typer.echo(f"\nKeep {KEY} safe and out of version control: without it what was stored cannot be searched.")


def _demonstration() -> str:
    """The demonstration's network file. Raises SettingsError."""
    from adapter.settings import mappings_folder

    return (mappings_folder(house.settings()) / "demo" / "network.yaml").read_text(encoding="utf-8")

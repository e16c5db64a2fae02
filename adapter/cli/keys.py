"""`liaison keys new | jwks`: a key to prove oneself with (SMART Backend Services), as client of an EHR or of Liaison."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

app = typer.Typer(no_args_is_help=True, help="Keys that assertions are signed with.")
BITS = 3072  # of an RSA key


class Algorithm(StrEnum):
    RS384 = "RS384"
    ES384 = "ES384"


@app.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes; readable by its owner alone.")],
    alg: Annotated[Algorithm, typer.Option(help="What it signs with.")] = Algorithm.ES384,
    kid: Annotated[str, typer.Option(help="Its name. Default: its thumbprint (RFC 7638).")] = "",
) -> None:
    """Make a private key and print the JWKS with its public half, to be registered. Never writes over a file."""
    import json

    from joserfc.jwk import ECKey, RSAKey

    made: RSAKey | ECKey = RSAKey.generate_key(BITS) if alg is Algorithm.RS384 else ECKey.generate_key("P-384")
    name = kid or made.thumbprint()
    try:
        house.private(file, json.dumps({**made.as_dict(private=True), "kid": name, "alg": alg.value, "use": "sig", "key_ops": ["sign"]}))
    except FileExistsError:
        raise SettingsError(f"{file} is there already", variable="FILE", fix="name another file: a key is never written over") from None
    typer.echo(_public(made, name))


@app.command()
def jwks(file: Annotated[Path, typer.Argument(metavar="FILE", help="A private key, as JWK, JWKS or PEM.")]) -> None:
    """Print the JWKS with the public half of a private key."""
    from adapter.ehr.smart import signing_key

    key = signing_key(house.document(file).decode("utf-8", "replace").strip())
    typer.echo(_public(key, key.kid or key.thumbprint()))


def _public(key: RSAKey | ECKey, kid: str) -> str:
    import json

    from joserfc.jwk import RSAKey

    algorithm = Algorithm.RS384 if isinstance(key, RSAKey) else Algorithm.ES384
    names = ("kty", "n", "e") if algorithm is Algorithm.RS384 else ("kty", "crv", "x", "y")
    found: dict[str, Any] = key.as_dict(private=False)
    shown = {name: found[name] for name in names} | {"kid": kid, "alg": algorithm.value, "use": "sig", "key_ops": ["verify"]}
    return json.dumps({"keys": [shown]}, indent=2)

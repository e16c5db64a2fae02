"""The two key pairs of the audit: one that signs checkpoints (Ed25519), one under which the officer's register is sealed
(X25519). The private half of either is best kept where the program that writes the database cannot read it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from adapter.errors import SettingsError

Curve = Literal["Ed25519", "X25519"]
SIGNING: Curve = "Ed25519"
SEALING: Curve = "X25519"


def make(file: Path, curve: Curve) -> Path:
    """Makes a key pair: the private half in `file`, readable by its owner alone, the public one beside it (`.pub`), whose
    path is returned. Raises SettingsError when either is there already or cannot be written."""
    public = file.with_name(file.name + ".pub")
    key = OKPKey.generate_key(curve, private=True)
    for place, private in ((file, True), (public, False)):
        try:
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644), "w", encoding="utf-8") as opened:
                opened.write(json.dumps(key.as_dict(private=private)) + "\n")
        except OSError as error:
            raise SettingsError(f"cannot make {place}: {error.strerror}", fix="name a new file in a folder that you may write in") from None
    return public


def load(file: Path, curve: Curve, *, fix: str) -> OKPKey:
    """A key of a file, public or private. Raises SettingsError with `fix` when it cannot be read or is no such key."""
    try:
        key = OKPKey.import_key(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"cannot read the key {file}: {error.strerror}", fix=fix) from None
    except (ValueError, JoseError, TypeError):
        raise SettingsError(f"{file} is no key in JWK form", fix=fix) from None
    if key.as_dict(private=False).get("crv") != curve:
        raise SettingsError(f"{file} is a key of another kind; expected {curve}", fix=fix)
    return key


def sign(text: bytes, key: OKPKey) -> str:
    """The text with its signature, as a compact JWS. Raises SettingsError for a public key."""
    if not key.is_private:
        raise SettingsError("expected the private key to sign with", fix="name the file without .pub")
    return jws.serialize_compact({"alg": SIGNING, "kid": key.thumbprint()}, text, key, algorithms=[SIGNING])


def signed(text: str, key: OKPKey) -> bytes | None:
    """What was signed; None when this key did not sign it."""
    try:
        return bytes(jws.deserialize_compact(text, key, algorithms=[SIGNING]).payload)
    except (JoseError, ValueError):
        return None


def seal_for(text: bytes, key: OKPKey) -> bytes:
    """The text for the holder of the private key alone, as a compact JWE."""
    return jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM", "kid": key.thumbprint()}, text, key).encode()


def opened(sealed: bytes, key: OKPKey) -> bytes | None:
    """What was sealed; None when it was not for this key."""
    try:
        return jwe.decrypt_compact(sealed.decode("ascii"), key).plaintext
    except (JoseError, ValueError, UnicodeDecodeError):
        return None

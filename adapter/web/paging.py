"""Where a search goes on: an opaque cursor of the client's own, sealed, so that a link holds nothing of a person and cannot be
made or moved by anyone else. The same search at the same place and time has the same cursor (AES-SIV), so that it tells nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from adapter.errors import Gone, Malformed

PARAMETER = "_page"
LIVES = timedelta(minutes=30)
_DOMAIN = b"liaison paging\x00"


@dataclass(frozen=True, slots=True)
class Page:
    """What a cursor remembers: the parameters of the search and the keyset of the last row that was given."""

    params: tuple[tuple[str, str], ...]
    after: tuple[str, str]


def seal(params: Sequence[tuple[str, str]], after: tuple[str, str], *, type: str, client: str, key: bytes, at: datetime) -> str:
    """The cursor behind the row whose keyset is `after`, for `client`, one type (or list) and half an hour."""
    said = orjson.dumps([params, after, (at + LIVES).timestamp()])
    return base64.urlsafe_b64encode(_cipher(key).encrypt(said, _bound(client, type))).decode().rstrip("=")


def unseal(cursor: str, type: str, *, client: str, key: bytes, at: datetime) -> Page:
    """Raises Malformed for a cursor that is not of this client and type, Gone for one too old."""
    try:
        sealed = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        said = _cipher(key).decrypt(sealed, _bound(client, type))
    except (binascii.Error, InvalidTag, UnicodeEncodeError, ValueError):
        raise Malformed("expected the next link as it was given, by the client it was given to", expression=PARAMETER) from None
    params, after, until = orjson.loads(said)
    if at.timestamp() >= until:
        raise Gone("this page is no longer kept open; begin the search again", expression=PARAMETER)
    return Page(tuple((name, value) for name, value in params), (after[0], after[1]))


def _cipher(key: bytes) -> AESSIV:
    return AESSIV(hashlib.sha512(_DOMAIN + key).digest())


def _bound(client: str, type: str) -> list[bytes]:
    return [client.encode(), type.encode()]

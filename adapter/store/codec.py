"""The storage codec: what stands between content and the database."""

from __future__ import annotations

from typing import Protocol


class Codec(Protocol):
    """Turns content into what is stored and back. `place` names the row ("Task/ID"), so that a codec can
    choose its key by it and bind the stored bytes to it. Searching and the audit chain do not pass it."""

    def encode(self, plain: bytes, place: str) -> bytes: ...
    def decode(self, stored: bytes, place: str) -> bytes: ...


class Identity:
    """Content is stored as it is."""

    def encode(self, plain: bytes, place: str) -> bytes:
        return plain

    def decode(self, stored: bytes, place: str) -> bytes:
        return stored


identity = Identity()

"""How we show an EHR who we are (workflow.md 7): one small class a kind."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from adapter.errors import SettingsError

Secret = Callable[[], str]
"""Reads the secret anew each time, so that a rotated one is seen without a restart."""


class Auth(Protocol):
    def headers(self) -> Mapping[str, str]:
        """What each request carries. May call a token endpoint: raises EhrError and its kinds; SettingsError for a
        secret that is not there."""
        ...

    def renew(self, used: Mapping[str, str]) -> bool:
        """The EHR answered 401 to `used`. True: one more try is worth it."""
        ...


def secret(*, file: str = "", variable: str = "", environ: Mapping[str, str] = os.environ) -> Secret:
    """A reader of one secret, from a file or an environment variable. Reading raises SettingsError when it is missing or empty."""

    def read() -> str:
        found = environ.get(variable, "").strip() if variable else _content(file)
        if not found:
            raise SettingsError("expected a secret, but found none", variable=variable or file, fix="put the secret there")
        return found

    return read


def _content(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError("the secret's file cannot be read", variable=file, fix="check the path and who may read it") from None


class FixedHeader:
    """The same header on every request; `prefix` as "Bearer "."""

    def __init__(self, name: str, value: Secret, *, prefix: str = "") -> None:
        self._name, self._value, self._prefix = name, value, prefix

    def headers(self) -> Mapping[str, str]:
        return {self._name: self._prefix + self._value()}

    def renew(self, used: Mapping[str, str]) -> bool:
        return self.headers() != used


class NoAuth:
    """Nothing to show; also for mTLS, where the session holds the certificate."""

    def headers(self) -> Mapping[str, str]:
        return {}

    def renew(self, used: Mapping[str, str]) -> bool:
        return False


def bearer(token: Secret) -> Auth:
    return FixedHeader("Authorization", token, prefix="Bearer ")


def basic(user: str, password: Secret) -> Auth:
    return FixedHeader("Authorization", lambda: base64.b64encode(f"{user}:{password()}".encode()).decode(), prefix="Basic ")


class Token(Protocol):
    """Gets a fresh access token: (token, seconds it lives)."""

    def fetch(self) -> tuple[str, float]: ...


class TokenAuth:
    """A bearer token from a token endpoint, kept no longer than it lives; shared by all threads."""

    MARGIN = 5.0  # seconds a token is given up before its end: the request takes its time too

    def __init__(self, token: Token, *, monotonic: Callable[[], float]) -> None:
        self._source, self._monotonic = token, monotonic
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def headers(self) -> Mapping[str, str]:
        with self._lock:
            if not self._token or self._monotonic() >= self._until:
                self._token = ""
                self._token, life = self._source.fetch()
                self._until = self._monotonic() + life - min(self.MARGIN, life / 2)
            return {"Authorization": f"Bearer {self._token}"}

    def renew(self, used: Mapping[str, str]) -> bool:
        with self._lock:
            if used.get("Authorization") == f"Bearer {self._token}":
                self._token = ""
            return True

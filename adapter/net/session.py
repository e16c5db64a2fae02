"""The guarded session (sync.md 5.2, security.md A-23): what every HTTP call to a partner goes through."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import DecodeError, HTTPError, ProtocolError
from urllib3.util import Retry, parse_url
from urllib3.util.ssl_ import create_urllib3_context

from adapter.clock import Clock
from adapter.errors import EhrError, EhrRejected, EhrUnavailable, EhrUnknown, SettingsError
from adapter.net.deadline import CALL, Call, TimedAdapter

_PORTS = {"http": 80, "https": 443}
_CHUNK = 1 << 16
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds to connect, between two reads and for the whole call; bytes of an answer after decompression."""

    connect: float = 5.0
    read: float = 20.0
    total: float = 60.0
    body: int = 16 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole and within the limits. `headers` is case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Overflow(Exception):
    pass


def origin_of(url: str) -> str:
    """`scheme://host:port` of an http(s) URL, lower case, port always there. Raises ValueError for anything else,
    and for a URL that carries a user name."""
    try:
        parts = parse_url(url)
    except HTTPError:
        raise ValueError("expected an http or https URL") from None
    if parts.scheme not in _PORTS or not parts.host or parts.auth is not None:
        raise ValueError("expected an http or https URL with a host and no user name")
    return f"{parts.scheme}://{parts.host.lower()}:{parts.port or _PORTS[parts.scheme]}"


MOST_OPEN = 64  # connections kept to one host: as many as the network file may allow of requests at once


class _Adapter(TimedAdapter):
    def __init__(self) -> None:
        # One more try, and only where nothing can happen twice: no connection at all, or a GET cut off.
        once = Retry(total=1, connect=1, read=1, redirect=0, status=0, other=0, allowed_methods=["GET"], raise_on_status=False)
        super().__init__(max_retries=once, pool_maxsize=MOST_OPEN)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        context = create_urllib3_context(ssl_minimum_version=ssl.TLSVersion.TLSv1_2)
        context.load_default_certs()
        super().init_poolmanager(*args, ssl_context=context, **kwargs)


class GuardedSession:
    """HTTP to a fixed set of origins: no redirects, no environment (proxies, .netrc), no cookies, TLS 1.2 or newer,
    time-outs on every phase and one over all, a size limit after decompression.

    `allow`: URLs whose scheme, host and port may be called. `verify`: True or the path of a CA bundle; there is no
    way to switch verification off. `cert`: paths of client certificate and key (mTLS). `public`: only addresses of the public network
    are connected to, for a URL that somebody else chose: an inside one is EhrUnavailable, and not a byte is sent.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str],
        clock: Clock,
        limits: Limits | None = None,
        verify: bool | str = True,
        cert: tuple[str, str] | None = None,
        public: bool = False,
    ) -> None:
        if not verify:
            raise SettingsError("TLS verification cannot be switched off", fix="name the CA bundle that signed the certificate")
        self._limits = limits or Limits()
        self._allowed = frozenset(origin_of(url) for url in allow)
        self._clock, self._public = clock, public
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers = CaseInsensitiveDict({"User-Agent": "Liaison", "Accept-Encoding": "gzip"})
        self._verify = verify
        self._session.cert = cert
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter())
        # urllib3 logs whole URLs, and a search is a URL with a name in it.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)

    def close(self) -> None:
        self._session.close()

    def send(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None, safe: bool | None = None) -> Answer:
        """The answer, whatever its status below 300 or from 400 on.

        `safe`: repeating it changes nothing (None: GET and HEAD are). Raises EhrUnavailable when nothing was sent
        or a safe call got no answer; EhrUnknown when another call may have been carried out; EhrRejected for an
        origin that is not allowed (nothing is sent), a redirect (not followed), an answer too large or not
        decodable (EhrUnknown where the call is not safe). Texts name the origin, never the path or query.
        """
        prepared, origin = self._prepare(method, url, headers or {}, body)
        repeatable = method in _SAFE if safe is None else safe
        call = Call(self._clock, read=self._limits.read, total=self._limits.total, public=self._public)
        answer = self._carried(prepared, call)
        if isinstance(answer, Answer):
            if 300 <= answer.status < 400:
                raise EhrRejected(f"{method} {origin}: a redirect, not followed", status_code=answer.status)
            return answer
        # Outside any `except`, so that no exception with the URL in its text hangs on ours as context.
        raise _failure(answer, f"{method} {origin}", sent=call.sent, safe=repeatable)

    def _prepare(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[requests.PreparedRequest, str]:
        prepared, origin = None, ""
        try:
            prepared = requests.PreparedRequest()  # as the session would, without asking for cookies and credentials that it never has
            prepared.prepare(method=method, url=url, headers={**self._session.headers, **headers}, data=body)
            origin = origin_of(prepared.url or "")  # what will be called, not what was written
        except (requests.RequestException, ValueError):
            pass  # said below, outside: the library's text quotes the URL
        if prepared is None or not origin:
            raise EhrRejected(f"{method}: expected an http or https address and plain headers")
        if origin not in self._allowed:
            raise EhrRejected(f"{method} {origin}: not an address of this partner, nothing was sent")
        return prepared, origin

    def _carried(self, prepared: requests.PreparedRequest, call: Call) -> Answer | type[BaseException]:
        """The answer, or the class of what went wrong."""
        token = CALL.set(call)
        timeout = (min(self._limits.connect, self._limits.total), self._limits.read)
        try:
            adapter = self._session.get_adapter(prepared.url or "")
            response = adapter.send(prepared, stream=True, timeout=timeout, verify=self._verify, cert=self._session.cert)
            with closing(response):
                return Answer(response.status_code, CaseInsensitiveDict(response.headers), self._drained(response))
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError, LookupError, _Overflow) as error:
            return type(error)
        finally:
            CALL.reset(token)

    def _drained(self, response: requests.Response) -> bytes:
        body = bytearray()
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared[:20]) > self._limits.body:
            raise _Overflow
        for chunk in response.raw.stream(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._limits.body:
                raise _Overflow
        return bytes(body)


def _failure(kind: type[BaseException], place: str, *, sent: bool, safe: bool) -> EhrError:
    broken = issubclass(kind, (_Overflow, DecodeError, ValueError, LookupError)) and not issubclass(kind, (OSError, ProtocolError))
    why = "the answer is larger than allowed" if kind is _Overflow else f"no usable answer ({kind.__name__})"
    if not sent:
        return EhrUnavailable(f"{place}: not reached ({kind.__name__})")
    if not safe:
        return EhrUnknown(f"{place}: sent, {why}")
    return EhrRejected(f"{place}: {why}") if broken else EhrUnavailable(f"{place}: {why}")

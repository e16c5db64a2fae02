"""From an entry of the network file to a client."""

from __future__ import annotations

import os
from collections.abc import Mapping

from adapter.clock import Clock
from adapter.ehr.auth import Auth, FixedHeader, NoAuth, TokenAuth, basic, bearer, secret
from adapter.ehr.client import HttpEhrClient
from adapter.ehr.smart import ClientCredentials, ClientSecret, SignedAssertion, discovered
from adapter.errors import SettingsError
from adapter.net import GuardedSession, Limits
from adapter.network import EhrAuth, EhrEntry


def connect(entry: EhrEntry, *, clock: Clock, ca_file: str = "", limits: Limits | None = None, environ: Mapping[str, str] = os.environ) -> HttpEhrClient:
    """A client for the EHR, which may call its address and its token endpoint and nothing else. Nothing is sent yet.
    Raises SettingsError for an address or certificate that cannot be used."""
    auth = entry.auth
    allow = [entry.url, *([auth.token_url] if auth.token_url else [])]
    try:
        session = GuardedSession(allow=allow, clock=clock, limits=limits, verify=ca_file or True, cert=_certificate(auth))
    except ValueError as error:
        raise SettingsError(str(error), variable=f"{entry.name}.ehr.url", fix="give the base URL of its FHIR R4 server") from None
    shown = _auth(auth, entry.url, session=session, clock=clock, environ=environ)
    return HttpEhrClient(entry.name, entry.url, session=session, auth=shown, clock=clock, page_size=entry.limits.page)


def _certificate(auth: EhrAuth) -> tuple[str, str] | None:
    if auth.kind != "mtls":
        return None
    for path in (auth.certificate_file, auth.secret.file):
        if not path or not os.access(path, os.R_OK):
            raise SettingsError("expected files of certificate and key", variable=path or "secret_file", fix="mTLS wants both as files we may read")
    return auth.certificate_file, auth.secret.file


def _auth(auth: EhrAuth, base_url: str, *, session: GuardedSession, clock: Clock, environ: Mapping[str, str]) -> Auth:
    value = secret(file=auth.secret.file, variable=auth.secret.variable, environ=environ)
    match auth.kind:
        case "none" | "mtls":
            return NoAuth()
        case "bearer":
            return bearer(value)
        case "basic":
            return basic(auth.user, value)
        case "header":
            return FixedHeader(auth.header, value)
        case "client_secret":
            proof: ClientSecret | SignedAssertion = ClientSecret(auth.client_id, value)
        case "smart":
            proof = SignedAssertion(auth.client_id, value, clock=clock, kid=auth.kid)
    url = (lambda: auth.token_url) if auth.token_url else discovered(base_url, session=session)
    token = ClientCredentials(url, proof, scopes=" ".join(auth.scopes), session=session, clock=clock)
    return TokenAuth(token, monotonic=clock.monotonic)

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapter.clock import FrozenClock, SystemClock
from adapter.errors import EhrUnavailable
from adapter.net import GuardedSession
from tests.unit.net.scripted import Scripted, http


def self_signed(folder: Path, name: str, *, start: datetime, days: int = 10) -> tuple[str, str]:
    """Paths of a certificate for 127.0.0.1 and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), start, start + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return str(paths[0]), str(paths[1])


@pytest.fixture
def own(tmp_path: Path) -> tuple[str, str]:
    return self_signed(tmp_path, "server", start=SystemClock().now() - timedelta(days=1))


def server_context(pair: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


def guarded(server: Scripted, **options: object) -> GuardedSession:
    return GuardedSession(allow=[server.origin], clock=FrozenClock(datetime(2026, 3, 2, tzinfo=UTC)), **options)  # type: ignore[arg-type]


def test_session_speaks_tls_to_a_server_whose_ca_it_was_given(own: tuple[str, str]) -> None:
    with Scripted(lambda _: [http(200, b"safe")], tls=server_context(own)) as server:
        session = guarded(server, verify=own[0])
        assert session.send("GET", f"{server.origin}/").body == b"safe"
        session.close()


def test_session_sends_nothing_when_nobody_vouches_for_the_certificate(own: tuple[str, str]) -> None:
    with Scripted(lambda _: [http()], tls=server_context(own)) as server:
        session = guarded(server)
        with pytest.raises(EhrUnavailable, match="SSLError"):
            session.send("POST", f"{server.origin}/Task", body=b"{}")
        session.close()
    assert server.requests == []


def test_session_sends_nothing_when_the_certificate_is_out_of_date_Y_30(tmp_path: Path) -> None:
    old = self_signed(tmp_path, "old", start=SystemClock().now() - timedelta(days=30))
    with Scripted(lambda _: [http()], tls=server_context(old)) as server:
        session = guarded(server, verify=old[0])
        with pytest.raises(EhrUnavailable):
            session.send("POST", f"{server.origin}/Task", body=b"{}")
        session.close()
    assert server.requests == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_session_refuses_tls_older_than_1_2(own: tuple[str, str]) -> None:
    context = server_context(own)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with Scripted(lambda _: [http()], tls=context) as server:
        session = guarded(server, verify=own[0])
        with pytest.raises(EhrUnavailable):
            session.send("GET", f"{server.origin}/")
        session.close()
    assert server.requests == []


def test_session_shows_its_certificate_when_the_server_asks_for_one(own: tuple[str, str], tmp_path: Path) -> None:
    client = self_signed(tmp_path, "client", start=SystemClock().now() - timedelta(days=1))
    context = server_context(own)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(client[0])
    with Scripted(lambda _: [http(200, b"known")], tls=context) as server:
        session = guarded(server, verify=own[0], cert=client)
        assert session.send("GET", f"{server.origin}/").body == b"known"
        session.close()
        stranger = guarded(server, verify=own[0])
        with pytest.raises(EhrUnavailable):
            stranger.send("GET", f"{server.origin}/")
        stranger.close()
    assert len(server.requests) == 1

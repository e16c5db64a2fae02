"""Answers of FakeEhr that nobody should believe (Y-29, Y-30), and whom a fault strikes; the rest of its faults: test_faults.py."""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from adapter.cli.program import program
from adapter.clock import FrozenClock
from adapter.ehr import fake
from adapter.ehr.fake import FakeEhr, Fault, parsed
from adapter.ehr.fake.faults import Kind
from adapter.ehr.fake.wire import Asked
from adapter.errors import SettingsError
from tests.unit.ehr.raw import Got, call
from tests.unit.ehr.shapes import patient, request, task

ALWAYS: Any = {"times": None}


def ids(got: Got) -> list[str]:
    return [entry["resource"]["id"] for entry in got.body.get("entry", [])]


# ── answers nobody should believe ────────────────────────────────────────────────────────────────
def test_answer_may_be_of_another_type_or_id_Y_29(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t"))
    ehr.inject(Fault("wrong-type", on="GET Task/t"), Fault("other-id", on="GET Task"))
    assert call(ehr, "GET", "Task/t").body["resourceType"] == "Basic"
    assert ids(call(ehr, "GET", "Task")) == ["t-other"]
    assert (ehr.get("Task", "t") or {})["id"] == "t"


def test_answer_may_be_a_gzip_bomb_Y_29(ehr: FakeEhr) -> None:
    ehr.inject(Fault("gzip-bomb", amount=2_000_000))
    got = call(ehr, "GET", "Task")
    assert got.headers["Content-Encoding"] == "gzip" and len(got.raw) < 20_000
    unpacked = gzip.decompress(got.raw)
    assert len(unpacked) == 2_000_000 and json.loads(unpacked)["type"] == "searchset"


def test_answer_may_be_huge_Y_29(ehr: FakeEhr) -> None:
    ehr.inject(Fault("huge", amount=3_000_000))
    got = call(ehr, "GET", "Task")
    assert len(got.raw) == 3_000_000 and len(got.body["entry"]) > 2_000


def test_answer_may_drip_a_byte_at_a_time_Y_30(ehr: FakeEhr) -> None:
    fault = Fault("drip", seconds=0.001)
    ehr.inject(fault)
    where = urlsplit(ehr.base_url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    connection.request("GET", "/fhir/metadata")
    assert connection.sock.recv(1) == b"H"  # the first byte, alone
    assert connection.sock.recv(100) != b""
    fault.event.set()
    rest = b""
    while chunk := connection.sock.recv(65536):
        rest += chunk
        if rest.endswith(b"}"):
            break
    connection.close()
    assert b"CapabilityStatement" in rest


def test_certificate_may_be_one_that_nobody_trusts_Y_30(clock: FrozenClock, tmp_path: Path) -> None:
    context = _self_signed(tmp_path)
    with FakeEhr(clock=clock, tls=context) as ehr:
        assert ehr.base_url.startswith("https://")
        where = urlsplit(ehr.base_url)
        strict = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=10)
        with pytest.raises(ssl.SSLCertVerificationError):
            strict.request("GET", "/fhir/metadata")
        strict.close()
        trusting = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=10, context=ssl._create_unverified_context())
        trusting.request("GET", "/fhir/metadata")
        assert trusting.getresponse().status == 200
        trusting.close()


def _self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate of yesterday."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = builder.not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2020, 1, 2)).sign(key, hashes.SHA256())
    file = folder / "old.pem"
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(plain + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


# ── whom a fault strikes ─────────────────────────────────────────────────────────────────────────
def test_fault_strikes_by_what_a_request_says_Y_34(ehr: FakeEhr) -> None:
    ehr.inject(Fault("answer", status=422, containing='"T2"', **ALWAYS))
    assert [call(ehr, "POST", "Task", task(f"T{number}")).status for number in (1, 2, 3, 2)] == [201, 422, 201, 422]
    ehr.inject(Fault("answer", status=500, containing="T3", on="GET *"))
    assert [call(ehr, "GET", f"Task?identifier={value}").status for value in ("T1", "T3")] == [200, 500]


def test_fault_strikes_a_share_the_same_way_each_run(ehr: FakeEhr) -> None:
    def struck(seed: int) -> list[bool]:
        fault = Fault("cut-after", share=0.2, seed=seed, times=None)
        return [fault.strikes(Asked("GET", "Task")) for _ in range(500)]

    assert struck(1) == struck(1) != struck(2)
    assert 70 < sum(struck(1)) < 130


def test_fault_is_read_from_a_command_line() -> None:
    fault = parsed("answer,on=POST Task,times=always,status=503,retry-after=120,share=0.5,seconds=2.5,amount=3,skip=1")
    assert (fault.kind, fault.on, fault.times, fault.status, fault.headers) == ("answer", "POST Task", None, 503, {"Retry-After": "120"})
    assert (fault.share, fault.seconds, fault.amount, fault.skip) == (0.5, 2.5, 3, 1)
    assert parsed("cut-after").times == 1
    for wrong in ("nonsense", "cut-after,often", "cut-after,times=x", "cut-after,act=f"):
        with pytest.raises(SettingsError) as caught:
            parsed(wrong)
        assert caught.value.variable == "--fault"


def test_command_takes_faults_and_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr(fake, "serve", lambda folder, port, **how: served.update(how))
    done = CliRunner().invoke(program(), ["fake-ehr", "--port", "0", "--fault", "conflict-409,times=always", "--fault", "cut-after", "--ahead", "-90"])
    assert done.exit_code == 0, done.output
    assert [(each.kind, each.times) for each in served["faults"]] == [("conflict-409", None), ("cut-after", 1)]
    assert served["ahead"] == timedelta(seconds=-90)
    assert isinstance(CliRunner().invoke(program(), ["fake-ehr", "--fault", "nonsense"]).exception, SettingsError)


def test_every_kind_is_shown_by_a_test() -> None:
    """A kind that no test names is a promise nobody saw."""
    told = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    assert [kind for kind in get_args(Kind) if f'"{kind}"' not in told] == []


# ── what a real server shows by itself ───────────────────────────────────────────────────────────
def test_request_of_a_patient_who_left_is_still_there_Y_22(ehr: FakeEhr) -> None:
    ehr.plant(patient(id="p"), request(subject="Patient/p", id="r"))
    ehr.edit("ServiceRequest", "r", {"status": "entered-in-error"})
    assert call(ehr, "GET", "ServiceRequest/r").body["status"] == "entered-in-error"


def test_clinic_acts_are_seen_while_a_request_is_held(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t"))
    fault = Fault("hold", on="GET Task/t")
    ehr.inject(fault)
    got: list[Got] = []
    thread = threading.Thread(target=lambda: got.append(call(ehr, "GET", "Task/t")))
    thread.start()
    while not fault.struck:
        thread.join(0.005)
    ehr.edit("Task", "t", {"status": "accepted"})
    fault.event.set()
    thread.join()
    assert got[0].body["status"] == "accepted"

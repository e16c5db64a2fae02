from __future__ import annotations

from typing import Any

import pytest

from adapter.ehr import HttpEhrClient, probe
from adapter.ehr.capability import read_statement
from adapter.ehr.fake import FakeEhr, Fault
from adapter.errors import EhrRejected, EhrUnavailable


def statement(**more: Any) -> dict[str, Any]:
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", **more}


def test_probe_learns_what_the_ehr_declares(client: HttpEhrClient) -> None:
    found = probe(client)
    assert (found.fhir_version, found.software, found.transactions, found.conditional_create) == ("4.0.1", "FakeEhr 1", True, True)
    assert {"create", "update", "read", "search-type"} <= found.types["Task"]
    assert {"identifier", "_lastUpdated", "owner"} <= found.search["Task"]


@pytest.mark.parametrize("version", ["4.3.0", "5.0.0", "3.0.2", "4.1.0", "40.0", "", None, 4, "4.0.1 Quenneville"])
def test_probe_refuses_an_ehr_that_does_not_speak_r4(client: HttpEhrClient, ehr: FakeEhr, version: Any) -> None:
    ehr.inject(Fault("answer", status=200, body=statement(fhirVersion=version)))
    with pytest.raises(EhrRejected, match=r"expected FHIR 4\.0\.1, but found") as caught:
        probe(client)
    assert "Quenneville" not in str(caught.value)


@pytest.mark.parametrize("version", ["4.0.1", "4.0.0", "4.0"])
def test_statement_of_any_r4_is_read(version: str) -> None:
    assert read_statement(statement(fhirVersion=version)).fhir_version == version


def test_statement_that_says_nothing_promises_nothing() -> None:
    found = read_statement(statement())
    assert (found.software, found.types, found.transactions, found.conditional_create) == ("", {}, False, False)


def test_statement_promises_conditional_create_only_for_all_of_our_types() -> None:
    resources = [{"type": "Task", "conditionalCreate": True}, {"type": "Consent"}, {"type": "Basic", "conditionalCreate": True}]
    assert not read_statement(statement(rest=[{"resource": resources}])).conditional_create
    assert read_statement(statement(rest=[{"resource": resources[:1]}])).conditional_create
    assert not read_statement(statement(rest=[{"resource": resources[2:]}])).conditional_create


def test_statement_for_clients_counts_for_nothing() -> None:
    rest = {"mode": "client", "resource": [{"type": "Task"}], "interaction": [{"code": "transaction"}]}
    assert read_statement(statement(rest=[rest])).transactions is False


@pytest.mark.parametrize("rest", [None, "x", [1], [{"resource": "x"}], [{"resource": [{"type": 1}]}], [{"resource": [{"type": "Task", "interaction": 7}]}]])
def test_statement_that_is_malformed_is_read_as_far_as_it_goes(rest: Any) -> None:
    assert read_statement(statement(rest=rest, software=rest)).transactions is False


def test_probe_is_unavailable_when_the_ehr_is(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("answer", status=502))
    with pytest.raises(EhrUnavailable):
        probe(client)

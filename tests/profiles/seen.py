"""Whether a request or a procedure is coded as its domain is coded elsewhere (SDOHCC serv-1, serv-2, proc-1).

The value sets that SDOHCC binds are closed to whoever has no licence; the codes seen in open sources stand in for them.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.validator import SHARED

WAIVERS = Path(__file__).with_name("waivers_emitted.json")
RULES = {"ServiceRequest": "serv-1", "Procedure": "proc-1"}
SDOHCC = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes"
Coding = tuple[str, str]


def codes_seen(path: Path = SHARED / "data" / "sdohcc" / "codes_seen.csv") -> dict[tuple[str, str], set[Coding]]:
    """(resource type, domain) -> the (system, code) that were seen; a row of two domains counts for each."""
    found: dict[tuple[str, str], set[Coding]] = defaultdict(set)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            domain = row["sdoh_category"]
            for each in ("housing-instability", "homelessness") if domain == "housing-instability-homelessness" else (domain,):
                found[row["resource"], each].add((row["system"], row["code"]))
    return found


@dataclass
class Codes:
    """`used`: how often each waiver covered something."""

    seen: Mapping[tuple[str, str], set[Coding]] = field(default_factory=codes_seen)
    waivers: list[dict[str, str]] = field(default_factory=lambda: json.loads(WAIVERS.read_text("utf-8"))["codes"])
    used: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def against(self, resource: Mapping[str, Any]) -> list[str]:
        """What counts against it: nothing when one of its codings was seen for one of its domains, or a waiver covers them all."""
        type = resource["resourceType"]
        if type not in RULES:
            return []
        domains = {each["code"] for concept in categories(resource) for each in concept.get("coding", []) if each.get("system") == SDOHCC}
        codings = {(each.get("system", ""), each.get("code", "")) for each in resource.get("code", {}).get("coding", [])}
        if not domains or any(codings & self.seen.get((type, domain), set()) for domain in domains):
            return []
        return [
            f"{RULES[type]}: no coding of {type}.code was seen for {domain}: {', '.join(sorted('|'.join(each) for each in codings))}"
            for domain in sorted(domains)
            if not self._waived(type, domain)
        ]

    def _waived(self, type: str, domain: str) -> bool:
        for waiver in self.waivers:
            if waiver["rule"] == RULES[type] and re.fullmatch(waiver["domain"], domain):
                self.used[waiver["name"]] += 1
                return True
        return False


def categories(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A request has several, a procedure one."""
    given = resource.get("category", [])
    return given if isinstance(given, list) else [given]

"""Random (consents, ask, time) triples in the format of the consent vectors, each about one resource.

Everything that is chosen stands in CHOICES with its weight and is counted in `seen`, so that a test can say that all of it
occurs. A value is a hit (it fits the question at hand), a miss, or odd (nobody can tell); which, is chosen before the value,
so that permits stay common and every rule gets to decide.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import accumulate
from typing import Any

from tests.second.codes import ACTION, LEVEL, LEVELS, PURPOSE, SCOPE, SENSITIVITY, TERMS, TYPES, URIS

Json = dict[str, Any]
LOINC, OIDS, FOREIGN = "http://loinc.org", "urn:oid:1.2.250.1.71", "https://example.org/labels"
EVER = timedelta(0), timedelta(milliseconds=1), timedelta(seconds=1), timedelta(hours=1), timedelta(days=1), timedelta(days=20), timedelta(days=400)
NOWS = (
    "2026-06-15T12:00:00Z", "2026-06-30T23:59:59.5Z", "2026-07-01T00:00:00Z", "2026-12-31T23:30:00Z", "2027-01-01T00:00:00.001Z",
    "2026-06-14T22:30:00Z", "2026-03-29T00:30:00Z", "2026-10-25T03:00:00+02:00", "2026-02-28T23:00:00-05:00", "2028-02-29T12:34:56.789Z",
)  # fmt: skip
PROFILE, OTHER_PROFILE = "https://example.org/profile/a", "https://example.org/profile/b"
CODES = "8310-5", "2339-0", "29463-7"
PURPOSES = "TREAT", "ETREAT", "BTG", "COC", "HOPERAT", "HPAYMT", "HRESCH", "CLINTRCH", "PurposeOfUse"
SENSITIVE = "PSY", "SUD", "ETHUD", "SPI", "HIV", "SDV", "BH", "COGN", "_ActInformationSensitivityPolicy"
GROUPS: dict[str, list[str]] = {
    "Group/ours": ["Practitioner/x", "Practitioner/me"],
    "Group/others": ["Practitioner/x"],
    "Group/empty": [],
    "Group/nested": ["Group/ours"],
    "Group/circle": ["Group/circle2", "Practitioner/x"],
    "Group/circle2": ["Group/circle"],
    "Group/circle-with-me": ["Group/circle2", "Practitioner/me"],
    "Group/half": ["Group/gone", "Practitioner/x"],
    "Group/unread": ["", "Practitioner/x"],
    "Group/contained": ["#inside", "Practitioner/x"],
    "Group/by-identifier": [f"{OIDS}|mine"],
    "Group/by-other-identifier": [f"{OIDS}|other"],
    "CareTeam/ours": ["Organization/mine", "PractitionerRole/x"],
    "CareTeam/others": ["Organization/other"],
}
NAMED = {
    "hit": ("Practitioner/me", "Organization/mine", "PractitionerRole/mine", "Group/ours", "Group/nested", "Group/circle-with-me", "CareTeam/ours", "Group/by-identifier", "Practitioner/me/_history/2"),
    "miss": ("Practitioner/x", "Organization/other", "Group/others", "Group/empty", "Group/circle", "CareTeam/others", "Group/by-other-identifier", "https://elsewhere.example/fhir/Practitioner/x"),
    "odd": ("Group/gone", "CareTeam/gone", "Group/half", "Group/unread", "Group/contained", "#inside", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            "Practitioner?identifier=7", "https://elsewhere.example/fhir/Practitioner/me", "https://elsewhere.example/fhir/Group/ours"),
}  # fmt: skip
CHOICES: dict[str, dict[str, int]] = {
    "consents": {"0": 1, "1": 44, "2": 30, "3": 15, "4": 10},
    "complete": {"absent": 90, "true": 7, "false": 3},
    "status": {"active": 94, "draft": 1, "proposed": 1, "rejected": 1, "inactive": 1, "entered-in-error": 1, "unknown": 1},
    "scope": {"privacy": 95, "privacy and other": 1, "research": 1, "other system": 1, "text": 1, "absent": 1},
    "patient": {"same": 91, "versioned": 3, "other": 2, "absent": 1, "identifier": 1, "display": 1, "elsewhere": 1},
    "trust": {"plain": 90, "modifierExtension": 2, "implicitRules": 2, "none verified": 2, "some verified": 3, "policyRule OPTIN": 3, "policyRule OPTOUT": 3, "extension": 3},
    "root": {"present": 96, "absent": 2, "empty": 1, "list": 1},
    "root type": {"permit": 68, "deny": 25, "absent": 6, "unknown": 1},
    "nested type": {"permit": 53, "deny": 39, "absent": 7, "unknown": 1},
    "children": {"none": 66, "one": 22, "two": 12},
    "children of a bare root deny": {"none": 15, "one": 55, "two": 30},
    "deep": {"no": 96, "4": 1, "5": 1, "6": 1, "7": 1},
    "elements of a permit": {"0": 22, "1": 40, "2": 24, "3": 10, "4": 4},
    "elements of a deny": {"0": 25, "1": 40, "2": 22, "3": 13},
    "element": {"period": 14, "actor": 18, "action": 10, "securityLabel": 20, "purpose": 16, "class": 8, "code": 9, "dataPeriod": 10, "data": 12},
    "rule": {"plain": 94, "modifierExtension": 1, "unknown element": 1, "extension": 2, "part modifierExtension": 1, "part unknown element": 1, "malformed": 1},
    "fit for a permit": {"hit": 82, "miss": 11, "odd": 7},
    "fit for a deny": {"hit": 45, "miss": 45, "odd": 10},
    "repetitions": {"1": 70, "2": 22, "3": 8},
    "precision": {"year": 2, "month": 2, "day": 5, "second": 4, "millisecond": 2, "offset": 3, "minute": 1},
    "span": {"both": 50, "start": 20, "end": 30},
    "odd span": {"start after end": 5, "no zone": 2, "no date": 2, "unknown part": 1, "end of days": 1},
    "actor": {"reference": 70, "identifier": 20, "reference and identifier": 5, "display": 5},
    "odd actor": {"reference": 60, "display": 20, "no reference": 10, "group by identifier": 10},
    "odd coding": {"other system": 5, "unknown code": 3, "text": 2},
    "labels of the rule": {"levels": 55, "sensitivities": 30, "both": 15},
    "labels": {"level": 50, "level and sensitivity": 15, "sensitivity": 6, "sensitivities": 6, "levels": 4, "level and silent": 4, "level and unknown system": 3, "level and unknown sensitivity": 3, "level and handling": 2, "unknown code": 2, "none": 5, "no meta": 3},
    "profile": {"none": 60, "plain": 25, "versioned": 15},
    "class of the rule": {"type": 75, "profile": 25},
    "meaning": {"instance": 30, "related": 25, "dependents": 20, "authoredby": 25},
    "odd data": {"unknown meaning": 4, "no meaning": 2, "identifier": 2, "no reference": 2},
    "type": {"Observation": 4, "Encounter": 2, "ServiceRequest": 3, "Task": 2, "Procedure": 2, "Condition": 1},
    "dated": {"day": 3, "instant": 3, "period": 3, "open period": 1, "month": 1, "undated": 2, "timing": 1},
    "maker": {"reference": 52, "none": 40, "display": 4, "contained": 2, "elsewhere": 2},
    "subject": {"same": 85, "none": 10, "versioned": 2, "other": 1, "identifier": 1, "group": 1},
    "purposes asked": {"1": 80, "2": 10, "none": 4, "unknown": 4, "with system": 10, "of another system": 2},
    "asked by": {"person, organisation and role": 90, "identifier only": 4, "urn too": 3, "elsewhere": 3},
    "action asked": {"access": 60, "disclose": 30, "collect": 3, "use": 3, "correct": 4},
}  # fmt: skip
TABLES = {what: ([*options], [*accumulate(options.values())]) for what, options in CHOICES.items()}


class Generator:
    """Triples of one seed, one after the other."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seen: Counter[tuple[str, str]] = Counter()  # (what, chosen) -> how often

    def choose(self, what: str) -> str:
        names, sums = TABLES[what]
        found = names[bisect(sums, self.random.random() * sums[-1])]
        self.seen[what, found] += 1
        return found

    def one(self, values: tuple[str, ...]) -> str:
        return values[int(self.random.random() * len(values))]

    def chance(self, percent: int) -> bool:
        return self.random.random() * 100 < percent

    # ── the ask, the time, the resource ──────────────────────────────────────────────────────────
    def vector(self, number: int) -> Json:
        self.now_text = self.one(NOWS)
        self.now = datetime.fromisoformat(self.now_text).astimezone(UTC)
        asked, self.action = self.choose("purposes asked"), self.choose("action asked")
        self.purposes = [self.one(PURPOSES) for _ in range(2 if asked == "2" else 1)]
        purpose = {"none": [], "unknown": ["FooBar"], "of another system": [f"{FOREIGN}|{self.purposes[0]}"], "with system": [f"{PURPOSE}|{self.purposes[0]}"]}.get(asked, self.purposes)
        self.resource = self.any_resource()
        identifier, usual = [f"{OIDS}|mine"], ["Practitioner/me", "Organization/mine", "PractitionerRole/mine", f"{OIDS}|mine"]
        actors = {"identifier only": identifier, "urn too": [*usual, "urn:uuid:6fd7a2a0-3c6b-4d8f-9d1c-3a4f3c1f7d11"], "elsewhere": ["https://elsewhere.example/fhir/Practitioner/me", *identifier]}
        request = {"patient": "Patient/p", "actors": actors.get(self.choose("asked by"), usual), "purpose": purpose, "action": self.action}
        consents = [self.consent(index) for index in range(int(self.choose("consents")))]
        found = {"id": str(number), "consents": consents, "request": request, "now": self.now_text, "groups": GROUPS, "resources": [self.resource]}
        complete = self.choose("complete")
        return found if complete == "absent" else found | {"complete": complete == "true"}

    def any_resource(self) -> Json:
        type = self.choose("type")
        found: Json = {"resourceType": type, "id": "r"}
        subject = {
            "same": {"reference": "Patient/p"}, "versioned": {"reference": "Patient/p/_history/1"}, "other": {"reference": "Patient/q"},
            "identifier": {"identifier": {"system": OIDS, "value": "p"}}, "group": {"reference": "Group/family"},
        }.get(self.choose("subject"))  # fmt: skip
        if subject:
            found["for" if type == "Task" else "subject"] = subject
        labels = self.labels(self.choose("labels"))
        if labels is not None:
            found["meta"] = {"security": labels}
        profile = {"plain": [PROFILE], "versioned": [OTHER_PROFILE, f"{PROFILE}|2"]}.get(self.choose("profile"))
        if profile:
            found["meta"] = found.get("meta", {}) | {"profile": profile}
        if self.chance(80):
            found["code"] = {"coding": [coding(LOINC, self.one(CODES))]}
        if self.chance(50):
            found["encounter"] = {"reference": self.one(("Encounter/e", "Encounter/f", "Encounter/e/_history/1"))}
        maker = {
            "reference": {"reference": self.one(("Practitioner/maker", "Practitioner/x"))}, "display": {"display": "The maker"},
            "contained": {"reference": "#maker"}, "elsewhere": {"reference": "https://elsewhere.example/fhir/Practitioner/maker"},
        }.get(self.choose("maker"))  # fmt: skip
        if maker:
            found.update({"Observation": {"performer": [maker]}, "ServiceRequest": {"requester": maker}, "Task": {"requester": maker},
                          "Procedure": {"performer": [{"actor": maker}]}, "Condition": {"recorder": maker}}.get(type, {}))  # fmt: skip
        stem = {"Observation": "effective", "Procedure": "performed", "ServiceRequest": "occurrence", "Condition": "onset"}.get(type)
        dated = self.choose("dated")
        at = self.now - self.one((timedelta(0), timedelta(days=1), timedelta(days=15), timedelta(days=60), timedelta(days=370)))
        if dated in ("period", "open period"):
            found[f"{stem}Period" if stem else "period" if type == "Encounter" else "executionPeriod"] = {"start": self.text(at - timedelta(days=3))} | (
                {"end": self.text(at)} if dated == "period" else {}
            )
        elif dated == "timing":
            found |= {f"{stem}Timing" if stem else "period": {"event": [self.text(at)]}, "authoredOn": self.text(at)}
        elif dated != "undated":
            text = at.strftime("%Y-%m-%d" if dated == "day" else "%Y-%m") if dated != "instant" else self.text(at, "second")
            found |= {f"{stem}DateTime": text} if stem else {"period": {"start": text, "end": text}} if type == "Encounter" else {"authoredOn": text}
        return found

    def labels(self, kind: str) -> list[Json] | None:
        level, sensitive = coding(LEVEL, self.one(("L", "N", "N", "N", "R", "R", "V", "M", "U"))), coding(SENSITIVITY, self.one(SENSITIVE))
        return {
            "level": [level], "level and sensitivity": [sensitive, level], "sensitivity": [sensitive],
            "sensitivities": [sensitive, coding(SENSITIVITY, "HIV")], "levels": [level, coding(LEVEL, "R")],
            "level and silent": [level, coding(PURPOSE, "HTEST")], "level and unknown system": [level, coding(FOREIGN, "secret")], "level and handling": [level, coding(SENSITIVITY, "NOAUTH")],
            "level and unknown sensitivity": [level, coding(SENSITIVITY, self.one(("secret", "hush")))],
            "unknown code": [level, coding(LEVEL, "X")], "none": [],
        }.get(kind)  # fmt: skip

    # ── Consents ─────────────────────────────────────────────────────────────────────────────────
    def consent(self, index: int) -> Json:
        scope, patient, status, trust = (self.choose(what) for what in ("scope", "patient", "status", "trust"))
        privacy, research = coding(SCOPE, "patient-privacy"), coding(SCOPE, "research")
        found: Json = {
            "resourceType": "Consent",
            "id": f"c{index}",
            "status": status,
            "scope": {
                "privacy": {"coding": [privacy]}, "privacy and other": {"coding": [coding(FOREIGN, "x"), privacy]}, "research": {"coding": [research]},
                "other system": {"coding": [coding(FOREIGN, "patient-privacy")]}, "text": {"text": "patient-privacy"},
            }.get(scope),
            "patient": {
                "same": {"reference": "Patient/p"}, "versioned": {"reference": "Patient/p/_history/7"}, "other": {"reference": "Patient/q"},
                "identifier": {"identifier": {"system": OIDS, "value": "p"}}, "display": {"display": "p"},
                "elsewhere": {"reference": "https://elsewhere.example/fhir/Patient/p"},
            }.get(patient),
        }  # fmt: skip
        unknown_extension = [{"url": "https://example.org/modifier", "valueBoolean": True}]
        verified, unverified = {"verified": True, "verificationDate": "2026-01-01"}, {"verified": False}
        found |= {
            "modifierExtension": {"modifierExtension": unknown_extension}, "implicitRules": {"implicitRules": "https://example.org/rules"},
            "none verified": {"verification": [unverified, {}]}, "some verified": {"verification": [unverified, verified]},
            "policyRule OPTIN": {"policyRule": {"coding": [coding(SENSITIVITY, "OPTIN")]}}, "extension": {"extension": unknown_extension},
            "policyRule OPTOUT": {"policyRule": {"coding": [coding(SENSITIVITY, "OPTOUT")]}},
        }.get(trust, {})  # fmt: skip
        root = self.choose("root")
        if root != "absent":
            provision = {} if root == "empty" else self.provision(0, self.choose("deep"))
            found["provision"] = [provision] if root == "list" else provision
        return {key: value for key, value in found.items() if value is not None}

    def provision(self, depth: int, deep: str) -> Json:
        type = self.choose("nested type" if depth else "root type")
        kind = "permit" if type == "permit" else "deny"
        found: Json = {"permit": {"type": "permit"}, "deny": {"type": "deny"}, "unknown": {"type": "maybe"}}.get(type, {})
        found = dict(found)
        for _ in range(int(self.choose(f"elements of a {kind}"))):
            key = self.choose("element")
            found[key] = self.element(key, kind)
        self.adorn(found)
        bare = not depth and found == {"type": "deny"}
        if deep != "no" and depth < int(deep):
            found["provision"] = [self.provision(depth + 1, deep)]
        elif depth < 4:
            count = self.choose("children of a bare root deny" if bare else "children")
            if count != "none":
                found["provision"] = [self.provision(depth + 1, "no") for _ in range(2 if count == "two" else 1)]
        return found

    def adorn(self, rule: Json) -> None:
        kind, extension = self.choose("rule"), [{"url": "https://example.org/x", "valueCode": "y"}]
        addition = {"modifierExtension": extension} if "modifierExtension" in kind else {"unheardOf": 1} if "unknown" in kind else {"extension": extension}
        if kind.startswith("part"):
            for key in ("actor", "data"):
                if key in rule:
                    part = rule[key][0]
                    inner = part.get("reference") if self.chance(20) and "modifier" in kind else None
                    (part if inner is None else inner).update(addition)
        elif kind == "malformed":
            key = self.choose("element")
            rule[key] = self.random.choice([[], {}, None, "x", [None], [{}], ["x"]])
        elif kind != "plain":
            rule |= addition

    def element(self, key: str, kind: str) -> Any:
        fits = [self.choose(f"fit for a {kind}") for _ in range(int(self.choose("repetitions")))]
        if key in ("period", "dataPeriod"):
            return self.period(fits[0], self.now if key == "period" or self.chance(30) else self.now - timedelta(days=15))
        if key == "securityLabel":
            return [label for fit in fits for label in self.rule_labels(fit)]
        return [{"actor": self.actor, "action": self.act, "purpose": self.purpose, "class": self.klass, "code": self.code, "data": self.data}[key](fit) for fit in fits]

    def period(self, fit: str, at: datetime) -> Json:
        before, after = self.one(EVER), self.one(EVER)
        if fit == "odd":
            odd = self.choose("odd span")
            if odd == "start after end":
                return {"start": self.text(at + timedelta(days=1, hours=1), "second"), "end": self.text(at - before, "second")}
            if odd == "end of days":
                return {"end": self.one(("9999", "9999-12-31", "9999-12-31T23:59:59Z"))}
            if odd == "unknown part":
                return {"start": "2020", "from": "2020"}
            return {"start": "2020-01-01T00:00:00" if odd == "no zone" else "soon"} | ({"end": self.text(at + after)} if self.chance(50) else {})
        if fit == "miss":
            before, after = (before, -before) if self.chance(50) else (-after, after)
        span = self.choose("span")
        found = {"start": self.text(at - before), "end": self.text(at + after)}
        return found if span == "both" else {span: found[span]}

    def text(self, at: datetime, precision: str = "") -> str:
        precision = precision or self.choose("precision")
        if precision == "offset":
            return at.astimezone(timezone(timedelta(hours=self.one((-5, 2, 5.5))))).isoformat(timespec="seconds")
        if precision == "millisecond":
            return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if precision == "minute":
            return at.strftime("%Y-%m-%dT%H:%MZ")
        return at.strftime({"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d"}.get(precision, "%Y-%m-%dT%H:%M:%SZ"))

    def actor(self, fit: str) -> Json:
        role = {"role": {"coding": [coding(TERMS + "v3-ParticipationType", "IRCP")]}} if self.chance(50) else {}
        kind, name = self.choose("odd actor" if fit == "odd" else "actor"), {"reference": self.one(NAMED[fit])}
        identifier = {"identifier": {"system": OIDS, "value": "mine" if fit == "hit" else "other"}}
        who = {"reference": name, "identifier": identifier, "reference and identifier": {"reference": "Practitioner/x"} | identifier,
               "display": {"display": "Practitioner/me"}, "group by identifier": {"type": "Group"} | identifier}.get(kind)  # fmt: skip
        return role if who is None else role | {"reference": who}

    def act(self, fit: str) -> Json:
        others = tuple(code for code in ("access", "disclose", "use") if code != self.action)
        return {"coding": [coding(ACTION, self.action if fit == "hit" else self.one(others))]} if fit != "odd" else self.odd_concept(ACTION, self.action)

    def purpose(self, fit: str) -> Json:
        if fit == "odd":
            return (self.odd_concept(PURPOSE, "TREAT").get("coding") or [{"display": "TREAT"}])[0]
        return coding(PURPOSE, self.one(("PurposeOfUse", self.purposes[0], self.purposes[0], "TREAT")) if fit == "hit" else self.one(PURPOSES))

    def klass(self, fit: str) -> Json:
        if fit == "odd":
            return (self.odd_concept(TYPES, "Nothing").get("coding") or [{"display": "Observation"}])[0]
        if self.choose("class of the rule") == "profile":
            return coding(URIS, self.one((PROFILE, PROFILE, f"{PROFILE}|2") if fit == "hit" else (OTHER_PROFILE, f"{PROFILE}|1")))
        return coding(TYPES, self.resource["resourceType"] if fit == "hit" else self.one(("Observation", "Communication", "Task")))

    def code(self, fit: str) -> Json:
        if fit == "odd":
            return self.odd_concept(LOINC, "0000-0")
        own = self.resource.get("code", {}).get("coding", [coding(LOINC, CODES[0])])
        return {"coding": own if fit == "hit" else [coding(LOINC, self.one(CODES))]}

    def odd_concept(self, system: str, code: str) -> Json:
        odd = self.choose("odd coding")
        return {"text": code} if odd == "text" else {"coding": [coding(FOREIGN, code) if odd == "other system" else coding(system, "nobody-knows")]}

    def rule_labels(self, fit: str) -> list[Json]:
        if fit == "odd":
            return [coding(self.one((FOREIGN, LEVEL, SENSITIVITY)), "secret")]
        kind = self.choose("labels of the rule")
        level = self.one(LEVELS[3:] if fit == "hit" else LEVELS)
        own = [label["code"] for label in self.resource.get("meta", {}).get("security", []) if label["system"] == SENSITIVITY]
        sensitive = [coding(SENSITIVITY, self.one((*own, "SPI")) if fit == "hit" else self.one(SENSITIVE))]
        return ([] if kind == "sensitivities" else [coding(LEVEL, level)]) + ([] if kind == "levels" else sensitive)

    def data(self, fit: str) -> Json:
        meaning = self.choose("meaning")
        self_name, other = f"{self.resource['resourceType']}/r", self.one(("Encounter/e", "Observation/other", "Practitioner/maker"))
        target = {"instance": self_name, "authoredby": "Practitioner/maker"}.get(meaning, self.one(("Encounter/e", "Encounter/f", self_name))) if fit == "hit" else other
        found: Json = {"meaning": meaning, "reference": {"reference": target}}
        if fit == "odd":
            odd = self.choose("odd data")
            found |= {"unknown meaning": {"meaning": "nearby"}, "identifier": {"reference": {"identifier": {"system": OIDS, "value": "r"}}}}.get(odd, {})
            found.pop({"no meaning": "meaning", "no reference": "reference"}.get(odd, ""), None)
        return found


def coding(system: str, code: str) -> Json:
    return {"system": system, "code": code}


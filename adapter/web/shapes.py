"""The shapes that the doors speak of, as JSON Schema: bodies, what an act takes, answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter.takes import NAMED

Schema = dict[str, Any]


def text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def _object(description: str, properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "description": description, "properties": dict(properties), **({"required": list(required)} if required else {})}


def _closed(description: str, properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """An object of these keys and no others."""
    return _object(description, properties, required) | {"additionalProperties": False}


def _list(of: Schema, description: str = "") -> Schema:
    return {"type": "array", "items": of, **({"description": description} if description else {})}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


# ── what an act takes ────────────────────────────────────────────────────────────────────────────
HEARD = {
    "heard_by": text("key of the person of the network file who heard it, of the caller's house or of the practice; by default the caller"),
    "how": text("how it was said: a code of the table agreement-way (telephone, presence, ecrit, …)"),
    "at": text("when it was said, from the day of the request until now; by default now", format="date-time"),
}
SAID_YES = ("accord", "par", "le", "comment", "texte", "langue")
ARGUMENTS = HEARD | {
    "reason": text("decline, cancel: a code of status-reason; urgency: a code of urgency-reason"),
    "outcome": text("complete: a code of the table outcome, for every need alike"),
    "needs": {"description": "complete: an object, need code of the card → outcome code; narrow: the list of need codes that stay",
              "oneOf": [{"type": "object", "additionalProperties": text()}, _list(text())]},
    "result": text("complete: a code of the table need-result, how far the needs were met"),
    "need": text("conclude: a code of the table need-result, whether the need was met as the prescriber sees it"),
    "days": {"type": "integer", "minimum": 0, "maximum": 30, "description": "conclude: hospital days avoided, as the prescriber says; none: not known"},
    "progress": text("progress: a code of business-status: contact-tente, rdv-fixe, absent-1 to absent-3"),
    "question": text("ask: a code of the table question"),
    "answer": text("answer: a code of the table answer"),
    "text": text("message: what the practice will read", maxLength=4000),
    "until": text("narrow: the earlier end", format="date-time"),
    "against": text("oppose: this recipient's organisation, or (the practice alone) everyone", enum=["recipient", "everyone"]),
    "person": text("recognise, leave: key of a person of the network file"),
    "informed": {"type": "boolean", "description": "recognise: the person was told what the team shares"},
    "id": text("refer, reorient: the caller's own id of the record; by default a new one"),
    "date": text("refer, reorient: when it was asked; by default now", format="date-time"),
    "destinataire": text("refer, reorient: key of the unit that is asked; the body is a record of the mapping demande-complementaire"),
    "besoins": _list(text(), "refer, reorient: needs"),
    "service": text("refer, reorient: a code of the table service"),
    "urgence": text("refer, reorient: how soon; by default what is usual for the need", enum=["48h", "immediate", "normale"]),
    "contraintes": _list(text(), "refer, reorient: codes of the table constraint"),
    "notes_privees": {"description": "refer, reorient: never stored"},
    "accord_patient": _closed("refer, reorient: the person's agreement to that request", dict.fromkeys(SAID_YES, text())),
    "cabinet_informe": text("refer: whether the person agrees that the practice may know", enum=["oui", "non"]),
}  # fmt: skip
SAID = {"heard_by": "coursier-lea", "how": "telephone"}
FURTHER = {"destinataire": "saad-portage", "besoins": ["aide-menagere"], "accord_patient": {"accord": "oui", "par": "coursier-lea", "comment": "presence"}}
ACTS: dict[str, Schema] = {  # an example of the body of each
    "accept": {}, "decline": {"reason": "mauvaise-orientation"}, "start": {}, "complete": {"outcome": "aide-alimentaire-en-place"},
    "progress": {"progress": "absent-1"}, "cancel": {"reason": "beneficiaire-absent"},
    "ask": {"question": "coordonnees"}, "answer": {"answer": "oui"}, "message": {"text": "Repas livrés à partir de demain."},
    "conclude": {"need": "satisfait", "days": 7},
    "refer": FURTHER | {"cabinet_informe": "oui"}, "reorient": FURTHER, "withdraw": SAID, "inform": SAID, "confirm": SAID,
    "narrow": SAID | {"needs": ["isolement"]}, "oppose": SAID | {"against": "recipient"}, "urgency": {"reason": "danger-vital"},
    "recognise": SAID | {"person": "as-ines", "informed": True}, "leave": SAID | {"person": "as-ines"},
}  # fmt: skip

# ── shapes ───────────────────────────────────────────────────────────────────────────────────────
ISSUE = _object("", {name: text() for name in ("severity", "code", "diagnostics")} | {"expression": _list(text())}, ("severity", "code", "diagnostics"))
LINE = {name: text() for name in ("reference", "status", "task", "serviceRequest", "unit")} | {"due": {"type": ["string", "null"], "format": "date-time"}}
REMARK = _object("", {name: text() for name in ("path", "mapping", "text")})
OWED = {
    "id": text("the caller's own id of the referral"), "reference": text("spoken reference"), "since": text(format="date-time"),
    "what": text(enum=["information", "answer", "half-time", "second-person", "deadline", "no-shows"]),
    "phone": text("deadline: of the other side, where the view has it"),
}  # fmt: skip
NOTICE = {
    "reference": text("spoken reference, K7-42M"), "sent": text(format="date-time"), "read": text("when it was read, or empty"),
    "text": text("what to do"),
}  # fmt: skip
PROOF = {
    "client_assertion_type": text(enum=["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]),
    "client_assertion": text("a JWT signed with RS384 or ES384 by a key of the client; good for one request"), "client_id": text(), "client_secret": text(),
}  # fmt: skip
SCHEMAS: dict[str, Schema] = {
    "OperationOutcome": _object(
        "Why a request was refused: what, where (a FHIRPath or the path in the record), what was expected; never a value.",
        {"resourceType": text(enum=["OperationOutcome"]), "issue": _list(ISSUE)}, ("resourceType", "issue"),
    ),
    "Resource": _object("A FHIR R4 resource.", {"resourceType": text(), "id": text(), "meta": {"type": "object"}}, ("resourceType",)),
    "Bundle": _object(
        "A FHIR R4 searchset; link `next` leads on.", {"resourceType": text(enum=["Bundle"]), "entry": _list({"type": "object"})}, ("resourceType",)
    ),
    "Operation": _object("One operation of a JSON Patch (RFC 6902).", {
        "op": text(enum=["add", "remove", "replace", "move", "copy", "test"]), "path": text("a JSON Pointer"), "from": text("a JSON Pointer"),
    }, ("op", "path")),
    "Patch": {"type": "array", "description": "A JSON Patch.", "items": ref("Operation")},
    "Record": _object(
        "A record as its mapping says (`liaison map list`; mappings/README.md).", {"id": text("the sender's own: the same id again is the same record")}
    ),
    "Receipt": _object("What became of a record.", {
        "record": text(), "status": text(enum=["draft", "requested", "cancelled", "closed", "refused", "not-sent", "reported"]),
        "referrals": _list(_object("", LINE | {"dueSaid": {"type": "object"}})), "warnings": _list(REMARK), "dropped": _list(text()),
    }, ("record", "status", "referrals", "warnings", "dropped")),
    "Agreement": _closed("One of the two agreements, as it was heard.", {
        "who": text(enum=["doctor", "patient"]), "agreed": {"type": "boolean"}, **HEARD,
        "given_by": _closed("who agrees in the person's place", {"capacity": text("a code of the table capacity"), "name": text(maxLength=NAMED)}),
    }, ("who", "agreed")),
    "Arguments": _closed("What the acts take, each its own; see the examples, one an act.", ARGUMENTS),
    "Card": _object("What this view shows of one referral now; keys without a value are absent.", {
        "id": text("the caller's own id of it"), "view": text(), "version": {"type": "integer"},
        "reference": text("spoken reference"), "state": text("FHIR Task.status"), "status": text("the same in words"),
    }, ("id",)),
    "Line": _object("One referral in a list: enough to choose what to open; initials only once it was accepted.", {
        "id": text("the caller's own id of it: the card is read by it"), "etag": text(), "view": text(), "version": {"type": "integer"},
        "reference": text("spoken reference"), "state": text("FHIR Task.status"), "status": text("the same in words"), "initials": text(),
    }, ("id",)),
    "Lines": _object("", {"referrals": _list(ref("Line"))}, ("referrals",)),
    "Notices": _object("", {"notices": _list(_object("", NOTICE))}, ("notices",)),
    "Rdv": _object("A webhook of RDV Service Public, as mappings/rdv-service-public.yaml reads it; what it does not need is dropped.", {
        "meta": _object("", {"model": text(enum=["Rdv"]), "event": text(enum=["created", "updated", "destroyed"]), "timestamp": text(format="date-time")}),
        "data": _object("the rdv, with organisation, motif and participations", {name: text() for name in ("uuid", "starts_at", "ends_at")}),
    }, ("meta", "data")),
    "Parked": _object("", {"appointments": _list(_object(
        "By the tool's own numbers; why: none, several, unknown-reference, other-person.",
        {name: text() for name in ("rdv", "user", "start", "end", "status", "why", "since")},
    ))}, ("appointments",)),
    "Assigned": _closed("A parked appointment, and the caller's own id of the referral that it is about.", {
        "rdv": text(), "user": text(), "referral": text(),
    }, ("rdv", "user", "referral")),
    "Owed": _object("", {"owed": _list(_object("", OWED))}, ("owed",)),
    "Token": _object("", {"access_token": text(), "token_type": text(), "expires_in": {"type": "integer"}, "scope": text("granted")}, ("access_token",)),
    "TokenError": _object("", {"error": text(), "error_description": text()}, ("error",)),
    "TokenRequest": _object("Who asks: a signed assertion, or client and secret by HTTP Basic or in the form.", {
        "grant_type": text(enum=["client_credentials"]), "scope": text("SMART scopes, a space between; by default all that the client has"), **PROOF,
    }, ("grant_type",)),
    "TokenAsked": _object("A token of the caller's own, and who asks.", {"token": text(), **PROOF}),
    "TokenState": _object("", {
        "active": {"type": "boolean"}, "scope": text(), "client_id": text(), "exp": {"type": "integer"}, "token_type": text(), "aud": text(),
    }, ("active",)),
    "SmartConfiguration": _object("As SMART App Launch 2 has it.", {
        "token_endpoint": text(), "introspection_endpoint": text(), "revocation_endpoint": text(),
        **{name: _list(text()) for name in ("grant_types_supported", "scopes_supported", "capabilities", "token_endpoint_auth_methods_supported")},
    }, ("token_endpoint", "capabilities")),
    "Search": _object("Search parameters of the type, as in an address.", {}) | {"additionalProperties": text()},
    "Health": _object("", {"status": text(), "checks": {"type": "object", "additionalProperties": text()}}, ("status",)),
}  # fmt: skip

"""The table of exits: every route, verb, metric and log key, and why nothing of a person leaves by it unasked."""

from __future__ import annotations

WINDOW = "what a view and the Consent let through"
OWN = "a clinic's software: what it wrote itself (Window.limited)"
RECEIPT = "reference, state and dates, for the sender of the record"
NOTICE = "a spoken reference (declared exception)"
NOTHING = "nothing of a person"
PARKED = "numbers and times of the unit's own appointment tool"
TABLES = "the code tables: to the byte the same whoever is in the house, and whoever asks"
TERMS = {"CodeSystem": ("validate-code", "{table}", "need"), "ConceptMap": ("translate", "{map}", "need-sdohcc"), "ValueSet": ("validate-code", "{table}", "need")}
ROUTES = {
    **dict.fromkeys(("POST /oauth/token", "POST /oauth/introspect", "POST /oauth/revoke", "GET /fhir/.well-known/smart-configuration"), NOTHING),
    **dict.fromkeys(("GET /fhir/metadata", "GET /health/live", "GET /health/ready", "GET /metrics", "GET /docs", "GET /docs/collection.json", "GET /openapi.json"), NOTHING),
    "GET /fhir/{type}/{id}": OWN, "GET /fhir/{type}": OWN, "POST /fhir/{type}/_search": OWN, "POST /fhir/{type}": OWN,
    "POST /fhir": OWN, "POST /fhir/": OWN, "PUT /fhir/{type}": OWN, "PUT /fhir/{type}/{id}": OWN, "PATCH /fhir/{type}/{id}": OWN, "DELETE /fhir/{type}/{id}": NOTHING,
    "GET /fhir/{type}/_history": OWN, "GET /fhir/{type}/{id}/_history": OWN, "GET /fhir/{type}/{id}/_history/{version}": OWN,
    "POST /fhir/{type}/$validate": NOTHING, "GET /fhir/Subscription/{id}/$status": NOTHING,
    "POST /hooks/{hook}": NOTHING, "POST /hooks/rdv/{unit}": NOTHING,
    "GET /views/{view}/appointments": PARKED, "POST /views/{view}/appointments": NOTHING,
    **{f"{method} /fhir/{type}{rest}": TABLES for type, (operation, place, _) in TERMS.items()
       for method, rest in (("GET", ""), ("GET", f"/{place}"), ("GET", f"/${operation}"), ("POST", f"/${operation}"))},
    "GET /intake/{mapping}/{record}": OWN,
    "POST /intake/{mapping}": RECEIPT, "POST /intake/{mapping}/{record}/agreements": RECEIPT,
    "GET /views/{view}/referrals": WINDOW, "GET /views/{view}/referrals/{id}": WINDOW, "POST /views/{view}/referrals/{id}/{verb}": WINDOW,
    "GET /views/{view}/owed": WINDOW, "GET /views/{view}/notices": NOTICE, "POST /views/{view}/notices/{reference}/acknowledge": NOTICE,
}  # fmt: skip
# A verb of the command line is one of these four, with the words to try it by (none: it runs until it is stopped, or sets a machine up).
OFFICER = "about a person, for the officer: an event stands in the trail before the first line"
BARE = "no personal data: references, codes and counts"
CALLERS = "what its caller gave it, or invented persons: it opens no store of the house"
REVEALED = "through `reveal`"
NUMBERED = {"1", "x", "ours"}  # what is stuck, by a number that nothing has here
VERBS: dict[str, tuple[str, list[str]]] = {  # tried in this order
    "client list": (BARE, ["client", "list"]), "client rotate": (BARE, ["client", "rotate", "cmp"]), "client disable": (BARE, ["client", "disable", "cmp"]),
    "audit key": (BARE, ["audit", "key"]), "audit checkpoint": (BARE, ["audit", "checkpoint"]), "audit verify": (BARE, ["audit", "verify"]),
    "audit purge": (BARE, ["audit", "purge"]), "db check": (BARE, ["db", "check"]), "db upgrade": (BARE, ["db", "upgrade"]),
    "dpo key": (BARE, ["dpo", "key", "FOLDER/other.key"]), "network show": (BARE, ["network", "show", "--json"]),
    "network apply": (BARE, ["network", "apply", "NETWORK"]), "sync push": (BARE, ["sync", "push"]), "sync pull": (BARE, ["sync", "pull"]), "sync due": (BARE, ["sync", "due"]),
    "sync status": (BARE, ["sync", "status"]), "sync pause": (BARE, ["sync", "pause"]), "sync resume": (BARE, ["sync", "resume"]),
    "sync dead list": (BARE, ["sync", "dead", "list"]), "sync dead show": (BARE, ["sync", "dead", "show", "1"]),
    "sync dead replay": (BARE, ["sync", "dead", "replay", "1"]), "sync dead drop": (BARE, ["sync", "dead", "drop", "--why", "test", "1"]),
    "sync conflicts list": (BARE, ["sync", "conflicts", "list"]), "sync conflicts show": (BARE, ["sync", "conflicts", "show", "1"]),
    "sync conflicts resolve": (BARE, ["sync", "conflicts", "resolve", "1", "ours"]), "sync list": (BARE, ["sync", "list"]), "sync retry": (BARE, ["sync", "retry", "1"]),
    "sync link": (BARE, ["sync", "link", "1", "x"]), "sync resolve": (BARE, ["sync", "resolve", "1", "ours"]),
    "intake": (BARE, ["intake", "TABLE", "--columns", "appels-tableur", "--as", "coursiers"]),
    "seed": (BARE, ["seed", "--add"]), "doctor": (BARE, ["doctor"]), "report": (BARE, ["report", "--format", "html"]), "reconcile": (BARE, ["reconcile", "--ehr", "msp-saint-eloi"]),
    "directory import": (BARE, ["directory", "import", "NETWORK", "--source", "test"]), "directory search": (BARE, ["directory", "search", "--near", "49.44,1.09"]),
    "directory who": (BARE, ["directory", "who", "--commune", "76540"]), "directory slots": (BARE, ["directory", "slots", "permanence-saint-eloi"]),
    "client add": (BARE, ["client", "add", "new", "--organisation", "msp-saint-eloi", "--secret-file", "FOLDER/new", "--file", "NETWORK", "--show"]),
    "audit export": (OFFICER, ["audit", "export"]), "audit search": (OFFICER, ["audit", "search"]),
    "consent explain": (OFFICER, ["consent", "explain", "--who", "coursier-rouen", "--what", "TASK"]),
    "team recognise": (OFFICER, ["team", "recognise", "TASK", "as-ines", "--heard-by", "dr-exemple", "--how", "telephone", "--informed"]),
    "team show": (OFFICER, ["team", "show", "TASK"]), "team leave": (OFFICER, ["team", "leave", "TASK", "as-ines", "--heard-by", "dr-exemple"]),
    "view try": (OFFICER, ["view", "try", "TASK", "--as", "coursier-rouen"]),
    "person why": (OFFICER, ["person", "why", "TASK"]), "dpo report": (OFFICER, ["dpo", "report"]),
    "person erase": (OFFICER, ["person", "erase", "TASK", "--yes"]),
    "keys new": (CALLERS, ["keys", "new", "FOLDER/ehr.key"]), "keys jwks": (CALLERS, ["keys", "jwks", "RECORD"]), "demo": (CALLERS, ["demo", "--json"]), "map check": (CALLERS, ["map", "check", "appel-coursier"]), "map list": (CALLERS, ["map", "list"]),
    "map try": (CALLERS, ["map", "try", "appel-coursier", "RECORD"]), "map explain": (CALLERS, ["map", "explain", "appel-coursier", "RECORD"]),
    "map back": (CALLERS, ["map", "back", "appel-coursier", "RECORD"]),
    "map new": (CALLERS, ["map", "new", "mon-outil", "--from", "RECORD"]), "map diff": (CALLERS, ["map", "diff", "appel-coursier", "appel-coursier", "--record", "RECORD"]), "validate": (CALLERS, ["validate", "RECORD"]), "consent check": (CALLERS, ["consent", "check", "RECORD"]),
    "view list": (CALLERS, ["view", "list"]), "view check": (CALLERS, ["view", "check"]), "view show": (CALLERS, ["view", "show", "saad"]),
    "view diff": (CALLERS, ["view", "diff", "saad", "saad"]), "init": (CALLERS, ["init", "FOLDER/new"]), "sandbox status": (CALLERS, ["sandbox", "status"]),
    "fake-ehr": (CALLERS, []), "sandbox down": (CALLERS, []), "sandbox up": (CALLERS, []), "serve": (BARE, []), "worker": (BARE, []),
}  # fmt: skip
METRICS = {"liaison_requests": {"route", "method", "status"}, "liaison_request_seconds": {"route"}}
METRICS |= {
    "liaison_ehr_lag_seconds": {"ehr"}, "liaison_ehr_conflicts": {"ehr"}, "liaison_ehr_pull_age_seconds": {"ehr"}, "liaison_ehr_mode": {"ehr", "mode"},
    "liaison_ehr_letters": {"ehr", "state"}, "liaison_ehr_lanes": {"ehr", "state"}, "liaison_ehr_outcomes": {"ehr", "outcome"},
    "liaison_due_acts": {"what"}, "liaison_ehr_subscriptions": {"ehr", "state"}, "liaison_ehr_notifications_refused": {"ehr", "why"},
}  # fmt: skip
LOG_KEYS = {"ehr", "state", "reason", "request_id", "job", "client", "error", "logger", "where"}
LOG_NUMBERS = {"count", "seconds", "status", "attempts", "port", "processes", "dropped"}
EHR_CALLS = {"capability", "read", "search", "create", "update", "patch", "transaction"}  # all in `adapter.sync`, which asks `Window.letter`

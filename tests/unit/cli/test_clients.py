"""`liaison client` and `liaison keys` as an operator has them: what is written, what is refused, what holds at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from joserfc.jwk import RSAKey

from adapter.cli.registering import added, entry
from adapter.ehr.smart import signing_key
from adapter.errors import LiaisonError, SettingsError
from adapter.network import Network, Secret, load, parse
from adapter.smart import read_keys, usable
from tests.e2e.desk import Desk
from tests.e2e.stage import ROOT
from tests.unit.net.scripted import Scripted, http
from tests.unit.network.network import TEXT
from tests.unit.web.smart import ec, jwks, public, rsa

NETWORK = ROOT / "mappings" / "demo" / "network.yaml"
ADD = ("client", "add", "new", "--organisation", "msp-saint-eloi", "--scope", "system/Task.rs?status=requested", "--scope", "intake")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(NETWORK, tmp_path / "network.yaml"))


def refused(result: Result) -> str:
    assert isinstance(result.exception, SettingsError | LiaisonError), result.output
    return f"{result.exception} {getattr(result.exception, 'fix', '')}"


# ── add ──────────────────────────────────────────────────────────────────────────────────────────
def test_add_writes_the_client_after_the_last_and_leaves_all_else_as_it_was(desk: Desk, file: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(jwks(public(rsa()), public(ec())))
    result = desk.run(*ADD, "--jwks-file", str(keys), "--file", str(file))
    assert result.exit_code == 0 and "rsa, ec" in result.output and "liaison network apply" in result.output
    before, now = NETWORK.read_text("utf-8").splitlines(), file.read_text("utf-8").splitlines()
    (line,) = [each for each in now if each not in before]
    assert [each for each in now if each != line] == before and now[-1] == line
    client = load(file).client("new")
    assert client is not None and (client.organisation, client.jwks_file, client.scopes) == ("msp-saint-eloi", str(keys), ("system/Task.rs?status=requested", "intake"))
    assert len(load(file).clients) == len(load(NETWORK).clients) + 1


def test_add_makes_a_secret_that_only_its_owner_reads_and_keeps_one_that_is_there(desk: Desk, file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secrets" / "new"
    assert "made" in desk.run(*ADD, "--secret-file", str(secret), "--file", str(file)).output
    kept = secret.read_text().strip()
    assert len(kept) >= 43 and secret.stat().st_mode & 0o777 == 0o600 and kept not in file.read_text("utf-8")
    shutil.copy(NETWORK, file)
    assert "made" not in desk.run(*ADD, "--secret-file", str(secret), "--file", str(file)).output and secret.read_text().strip() == kept


def test_add_only_shows_the_entry_when_asked_to(desk: Desk, file: Path, tmp_path: Path) -> None:
    result = desk.run(*ADD, "--secret-file", str(tmp_path / "none"), "--file", str(file), "--show")
    assert result.output.startswith('- {id: "new", organisation: "msp-saint-eloi"') and not (tmp_path / "none").exists()
    assert file.read_text("utf-8") == NETWORK.read_text("utf-8")


@pytest.mark.parametrize(("words", "said"), [
    (("client", "add", "saad", "--organisation", "msp-saint-eloi", "--secret-file", "x"), "another client has this id"),
    (("client", "add", "new", "--organisation", "nobody", "--secret-file", "x"), "no such organisation"),
    (("client", "add", "new", "--organisation", "saad-seine", "--role", "clinic", "--secret-file", "x"), "role clinic"),
    ((*ADD, "--secret-file", "x", "--scope", "system/Task.sr"), "did you mean system/Task.rs?"),
    ((*ADD, "--secret-file", "x", "--purpose", "MARKETING"), "a purpose of v3-ActReason"),
    ((*ADD, "--secret-file", "x", "--jwks-file", "y"), "expected exactly one of"), (ADD, "expected exactly one of"),
    ((*ADD, "--jwks-url", "http://ehr.example/jwks"), "jwks_private"), ((*ADD, "--jwks-file", "/none.json"), "cannot be read"),
    ((*ADD, "--jwks-url", "https://127.0.0.1:9/jwks"), "not reached"),
])  # fmt: skip
def test_add_refuses_what_the_network_file_would_refuse_and_writes_nothing(desk: Desk, file: Path, words: tuple[str, ...], said: str) -> None:
    assert said in refused(desk.run(*words, "--file", str(file)))
    assert file.read_text("utf-8") == NETWORK.read_text("utf-8") and not Path("x").exists()


@pytest.mark.parametrize(
    "keys", [b"{}", b"", jwks(), jwks(public(rsa()), public(rsa())), jwks(public(rsa(), use="enc")), jwks(public(ec("p256", "P-256"))), jwks({"kid": "x"})],
    ids=["object", "nothing", "none", "twice", "to-encrypt", "another-curve", "kid-alone"],  # not the keys: each process makes its own
)  # fmt: skip
def test_add_refuses_keys_that_no_assertion_could_be_signed_with(desk: Desk, file: Path, tmp_path: Path, keys: bytes) -> None:
    (tmp_path / "keys.json").write_bytes(keys)
    assert "JWKS" in refused(desk.run(*ADD, "--jwks-file", str(tmp_path / "keys.json"), "--file", str(file)))
    assert file.read_text("utf-8") == NETWORK.read_text("utf-8")


def test_add_looks_at_the_keys_of_an_address(desk: Desk, file: Path) -> None:
    with Scripted(lambda _: [http(200, jwks(public(ec())))]) as server:
        result = desk.run(*ADD, "--jwks-url", f"{server.origin}/jwks", "--jwks-private", "--file", str(file))
        assert result.exit_code == 0 and "its keys: ec" in result.output and len(server.requests) == 1
    client = load(file).client("new")
    assert client is not None and client.jwks_private


BLOCK = TEXT + "  # more of them to come\n"
SHAPES = {
    "one a line": TEXT, "comment behind": BLOCK, "no line at the end": TEXT.rstrip("\n"), "other keys behind": TEXT.replace("people:", "others:").replace("others:", "people:"),
    "in a block": TEXT.replace("  - {id: asso-app, organisation: asso, unit: coursier, secret_file: secrets/asso, scopes: [views]}",
                               "  - id: asso-app\n    organisation: asso\n    secret_file: secrets/asso\n    scopes:\n      - views\n\n# the end"),
    "no clients": TEXT[: TEXT.index("clients:")], "deep": TEXT.replace("\n  - {id:", "\n      - {id:"), "at the margin": TEXT.replace("\n  - {id:", "\n- {id:"),
    "first": "clients:\n" + TEXT[TEXT.index("  - {id: clinic-app"):] + TEXT[: TEXT.index("clients:")],
}  # fmt: skip


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_entry_is_put_after_the_last_client_whatever_the_form_of_the_file(text: str) -> None:
    line = entry({"id": "new", "organisation": "asso", "unit": "", "secret_file": "secrets/né: #1", "scopes": ["views"], "purposes": None})
    before, now = parse(text).clients, parse(added(text, line, file="n.yaml")).clients
    assert now[:-1] == before and now[-1].id == "new" and now[-1].secret == Secret(file="secrets/né: #1")
    assert all(each in added(text, line, file="n.yaml").splitlines() for each in text.splitlines())


@pytest.mark.parametrize("clients", ["clients: []\n", "clients: [{id: a, organisation: asso, secret_file: s}]\n"])
def test_entry_is_said_where_clients_stand_on_one_line(clients: str) -> None:
    with pytest.raises(SettingsError, match="one line") as caught:
        added(TEXT[: TEXT.index("clients:")] + clients, "{id: new}", file="n.yaml")
    assert "{id: new}" in caught.value.fix


# ── list, disable ────────────────────────────────────────────────────────────────────────────────
def states(desk: Desk) -> dict[str, str]:
    lines = [line.split() for line in desk.run("client", "list").output.splitlines() if line.strip()]
    return {words[0]: " ".join(words[-2:]) for words in lines if words[0] in ("saad", "carsat", "saint-eloi", "coursiers", "cmp")}


def test_disabled_client_is_out_at_once_and_stays_out_whatever_file_is_applied(desk: Desk, file: Path) -> None:
    app = desk.stage.app
    assert states(desk) == dict.fromkeys(("saad", "carsat", "saint-eloi", "coursiers", "cmp"), "in force")
    assert desk.run("client", "disable", "saad").output == "saad is disabled\n"
    assert app.network.client("saad") is None and app.network.client("coursiers") is not None
    assert states(desk)["saad"].endswith("disabled")
    applied = desk.run("network", "apply", str(file))
    assert applied.exit_code == 0 and "client saad stays disabled" in applied.stderr and app.network.client("saad") is None
    undone = desk.run("client", "disable", "saad", "--undo")
    assert "network apply" in undone.output and app.network.client("saad") is None
    again = desk.run("network", "apply", str(file))
    assert "disabled" not in again.stderr and app.network.client("saad") is not None
    acts = [json.loads(row.event) for row in app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))]
    told = [(each["subtype"][0]["code"], each["entity"][0]["detail"][0]["valueString"]) for each in acts if each["subtype"][0]["code"].startswith("client-")]
    assert told == [("client-disable", "saad"), ("client-enable", "saad")]


def test_client_that_a_later_file_left_out_is_gone_and_not_disabled(desk: Desk, file: Path) -> None:
    text = file.read_text("utf-8")
    file.write_text("\n".join(line for line in text.splitlines() if "{id: cmp," not in line) + "\n", "utf-8")
    desk.run("network", "apply", str(file))
    assert states(desk)["cmp"] == "network file"


def test_disable_of_nobody_is_refused(desk: Desk) -> None:
    assert "no such client" in refused(desk.run("client", "disable", "nobody"))
    assert "no such client" in refused(desk.run("client", "rotate", "nobody"))


# ── rotate ───────────────────────────────────────────────────────────────────────────────────────
def way(desk: Desk, **changed: Any) -> None:
    from dataclasses import replace

    found: Network = desk.stage.app.network
    clients = tuple(replace(each, **({"secret": Secret()} | changed if each.id == "saad" else {})) for each in found.clients)
    desk.stage.app.apply_network(replace(found, clients=clients))


def test_rotate_puts_another_secret_in_the_place_of_the_old(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "saad"
    secret.write_text("old")
    secret.chmod(0o640)
    way(desk, secret=Secret(file=str(secret)))
    result = desk.run("client", "rotate", "saad")
    new = secret.read_text().strip()
    assert result.exit_code == 0 and len(new) >= 43 and new not in result.output and secret.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []
    assert "no jwks_file" in refused(desk.run("client", "rotate", "saad", "--jwks", str(secret)))


def test_rotate_puts_other_keys_in_the_place_of_the_old_once_they_were_looked_at(desk: Desk, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(jwks(public(rsa())))
    way(desk, jwks_file=str(old))
    assert "--jwks" in refused(desk.run("client", "rotate", "saad"))
    new.write_bytes(jwks())
    assert "no key" in refused(desk.run("client", "rotate", "saad", "--jwks", str(new)))
    assert usable(read_keys(old.read_bytes())) == ["rsa"]
    new.write_bytes(jwks(public(ec())))
    assert desk.run("client", "rotate", "saad", "--jwks", str(new)).exit_code == 0 and usable(read_keys(old.read_bytes())) == ["ec"]


def test_rotate_says_what_a_client_publishes_and_which_variable_to_set(desk: Desk) -> None:
    with Scripted(lambda _: [http(200, jwks(public(ec())))]) as server:
        way(desk, jwks_url=f"{server.origin}/jwks", jwks_private=True)
        assert desk.run("client", "rotate", "saad").output == "saad publishes its keys itself; now there: ec\n"
    way(desk, jwks_url="", jwks_private=False, secret=Secret(variable="SAAD_SECRET"))
    assert "SAAD_SECRET" in refused(desk.run("client", "rotate", "saad"))


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("alg", "kind"), [("RS384", "RSA"), ("ES384", "EC"), ("", "EC")])
def test_new_key_signs_and_its_public_half_alone_is_printed(desk: Desk, tmp_path: Path, alg: str, kind: str) -> None:
    file = tmp_path / "secrets" / "ehr.key"
    result = desk.run("keys", "new", str(file), *(("--alg", alg) if alg else ()))
    (shown,) = json.loads(result.output)["keys"]
    assert result.exit_code == 0 and file.stat().st_mode & 0o777 == 0o600 and shown["kty"] == kind
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & shown.keys()
    assert usable([shown]) == [shown["kid"]] and signing_key(file.read_text()).kid == shown["kid"]
    assert desk.run("keys", "jwks", str(file)).output == result.output
    assert "is there already" in refused(desk.run("keys", "new", str(file))) and signing_key(file.read_text()).kid == shown["kid"]


def test_new_key_has_the_name_that_was_said(desk: Desk, tmp_path: Path) -> None:
    assert json.loads(desk.run("keys", "new", str(tmp_path / "k"), "--kid", "ehr-2026").output)["keys"][0]["kid"] == "ehr-2026"
    assert json.loads((tmp_path / "k").read_text())["kid"] == "ehr-2026"


def test_public_half_of_a_pem_is_named_by_its_thumbprint(desk: Desk, tmp_path: Path) -> None:
    key = RSAKey.generate_key(2048)
    (tmp_path / "pem").write_bytes(key.as_pem(private=True))
    assert json.loads(desk.run("keys", "jwks", str(tmp_path / "pem")).output)["keys"][0]["kid"] == key.thumbprint()


@pytest.mark.parametrize("text", ["", "x", "{}", json.dumps(public(rsa())), jwks(public(ec())).decode()], ids=["nothing", "text", "object", "public", "set"])
def test_public_half_of_what_is_no_private_key_is_refused(desk: Desk, tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_text(text)
    assert "private key" in refused(desk.run("keys", "jwks", str(tmp_path / "k")))
    assert os.listdir(tmp_path)

"""`liaison sandbox` with stand-ins for java, mvn and docker: small programs in a folder that is the whole PATH."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapter.cli import sandbox, sandbox_docker, sandbox_record
from adapter.clock import SystemClock
from adapter.errors import SettingsError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STATEMENT = '{"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "software": {"name": "Stand-in", "version": "9"}}'

JAVA = f"""
import http.server, re, sys
if "-version" in sys.argv:
    sys.exit(print('openjdk version "VERSION.0.1" 2026-01-20', file=sys.stderr))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/fhir/metadata" else 404)
        self.end_headers()
        self.wfile.write({STATEMENT.encode()!r})
port = int(re.search(r"-Dsandbox.port=(\\d+)", " ".join(sys.argv))[1])
print("arguments", *sys.argv[1:], flush=True)
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""
MAVEN = """
import pathlib, sys
with open("builds", "a") as builds: builds.write("built ")
for path in ("pom.xml", "src/main/java/org/liaison/sandbox/Main.java", "src/main/resources/logback.xml"):
    assert pathlib.Path(path).is_file(), path
print("[INFO] Downloaded from central: one.jar\\n[INFO] Downloaded from central: two.jar", flush=True)
pathlib.Path("target/lib").mkdir(parents=True)
pathlib.Path("target/sandbox.jar").touch()
"""


class Machine:
    """A PATH of stand-ins, and a home of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.path, self.home = root, root / "bin", root / "home"
        self.place = self.home / "sandbox"
        self.path.mkdir()
        (self.path / "ps").symlink_to(str(shutil.which("ps")))

    def has(self, name: str, program: str) -> None:
        (self.path / name).write_text(f"#!{sys.executable}\n{program}", encoding="utf-8")
        (self.path / name).chmod(0o755)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(sandbox.app, arguments)

    def refusal(self, *arguments: str) -> SettingsError:
        error = self.run(*arguments).exception
        assert isinstance(error, SettingsError), error
        assert error.fix, "a refusal says how to mend it"
        return error


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.path))
    monkeypatch.setenv("LIAISON_HOME", str(made.home))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    made.has("java", JAVA.replace("VERSION", "21"))
    made.has("mvn", MAVEN)
    yield made
    made.run("down")


def no_pause(_: float) -> None:
    """A wait that takes no time."""


# ── up, status, down ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "body", [b"<html>", b'{"resourceType": "OperationOutcome"}', b"[]"], ids=["not JSON", "another resource", "a list"]
)
def test_capability_is_none_when_something_else_answers(free_port: int, body: bytes) -> None:
    reply = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(reply)

    with socket.create_server(("127.0.0.1", free_port)) as listener:
        server = threading.Thread(target=answer, args=(listener,))
        server.start()
        assert sandbox_record.capability(f"http://127.0.0.1:{free_port}/fhir", SystemClock()) is None
        server.join()


def test_home_is_in_the_users_cache_when_no_variable_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIAISON_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sandbox_record.home() == tmp_path / ".cache" / "liaison" / "sandbox"


def test_tail_says_so_when_nothing_was_written(tmp_path: Path) -> None:
    assert sandbox_record.tail(tmp_path / "absent") == "(nothing was written)"
    (tmp_path / "log").write_text("\n".join(str(n) for n in range(100)))
    assert sandbox_record.tail(tmp_path / "log").splitlines()[0] == "85"


# ── Docker ───────────────────────────────────────────────────────────────────────────────────────
DOCKER = """
import json, os, pathlib, subprocess, sys
verb, *rest = sys.argv[1:]
kept = pathlib.Path(__file__).with_name("containers")
with open(kept.with_name("asked"), "a") as asked: print(json.dumps(sys.argv[1:]), file=asked)
if verb == "info": sys.exit(ENGINE)
if verb == "run":
    port = rest[rest.index("--publish") + 1].split(":")[1]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([str(kept.with_name("java")), "-Dsandbox.port=" + port], stdout=quiet, stderr=quiet)
    kept.write_text(str(process.pid)); print("c0ffee" * 10)
if verb == "inspect": print("true" if kept.exists() else "")
if verb == "stats": print("612MiB / 7.6GiB")
if verb == "rm": os.kill(int(kept.read_text()), 9); kept.unlink()
"""


def asked(machine: Machine) -> list[list[str]]:
    return [json.loads(line) for line in (machine.path / "asked").read_text().splitlines()]


def test_up_takes_the_image_when_an_engine_answers(machine: Machine, free_port: int) -> None:
    machine.has("docker", DOCKER.replace("ENGINE", "0"))
    shown = machine.run("up", "--port", str(free_port))
    assert shown.exit_code == 0, shown.output
    assert "612MiB" in shown.output and "container c0ffeec0ffee" in shown.output and "docker logs c0ffeec0ffee" in shown.output
    ran = next(arguments for arguments in asked(machine) if arguments[0] == "run")
    assert f"127.0.0.1:{free_port}:8080" in ran and ran[-1] == sandbox_docker.IMAGE
    assert machine.run("status").exit_code == 0
    assert "Ended" in machine.run("down").output
    assert asked(machine)[-1] == ["rm", "--force", "c0ffee" * 10]
    assert not (machine.place / "builds").exists()


def test_up_takes_java_when_only_the_docker_client_is_there(machine: Machine, free_port: int) -> None:
    machine.has("docker", DOCKER.replace("ENGINE", "1"))
    assert "process" in machine.run("up", "--port", str(free_port)).output


def test_up_takes_java_when_something_is_to_be_kept_though_an_engine_answers(machine: Machine, free_port: int) -> None:
    machine.has("docker", DOCKER.replace("ENGINE", "0"))
    assert "process" in machine.run("up", "--port", str(free_port), "--keep", str(machine.root / "kept")).output


def test_up_refuses_docker_when_no_engine_answers_or_something_is_to_be_kept(machine: Machine, free_port: int) -> None:
    port = str(free_port)
    assert machine.refusal("up", "--port", port, "--engine", "docker").variable == "--engine"
    machine.has("docker", DOCKER.replace("ENGINE", "0"))
    assert machine.refusal("up", "--port", port, "--engine", "docker", "--keep", str(machine.root / "k")).variable == "--keep"


def test_up_quotes_the_engine_when_it_cannot_start_the_image(machine: Machine, free_port: int) -> None:
    machine.has("docker", "import sys\nif sys.argv[1] == 'run': sys.exit('no space left on device')")
    error = machine.refusal("up", "--port", str(free_port))
    assert "no space left on device" in str(error) and "--engine java" in error.fix

"""`liaison sandbox` with stand-ins for java, mvn and docker: small programs in a folder that is the whole PATH."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapter.cli import sandbox, sandbox_java, sandbox_record
from adapter.cli.sandbox_record import Sandbox
from adapter.clock import FrozenClock
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
def test_up_builds_starts_and_shows_the_server_when_java_is_there(machine: Machine, free_port: int) -> None:
    shown = machine.run("up", "--port", str(free_port), "--engine", "java")
    assert shown.exit_code == 0, shown.output
    assert "downloads" in shown.output and "Maven Central" in shown.output
    assert f"http://127.0.0.1:{free_port}/fhir" in shown.output
    assert "Stand-in 9, FHIR 4.0.1" in shown.output
    assert re.search(r"Memory +[1-9]\d* MB", shown.output)
    assert str(machine.place / "server.log") in shown.output


def test_status_tells_the_same_until_down_ends_it_when_it_runs(machine: Machine, free_port: int) -> None:
    assert machine.run("status").exit_code == 1
    machine.run("up", "--port", str(free_port), "--engine", "java")
    told = machine.run("status")
    assert told.exit_code == 0 and f"127.0.0.1:{free_port}" in told.output and "Stand-in 9" in told.output
    assert "Ended" in machine.run("down").output
    assert machine.run("status").exit_code == 1
    assert "not running" in machine.run("down").output
    sandbox_record.expect_free(free_port)


def test_up_builds_once_when_called_twice(machine: Machine, free_port: int) -> None:
    for _ in range(2):
        machine.run("up", "--port", str(free_port), "--engine", "java")
        machine.run("down")
    assert (machine.place / "builds").read_text() == "built "


def test_up_leaves_the_running_one_alone_when_called_again(machine: Machine, free_port: int) -> None:
    machine.run("up", "--port", str(free_port), "--engine", "java")
    first = sandbox_record.remembered(machine.place)
    assert "runs already" in machine.run("up", "--port", str(free_port)).output
    assert "runs already" in str(machine.refusal("up", "--port", "1"))
    assert sandbox_record.remembered(machine.place) == first


def test_up_keeps_the_database_in_the_named_folder_when_asked(machine: Machine, free_port: int) -> None:
    kept = machine.root / "kept" / "here"
    machine.run("up", "--port", str(free_port), "--engine", "java", "--keep", str(kept))
    assert kept.is_dir()
    assert f"-Dsandbox.database=jdbc:h2:file:{kept}/sandbox" in (machine.place / "server.log").read_text()


def test_up_says_the_last_lines_and_leaves_nothing_when_the_server_ends_at_once(machine: Machine, free_port: int) -> None:
    machine.has("java", JAVA.replace("VERSION", "17").replace("class Answer", "sys.exit('no memory left')\nclass Answer"))
    error = machine.refusal("up", "--port", str(free_port), "--engine", "java")
    assert "no memory left" in str(error)
    assert "server.log" in error.fix
    assert sandbox_record.remembered(machine.place) is None


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────
def test_up_refuses_when_the_port_is_in_use(machine: Machine, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        error = machine.refusal("up", "--port", str(free_port), "--engine", "java")
    assert str(free_port) in str(error) and error.variable == "--port"
    assert not (machine.place / "builds").exists(), "said before the build, not after"


@pytest.mark.parametrize(("missing", "says"), [("java", "Java is missing"), ("mvn", "Maven is missing")])
def test_up_refuses_when_a_tool_is_missing(machine: Machine, free_port: int, missing: str, says: str) -> None:
    (machine.path / missing).unlink()
    assert says in str(machine.refusal("up", "--port", str(free_port)))


def test_up_refuses_when_java_is_too_old(machine: Machine, free_port: int) -> None:
    machine.has("java", JAVA.replace("VERSION", "11"))
    error = machine.refusal("up", "--port", str(free_port))
    assert "Java 11 is too old" in str(error) and "JDK 17" in error.fix


def test_up_looks_only_where_java_home_points_when_it_is_set(machine: Machine, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(machine.root / "nowhere"))
    assert "JAVA_HOME" in str(machine.refusal("up", "--port", str(free_port)))


def test_up_refuses_when_its_folder_cannot_be_written(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.root / "file").touch()
    monkeypatch.setenv("LIAISON_HOME", str(machine.root / "file"))
    for verb in ("up", "status", "down"):
        assert machine.refusal(verb).variable == "LIAISON_HOME"
    monkeypatch.setenv("LIAISON_HOME", str(machine.home))


def test_up_refuses_when_the_kept_folder_cannot_be_written(machine: Machine, free_port: int) -> None:
    (machine.root / "file").touch()
    error = machine.refusal("up", "--port", str(free_port), "--keep", str(machine.root / "file" / "below"))
    assert error.variable == "--keep"


def test_up_quotes_maven_and_builds_anew_when_the_build_failed(machine: Machine, free_port: int) -> None:
    machine.has("mvn", "import sys\nprint('[INFO] fine')\nprint('[ERROR] ')\nprint('[ERROR] central is not reachable')\nsys.exit(1)")
    error = machine.refusal("up", "--port", str(free_port), "--engine", "java")
    assert "central is not reachable" in str(error) and "fine" not in str(error)
    assert "build.log" in error.fix
    assert not sandbox_java.is_built(machine.place)
    machine.has("mvn", MAVEN)
    assert machine.run("up", "--port", str(free_port), "--engine", "java").exit_code == 0


# ── building ─────────────────────────────────────────────────────────────────────────────────────
def test_build_tells_how_many_files_were_downloaded_when_maven_says_so(machine: Machine) -> None:
    heard: list[int] = []
    machine.place.mkdir(parents=True)
    assert sandbox_java.build(machine.place, pause=no_pause, progress=heard.append)
    assert heard[-1] == 2 and heard == sorted(heard)


def test_build_starts_over_when_the_sources_are_not_those_that_were_built(machine: Machine) -> None:
    machine.place.mkdir(parents=True)
    assert sandbox_java.build(machine.place, pause=no_pause)
    (machine.place / "src" / "stale.java").touch()
    (machine.place / "built").write_text("another digest")
    assert sandbox_java.build(machine.place, pause=no_pause)
    assert not (machine.place / "src" / "stale.java").exists()
    assert not sandbox_java.build(machine.place, pause=no_pause)


def test_build_does_not_count_when_a_later_one_of_other_sources_failed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.place.mkdir(parents=True)
    sandbox_java.build(machine.place, pause=no_pause)
    with monkeypatch.context() as changed, pytest.raises(SettingsError):
        changed.setattr(sandbox_java, "digest", lambda: "of other sources")
        machine.has("mvn", "raise SystemExit(1)")
        sandbox_java.build(machine.place, pause=no_pause)
    assert not sandbox_java.is_built(machine.place)


def test_build_ends_maven_when_it_is_interrupted(machine: Machine) -> None:
    machine.has("mvn", "import os, signal\nopen('pid', 'w').write(str(os.getpid()))\nsignal.pause()")
    machine.place.mkdir(parents=True)

    def interrupt(_: float) -> None:
        if (machine.place / "pid").exists() and (machine.place / "pid").read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sandbox_java.build(machine.place, pause=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((machine.place / "pid").read_text()), 0)


def test_sources_are_only_the_pom_and_what_is_under_src_when_listed() -> None:
    listed = [path for path, _ in sandbox_java.files(sandbox_java.sources())]
    assert listed[0] == "pom.xml"
    assert all(path.startswith("src/main/") for path in listed[1:])
    assert "src/main/java/org/liaison/sandbox/HapiServer.java" in listed


def test_command_names_options_as_the_server_reads_them_when_built(machine: Machine) -> None:
    options = {"port": 1, "refint": False, "reuse-cached-search": 0, "subscriptions": True, "database": "jdbc:postgresql://h/d"}
    made = sandbox_java.command(Path("/w"), options, flags=("-Xmx1g",))
    assert made[1:] == [
        "-Dsandbox.port=1",
        "-Dsandbox.refint=false",
        "-Dsandbox.reuse-cached-search=0",
        "-Dsandbox.subscriptions=true",
        "-Dsandbox.database=jdbc:postgresql://h/d",
        "-Xmx1g",
        "-cp",
        "/w/target/sandbox.jar:/w/target/lib/*",
        "org.liaison.sandbox.Main",
    ]
    source = b"".join(content for path, content in sandbox_java.files(sandbox_java.sources()) if path.endswith(".java")).decode()
    for name in options:
        assert f'"sandbox.{name}"' in source or f'option("{name}"' in source, f"the server does not read {name}"


# ── ending the right process ─────────────────────────────────────────────────────────────────────
def test_stop_leaves_a_process_alone_when_its_number_was_given_to_another(machine: Machine) -> None:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as stranger:
        recorded = Sandbox("java", 1, "a-handle-of-long-ago", "2026-03-02T12:00:00.000Z", "log", stranger.pid)
        machine.place.mkdir(parents=True)
        sandbox_record.remember(machine.place, recorded)
        assert "not running" in machine.run("status").output
        assert "not running" in machine.run("down").output
        assert stranger.poll() is None
        stranger.kill()
    assert sandbox_record.remembered(machine.place) is None


def test_stop_kills_the_server_when_it_does_not_end_by_itself(machine: Machine) -> None:
    stubborn = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    clock = FrozenClock(NOON)
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        clock.tick(timedelta(seconds=15))

    with subprocess.Popen([sys.executable, "-c", stubborn, "the-handle"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "deaf\n"
        assert sandbox_java.stop(Sandbox("java", 1, "the-handle", "", "log", process.pid), clock=clock, pause=pause)
        assert process.wait() == -signal.SIGKILL
    assert len(waits) >= 2, "it was given time to end by itself"


def test_resident_refuses_when_ps_is_missing(machine: Machine) -> None:
    real = (machine.path / "ps").readlink()
    (machine.path / "ps").unlink()
    with pytest.raises(SettingsError, match="ps is missing"):
        sandbox_java.resident(Sandbox("java", 1, "h", "", "log", os.getpid()))
    (machine.path / "ps").symlink_to(real)


# ── the record and the wait ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("content", ["", "{", "[]", '{"engine": "java"}', '{"unknown": 1}'])
def test_record_counts_as_none_when_it_is_unreadable(tmp_path: Path, content: str) -> None:
    (tmp_path / "sandbox.json").write_text(content)
    assert sandbox_record.remembered(tmp_path) is None


def test_record_comes_back_as_it_was_when_remembered(tmp_path: Path) -> None:
    one = Sandbox("docker", 8090, "c0ffee", "2026-03-02T12:00:00.000Z", "docker logs c0ffee")
    sandbox_record.remember(tmp_path, one)
    assert sandbox_record.remembered(tmp_path) == one
    assert one.uptime(FrozenClock(NOON + timedelta(minutes=2))) == 120
    sandbox_record.forget(tmp_path)
    sandbox_record.forget(tmp_path)
    assert sandbox_record.remembered(tmp_path) is None


def test_wait_gives_up_with_the_last_lines_when_nothing_answers(free_port: int) -> None:
    clock = FrozenClock(NOON)
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        clock.tick(timedelta(seconds=sandbox_record.READY_WITHIN / 3))

    silent = Sandbox("java", free_port, "h", "", "/x/server.log")
    with pytest.raises(SettingsError, match="did not answer within 300 s") as caught:
        sandbox_record.wait_until_ready(silent, alive=lambda: True, last_lines=lambda: "still loading", clock=clock, pause=pause)
    assert "still loading" in str(caught.value) and len(waited) == 3

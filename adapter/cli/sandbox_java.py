"""HAPI FHIR without Docker: built from `docker/hapi` with Maven, run with Java (facts: hapi.md)."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from adapter.cli.sandbox_record import Sandbox, tail
from adapter.clock import Clock, instant
from adapter.errors import SettingsError

JAVA = 17
MAIN = "org.liaison.sandbox.Main"
MEMORY = ("-Xms512m", "-Xmx1500m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # a quick start; a bench brings its own
ENDS_WITHIN = 20.0  # seconds between asking the server to end and ending it
ERROR_LINES = 6
Pause = Callable[[float], object]


# ── the tools ────────────────────────────────────────────────────────────────────────────────────
def java() -> str:
    """Path of a Java that is new enough. Raises SettingsError."""
    named = os.environ.get("JAVA_HOME", "")
    found = shutil.which("java", path=str(Path(named) / "bin")) if named else shutil.which("java")
    asked = subprocess.run([found, "-version"], capture_output=True, text=True, check=False) if found else None
    version = re.search(r'version "(\d+)', asked.stderr + asked.stdout) if asked and not asked.returncode else None
    if not found or version is None or int(version[1]) < JAVA:
        has = f"Java {version[1]} is too old" if version else "Java is missing"
        where = "where JAVA_HOME points" if named else "on PATH"
        raise SettingsError(f"{has} {where}", fix=f"install a JDK {JAVA} or later (Debian: apt install openjdk-17-jdk-headless)")
    return found


def maven() -> str:
    """Path of Maven. Raises SettingsError."""
    found = shutil.which("mvn")
    if not found:
        raise SettingsError("Maven is missing on PATH", fix="install Maven 3.8 or later (Debian: apt install maven)")
    return found


# ── building ─────────────────────────────────────────────────────────────────────────────────────
def sources() -> Traversable:
    """The folder with pom.xml and src: inside the installed package, or `docker/hapi` of the repository."""
    package = resources.files("adapter")
    candidates: list[Traversable] = [package / "_hapi"]
    if isinstance(package, Path):
        candidates.append(package.parent / "docker" / "hapi")
    for folder in candidates:
        if (folder / "pom.xml").is_file():
            return folder
    raise SettingsError("the sandbox's sources are missing from this installation", fix="install Liaison again")


def files(folder: Traversable, below: str = "") -> Iterator[tuple[str, bytes]]:
    """(relative path, content) of pom.xml and all under src, in one order everywhere."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = below + entry.name
        if entry.is_file() and (below or entry.name == "pom.xml"):
            yield path, entry.read_bytes()
        elif entry.is_dir() and (below or entry.name == "src"):
            yield from files(entry, f"{path}/")


def is_built(folder: Path) -> bool:
    """Whether `folder` holds a finished build of these very sources."""
    try:
        return (folder / "built").read_text(encoding="utf-8") == digest()
    except OSError:
        return False


def digest() -> str:
    seen = hashlib.sha256()
    for path, content in files(sources()):
        seen.update(path.encode() + b"\0" + content + b"\0")
    return seen.hexdigest()


def build(folder: Path, *, pause: Pause, progress: Callable[[int], object] = lambda downloaded: None) -> bool:
    """Builds in `folder`, unless that was done: False then. Downloads from Maven Central what the local Maven
    repository lacks; `progress` hears, twice a second, how many files came so far. Builds at the same time wait for
    each other. Raises SettingsError without Java or Maven, or with Maven's own error lines; the next try begins anew."""
    java()
    program = maven()
    with alone(folder):
        if is_built(folder):
            return False
        (folder / "built").unlink(missing_ok=True)
        for leftover in ("src", "target"):
            shutil.rmtree(folder / leftover, ignore_errors=True)
        for path, content in files(sources()):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        package(program, folder, pause=pause, progress=progress)
        (folder / "built").write_text(digest(), encoding="utf-8")  # last: half a build never counts
    return True


def package(program: str, folder: Path, *, pause: Pause, progress: Callable[[int], object]) -> None:
    log = folder / "build.log"
    command = [program, "-B", "-Dstyle.color=never", "-DskipTests", "package"]
    with log.open("wb") as out, subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as running:
        try:
            while running.poll() is None:
                progress(downloads(log))
                pause(0.5)
        finally:
            running.terminate()  # interrupted: Maven must not go on behind our back
    progress(downloads(log))
    if running.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("[ERROR]") and line.strip() != "[ERROR]"][:ERROR_LINES]
        raise SettingsError(
            "the sandbox could not be built; Maven said:\n" + ("\n".join(errors) or tail(log)),
            fix=f"mend that (offline? Maven Central must be reachable once), then try again; all of it is in {log}",
        )


def downloads(log: Path) -> int:
    return log.read_bytes().count(b"] Downloaded from ")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds `folder` against other builders on this machine."""
    import fcntl  # not on Windows, where the rest of the command line still works

    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# ── running ──────────────────────────────────────────────────────────────────────────────────────
def command(folder: Path, properties: Mapping[str, str | int | bool], *, flags: tuple[str, ...] = MEMORY) -> list[str]:
    """What to execute for the build in `folder`. `properties` are the `sandbox.…` ones of HapiServer and Main,
    without that prefix: port, database, refint, reuse-cached-search, subscriptions, until, …"""
    options = [f"-Dsandbox.{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in properties.items()]
    return [java(), *options, *flags, "-cp", f"{folder}/target/sandbox.jar:{folder}/target/lib/*", MAIN]


def start(folder: Path, *, port: int, keep: Path | None, clock: Clock) -> Sandbox:
    """Starts the build in `folder` detached from this process and terminal; it is not ready yet. `keep`: the folder
    of a database that outlives it, else all is in memory."""
    handle = clock.new_id()
    properties: dict[str, str | int | bool] = {"handle": handle, "port": port}
    if keep is not None:
        properties["database"] = f"jdbc:h2:file:{keep / 'sandbox'}"
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command(folder, properties), cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    started = Sandbox("java", port, handle, instant(clock.now()), str(log), process.pid)
    process.returncode = 0  # it is to outlive us: nobody here waits for it
    return started


def resident(sandbox: Sandbox) -> int | None:
    """Bytes of memory that the server's process holds; None when that process is gone. Another process that was
    given the same number since is not taken for it. Raises SettingsError where the program `ps` is missing."""
    try:
        asked = subprocess.run(["ps", "-ww", "-o", "rss=,command=", "-p", str(sandbox.pid)], capture_output=True, text=True, check=False).stdout.split(None, 1)
    except FileNotFoundError:
        raise SettingsError("the program ps is missing", fix="install it (Debian: apt install procps)") from None
    return int(asked[0]) * 1024 if len(asked) == 2 and sandbox.handle in asked[1] else None


def stop(sandbox: Sandbox, *, clock: Clock, pause: Pause) -> bool:
    """Ends the server and waits until it is gone; False when it was gone already. Ends nothing else."""
    if resident(sandbox) is None:
        return False
    os.kill(sandbox.pid, signal.SIGTERM)
    limit = clock.monotonic() + ENDS_WITHIN
    while resident(sandbox) is not None:
        if clock.monotonic() > limit:
            os.kill(sandbox.pid, signal.SIGKILL)
            limit += ENDS_WITHIN
        pause(0.2)
    return True

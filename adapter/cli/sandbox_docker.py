"""HAPI FHIR where a Docker engine answers: the image its makers publish."""

from __future__ import annotations

import shutil
import subprocess

from adapter.cli.sandbox_record import LOOPBACK, Sandbox
from adapter.clock import Clock, instant
from adapter.errors import SettingsError

IMAGE = "hapiproject/hapi:v8.0.0"
INSIDE = 8080  # the port inside the container
ENGINE_WITHIN = 20.0  # seconds


def docker(*arguments: str, within: float | None = ENGINE_WITHIN) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=within)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(arguments, 127, "", str(error))


def answers() -> bool:
    """Whether a Docker engine is there; the client alone is not enough."""
    return shutil.which("docker") is not None and docker("info").returncode == 0


def start(*, port: int, clock: Clock) -> Sandbox:
    """Starts the image, bound to loopback; the engine downloads it the first time. It is not ready yet, and keeps
    nothing once it is down. Raises SettingsError with the engine's own words."""
    done = docker("run", "--detach", "--publish", f"{LOOPBACK}:{port}:{INSIDE}", IMAGE, within=None)
    if done.returncode:
        raise SettingsError(f"Docker did not start {IMAGE}:\n{done.stderr.strip()}", fix="mend that, or use --engine java")
    container = done.stdout.strip()
    return Sandbox("docker", port, container, instant(clock.now()), f"docker logs {container[:12]}")


def running(sandbox: Sandbox) -> bool:
    return docker("inspect", "--format", "{{.State.Running}}", sandbox.handle).stdout.strip() == "true"


def last_lines(sandbox: Sandbox) -> str:
    said = docker("logs", "--tail", "15", sandbox.handle)
    return (said.stdout + said.stderr).strip() or "(nothing was written)"


def memory(sandbox: Sandbox) -> str:
    """In the engine's own words, for example "612MiB / 7.6GiB"; "" when it does not say."""
    return docker("stats", "--no-stream", "--format", "{{.MemUsage}}", sandbox.handle).stdout.strip()


def stop(sandbox: Sandbox) -> bool:
    """Ends and removes that container; False when it did not run. Raises SettingsError when the engine refuses."""
    was = running(sandbox)
    done = docker("rm", "--force", sandbox.handle, within=60.0)
    if was and done.returncode:
        raise SettingsError(f"Docker did not end the sandbox:\n{done.stderr.strip()}", fix=f"docker rm --force {sandbox.handle[:12]}")
    return was

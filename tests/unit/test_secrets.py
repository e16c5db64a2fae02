"""No secret lies in the repository (security.md A-30); the image has its own test, logs and tracebacks theirs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRIVATE = (
    r"PRIVATE KEY-----(?:\\[rn]|\s)*[A-Za-z0-9+/]{40,}", r'"(?:d|dp|dq|qi)"\s*:\s*"[A-Za-z0-9_-]{20,}"',  # PEM, and the private half of a JWK
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}",  # a signed token
    r"\b(?:ghp|gho|github_pat|glpat|xox[abp]|AKIA)[A-Za-z0-9_-]{16,}", r"https?://[^/\s:@\"'{}<]+:[^/\s:@\"'{}<]{8,}@",  # a vendor's, and one in an address
)  # fmt: skip
SECRET = re.compile("|".join(PRIVATE))
NAMED = re.compile(r"(?:^|/)(?:secrets/|\.env$|[^/]*\.(?:key|pem|p12|pfx|jks)$)")


def found(files: Iterable[tuple[str, str]]) -> list[str]:
    """The paths, of (path, text), that are called like a secret or hold one."""
    return [path for path, text in files if NAMED.search(path) or SECRET.search(text)]


def test_repository_holds_no_secret_A_30() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git here to tell what belongs to the repository")
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(names) > 300
    assert found((name, (ROOT / name).read_text("utf-8", "replace")) for name in names if (ROOT / name).is_file()) == []


@pytest.mark.parametrize(("path", "text"), [
    ("a.txt", "-----BEGIN PRIVATE " + "KEY-----\n" + "a" * 64), ("a.json", '{"kty":"EC","d' + '": "' + "x" * 43 + '"}'), ("a.md", "ey" + "J" + "a" * 20 + ".ey" + "J" + "b" * 20 + "." + "c" * 30),
    ("docs/x.md", "postgres at https://user:" + "a-long-word@host/"), ("secrets/saint-eloi", "x"), ("deep/liaison.key", ""), (".env", ""),
])  # fmt: skip
def test_secret_would_be_found(path: str, text: str) -> None:
    assert found([(path, text), ("README.md", "BEGIN the story; d: 1")]) == [path]

from __future__ import annotations

import base64
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from adapter.clock import FrozenClock
from adapter.ehr.auth import FixedHeader, NoAuth, TokenAuth, basic, bearer, secret
from adapter.errors import EhrUnavailable, SettingsError


def test_secret_is_read_anew_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    read = secret(file=str(file))
    assert read() == "old"
    file.write_text("new")
    assert read() == "new"


def test_secret_is_read_from_a_variable() -> None:
    assert secret(variable="EHR_TOKEN", environ={"EHR_TOKEN": " s "})() == "s"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_secret_names_the_file_and_never_its_content_when_it_cannot_be_used(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        secret(file=str(file))()
    assert caught.value.variable == str(file)


def test_secret_names_the_variable_when_it_is_not_set() -> None:
    with pytest.raises(SettingsError, match="EHR_TOKEN"):
        secret(variable="EHR_TOKEN", environ={})()


def test_no_auth_shows_nothing_and_has_nothing_new() -> None:
    assert NoAuth().headers() == {}
    assert not NoAuth().renew({})


def test_bearer_basic_and_header_show_what_they_should() -> None:
    assert bearer(lambda: "t").headers() == {"Authorization": "Bearer t"}
    assert basic("liaison", lambda: "p:é").headers() == {"Authorization": "Basic " + base64.b64encode("liaison:p:é".encode()).decode()}
    assert FixedHeader("X-Api-Key", lambda: "k").headers() == {"X-Api-Key": "k"}


def test_fixed_header_is_worth_another_try_only_when_the_secret_was_changed() -> None:
    values = iter(["a", "a", "b"])
    auth = bearer(lambda: next(values))
    used = auth.headers()
    assert not auth.renew(used)
    assert auth.renew(used)


class Tokens:
    def __init__(self, life: float = 300.0) -> None:
        self.given, self.life = 0, life

    def fetch(self) -> tuple[str, float]:
        self.given += 1
        return f"t{self.given}", self.life


def test_token_is_kept_while_it_lives_and_no_longer(clock: FrozenClock) -> None:
    tokens = Tokens()
    auth = TokenAuth(tokens, monotonic=clock.monotonic)
    assert auth.headers() == auth.headers() == {"Authorization": "Bearer t1"}
    clock.tick(timedelta(seconds=294))
    assert auth.headers() == {"Authorization": "Bearer t1"}
    clock.tick(timedelta(seconds=2))
    assert auth.headers() == {"Authorization": "Bearer t2"}


def test_token_that_lives_for_a_second_is_not_asked_for_twice_at_once(clock: FrozenClock) -> None:
    tokens = Tokens(life=1.0)
    auth = TokenAuth(tokens, monotonic=clock.monotonic)
    auth.headers()
    auth.headers()
    assert tokens.given == 1
    clock.tick(timedelta(seconds=1))
    auth.headers()
    assert tokens.given == 2


def test_token_refused_is_given_up_once_though_several_threads_say_so_A_21(clock: FrozenClock) -> None:
    tokens = Tokens()
    auth = TokenAuth(tokens, monotonic=clock.monotonic)
    used = auth.headers()
    threads = [threading.Thread(target=lambda: auth.renew(used) and auth.headers()) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens.given == 2


def test_token_is_asked_for_again_after_the_endpoint_was_away(clock: FrozenClock) -> None:
    class Away(Tokens):
        def fetch(self) -> tuple[str, float]:
            if not self.given:
                self.given += 1
                raise EhrUnavailable("away")
            return super().fetch()

    auth = TokenAuth(Away(), monotonic=clock.monotonic)
    with pytest.raises(EhrUnavailable):
        auth.headers()
    assert auth.headers() == {"Authorization": "Bearer t2"}

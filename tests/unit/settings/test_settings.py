"""Settings: what is read, what is refused and how it is said."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapter.errors import SettingsError
from adapter.settings import Settings, load_settings, mappings_folder, variables


def test_settings_have_safe_defaults_when_nothing_is_set() -> None:
    settings = load_settings({})
    assert (settings.database_url, settings.host, settings.port) == ("sqlite:///liaison.db", "127.0.0.1", 8600)
    assert settings.consent_max_age == timedelta(hours=24) and settings.max_body == 5 * 1024 * 1024
    assert settings.token_seconds == 300 and settings.jobs
    assert settings.url == "http://127.0.0.1:8600"


def test_settings_read_variables_in_their_own_words() -> None:
    settings = load_settings({
        "LIAISON_PORT": "9000", "LIAISON_MAX_BODY": "1MiB", "LIAISON_CONSENT_MAX_AGE": "12h", "LIAISON_PUSH_EVERY": "500s",
        "LIAISON_JOBS": "off", "LIAISON_NETWORK_FILE": "/etc/liaison/network.yaml", "LIAISON_PUBLIC_URL": "https://liaison.clinic.example/",
        "LIAISON_PULL_INTERVAL": "PT10M", "HOME": "/nowhere", "liaison_port": "1",
    })  # fmt: skip
    assert (settings.port, settings.max_body, settings.consent_max_age) == (9000, 1024 * 1024, timedelta(hours=12))
    assert (settings.push_every, settings.pull_interval, settings.jobs) == (timedelta(seconds=500), timedelta(minutes=10), False)
    assert settings.network_file == Path("/etc/liaison/network.yaml")
    assert settings.url == "https://liaison.clinic.example"


def test_settings_read_nothing_but_what_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIAISON_PORT", "1234")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LIAISON_PORT=4321\n")
    assert load_settings({}).port == 8600 and Settings().port == 8600


def test_overrides_win_over_variables_when_they_are_said() -> None:
    environ = {"LIAISON_PORT": "9000", "LIAISON_HOST": "::1"}
    settings = load_settings(environ, {"port": 9001, "host": None})
    assert (settings.port, settings.host, settings.url) == (9001, "::1", "http://[::1]:9001")


def test_empty_variables_count_as_not_set() -> None:
    assert load_settings({"LIAISON_PORT": ""}).port == 8600


def test_settings_cannot_be_changed_when_made() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("LIAISON_PORT", "many", "expected a whole number from 0 to 65535 (by default 8600)"),
        ("LIAISON_PORT", "70000", "65535"),
        ("LIAISON_LOG_LEVEL", "loud", "expected one of debug, info, warning, error (by default info)"),
        ("LIAISON_JOBS", "perhaps", "expected true or false (by default true)"),
        ("LIAISON_MAX_BODY", "lots", "expected a size above zero, as 5MiB or in bytes (by default 5MiB)"),
        ("LIAISON_MAX_BODY", "0", "expected a size above zero"),
        ("LIAISON_CONSENT_MAX_AGE", "-1s", "duration"),
        ("LIAISON_PUSH_EVERY", "zz", "expected a duration as 30s, 15m, 24h or 30d (by default 1s)"),
        ("LIAISON_PULL_INTERVAL", "15 m", "(by default 15m)"),
        ("LIAISON_SECURITY_LOG_KEPT", "1d", "or 30d, at least 180d, at most 1096d (by default 365d)"),
        ("LIAISON_REGISTER_KEPT", "30d", "or 30d, at least 1096d (by default 2192d)"),
        ("LIAISON_CONSENT_MAX_AGE", "0s", "above zero"),
        ("LIAISON_SYSTEM_BASE", "liaison", "absolute http(s) address"),
        ("LIAISON_SYSTEM_BASE", "https://a.example/?x=1", "absolute http(s) address"),
        ("LIAISON_PUBLIC_URL", "ftp://a.example", "absolute http(s) address"),
        ("LIAISON_WEB_PROCESSES", "0", "expected a whole number from 1 to 64"),
        ("LIAISON_TOKEN_SECONDS", "99999", "3600"),
        ("LIAISON_DATABASE_URL", "  ", "expected a value"),
    ],
)
def test_load_names_the_variable_when_its_value_is_wrong(variable: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({variable: value})
    assert caught.value.variable == variable and variable in caught.value.fix
    assert says in str(caught.value) and str(caught.value).startswith(variable)


@pytest.mark.parametrize("variable", sorted(set(variables()) - {"LIAISON_SECRET_KEY"}))
def test_load_refuses_in_words_of_its_own_whatever_a_value_is(variable: str) -> None:
    for value in ("\x00", "-7", "1.5", "zz", "9" * 30, "[]"):
        try:
            load_settings({variable: value})
        except SettingsError as refused:
            assert str(refused).startswith(f"{variable}: expected ")


def test_load_refuses_an_unknown_variable_and_names_the_nearest() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"LIAISON_PROT": "9000"})
    assert str(caught.value) == "LIAISON_PROT: no such setting; did you mean LIAISON_PORT?"


def test_load_lists_what_there_is_when_nothing_is_near() -> None:
    with pytest.raises(SettingsError, match="LIAISON_DATABASE_URL, "):
        load_settings({"LIAISON_XYZZY": "1"})


def test_load_names_every_wrong_setting_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"LIAISON_PROT": "1", "LIAISON_PORT": "x", "LIAISON_READERS": "none"})
    assert all(name in str(caught.value) for name in ("LIAISON_PROT", "LIAISON_PORT", "LIAISON_READERS", "3 settings"))


def test_load_lets_variables_of_the_tests_pass() -> None:
    assert load_settings({"LIAISON_TEST_PROFILE": "nightly", "LIAISON_SHARED": "/x"}) == load_settings({})


def test_load_refuses_an_override_nobody_knows() -> None:
    with pytest.raises(SettingsError, match="LIAISON_PROT"):
        load_settings({}, {"prot": 1})


def test_secrets_are_in_no_text_when_settings_are_shown_or_refused() -> None:
    secret = "s3cr3t" * 8
    assert secret not in repr(load_settings({"LIAISON_SECRET_KEY": secret}))
    with pytest.raises(SettingsError) as caught:
        load_settings({"LIAISON_SECRET_KEY": secret, "LIAISON_PORT": secret})
    assert secret not in str(caught.value) and secret not in caught.value.fix


def test_key_comes_from_variable_or_file_and_must_be_long_enough(tmp_path: Path) -> None:
    assert load_settings({"LIAISON_SECRET_KEY": "k" * 32}).key() == b"k" * 32
    file = tmp_path / "key"
    file.write_text("f" * 43 + "\n")
    assert load_settings({"LIAISON_SECRET_KEY_FILE": str(file)}).key() == b"f" * 43
    file.write_text("short")
    for environ, variable in (
        ({"LIAISON_SECRET_KEY_FILE": str(file)}, "LIAISON_SECRET_KEY_FILE"),
        ({"LIAISON_SECRET_KEY_FILE": str(tmp_path / "none")}, "LIAISON_SECRET_KEY_FILE"),
        ({"LIAISON_SECRET_KEY": "short"}, "LIAISON_SECRET_KEY"),
    ):
        with pytest.raises(SettingsError) as caught:
            load_settings(environ).key()
        assert caught.value.variable == variable and "liaison init" in caught.value.fix


def test_mappings_folder_is_the_repositorys_or_the_operators(tmp_path: Path) -> None:
    assert (mappings_folder(load_settings({})) / "demo" / "network.yaml").is_file()
    own = tmp_path / "mappings"
    shutil.copytree(Path(str(mappings_folder(load_settings({})))), own)
    assert mappings_folder(load_settings({"LIAISON_MAPPINGS_DIR": str(own)})) == own
    shutil.rmtree(own / "terms")
    for wrong, text in ((tmp_path / "none", "no folder"), (own, "has no terms")):
        with pytest.raises(SettingsError, match=text) as caught:
            mappings_folder(load_settings({"LIAISON_MAPPINGS_DIR": str(wrong)}))
        assert caught.value.variable == "LIAISON_MAPPINGS_DIR" and caught.value.fix


def test_variables_name_every_field() -> None:
    assert variables()["LIAISON_DATABASE_URL"] == "database_url" and len(variables()) == len(Settings.model_fields)

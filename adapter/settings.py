"""What an operator may set: one frozen Settings, read from LIAISON_* variables and the command line, nowhere else."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from adapter.errors import SettingsError

PREFIX = "LIAISON_"
OTHERS = ("LIAISON_TEST_", "LIAISON_SHARED", "LIAISON_HOME")  # read by the tests, not by the programme
KEY_LENGTH = 32
_PARTS = ("terms", "views", "ownership.yaml")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(written: Any) -> Any:
    """A timedelta of "90s", "15m", "24h", "2d"; a timedelta or ISO 8601 text is left to pydantic."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", written) if isinstance(written, str) else None
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found else written


def _lasting(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("expected a duration above zero, as 30s, 15m or 24h")
    return span


Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_lasting)]


class Settings(BaseSettings):
    """Made by `load_settings`; `Settings(...)` itself reads nothing but its arguments. Relative paths are relative
    to the folder the command runs in."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    database_url: str = Field("sqlite:///liaison.db", description="SQLite file, or postgresql://… with the extra `postgres`")
    readers: int = Field(4, ge=1, le=64, description="database connections for reading, per process")
    environment: Literal["production", "test"] = Field("production", description="production takes no INS of tests, test none that may be real")
    network_file: Path = Field(Path("network.yaml"), description="who takes part; what `liaison network apply` reads")
    mappings_dir: Path | None = Field(None, description="a folder in place of the mappings that come with the package")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8600, ge=0, le=65535, description="port to listen on; 0: any free one")
    public_url: str = Field("", description="how others reach this server; by default http://host:port")
    system_base: str = Field("https://liaison.example", description="base of our own identifier and code systems")
    secret_key: SecretStr | None = Field(None, description="at least 32 characters: pairwise ids, search digests, paging cursors")
    secret_key_file: Path = Field(Path("liaison.key"), description="the same, in a file; `liaison init` makes it")
    checkpoint_file: Path = Field(Path("liaison.checkpoints"), description="signed checkpoints of the audit chain, outside the database")
    checkpoint_key_file: Path = Field(Path("checkpoint.key"), description="what signs them; the public half is the same name with .pub")
    officer_key_file: Path = Field(Path("officer.key.pub"), description="the data protection officer's public key: seals the register of who was erased")
    security_log_kept: Duration = Field(
        timedelta(days=365), ge=timedelta(days=180), le=timedelta(days=1096), description="age at which an audit event loses its content (CNIL 2021-122)"
    )
    register_kept: Duration = Field(
        timedelta(days=2192), ge=timedelta(days=1096), description="limitation period: how long the register keeps a disclosure"
    )
    consent_max_age: Duration = Field(timedelta(hours=24), description="age at which a Consent mastered in an EHR no longer decides")
    reference_kept: Duration = Field(
        timedelta(days=30), le=timedelta(days=180), description="how long a recipient keeps reference, dates and outcome of a closed file"
    )
    remind_after: Duration = Field(timedelta(days=10), ge=timedelta(days=1), description="without an answer a unit is reminded after this time")
    expire_after: Duration = Field(timedelta(days=30), ge=timedelta(days=2), description="without an answer a request is closed after this time")
    max_body: ByteSize = Field(ByteSize(5 * 1024 * 1024), gt=0, description="largest request body, as 5MiB or in bytes")
    rate_limit: int = Field(60_000, ge=0, description="requests a minute of one client, all processes together; 0: no limit")
    max_entries: int = Field(500, ge=1, le=10_000, description="most entries of a batch or transaction Bundle")
    web_processes: int = Field(1, ge=1, le=64, description="web processes of `liaison serve`; from two on one worker runs beside them")
    jobs: bool = Field(True, description="run the jobs beside the server")
    push_every: Duration = Field(timedelta(seconds=1), description="between looks at the outbox when no commit wakes the job")
    push_lease: Duration = Field(timedelta(seconds=60), description="how long a letter is its taker's; after a crash it is taken again then")
    pull_interval: Duration = Field(timedelta(minutes=15), description="how often each EHR is asked for Consents, and the clinic looked for there")
    drop_dir: Path | None = Field(None, description="a folder in which tables are dropped, as CLIENT/COLUMN-MAP/table.csv; none: nothing is watched")
    drop_kept: Duration = Field(timedelta(days=7), description="how long a dropped table, its outcome and its rejected rows stay in taken/")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least of debug, info, warning, error that is logged")
    metrics_token_file: Path | None = Field(None, description="file with the token that opens /metrics to others than this machine")
    token_seconds: int = Field(300, ge=30, le=3600, description="life of an access token, in seconds; of one for a signed assertion 300 at most")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @field_validator("system_base", "public_url")
    @classmethod
    def _absolute(cls, written: str) -> str:
        parts = urlsplit(written)
        if written and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("expected an absolute http(s) address without query or fragment")
        return written.rstrip("/")

    @field_validator("system_base", "database_url", "host")
    @classmethod
    def _not_empty(cls, written: str) -> str:
        if not written.strip():
            raise ValueError("expected a value")
        return written

    @property
    def url(self) -> str:
        """The address others are told, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    def key(self) -> bytes:
        """The secret key. Raises SettingsError when there is none, it cannot be read, or it is too short."""
        if self.secret_key is not None:
            return _long_enough(self.secret_key.get_secret_value().strip().encode(), "LIAISON_SECRET_KEY")
        try:
            found = self.secret_key_file.read_bytes().strip()
        except OSError as error:
            fix = "run `liaison init`, which makes the file, or set LIAISON_SECRET_KEY"
            text = f"cannot read the secret key in {self.secret_key_file}: {error.strerror}"
            raise SettingsError(text, variable="LIAISON_SECRET_KEY_FILE", fix=fix) from None
        return _long_enough(found, "LIAISON_SECRET_KEY_FILE")


def _long_enough(key: bytes, variable: str) -> bytes:
    if len(key) < KEY_LENGTH:
        fix = "run `liaison init`, which makes a good one"
        raise SettingsError(f"expected a key of at least {KEY_LENGTH} characters", variable=variable, fix=fix)
    return key


def variables() -> dict[str, str]:
    """Every LIAISON_* variable there is, and the name of its field."""
    return {PREFIX + name.upper(): name for name in Settings.model_fields}


def load_settings(environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of an environment, with what the command line says in place of it (None: not said). An empty
    variable counts as not set. Raises SettingsError, with everything that is wrong at once and without any value:
    an unknown LIAISON_* variable (naming the nearest), a value of the wrong kind."""
    known = variables()
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and not name.startswith(OTHERS)}
    wrong = [(name, "no such setting" + _nearest(name, known)) for name in sorted(given) if name not in known]
    said: dict[str, Any] = {known[name]: value for name, value in given.items() if name in known and value != ""}
    said |= {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        settings = Settings(**said)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False, include_context=False):
            field = str(found["loc"][0]) if found["loc"] else ""
            own = found["msg"].removeprefix("Value error, ")
            wrong.append((PREFIX + field.upper(), (own if found["type"] == "value_error" else _expected(field) or own) + _default(field)))
    if wrong:
        raise _refused(wrong)
    return settings


def _nearest(name: str, known: Mapping[str, str]) -> str:
    bare = [variable.removeprefix(PREFIX) for variable in known]
    close = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=0.6)
    return f"; did you mean {PREFIX}{close[0]}?" if close else f"; there are {', '.join(known)}"


def _expected(name: str) -> str:
    """What a setting takes; "" where it has no form of its own."""
    field = Settings.model_fields.get(name)
    if field is None:
        return ""
    low, high = (next((getattr(each, side) for each in field.metadata if hasattr(each, side)), None) for side in ("ge", "le"))
    if field.annotation is bool:
        return "expected true or false"
    if field.annotation is int:
        return f"expected a whole number from {low} to {high}"
    if field.annotation is ByteSize:
        return "expected a size above zero, as 5MiB or in bytes"
    if field.annotation is timedelta:
        bounds = [f"{word} {written(bound)}" for word, bound in (("at least", low), ("at most", high)) if bound]
        return ", ".join(["expected a duration as 30s, 15m, 24h or 30d", *bounds])
    options = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return f"expected one of {', '.join(options)}" if options else ""


def written(value: Any) -> str:
    """A setting's value as one would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, ByteSize):
        return f"{value // 2**20}MiB"
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        size, unit = next((size, unit) for unit, size in reversed(_SECONDS.items()) if seconds % size == 0)
        return f"{seconds // size}{unit}"
    return str(value)


def _default(name: str) -> str:
    field = Settings.model_fields.get(name)
    return f" (by default {written(field.default)})" if field and field.default not in (None, "") else ""


def _refused(wrong: list[tuple[str, str]]) -> SettingsError:
    names = list(dict.fromkeys(name for name, _ in wrong))
    fix = f"set or unset {', '.join(names)}"
    if len(wrong) == 1:
        return SettingsError(wrong[0][1], variable=wrong[0][0], fix=fix)
    lines = "\n".join(f"  {name}: {text}" for name, text in wrong)
    return SettingsError(f"{len(wrong)} settings are wrong\n{lines}", variable=names[0], fix=fix)


def mappings_folder(settings: Settings) -> Traversable:
    """The folder of mappings, code tables and views: the operator's own, else the package's, else (in a clone)
    the repository's. Raises SettingsError when it is not there."""
    if settings.mappings_dir is not None:
        if not settings.mappings_dir.is_dir():
            fix = "name a folder, or unset LIAISON_MAPPINGS_DIR to use the mappings of the package"
            raise SettingsError(f"no folder {settings.mappings_dir}", variable="LIAISON_MAPPINGS_DIR", fix=fix)
        lacking = [name for name in _PARTS if not (settings.mappings_dir / name).exists()]
        if lacking:
            fix = "name a copy of the whole folder mappings/, or unset LIAISON_MAPPINGS_DIR"
            raise SettingsError(f"{settings.mappings_dir} has no {', no '.join(lacking)}", variable="LIAISON_MAPPINGS_DIR", fix=fix)
        return settings.mappings_dir
    package = files("adapter")
    packaged = package / "_mappings"
    return packaged if packaged.is_dir() else Path(str(package)).parent / "mappings"

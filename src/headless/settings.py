"""Which knobs the server has, and what they mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+psycopg": "postgresql+asyncpg",
    "postgresql+psycopg2": "postgresql+asyncpg",
}
LOCALHOST_ORIGIN = "localhost"
SHORTEST_SECRET = 16


class Settings(BaseSettings):
    """Every setting is read from the environment as `HEADLESS_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="HEADLESS_", frozen=True, extra="ignore")

    data_dir: Path = Path(".headless")
    """Where the embedded shop keeps its database, secret, development token and media."""
    database_url: str = ""
    """`sqlite:///path` or `postgresql://user@host/name`; empty means SQLite inside `data_dir`."""
    database_pool_size: int = Field(default=10, ge=1, le=200)
    """Connections one process may hold."""
    redis_url: str = ""
    """`redis://host:6379/0`: carries live events between processes; empty means that the database does."""
    events_days: int = Field(default=7, ge=1, le=365)
    """For how many days a subscriber who was away can resume."""
    events_kept: int = Field(default=1_000_000, ge=1_000)
    """Events kept at most; the oldest go first."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    public_url: str = ""
    """The address clients see, for absolute URLs; empty means `http://host:port`."""
    secret_key: SecretStr = SecretStr("")
    """Signs order access tokens and cursors. Several, separated by commas: the first signs, all verify."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Browser origins allowed to call, separated by commas; `localhost` stands for any local port, `*` for all."""
    reservation_minutes: int = Field(default=15, ge=1, le=1440)
    """How long a started checkout holds its stock."""
    capture: Literal["automatic", "manual"] = "automatic"
    """Whether a payment is captured when the order is placed or later by staff."""
    cart_days: int = Field(default=30, ge=1, le=365)
    """Days after its last change at which a cart expires."""
    provider_timeout_seconds: float = Field(default=8, gt=0, le=60)
    """How long a payment provider may take to answer before its answer counts as lost."""
    books_minutes: int = Field(default=5, ge=1, le=1440)
    """Minutes between two checks of the books by the worker."""
    query_timeout_seconds: float = Field(default=10, gt=0, le=120)
    """How long a query may run."""
    max_concurrent_requests: int = Field(default=200, ge=1)
    """GraphQL requests one process works on at once; more are answered 503."""
    max_connections: int = Field(default=20_000, ge=1)
    """Sockets and event streams one process keeps open; more are sent away (1013, 503)."""
    max_subscriptions: int = Field(default=100_000, ge=1)
    """Subscriptions one process serves, on all its connections."""
    drain_seconds: float = Field(default=5, ge=0, le=300)
    """When told to end: over how many seconds sockets and event streams are sent to other processes."""
    media_storage: str = ""
    """Where pictures are kept: a folder, or `s3://bucket/prefix` (extra `s3`); empty means `media` in `data_dir`."""
    upload_mb: int = Field(default=20, ge=1, le=200)
    """How large a picture may be that staff uploads or that is fetched, in megabytes."""
    picture_megapixels: int = Field(default=50, ge=1, le=80)
    """How many pixels a picture may have; each takes four bytes of memory while it is worked on."""
    fetch_media: bool = True
    """Whether the worker fetches pictures that are given by address; without it they stay linked."""
    fetch_http: bool = False
    """For development: whether pictures are fetched over plain http, too."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    server_timing: bool = False
    """Whether responses tell their SQL statement count and time in a `Server-Timing` header."""
    playground: bool = True
    """Whether a browser asking for `/graphql` gets the playground."""
    development: bool = False
    """Set by `headless dev`: unmasked errors stay masked, yet local origins are allowed."""
    allow_failpoints: bool = False
    """Only for tests of crashes: whether `failpoint` may be given."""
    failpoint: str = ""
    """Where this process kills itself: `name`, or `name:3` for the third time it gets there."""

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("secret_key")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr) -> SecretStr:
        parts = [part.strip() for part in value.get_secret_value().split(",") if part.strip()]
        if any(len(part) < SHORTEST_SECRET for part in parts):
            message = f"each secret has at least {SHORTEST_SECRET} characters; `openssl rand -hex 32` makes one"
            raise ValueError(message)
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            message = "must be redis://host:6379/0, rediss:// for TLS or unix:///path/to/socket"
            raise ValueError(message)
        return value

    @field_validator("database_url")
    @classmethod
    def _parsable(cls, value: str) -> str:
        if value:
            try:
                backend = make_url(value).get_backend_name()
            except ArgumentError:
                backend = ""
            if backend not in {"sqlite", "postgresql", "postgres"}:
                message = "must be sqlite:///path/to/file.db or postgresql://user:password@host:5432/name"
                raise ValueError(message)
        return value

    @field_validator("media_storage")
    @classmethod
    def _is_storage(cls, value: str) -> str:
        if "://" in value and not re.fullmatch(r"s3://[^/\s]+(/\S*)?", value):
            message = "must be a folder or s3://bucket/prefix"
            raise ValueError(message)
        return value

    @field_validator("failpoint")
    @classmethod
    def _only_in_tests(cls, value: str, info: ValidationInfo) -> str:
        if value and not info.data.get("allow_failpoints"):
            message = "kills the server on purpose and is for tests of crashes only. Unset it"
            raise ValueError(message)
        if value and not re.fullmatch(r"[a-z_.]+(:[1-9]\d*)?", value):
            message = "must be the name of a failpoint, or `name:3` for the third time it is reached"
            raise ValueError(message)
        return value

    @property
    def database(self) -> URL:
        """The database's address with the async driver that this project uses."""
        if not self.database_url:
            return make_url(f"sqlite+aiosqlite:///{self.data_dir / 'headless.db'}")
        url = make_url(self.database_url)
        return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))

    @property
    def base_url(self) -> str:
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def media_location(self) -> str:
        """Where pictures are kept, as `storage_at` takes it."""
        return self.media_storage or str(self.media_dir)

    @property
    def media_dir(self) -> Path:
        return self.data_dir / "media"

    @property
    def secrets(self) -> tuple[bytes, ...]:
        return tuple(part.strip().encode() for part in self.secret_key.get_secret_value().split(",") if part.strip())

"""Every setting of the system, read from the environment or `.env` and checked once, at start."""

import re
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    SettingsConfigDict,
)

from publisher.errors import SettingsError
from publisher.kept_days import KeptDays
from publisher.secret_keys import SecretKeys
from publisher.server_urls import PostgresUrl, RedisUrl
from publisher.setting_names import slips, warn_of_slips
from publisher.text import clean_line

PREFIX = "PUBLISHER_"
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")
# A worker's process takes a hundred before it has done anything.
_LEAST_MEMORY_MB = 256
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
# Without what means something in the patterns of Redis.
_KEY_PREFIX = re.compile(r"[A-Za-z0-9:._-]{0,64}")


class LogFormat(StrEnum):
    """How log lines look: for people, or one JSON object a line."""

    CONSOLE = "console"
    JSON = "json"


class Settings(BaseSettings):
    """The settings; docs/settings.md has the table."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    database_url: PostgresUrl | None = Field(
        None, description="PostgreSQL 15 or newer; unset: an embedded server."
    )
    listen_url: PostgresUrl | None = Field(
        None, description="The same database without the transaction pooler that database_url goes through."
    )
    redis_url: RedisUrl | None = Field(None, description="Redis 6.2 or newer; unset: an embedded server.")
    redis_prefix: str = Field(
        "publisher:", description="Begins every key in Redis; installations that share one need one each."
    )
    data: Path = Field(Path(".publisher"), description="Folder of embedded servers, logs, the secret key.")
    base_url: str = Field(
        "http://127.0.0.1:8000", description="Where readers reach the web process: begins our links."
    )
    tag_domain: str | None = Field(
        None, description="Domain inside the ids of new articles; unset: the host of PUBLISHER_BASE_URL."
    )
    secret_key: str | None = Field(
        None, min_length=16, description="Encrypts webhook secrets; at least 16 characters; never lose it."
    )
    old_secret_keys: Annotated[SecretKeys, NoDecode] = Field(
        (), description="Earlier values of secret_key, comma-separated or a JSON list: they still decrypt."
    )
    allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="CIDRs, comma-separated, that endpoints may lie in besides public addresses."
    )
    allow_http: bool = Field(False, description="Whether endpoints may be plain http.")
    max_body_bytes: int = Field(
        2_000_000, ge=1_000, le=100_000_000, description="Largest request body, and largest line of a batch."
    )
    timezone: str = Field("Asia/Ho_Chi_Minh", description="IANA zone of dates that pages print without one.")
    feed_title: str = Field("Publisher", min_length=1, max_length=200, description="Title of the feeds.")
    feed_author: str = Field(
        "Publisher",
        min_length=1,
        max_length=200,
        description="Author of the feeds, and of articles without one.",
    )
    language: str = Field("vi", description="Language of the feeds and the pages.")
    feed_length: int = Field(50, ge=1, le=1_000, description="Entries in a feed.")
    feed_memory_mb: int = Field(
        64, ge=1, le=1_000_000, description="Documents of feeds that each web process keeps in memory, in MB."
    )
    worker_memory_mb: int = Field(
        1024, ge=0, le=1_000_000, description="Most memory of each process of a worker, in MB; 0: no limit."
    )
    sender_slots: int = Field(
        500, ge=1, le=10_000, description="Requests that each sender has in flight at a time."
    )
    keep_days: KeptDays = Field(30, description="Days that the record of what happened is kept; 0: for ever.")
    keep_deliveries_days: KeptDays = Field(365, description="Days that it is kept who was sent what.")
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="`console` or `json`.")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="Of the process's metrics, if any.")
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Address that metrics_port is on.")

    @field_validator(
        "database_url", "listen_url", "redis_url", "tag_domain", "secret_key", "metrics_port", mode="before"
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("redis_prefix")
    @classmethod
    def _begins_keys(cls, value: str) -> str:
        if not _KEY_PREFIX.fullmatch(value):
            raise ValueError("expected at most 64 letters, digits, colons, dots, underscores and hyphens")
        return value

    @field_validator("worker_memory_mb")
    @classmethod
    def _is_enough(cls, value: int) -> int:
        if 0 < value < _LEAST_MEMORY_MB:
            raise ValueError(f"expected {_LEAST_MEMORY_MB} or more, or 0 for no limit")
        return value

    @field_validator("base_url")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("expected http:// or https:// and a host, without query or fragment")
        parts.port  # noqa: B018  # raises ValueError when it is no number of a port
        return value.rstrip("/")

    @field_validator("tag_domain")
    @classmethod
    def _is_a_domain(cls, value: str | None) -> str | None:
        if value is not None and not _DOMAIN.fullmatch(value):
            raise ValueError("expected a lower-case domain name such as news.example.org")
        return value

    @field_validator("allowed_networks", mode="before")
    @classmethod
    def _are_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("expected an IANA time zone such as Asia/Ho_Chi_Minh")
        return value

    @field_validator("feed_title", "feed_author", mode="before")
    @classmethod
    def _is_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        cleaned = clean_line(value)
        if not cleaned:
            raise ValueError("expected a text that readers can see")
        return cleaned

    @field_validator("language")
    @classmethod
    def _is_a_language(cls, value: str) -> str:
        if not _LANGUAGE.fullmatch(value):
            raise ValueError("expected a BCP 47 language tag such as vi or en-GB")
        return value

    @model_validator(mode="after")
    def _tag_domain_can_be_derived(self) -> Self:
        if self.tag_domain is None and not _DOMAIN.fullmatch(self.ids_domain):
            raise ValueError(f"{PREFIX}TAG_DOMAIN: expected, since {PREFIX}BASE_URL has no domain name")
        return self

    @model_validator(mode="after")
    def _listens_where_it_works(self) -> Self:
        if self.listen_url is not None and self.database_url is None:
            raise ValueError(
                f"{PREFIX}LISTEN_URL: is set, and {PREFIX}DATABASE_URL is not; expected both, or neither"
            )
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of dates that pages print without one."""
        return ZoneInfo(self.timezone)

    @property
    def ids_domain(self) -> str:
        """The domain inside the ids of new articles."""
        return self.tag_domain or (urlsplit(self.base_url).hostname or "").lower()

    @property
    def goes_through_pooler(self) -> bool:
        """Whether transactions of `database_url` may run on a different connection of the server each."""
        return self.listen_url is not None

    def direct_url(self) -> str:
        """Return where the database keeps a connection as long as one likes.

        Raises:
            SettingsError: when none is set.
        """
        return self.listen_url or self.require("database_url")

    def require(self, name: str) -> str:
        """Return a setting that this process cannot do without.

        Raises:
            SettingsError: when it is unset.
        """
        value = getattr(self, name)
        if value is None:
            raise SettingsError(f"{PREFIX}{name.upper()}: is not set, and this command needs it")
        return str(value)


def load_settings(**overrides: object) -> Settings:
    """Return the settings of the environment and `.env`, with overrides on top.

    A name that begins as ours and is no setting is warned of, once a process.

    Raises:
        SettingsError: when one makes no sense; the message is one line that names it.
    """
    try:
        warn_of_slips(unknown_names())
        return Settings(**overrides)  # type: ignore[arg-type]  # checked by Pydantic itself
    except ValidationError as error:
        problems = error.errors(include_context=False)
        raise SettingsError("; ".join(_readable(one) for one in problems)) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f".env: is not UTF-8 ({error.reason} at byte {error.start})") from None


def unknown_names() -> list[str]:
    """Return the names in the environment and `.env` that begin as ours and are no setting."""
    given = {*EnvSettingsSource(Settings).env_vars, *DotEnvSettingsSource(Settings).env_vars}
    return slips(given, {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}, prefix=PREFIX)


def _readable(error: object) -> str:
    assert isinstance(error, dict)
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return str(message)
    return f"{PREFIX}{str(error['loc'][0]).upper()}: {message}"

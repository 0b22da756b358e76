"""Every setting of the service, read once from GLYPH_* variables into a frozen value.

It is long because it is one list: every setting with its bounds and its description.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.config.admin_token import check_token, read_token
from app.config.bind import Bind, parse_binds
from app.config.memory import SMALLEST_HOST_MIB, default_host_memory_mib
from app.config.networks import parse_networks
from app.config.origins import parse_origins
from app.config.rates import Rate  # noqa: TC001 - pydantic needs it at run time
from app.config.regular_file import check_file_kind
from app.config.share import parse_shadow, parse_share
from app.config.wrong_settings import PREFIX as PREFIX  # noqa: PLC0414 - others have it from here
from app.ipc.frame_limits import FrameBounds
from model_store.base.names import MODEL_NAME_PATTERN, ModelName
from model_store.control.version_policy import policy_of
from model_store.signing.key_paths import key_paths

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_MIB = 2**24
_MOST_WEB_WORKERS = 4
_MOST_STREAMS = 4
_POLL_S, _POLL_URL_S = 0.2, 5.0
_DIRECTORIES = ("cache_dir", "run_dir")


def _check_names(text: str) -> str:
    for name in _split(text):
        if not re.fullmatch(MODEL_NAME_PATTERN, name):
            raise ValueError(f"{name!r} is no model name; names are expected, such as mnist,shapes")
    return text


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if names]


def _read_by(parse: Callable[[str], object]) -> AfterValidator:
    """Check a text by what is to read it later."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


_as_policies = _read_by(partial(policy_of, model=""))  # in the class, the name is a method's


class Settings(BaseSettings):
    """What an operator may set; every field is the variable GLYPH_<FIELD>."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,  # docker-compose hands on what is unset as empty
        frozen=True,
        extra="ignore",
    )

    store: str = Field(
        default="models",
        min_length=1,
        description="Where the models are: a directory, or a URL such as s3://bucket/models",
    )
    cache_dir: Path | None = Field(
        default=None,
        description="Where versions from a URL are kept here; the user's cache by default",
    )
    cache_mib: int = Field(
        default=10_240,
        ge=1,
        le=_MOST_MIB,
        description="How much of them; the longest unused go first",
    )
    model: ModelName = Field(default="mnist", description="Model that `/predict` serves")
    models: Annotated[str, AfterValidator(_check_names)] | None = Field(
        default=None, description="Models to serve, with commas; every one in the store by default"
    )
    version_policy: Annotated[str, _as_policies] = Field(
        default="latest",
        description="Versions to load: latest, latest:3, all, or 2,5; "
        "by model: mnist=latest:2;shapes=all",
    )
    auto_rollback_s: float = Field(
        default=0,
        ge=0,
        le=86_400,
        description="How long a new version is watched, to go back if it turns bad; 0 is not",
    )
    public_keys: Annotated[str, _read_by(key_paths)] | None = Field(
        default=None,
        description="PEM files with commas; only versions signed with one of these keys are loaded",
    )
    bind: Annotated[str, _read_by(parse_binds)] = Field(
        default="127.0.0.1:8000",
        description="Addresses to listen on, with commas: host:port, or unix:/path",
    )
    web_workers: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Web worker processes; 0 is one for each core that the host leaves, at most 4",
    )
    runtime: Literal["auto", "openvino", "tensorflow"] = Field(
        default="auto", description="What runs the model"
    )
    precision: Literal["auto", "f32", "bf16"] = Field(
        default="auto",
        description="OpenVINO's arithmetic; auto is bf16 where it is quicker and right enough",
    )
    runtime_threads: int = Field(
        default=1, ge=1, le=256, description="Threads that one batch is computed with"
    )
    runtime_streams: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Batches computed at the same time; 0 is as many as the cores allow, at most 4",
    )
    max_batch: int = Field(default=64, ge=1, le=4096, description="Largest batch, in images")
    batch_wait_ms: float = Field(
        default=0, ge=0, le=1000, description="How long a batch waits for company; 0 is greedy"
    )
    queue_limit: int = Field(
        default=4096, ge=1, le=1_000_000, description="Images that may wait before requests get 429"
    )
    max_images: int = Field(default=1024, ge=1, le=100_000, description="Images in one request")
    max_body_bytes: int = Field(
        default=8 * 2**20, ge=1024, le=2**30, description="Largest request body"
    )
    request_timeout_ms: int = Field(
        default=5000, ge=1, le=60_000, description="Deadline of a request that names none"
    )
    poll_interval_s: float | None = Field(
        default=None,
        ge=0.05,
        le=3600,
        description="How often the store is looked at; by default 0.2, and 5 where it is a URL",
    )
    host_timeout_s: int = Field(
        default=10, ge=2, le=600, description="A model host silent for this long is replaced"
    )
    host_memory_mib: int | None = Field(
        default=None,
        ge=0,
        le=_MOST_MIB,
        description="A model host larger than this is replaced; 0 is no limit; "
        "by default three quarters of the control group's memory, at most 4096",
    )
    trial_timeout_s: float = Field(
        default=60,
        ge=1,
        le=3600,
        description="How long a new version's trial may take, time without a free core left out",
    )
    trial_memory_mib: int = Field(
        default=2048,
        ge=256,
        le=_MOST_MIB,
        description="How much memory a new version's trial may take",
    )
    graceful_timeout_s: int = Field(
        default=20, ge=1, le=600, description="How long requests in flight may finish at shutdown"
    )
    keepalive_s: int = Field(
        default=75,
        ge=1,
        le=3600,
        description="How long a connection is kept between requests; "
        "longer than a balancer in front keeps it",
    )
    fast_path: Literal["on", "off"] = Field(
        default="on", description="Answer the usual predictions on the event loop, without Flask"
    )
    admin_token: Annotated[SecretStr, AfterValidator(check_token)] | None = Field(
        default=None, description="What a caller who changes something must know; off without one"
    )
    admin_token_file: Path | None = Field(
        default=None, description="File that holds the admin token, in place of the variable"
    )
    api_keys_file: Path | None = Field(
        default=None,
        description="File of API keys, as glyph keys makes it; whoever asks must have one then",
    )
    rate_limit: Rate | None = Field(
        default=None,
        description="How often a key, or without keys an address, may ask, as in 100/minute",
    )
    tls_cert: Path | None = Field(
        default=None, description="PEM file with the certificate; the service speaks TLS then"
    )
    tls_key: Path | None = Field(
        default=None, description="PEM file with the certificate's private key"
    )
    cors_origins: Annotated[str, _read_by(parse_origins)] | None = Field(
        default=None,
        description="Origins, with commas, whose pages may read answers; * is every one",
    )
    trusted_proxies: Annotated[str, _read_by(parse_networks)] | None = Field(
        default=None,
        description="Addresses and networks, with commas, whose X-Forwarded-* is believed; "
        "unix: is every Unix socket",
    )
    canary: Annotated[str, _read_by(parse_share)] | None = Field(
        default=None, description="A label's share of the traffic, as in canary=10:X-User"
    )
    shadow: Annotated[str, _read_by(parse_shadow)] | None = Field(
        default=None,
        description="Label that a share of the requests runs on again, unseen, as in next=10",
    )
    run_dir: Path | None = Field(
        default=None,
        description="Directory for the socket and the counters; a fresh one by default",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged"
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto is text on a terminal and JSON elsewhere"
    )
    access_log: Literal["all", "errors"] = Field(
        default="errors",
        description="Which requests are logged: all, or those answered 4xx and 5xx, "
        "of which a flood is cut to ten a second of a kind",
    )

    _token: str | None = PrivateAttr(default=None)

    @field_validator("*")
    @classmethod
    def _is_clean(cls, value: object, info: ValidationInfo) -> object:
        """Reject control characters and spaces that no name, path or address has."""
        if isinstance(value, str | Path):
            text = str(value)
            if not text.isprintable():
                raise ValueError("printable characters are expected, on one line")
            if text != text.strip() and (isinstance(value, Path) or info.field_name == "store"):
                raise ValueError("no space is expected at its ends")
        if isinstance(value, Path) and info.field_name not in _DIRECTORIES:
            check_file_kind(value)
        if isinstance(value, str) and info.field_name == "public_keys":
            for path in key_paths(value):
                check_file_kind(path)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.max_images > self.queue_limit:
            raise ValueError(
                f"{PREFIX}MAX_IMAGES={self.max_images} is more than "
                f"{PREFIX}QUEUE_LIMIT={self.queue_limit}: the largest request could never be queued"
            )
        if 0 < (self.host_memory_mib or 0) < SMALLEST_HOST_MIB:
            raise ValueError(
                f"{PREFIX}HOST_MEMORY_MIB={self.host_memory_mib} is less than any host takes; "
                f"0 for no limit, or at least {SMALLEST_HOST_MIB} is expected"
            )
        names = self.model_names
        if names and self.model not in names:
            raise ValueError(f"{PREFIX}MODEL={self.model} is none of {PREFIX}MODELS={self.models}")
        if self.admin_token is not None and self.admin_token_file is not None:
            raise ValueError(
                f"{PREFIX}ADMIN_TOKEN and {PREFIX}ADMIN_TOKEN_FILE are both set; set one of them"
            )
        self._token = self._find_admin_token()
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise ValueError(
                f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY belong together; set both or neither"
            )
        return self

    def read_admin_token(self) -> str | None:
        """Return the admin token as it was when the settings were read; None where there is none.

        Its file may be broken by now, and a web worker that starts must not end for that.
        """
        return self._token

    def _find_admin_token(self) -> str | None:
        if self.admin_token is not None:
            return self.admin_token.get_secret_value()
        return read_token(self.admin_token_file) if self.admin_token_file is not None else None

    @property
    def binds(self) -> tuple[Bind, ...]:
        """Where the service listens; at least one place."""
        return parse_binds(self.bind)

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models to serve; none is every one in the store."""
        return tuple(dict.fromkeys(_split(self.models or "")))

    @property
    def public_key_paths(self) -> tuple[Path, ...]:
        """Paths of the keys that versions must be signed with; none is no check."""
        return key_paths(self.public_keys) if self.public_keys else ()

    def policy_of(self, model: str) -> str:
        """Return the version policy of a model."""
        return policy_of(self.version_policy, model)

    def count_web_workers(self, cores: int) -> int:
        """Return the number of web workers for a machine with so many cores.

        One web worker beside the host answers more than two that share a core with it. More than
        four ask for more than a host computes. Streams beyond the first count for nothing here:
        they work when more waits than web workers are busy with.
        """
        left = cores - self.runtime_threads
        return self.web_workers or max(1, min(_MOST_WEB_WORKERS, left))

    @property
    def poll_every_s(self) -> float:
        """The poll interval of the store: a poll of an object store costs requests, and money."""
        return self.poll_interval_s or (_POLL_URL_S if "://" in self.store else _POLL_S)

    @property
    def host_limit_mib(self) -> int:
        """The bound on the model host's memory; 0 is none."""
        if self.host_memory_mib is not None:
            return self.host_memory_mib
        return default_host_memory_mib()

    def count_streams(self, cores: int) -> int:
        """Return the number of batches to compute at the same time on so many cores."""
        return self.runtime_streams or max(1, min(_MOST_STREAMS, cores // self.runtime_threads))

    def count_core_sparing_streams(self, cores: int) -> int:
        """Return the number of batches that leave each web worker a core; at least 1."""
        left = cores - self.count_web_workers(cores)
        return max(1, left // self.runtime_threads)

    @property
    def frame_bounds(self) -> FrameBounds:
        """What fits into the frames between web workers and host."""
        return FrameBounds(self.max_body_bytes, self.max_images)

    @property
    def largest_frame_bytes(self) -> int:
        """Bound on one frame between web worker and host."""
        return self.frame_bounds.frame

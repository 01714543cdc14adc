"""Credentials, region and endpoint where Amazon's tools find them, in the same order.

The environment, the shared files (~/.aws/credentials and ~/.aws/config), the container's credential service,
the metadata of the instance (version 2). Source: the reference guide of Amazon's SDKs and tools.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import shlex
from collections.abc import Callable, Mapping
from configparser import ConfigParser, Error
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from polycloud.common.metadata import MetadataConnection, MetadataResponse
from polycloud.common.payload import decoder
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import remaining
from polycloud.errors import (
    InvalidArgumentError,
    InvalidCredsError,
    NotFoundError,
    PolycloudError,
    TransportError,
)
from polycloud.http.messages import is_loopback

__all__ = ["AWSCredentials", "Chain", "ambient_region", "ambient_url", "of_environment"]

INSTANCE = "http://169.254.169.254"
CONTAINER = "http://169.254.170.2"
CONTAINER_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
ROLES = "/latest/meta-data/iam/security-credentials/"
TOKEN_SECONDS = "21600"  # noqa: S105 - a time
PROCESS_TIMEOUT = 60.0
DEFAULT_PROFILE = "default"
PROFILE_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
"""Variables that name the profile; the first that is set counts, as for boto3."""
EARLY = 300.0
"""Seconds before credentials expire at which they are renewed."""

SHORTEST_USE = 60.0
"""Seconds after which credentials are renewed at the earliest, however soon they expire."""

UNSUPPORTED_SETTINGS = (
    "role_arn",
    "sso_session",
    "sso_start_url",
    "login_session",
    "web_identity_token_file",
)


@dataclass(frozen=True, slots=True)
class AWSCredentials:
    """An access key with its secret; temporary ones have a token too, and mostly a time of expiry."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def lasts(self) -> bool:
        """Return whether they have not expired yet."""
        return self.expires_at is None or datetime.now(UTC) < self.expires_at

    def renewed_in(self) -> float:
        """Return the seconds after which to renew them."""
        if self.expires_at is None:
            return float("inf")
        return max((self.expires_at - datetime.now(UTC)).total_seconds() - EARLY, SHORTEST_USE)


class CredentialPayload(msgspec.Struct):
    """Credentials as returned by a metadata service or `credential_process`."""

    access_key: str = msgspec.field(name="AccessKeyId")
    secret_key: str = msgspec.field(name="SecretAccessKey")
    token: str | None = msgspec.field(name="Token", default=None)
    session_token: str | None = msgspec.field(name="SessionToken", default=None)
    expires_at: datetime | None = msgspec.field(name="Expiration", default=None)

    def __repr__(self) -> str:
        return f"<CredentialPayload of {self.access_key}>"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("access_key", self.access_key)]

    def credentials(self) -> AWSCredentials:
        """Return them as `AWSCredentials`; a time without a zone is UTC."""
        end = self.expires_at
        if end is not None and end.tzinfo is None:
            end = end.replace(tzinfo=UTC)
        return AWSCredentials(self.access_key, self.secret_key, self.token or self.session_token, end)


@dataclass(frozen=True, slots=True)
class Chain:
    """The sources of credentials; the first that has some counts. A `profile` is the only source."""

    profile: str | None = None

    def find(self) -> AWSCredentials:
        """Return the credentials. Raises an `InvalidCredsError` that lists the sources if none has any.

        A profile that is named but does not exist is an error: another source would be another identity.
        """
        if self.profile or _profile_of_variables()[1]:
            _section(self.profile)
        sources: list[Callable[[], AWSCredentials | None]] = [of_files(self.profile)]
        if self.profile is None:
            sources = [_of_variables, *sources, of_container, of_instance]
        for source in sources:
            if (found := source()) is not None:
                return found
        if self.profile is not None:
            raise InvalidCredsError(f"the profile {self.profile!r} has no credentials in the shared files")
        raise InvalidCredsError(
            "Amazon needs an access key and a secret: give them, set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, write them to ~/.aws/credentials, or run where a role is attached"
        )


def ambient_region(profile: str | None = None) -> str | None:
    """Return the region that the environment or the shared files name, or None."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return (named if profile is None else None) or _section(profile).get("region")


def ambient_url(service: str, *, with_files: bool, profile: str | None = None) -> str | None:
    """Return the address of a service ("ec2") that the environment names, or with `with_files` the profile.

    Raises `InvalidArgumentError`, which names the variable or setting, for what is no HTTP address.
    """
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    names = (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
    found = {name: os.environ[name] for name in names if os.environ.get(name)}
    if not found and with_files and (url := _section(profile).get("endpoint_url")):
        found = {f"endpoint_url of the profile {_profile_name(profile)!r}": url}
    for name, url in found.items():
        if not url.startswith(("http://", "https://")):
            raise InvalidArgumentError(f"{name} must be like https://ec2.example.com")
        return url
    return None


def of_environment() -> AWSCredentials | None:
    """Return those of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, or None."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    return AWSCredentials(key, secret, os.environ.get("AWS_SESSION_TOKEN")) if key and secret else None


def _of_variables() -> AWSCredentials | None:
    """Like `of_environment`. Raises `InvalidCredsError` for half of the pair, and for a web identity."""
    found = of_environment()
    if found is None and os.environ.get("AWS_ACCESS_KEY_ID"):
        raise InvalidCredsError("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not")
    if found is None and os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        raise _unsupported("the environment", "AWS_WEB_IDENTITY_TOKEN_FILE")
    return found


def _unsupported(source: str, setting: str) -> InvalidCredsError:
    return InvalidCredsError(
        f"{source} has {setting}, which is not supported; use a credential_process: "
        "aws configure export-credentials --format process"
    )


# The shared files


def of_files(profile: str | None) -> Callable[[], AWSCredentials | None]:
    """Return the source for a profile of the shared files: its keys, or its `credential_process`.

    The source raises `InvalidCredsError` for a profile that assumes a role or uses single sign-on.
    """

    def find() -> AWSCredentials | None:
        section = _section(profile)
        unsupported = next((name for name in UNSUPPORTED_SETTINGS if name in section), None)
        command = section.get("credential_process")
        if unsupported and not command:
            raise _unsupported(f"the profile {_profile_name(profile)!r} of the shared files", unsupported)
        key, secret = section.get("aws_access_key_id"), section.get("aws_secret_access_key")
        if key and secret and not unsupported:  # beside a role, they are those that assume it
            return AWSCredentials(key, secret, section.get("aws_session_token") or None)
        return _of_process(command) if command else None

    return find


def _profile_name(profile: str | None) -> str:
    return profile or _profile_of_variables()[1] or DEFAULT_PROFILE


def _profile_of_variables() -> tuple[str, str]:
    """Return the variable that names a profile, and its value; empty if there is none."""
    named = ((name, os.environ.get(name, "")) for name in PROFILE_VARIABLES)
    return next(((name, value) for name, value in named if value), ("", ""))


def _section(profile: str | None) -> dict[str, str]:
    """Return a profile's settings in both files; the file of credentials takes precedence.

    Raises `InvalidCredsError` with the nearest names if the profile is named, but is in neither file.
    """
    name = _profile_name(profile)
    settings = _read("AWS_CONFIG_FILE", "config")
    of_config = {
        title.removeprefix("profile ").strip(): section
        for title, section in sorted(settings.items())  # "profile default" after "default", which it replaces
        if title.startswith("profile ") or title == DEFAULT_PROFILE
    }
    of_credentials = _read("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    variable = "" if profile else _profile_of_variables()[0]
    if (profile or variable) and name not in of_config.keys() | of_credentials.keys():
        near = difflib.get_close_matches(name, of_config.keys() | of_credentials.keys(), 3)
        by = f", which {variable} names," if variable else ""
        hint = f"; the nearest are {', '.join(near)}" if near else ""
        raise InvalidCredsError(f"the profile {name!r}{by} is not in Amazon's shared files{hint}")
    return {**of_config.get(name, {}), **of_credentials.get(name, {})}


def _read(variable: str, name: str) -> dict[str, dict[str, str]]:
    file = Path(os.environ.get(variable) or f"~/.aws/{name}").expanduser()
    parser = ConfigParser(interpolation=None, default_section="", strict=False)
    try:
        with suppress(FileNotFoundError):
            parser.read_string(file.read_text(encoding="utf-8"), str(file))
    except Error as error:
        # its message quotes lines, which may hold secrets
        raise InvalidCredsError(f"{file} cannot be read: {type(error).__name__}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCredsError(f"{file} cannot be read: {error}") from None
    return {section: dict(parser[section]) for section in parser.sections()}


def _of_process(command: str) -> AWSCredentials:
    program = _program(command)
    limit = max(0.0, min(PROCESS_TIMEOUT, remaining()))
    try:
        return _decoded(waiting.run(lambda: _output(shlex.split(command), limit)))
    except (OSError, ValueError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidCredsError(f"the credential_process {program!r} failed: {reason}") from None


def _program(command: str) -> str:
    """Return the program that a command names, which exists: what does not may be a secret in its place."""
    from shutil import which

    try:
        program = shlex.split(command)[0]
    except (ValueError, IndexError):
        program = ""
    if which(program) is None:
        raise InvalidCredsError("credential_process must be the command of a program that exists")
    return program


async def _output(words: list[str], limit: float) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(limit):
            output, _ = await process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        raise
    if process.returncode:
        raise ValueError(f"its exit status is {process.returncode}")
    return output


def _decoded(body: bytes) -> AWSCredentials:
    try:
        payload: CredentialPayload = decoder(CredentialPayload).decode(body)
    except msgspec.MsgspecError:  # its message may quote a secret
        raise ValueError("the response has no credentials") from None
    return payload.credentials()


# The container's service and the instance's metadata


class CredentialsResponse(MetadataResponse):
    """A response of a metadata service: text, or credentials in JSON."""

    def credentials(self) -> AWSCredentials:
        """Return the credentials. Raises `MalformedResponseError` if there are none."""
        try:
            return _decoded(self.content)
        except ValueError as error:
            raise self.malformed(str(error)) from None


class CredentialsConnection(MetadataConnection):
    """A connection to a metadata service of Amazon."""

    responseCls = CredentialsResponse

    def get(self, path: str, headers: Mapping[str, str]) -> CredentialsResponse:
        """Return the response for `path`."""
        response: CredentialsResponse = self.request(path, headers=headers)
        return response


def of_container() -> AWSCredentials | None:
    """Return those of the service that `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `_FULL_URI` names."""
    relative = os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    url = f"{CONTAINER}{relative}" if relative else os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not url:
        return None
    base, path = _container_address(url)
    connection = CredentialsConnection(base)
    try:
        return connection.get(path, _container_headers()).credentials()
    except PolycloudError as error:
        raise InvalidCredsError(f"the container's service returned no credentials: {error}") from None
    finally:
        connection.close()


def _container_address(url: str) -> tuple[str, str]:
    """Return the service's address, and the path; the token is sent to this machine or over TLS only."""
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    host = authority.partition("]")[0].strip("[") if "[" in authority else authority.partition(":")[0]
    if scheme != "https" and not is_loopback(host) and host not in CONTAINER_HOSTS:
        raise InvalidCredsError(
            f"AWS_CONTAINER_CREDENTIALS_FULL_URI must use https, or name this machine; got {host!r}"
        )
    return f"{scheme}://{authority}", f"/{path}"


def _container_headers() -> dict[str, str]:
    token = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    if file := os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidCredsError(f"the container's token cannot be read: {error}") from None
    return {"Authorization": token} if token else {}


def of_instance() -> AWSCredentials | None:
    """Return those of the role attached to the instance; None if there is no role, or no instance."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    try:
        connection = CredentialsConnection(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or INSTANCE)
    except InvalidArgumentError as error:
        raise InvalidCredsError(f"AWS_EC2_METADATA_SERVICE_ENDPOINT: {error}") from None
    try:
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": TOKEN_SECONDS}
        token = connection.request("/latest/api/token", method="PUT", headers=ttl).body
        session = {"X-aws-ec2-metadata-token": token}
        role = connection.get(ROLES, session).body.strip().partition("\n")[0]
        return connection.get(ROLES + role, session).credentials()
    except (TransportError, NotFoundError):
        return None
    except PolycloudError as error:
        raise InvalidCredsError(f"the instance's metadata have no credentials: {error}") from None
    finally:
        connection.close()

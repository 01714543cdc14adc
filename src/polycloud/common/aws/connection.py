"""Connections and drivers of Amazon's services: responses, signatures, credentials, the clock, the host."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, ClassVar, TypeVar
from xml.etree import ElementTree as ET

import msgspec

from polycloud.common.aws.credentials import (
    AWSCredentials,
    Chain,
    ambient_region,
    ambient_url,
    of_environment,
)
from polycloud.common.aws.errors import REFUSALS, AWSCredsError, Refusals, error_from_code, is_throttling
from polycloud.common.aws.signing import signed
from polycloud.common.aws.xml import LISTS, converted, local_name, plain_root
from polycloud.common.connection import ConnectionUserAndKey
from polycloud.common.credentials import Credential
from polycloud.common.driver import BaseDriver
from polycloud.common.xmlresponse import ELEMENTS, XmlResponse
from polycloud.errors import (
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    PolycloudError,
)
from polycloud.http.messages import RawResponse, Request, Transport
from polycloud.utils.status import HTTPStatus

T = TypeVar("T")
DEFAULT_REGION = "us-east-1"
SIGNATURE_VERSION = "4"
REGION = re.compile(r"[a-z]{2,4}(-[a-z0-9]+)+")
DOMAIN = "amazonaws.com"
OTHER_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "us-isof-": "csp.hci.ic.gov",
}
"""The domains of regions in other partitions, by how their names begin."""

THROTTLING_STATUSES = frozenset({400, 429, 503})
SKEW = 120.0
"""Seconds by which two clocks may differ; the provider's own limit is 300."""
MOST_SKEW = 100 * 365 * 86400.0
"""No clock is off by more seconds: with a later one, times would soon be none."""


class AWSResponse(XmlResponse):
    """A response in XML, of any namespace; errors have a `Code` and a `Message`.

    A service with error codes of its own sets `refusals` to its patterns, followed by these. `lists` are the
    names of elements that are members of lists.
    """

    refusals: ClassVar[Refusals] = REFUSALS
    lists: ClassVar[frozenset[str]] = LISTS

    def read(self, name: str, type_: type[T], within: str | None = None, content: bytes | None = None) -> T:
        """Return the root element `name`, or the element `within` it, as a `type_` (a msgspec Struct).

        `content` is what is left of the body, if parts of it have been read already. Raises
        `MalformedResponseError` for another root, and if it is not as documented.
        """
        self.require_few_values(*ELEMENTS)
        content = self.content if content is None else content
        try:
            root, fields = plain_root(content, self.lists) if content.strip() else ("", None)
        except ValueError as error:
            raise self.malformed(f"the response is not XML: {error}") from None
        if root != name:
            raise self.malformed(f"the response must be <{name}>")
        fields = fields or {}
        if within is not None and isinstance(fields, dict):
            fields = fields.get(within) or {}
        return self.typed(fields, type_)

    def root(self, *names: str) -> ET.Element:
        """Return the root element. Raises `MalformedResponseError` unless it has one of these names."""
        root = self.object
        if not isinstance(root, ET.Element) or local_name(root) not in names:
            raise self.malformed(f"the response must be <{names[0]}>")
        return root

    def typed(self, fields: Any, type_: type[T]) -> T:
        """Return plain fields as a `type_`. Raises `MalformedResponseError` if they do not fit."""
        try:
            value: T = converted(fields, type_)
        except (msgspec.ValidationError, RecursionError) as error:
            raise self.malformed(f"the response is not as documented: {error}") from None
        return value

    def parse_error(self) -> Any:
        """Return the code and the message; raise the error that the code stands for."""
        code, message = self.refusal()
        if not code:
            return super().parse_error()
        if error := error_from_code(code, message, self.status, self.headers, self.refusals):
            raise error
        return f"{code}: {message}" if message else code

    def refusal(self) -> tuple[str, str]:
        """Return the error's code and message; empty if the response has none."""
        try:
            root = self.object
        except MalformedResponseError:
            return "", ""
        for element in root.iter() if isinstance(root, ET.Element) else ():
            fields = {local_name(child): (child.text or "").strip() for child in element}
            if "Code" in fields:
                return fields["Code"], fields.get("Message", "")
        return "", ""


class _ThrottlingTransport:
    """Maps AWS throttling responses (400, 429, 503), which differ from others by their code only, to 429.

    The code is the provider's own word that it did nothing.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, request: Request) -> RawResponse:
        response = self._transport.send(request)
        if (
            response.chunks is None
            and response.status in THROTTLING_STATUSES
            and is_throttling(response.body)
        ):
            response.status, response.refused = HTTPStatus.TOO_MANY_REQUESTS, True
        return response

    def close(self) -> None:
        self._transport.close()


class AWSConnection(ConnectionUserAndKey):
    """Signs requests for `service` in `region` by Signature version 4.

    Without an access key, the credentials are found where Amazon's tools find them (see `Chain`), with
    `profile` in that profile, and are renewed before they expire. If the provider refuses a request because
    of its time, the provider's clock is used from then on.
    """

    service: ClassVar[str] = ""
    responseCls = AWSResponse
    transient_statuses = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR})

    def __init__(
        self,
        user_id: str | None,
        key: str | None,
        *args: Any,
        token: str | None = None,
        region: str = DEFAULT_REGION,
        profile: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(user_id or "", key or "", *args, **options)
        self.region = region
        self._given = AWSCredentials(user_id, key or "", token) if user_id else None
        self._chain = Chain(profile)
        self._current: AWSCredentials | None = None
        self._renew_at = 0.0
        self._clock_offset = 0.0

    @property
    def credentials(self) -> AWSCredentials:
        """The credentials that sign requests now. Raises `InvalidCredsError` if none are found."""
        current = self._given or self._current
        if current is not None and (self._given or time.monotonic() < self._renew_at):
            return current
        return self.single_flight("credentials", lambda: self._renewed(current))

    def _renewed(self, old: AWSCredentials | None) -> AWSCredentials:
        if self._current is not None and self._current is not old:  # another thread was faster
            return self._current
        try:
            found = self._chain.find()
        except PolycloudError:
            if old is None or not old.lasts():
                raise
            found = old
        self._renew_at = time.monotonic() + found.renewed_in()
        self._current = found
        return found

    def now(self) -> datetime:
        """Return the time, by the provider's clock if it refused a request because of the time."""
        return datetime.fromtimestamp(time.time() + self._clock_offset, UTC)

    def sign(self, request: Request) -> Request:
        """Return the request with its signature."""
        now = self.now()
        return signed(request, self.credentials, region=self.region, service=self.service, now=now)

    def request(self, action: str, *args: Any, **options: Any) -> Any:
        """Like `Connection.request`, but retries once after clock skew or expired credentials."""
        with self._limited():
            return self._repeated(action, *args, **options)

    def _repeated(self, action: str, *args: Any, **options: Any) -> Any:
        used = self.credentials
        data = args[1] if len(args) > 1 else options.get("data")
        start = data.tell() if isinstance(data, BytesIO) else 0
        try:
            return super().request(action, *args, **options)
        except AWSCredsError as error:
            if not (self._corrected(error, used) and _can_repeat(data)):
                raise
        if isinstance(data, BytesIO):
            data.seek(start)
        return super().request(action, *args, **options)

    def _corrected(self, error: AWSCredsError, used: AWSCredentials) -> bool:
        """Correct the clock or renew the credentials; return whether either is another now."""
        if error.clock is not None:
            offset = error.clock.timestamp() - time.time()
            if abs(offset - self._clock_offset) > SKEW and abs(offset) < MOST_SKEW:
                self._clock_offset = offset
                return True
        if self._given is not None:
            return False
        if self._current is used:  # else another thread has renewed them
            self._renew_at = 0.0
        return self.credentials != used

    def transport(self) -> Transport:
        """Return the transport; its throttling responses have status 429."""
        return _ThrottlingTransport(super().transport())

    def secrets(self) -> tuple[str, ...]:
        """The secret key and the token."""
        current = self._given or self._current
        return () if current is None else tuple(filter(None, (current.secret_key, current.token)))

    def account(self) -> tuple[Any, ...]:
        """Limits are those of an account in a region: the access key, or where it is found."""
        return (self.host, self.port, self.region, self.user_id or self._chain)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_current": None}


def _can_repeat(data: Any) -> bool:
    """Return whether the body of a request can be sent a second time."""
    return data is None or isinstance(data, bytes | str | Mapping | BytesIO)


class AWSBaseDriver(BaseDriver):
    """The base of Amazon's drivers: `Driver("access key", "secret key", token=None, region="us-east-1")`.

    Without a key, credentials and the region are found where Amazon's tools find them: in the environment,
    the shared files (in the profile `ex_profile`, `AWS_PROFILE` or "default"), the container's service, the
    instance's metadata. They are requested when they are first needed. If the key and secret are those of
    the environment, its token and region are used too. Without `host`, `port` and `url` the address is that
    of `AWS_ENDPOINT_URL_SERVICE` or `AWS_ENDPOINT_URL`, or without a key of the profile, else Amazon's own.
    """

    connectionCls = AWSConnection
    connection: AWSConnection
    website = "https://aws.amazon.com"
    finds_credentials = True
    credentials = (
        Credential("key", ("AWS_ACCESS_KEY_ID",)),
        Credential("secret", ("AWS_SECRET_ACCESS_KEY",)),
    )
    endpoint: ClassVar[str] = ""
    """The first part of the host's name."""
    service_id: ClassVar[str] = ""
    """How the names of variables write the service, unless as `endpoint`."""
    region_names: ClassVar[re.Pattern[str]] = REGION

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        region: str | None = None,
        token: str | None = None,
        signature_version: str | None = None,
        *,
        ex_profile: str | None = None,
        **options: Any,
    ) -> None:
        if str(signature_version or SIGNATURE_VERSION) != SIGNATURE_VERSION:
            raise InvalidArgumentError(
                f"signature_version must be {SIGNATURE_VERSION!r}, the only one that all regions take, "
                f"got {signature_version!r}"
            )
        if not key and (secret or token):
            raise InvalidCredsError(f"{self.name} needs the access key of this secret", driver=self)
        environment = of_environment()
        is_ambient = not key
        if environment is not None and (key, secret) == (environment.access_key, environment.secret_key):
            token = token or environment.token
            is_ambient = True
        given = region
        region = given or (ambient_region(ex_profile) if is_ambient else None) or DEFAULT_REGION
        if not isinstance(region, str) or not self.region_names.fullmatch(region):
            found = f"got {given!r}" if given else "which that of the environment or the shared files is not"
            raise InvalidArgumentError(f"region must be a name such as 'us-east-1', {found}")
        self._connection_options = {"token": token, "region": region, "profile": ex_profile}
        if not (host or port or options.get("url")):
            service = self.service_id or self.endpoint
            options["url"] = ambient_url(service, with_files=not key, profile=ex_profile)
        host = host or self._region_host(region)
        super().__init__(key, secret, secure, host, port, None, region, **options)  # type: ignore[arg-type]
        self.token = token

    def _region_host(self, region: str) -> str:
        """Return the host of a region; a global service has one for all of them."""
        domain = next((name for start, name in OTHER_DOMAINS.items() if region.startswith(start)), DOMAIN)
        return f"{self.endpoint}.{region}.{domain}"

    def _credentials(self, key: str | None, secret: str | None) -> tuple[Any, ...]:
        return super()._credentials(key, secret) if key else (None, None)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return dict(self._connection_options)

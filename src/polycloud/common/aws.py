"""What Amazon's services share: Signature version 4, answers in XML and their errors, the clock, credentials.

Source: Amazon's documentation of Signature version 4 and of the EC2 Query API, version 2016-11-15. Where
credentials come from is in `polycloud.common.awscredentials`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit
from xml.etree import ElementTree as ET

import msgspec

from polycloud.common.awscredentials import AWSCredentials, Chain, ambient_region, of_environment
from polycloud.common.base import BaseDriver, ConnectionUserAndKey, XmlResponse
from polycloud.common.credentials import Credential
from polycloud.common.payload import decoder
from polycloud.errors import (
    ConflictError,
    Exchange,
    ImageUnavailableError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    UnavailableError,
)
from polycloud.http.messages import RawResponse, Request, Transport
from polycloud.utils.headers import http_date

__all__ = [
    "AWSBaseDriver",
    "AWSConnection",
    "AWSCredentials",
    "AWSCredsError",
    "AWSResponse",
    "converted",
    "plain",
    "query",
    "signed",
]

T = TypeVar("T")
ALGORITHM = "AWS4-HMAC-SHA256"
DEFAULT_REGION = "us-east-1"
REGION = re.compile(r"[a-z]{2,4}(-[a-z0-9]+)+")
ELSEWHERE = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "us-isof-": "csp.hci.ic.gov",
}
"""How the hosts of regions end that are not part of amazonaws.com."""

TOO_MANY, SERVER_ERRORS = 429, 500
BEGINNING = 4096
"""Bytes of an answer in which its error's code stands."""

SKEW = 120.0
"""Seconds by which two clocks may differ; the provider's own limit is 300."""

LINE_BREAKS = ("\n", "\r")
LISTS = frozenset({"item", "member"})
ACTION = re.compile(rb"^Action=(\w+)&")
CODE = re.compile(rb"<(?:\w+:)?Code>\s*([\w.]+)\s*</")
THROTTLED = re.compile(
    r"RequestLimitExceeded|Throttl(ing|ed)(Exception)?|RequestThrottled(Exception)?|TooManyRequests(Exception)?"
    r"|PriorRequestNotComplete|SlowDown|BandwidthLimitExceeded"
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
UNKNOWN_CREDENTIALS = re.compile(
    r"AuthFailure|SignatureDoesNotMatch|Invalid(ClientTokenId|AccessKeyId|Security)|IncompleteSignature"
    r"|UnrecognizedClient(Exception)?|MissingAuthenticationToken|RequestTimeTooSkewed|RequestExpired"
    r"|ExpiredToken(Exception)?|MissingSecurityHeader|InvalidToken|TokenRefreshRequired"
)
LACKING = re.compile(r"Not authorized for (\w+)|not belong|not own")
"""Words of an `AuthFailure` that is about a thing, not about the credentials."""

REFUSALS: tuple[tuple[re.Pattern[str], type[ProviderHTTPError]], ...] = (
    (THROTTLED, RateLimitReachedError),
    (re.compile(r"InvalidAMIID\..*"), ImageUnavailableError),
    (re.compile(r".*\.(NotFound|NotFoundException|Unknown|Malformed)|NoSuch\w+"), NotFoundError),
    (
        re.compile(
            r"Insufficient\w*Capacity\w*|InsufficientReserved\w+|ReservationCapacityExceeded|Unsupported"
        ),
        UnavailableError,
    ),
    (
        re.compile(
            r".*(Limit|Quota|Count)Exceeded|Insufficient\w+InSubnet"
            r"|TooMany(?!Requests)\w+"
        ),
        QuotaExceededError,
    ),
    (
        re.compile(
            r".*(Duplicate|InUse|AlreadyExists|AlreadyAssociated|AlreadyAttached|Conflict)"
            r"|Incorrect(Instance)?State|.*\.IncorrectState|DependencyViolation"
            r"|IdempotentParameterMismatch|IdempotentInstanceTerminated|IncorrectModificationState"
            r"|InvalidGroup\.Reserved|IncorrectSpotRequestState"
        ),
        ConflictError,
    ),
    (re.compile(r"OptInRequired"), ProviderHTTPError),
)
"""What a code says beyond its status, by the first pattern that matches the whole of it."""


# Signature version 4


def signed(
    request: Request, credentials: AWSCredentials, *, region: str, service: str, now: datetime
) -> Request:
    """The request with a signature of version 4, made at the moment `now`.

    A body that is neither bytes nor absent is not part of the signature. The query is written as it is
    signed, since a plus sign is read in two ways.
    """
    parts = urlsplit(request.url)
    moment = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    canonical_query = _query(parts.query)
    headers = {
        **{name: text for name, text in request.headers.items() if name.lower() != "authorization"},
        "X-Amz-Date": moment,
        **({"X-Amz-Security-Token": credentials.token} if credentials.token else {}),
    }
    digest = _digest(request.body)
    if service == "s3":
        headers["X-Amz-Content-Sha256"] = digest
    fields = {
        name.lower(): " ".join(text.split())
        for name, text in headers.items()
        if name.lower() == "content-type" or name.lower().startswith("x-amz-")
    }
    fields = dict(sorted({**fields, "host": parts.netloc}.items()))
    names = ";".join(fields)
    path = parts.path or "/"
    canonical = "\n".join(
        (
            request.method,
            path if service == "s3" else quote(path, safe="/~"),
            canonical_query,
            *(f"{name}:{text}" for name, text in fields.items()),
            "",
            names,
            digest,
        )
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = _signing_key(credentials.secret_key, moment[:8], region, service)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    return replace(request, url=parts._replace(query=canonical_query).geturl(), headers=headers)


def _query(text: str) -> str:
    """A query as it is signed: each name and value quoted in one way, in the order of their bytes."""
    pairs = parse_qsl(text, keep_blank_values=True)
    quoted = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in quoted)


def _digest(body: Any) -> str:
    if body is None or isinstance(body, bytes):
        return hashlib.sha256(body or b"").hexdigest()
    return "UNSIGNED-PAYLOAD"


@lru_cache(maxsize=64)  # a day's requests share one
def _signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


# Requests and answers


def query(fields: Mapping[str, Any]) -> dict[str, str]:
    """Fields as the Query APIs write them: `{"Filter": [{"Name": "a"}]}` is `{"Filter.1.Name": "a"}`.

    What is None is left out; lists count from 1; a truth value is "true" or "false". Raises
    `InvalidArgumentError` for an object, of which the provider wants the id or the name.
    """
    return dict(_flat("", fields))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, part)
    elif isinstance(value, bool):
        yield prefix, str(value).lower()
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for number, part in enumerate(value, 1):
            yield from _flat(f"{prefix}.{number}", part)
    elif isinstance(value, bytes):
        yield prefix, value.decode()
    elif not isinstance(value, int | float) and str(value) == repr(value):
        raise InvalidArgumentError(f"{prefix}={value!r} is no text")
    else:
        yield prefix, str(value)


def plain(element: ET.Element) -> Any:
    """An element as dicts, lists and texts, without namespaces; an empty one is None.

    What comes more than once is a list, which nobody takes for the one thing that was expected.
    """
    children = list(element)
    if not children:
        text = element.text or ""
        return (text.strip() if text.startswith(LINE_BREAKS) else text) if text.strip() else None
    names = [_local(child) for child in children]
    parts = [plain(child) for child in children]
    if LISTS.issuperset(names):
        return parts
    told = dict(zip(names, parts, strict=True))
    if len(told) < len(names):
        several: dict[str, list[Any]] = {}
        for name, part in zip(names, parts, strict=True):
            several.setdefault(name, []).append(part)
        told |= {name: them for name, them in several.items() if len(them) > 1}
    return told


def converted(told: Any, type_: Any) -> Any:
    """What `plain` gave, as a `type_`. Raises msgspec's `ValidationError` where it is none."""
    decoder(type_)  # two threads that read one type for the first time would crash
    return msgspec.convert(told, type_, strict=False)


def _local(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


class AWSCredsError(InvalidCredsError):
    """Credentials that were refused: `error_code` is Amazon's word for it, `clock` its time (or None)."""

    def __init__(self, value: object, error_code: str = "", clock: datetime | None = None) -> None:
        super().__init__(value)
        self.error_code = error_code
        self.clock = clock


class AWSResponse(XmlResponse):
    """An answer in XML, of whatever namespace; errors have a `Code` and a `Message`."""

    refusals: ClassVar[tuple[tuple[re.Pattern[str], type[ProviderHTTPError]], ...]] = REFUSALS

    def read(self, name: str, type_: type[T]) -> T:
        """The root element `name` as a `type_`, a msgspec Struct.

        Raises `MalformedResponseError` for another root, and for what is not as documented.
        """
        root = self.object
        if not isinstance(root, ET.Element) or _local(root) != name:
            raise self.malformed(f"an answer <{name}> was expected")
        try:
            told: T = converted(plain(root) or {}, type_)
        except (msgspec.ValidationError, RecursionError) as error:
            raise self.malformed(f"the answer is not as documented: {error}") from None
        return told

    def parse_error(self) -> Any:
        """The code and the words; raises the error that the code stands for."""
        code, words = self._refusal()
        message = ": ".join(filter(None, (code, words))) if code else str(super().parse_error())
        if code == "AuthFailure" and (lacking := LACKING.search(words)):
            error = ImageUnavailableError if lacking[1] == "images" else ProviderHTTPError
            raise error(self.status, message, self.headers)
        if UNKNOWN_CREDENTIALS.fullmatch(code):
            raise AWSCredsError(message, code, http_date(self.headers.get("date", "")))
        for pattern, error in self.refusals:
            if pattern.fullmatch(code):
                raise error(self.status, message, self.headers)
        return message

    def _refusal(self) -> tuple[str, str]:
        try:
            root = self.parse_body()
        except MalformedResponseError:
            return "", ""
        told = ({_local(child): child.text or "" for child in one} for one in _elements(root))
        found = next((fields for fields in told if "Code" in fields), {})
        return found.get("Code", "").strip(), found.get("Message", "").strip()


def _elements(root: ET.Element | str) -> Iterator[ET.Element]:
    return root.iter() if isinstance(root, ET.Element) else iter(())


class _Meaning:
    """A transport whose answers have the status that they mean.

    Amazon says that there were too many requests with 400 or 503, and only by a code.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, request: Request) -> RawResponse:
        answer = self._transport.send(request)
        if answer.chunks is None and answer.status in {400, 503}:
            code = CODE.search(answer.body[:BEGINNING])
            if code and THROTTLED.fullmatch(code[1].decode()):
                answer.status = TOO_MANY
        return answer

    def close(self) -> None:
        self._transport.close()


class AWSConnection(ConnectionUserAndKey):
    """Requests with a signature of version 4 for `service` in `region`.

    Without an access key the credentials are looked for where Amazon's tools find them, in the profile
    `profile` where given, and got anew before they expire. Where the provider's clock is another one, its
    time is used from then on.
    """

    service: ClassVar[str] = ""
    responseCls = AWSResponse

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
        """What requests are signed with now. Raises `InvalidCredsError` where there is nothing."""
        current = self._given or self._current
        if current is not None and (self._given or time.monotonic() < self._renew_at):
            return current
        return self.single_flight("credentials", lambda: self._renewed(current))

    def _renewed(self, old: AWSCredentials | None) -> AWSCredentials:
        if self._current is not None and self._current is not old:  # somebody was quicker
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

    def sign(self, request: Request) -> Request:
        """The request with its signature."""
        now = datetime.fromtimestamp(time.time() + self._clock_offset, UTC)
        return signed(request, self.credentials, region=self.region, service=self.service, now=now)

    def request(self, action: str, *args: Any, **options: Any) -> Any:
        """As `Connection.request`; once more where it was the clock or old credentials that were refused."""
        used = self.credentials
        try:
            return super().request(action, *args, **options)
        except AWSCredsError as error:
            if not (self._mends(error, used) and _repeatable(args, options)):
                raise
        return super().request(action, *args, **options)

    def _mends(self, error: AWSCredsError, used: AWSCredentials) -> bool:
        """Whether there is another time or there are other credentials to try it with."""
        if error.clock is not None:
            offset = error.clock.timestamp() - time.time()
            if abs(offset - self._clock_offset) > SKEW:
                self._clock_offset = offset
                return True
        if self._given is not None:
            return False
        if self._current is used:  # else somebody was quicker
            self._renew_at = 0.0
        return self.credentials != used

    def transport(self) -> Transport:
        """What sends requests here, and tells a refusal for too many requests as one."""
        return _Meaning(super().transport())

    def exchange(self, request: Request, answer: RawResponse | None = None) -> Exchange:
        """What errors and traces tell of a request: its action too, since the path is always the same."""
        told = super().exchange(request, answer)
        action = ACTION.match(request.body) if isinstance(request.body, bytes) else None
        return told._replace(path=f"{told.path}?Action={action[1].decode()}") if action else told

    def secrets(self) -> tuple[str, ...]:
        """The secret key and the token."""
        current = self._given or self._current
        return () if current is None else tuple(filter(None, (current.secret_key, current.token)))

    def account(self) -> tuple[Any, ...]:
        """The access key, or where it is looked for: limits are those of a region and an account."""
        return (self.host, self.port, self.region, self.user_id or self._chain)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_current": None}


def _repeatable(args: tuple[Any, ...], options: Mapping[str, Any]) -> bool:
    """Whether the body of a request can be sent a second time."""
    data = args[1] if len(args) > 1 else options.get("data")
    return data is None or isinstance(data, bytes | str | Mapping)


class AWSBaseDriver(BaseDriver):
    """The base of Amazon's drivers: `Driver("access key", "secret key", token=None, region="us-east-1")`.

    Without a key, credentials and region are looked for where Amazon's tools find them: the environment, the
    shared files (in the profile `ex_profile`, `AWS_PROFILE` or "default"), the container's service, the
    instance's metadata. They are looked for when first needed. To the environment's key and secret, given as
    such, belong its token and region.
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

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        region: str | None = None,
        token: str | None = None,
        *,
        ex_profile: str | None = None,
        **options: Any,
    ) -> None:
        if not key and (secret or token):
            raise InvalidCredsError(f"{self.name} needs the access key of this secret", driver=self)
        around = of_environment()
        if around is not None and (key, secret) == (around.access_key, around.secret_key):
            token = token or around.token
            region = region or ambient_region(ex_profile)
        region = region or (None if key else ambient_region(ex_profile)) or DEFAULT_REGION
        if not isinstance(region, str) or not REGION.fullmatch(region):
            raise InvalidArgumentError(f"region={region!r} is no name such as us-east-1")
        self._own = {"token": token, "region": region, "profile": ex_profile}
        domain = next((end for start, end in ELSEWHERE.items() if region.startswith(start)), "amazonaws.com")
        host = host or f"{self.endpoint}.{region}.{domain}"
        super().__init__(key, secret, secure, host, port, None, region, **options)  # type: ignore[arg-type]
        self.token = token

    def _credentials(self, key: str | None, secret: str | None) -> tuple[Any, ...]:
        return super()._credentials(key, secret) if key else (None, None)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return dict(self._own)

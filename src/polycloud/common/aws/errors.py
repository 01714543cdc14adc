"""Amazon's error codes, and the errors of our tree that they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from polycloud.errors import (
    ConflictError,
    ImageUnavailableError,
    InvalidCredsError,
    NotFoundError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    UnavailableError,
)
from polycloud.utils.headers import http_date

Refusals = tuple[tuple[re.Pattern[str], type[ProviderHTTPError]], ...]
"""Patterns of codes, and their errors; the first pattern that matches all of a code counts."""

CODE = re.compile(rb"<(?:\w+:)?Code>\s*([\w.]+)\s*</")
CODE_WITHIN = 4096
"""The bytes at the start of a response in which the code of its error is searched for."""

THROTTLED = re.compile(
    r"RequestLimitExceeded|Throttl(ing|ed)(Exception)?|RequestThrottled(Exception)?|TooManyRequests(Exception)?"
    r"|PriorRequestNotComplete|SlowDown|BandwidthLimitExceeded|DependencyThrottle"
)
CREDENTIALS_REFUSED = re.compile(
    r"AuthFailure|SignatureDoesNotMatch|Invalid(ClientTokenId|AccessKeyId|Security)|IncompleteSignature"
    r"|UnrecognizedClient(Exception)?|MissingAuthenticationToken|RequestTimeTooSkewed|RequestExpired"
    r"|ExpiredToken(Exception)?|MissingSecurityHeader|InvalidToken|TokenRefreshRequired"
)
RIGHT_MISSING = re.compile(r"Not authorized for (\w+)|not belong|not own")
"""Words of an `AuthFailure` that is about a resource, not about the credentials."""

REFUSALS: Refusals = (
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
            r".*(Duplicate|InUse|AlreadyExists|AlreadyAssociated|AlreadyAttached|Conflict|NotEmpty)"
            r"|Incorrect(Instance)?State|.*\.IncorrectState|DependencyViolation"
            r"|IdempotentParameterMismatch|IdempotentInstanceTerminated|IncorrectModificationState"
            r"|InvalidGroup\.Reserved|IncorrectSpotRequestState"
        ),
        ConflictError,
    ),
    (re.compile(r"OptInRequired"), ProviderHTTPError),
)


class AWSCredsError(InvalidCredsError):
    """The credentials were refused. `error_code` is Amazon's code, `clock` Amazon's time (or None)."""

    def __init__(self, value: object, error_code: str = "", clock: datetime | None = None) -> None:
        super().__init__(value)
        self.error_code = error_code
        self.clock = clock


def error_from_code(
    code: str, message: str, status: int, headers: Mapping[str, str], refusals: Refusals = REFUSALS
) -> ProviderError | None:
    """Return the error that a code stands for; None if only the status says what happened."""
    text = ": ".join(filter(None, (code, message)))
    if code == "AuthFailure" and (missing := RIGHT_MISSING.search(message)):
        kind = ImageUnavailableError if missing[1] == "images" else ProviderHTTPError
        return kind(status, text, headers)
    if CREDENTIALS_REFUSED.fullmatch(code):
        return AWSCredsError(text, code, http_date(headers.get("date", "")))
    matching = (kind for pattern, kind in refusals if pattern.fullmatch(code))
    error = next((kind(status, text, headers) for kind in matching), None)
    if error is not None:
        error.definite = True
    return error


def is_throttling(body: bytes) -> bool:
    """Return whether an error's body says that there were too many requests."""
    code = CODE.search(body[:CODE_WITHIN])
    return code is not None and THROTTLED.fullmatch(code[1].decode()) is not None

"""Libcloud's second home of errors; they all live in `polycloud.common.types`."""

from polycloud.common.types import BaseHTTPError, RateLimitReachedError
from polycloud.common.types import error_from_status as exception_from_message

__all__ = ["BaseHTTPError", "RateLimitReachedError", "exception_from_message"]

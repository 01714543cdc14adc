"""Libcloud's second home of errors; they all live in `polycloud.common.types`."""

from polycloud.errors import BaseHTTPError, RateLimitReachedError
from polycloud.errors import error_from_status as exception_from_message

__all__ = ["BaseHTTPError", "RateLimitReachedError", "exception_from_message"]

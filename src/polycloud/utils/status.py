"""HTTP statuses that the library speaks of, as plain ints.

The members of `http.HTTPStatus` are slow to read (0.3 µs in Python 3.11), and every response is compared with
several; that module also takes 0.6 ms to import.
"""

from __future__ import annotations

__all__ = ["HTTPStatus"]


class HTTPStatus:
    """The statuses, under the names of `http.HTTPStatus`."""

    CONTINUE = 100
    SWITCHING_PROTOCOLS = 101
    OK = 200
    CREATED = 201
    ACCEPTED = 202
    NO_CONTENT = 204
    MULTIPLE_CHOICES = 300
    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    REQUEST_TIMEOUT = 408
    METHOD_NOT_ALLOWED = 405
    CONFLICT = 409
    PRECONDITION_FAILED = 412
    RANGE_NOT_SATISFIABLE = 416
    UNPROCESSABLE_ENTITY = 422
    TOO_MANY_REQUESTS = 429
    CLIENT_CLOSED_REQUEST = 499
    INTERNAL_SERVER_ERROR = 500
    NOT_IMPLEMENTED = 501
    SERVICE_UNAVAILABLE = 503

"""The reason phrases of HTTP statuses."""

from __future__ import annotations

from http import HTTPStatus

_OLDER = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}
"""Those of RFC 4918 and before, which clouds send; Python has other ones since version 3.13."""


def reason(status: int) -> str:
    """Return the reason phrase that clouds send with a status."""
    return _OLDER.get(status) or HTTPStatus(status).phrase

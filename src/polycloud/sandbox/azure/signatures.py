"""Azure's signatures: Shared Key, and shared access signatures (SAS) of a blob, a container or the account.

Written from "Authorize with Shared Key", "Create a service SAS" and "Create an account SAS" of Microsoft's
documentation of the Storage services' REST API.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from polycloud.sandbox.azure.words import refusal
from polycloud.sandbox.objects.http import Request, parse_date

_SKEW = 15 * 60
_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
_RESPONSE = ("rscc", "rscd", "rsce", "rscl", "rsct")
_WITHOUT_RESOURCE, _WITH_SCOPE = "2018-11-09", "2020-12-06"
_FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class Signer:
    """Checks signatures.

    Attributes:
        account: the account's name.
        key: its key, in base64.
    """

    account: str
    key: str

    def _matches(self, text: str, signature: str) -> bool:
        digest = hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(base64.b64encode(digest), signature.encode())

    def check_key(self, request: Request, now: float) -> None:
        """Check the signature by Shared Key. Raises `Refusal`."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        account, _, signature = given.partition(":")
        date = parse_date(request.headers.get("x-ms-date") or request.headers.get("date"))
        is_now = date is not None and abs(date.timestamp() - now) <= _SKEW
        text = self._text(request)
        if (
            scheme != "SharedKey"
            or account != self.account
            or not is_now
            or not self._matches(text, signature)
        ):
            raise refusal("AuthenticationFailed")

    def _text(self, request: Request) -> str:
        headers = dict(request.headers)
        if headers.get("content-length") == "0":
            del headers["content-length"]
        if "x-ms-date" in headers:
            headers["date"] = ""
        lines = [request.method, *(headers.get(name, "") for name in _SIGNED)]
        lines += [f"{name}:{headers[name].strip()}" for name in sorted(headers) if name.startswith("x-ms-")]
        lines.append(f"/{self.account}{request.path}")
        names = sorted({name.lower() for name in request.query})
        for name in names:
            values = sorted(value for key, value in request.query.pairs if key.lower() == name)
            lines.append(f"{name}:{','.join(values)}")
        return "\n".join(lines)

    def check_sas(
        self,
        query: Mapping[str, str],
        container: str,
        blob: str,
        needed: str,
        now: float,
        policies: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Check a shared access signature. Raises `Refusal`.

        Args:
            query: the parameters.
            container: the container of the request; empty for the account.
            blob: the blob of the request; empty for the container.
            needed: the letters of permissions, one of which is needed.
            now: seconds since 1970.
            policies: the container's access policies by id.
        """
        text, kind = self._sas_text(query, container, blob)
        if not self._matches(text, query.get("sig", "")):
            raise refusal("AuthenticationFailed")
        if "si" in query and query["si"] not in policies:
            raise refusal("AuthenticationFailed")
        given = {**query, **policies.get(query.get("si", ""), {})}
        start, end = _seconds(given.get("st")), _seconds(given.get("se"))
        if (
            end is None
            or end <= now
            or (start or 0) > now
            or "http" not in given.get("spr", "http").split(",")
        ):
            raise refusal("AuthenticationFailed")
        if kind not in given.get("srt", kind) or (kind == "s" and "ss" not in given):
            raise refusal("AuthorizationPermissionMismatch")
        if not set(needed) & set(given.get("sp", "")):
            raise refusal("AuthorizationPermissionMismatch")

    def _sas_text(self, query: Mapping[str, str], container: str, blob: str) -> tuple[str, str]:
        """Return what is signed, and the letter of what the request is about, as in the parameter srt."""
        version = query.get("sv", "")
        scope = ["ses"] if version >= _WITH_SCOPE else []
        kind = "o" if blob else "c" if container else "s"
        if "ss" in query:
            names = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv", *scope]
            return "\n".join([self.account, *(query.get(name, "") for name in names), ""]), kind
        path = f"/blob/{self.account}/{container}"
        if query.get("sr") == "b":
            path += f"/{blob}"
        resource = ["sr", "snapshot"] if version >= _WITHOUT_RESOURCE else []
        values = [query.get(name, "") for name in ("sp", "st", "se")]
        values.append(path)
        values += [query.get(name, "") for name in ("si", "sip", "spr", "sv", *resource, *scope, *_RESPONSE)]
        return "\n".join(values), kind


def _seconds(text: str | None) -> float | None:
    for form in _FORMATS:
        try:
            return datetime.strptime(text or "", form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None

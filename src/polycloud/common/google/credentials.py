"""Who asks Google: a service account by its key, a user whom gcloud has logged in, or the machine's account.

Each account is exchanged for an access token: the first two by a request to their `token_uri`, whose form
they make here; a machine has its token from its metadata server. `ambient` finds the account where Google's
own tools find it, in the same order (Application Default Credentials).

Sources: Google's documents "Using OAuth 2.0 for Server to Server Applications", "How Application Default
Credentials works" and "About VM metadata".
"""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from polycloud.common.metadata import MetadataConnection, MetadataResponse
from polycloud.common.options import split_url, valid_host
from polycloud.common.payload import decoder
from polycloud.common.tokens import EARLY, Token
from polycloud.errors import (
    InvalidArgumentError,
    InvalidCredsError,
    NotFoundError,
    PolycloudError,
    TransportError,
)
from polycloud.utils.values import LONGEST

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = ["Account", "GrantPayload", "Machine", "ServiceAccount", "User", "ambient", "service_account"]

TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3600
"""Seconds for which an assertion asks; Google accepts no more."""
KEY_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
METADATA_HOST = "metadata.google.internal"
METADATA = "/computeMetadata/v1"
FLAVOR = {"Metadata-Flavor": "Google"}
"""What a request must say, and a response too: else it is of another service at this address."""
PEM = "-----BEGIN "
NO_ACCOUNT = (
    "Google needs an account: give the e-mail address and the key of a service account, set "
    f"{KEY_VARIABLE} to the file of a key, log in with `gcloud auth application-default login`, or run on a "
    "machine of Google Cloud"
)


class GrantPayload(msgspec.Struct):
    """The response to a request for a token; `expires_in` is in seconds."""

    access_token: str
    expires_in: Annotated[float, msgspec.Meta(ge=0, le=LONGEST)] | None = None

    def __repr__(self) -> str:
        return "<GrantPayload>"

    def token(self) -> Token:
        """Return the token, which ends by our clock as long after now as Google says."""
        if self.expires_in is None:
            return Token(self.access_token)
        end = datetime.now(UTC) + timedelta(seconds=self.expires_in)
        return Token(self.access_token, end, min(EARLY, self.expires_in / 4))


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account of Google's; `project` is the project that it belongs to, None if that is not known.

    `token_uri` is where its tokens are requested.
    """

    project: str | None = None
    token_uri: str = TOKEN_URI

    def identity(self) -> str:
        """Return a digest of who this is, with the secrets."""
        content = msgspec.json.encode([type(self).__name__, self])
        return hashlib.sha256(content).hexdigest()

    def secrets(self) -> tuple[str, ...]:
        """Return what no error, log or repr may show."""
        return ()

    def who(self) -> str:
        """Return the account for messages."""
        raise NotImplementedError

    def form(self, scopes: Iterable[str], now: float) -> dict[str, str]:
        """Return the form that is exchanged for a token at the time `now`, in seconds of Unix time."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.who()}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("who", self.who())]


class ServiceAccount(Account, frozen=True, kw_only=True):
    """A service account with a private key (RSA, in PEM)."""

    email: str
    private_key: str
    key_id: str | None = None

    def secrets(self) -> tuple[str, ...]:
        """Return the private key."""
        return (self.private_key,)

    def who(self) -> str:
        """Return its address."""
        return f"the service account {self.email}"

    def form(self, scopes: Iterable[str], now: float) -> dict[str, str]:
        """Return an assertion of who this is, signed by the key (RFC 7523)."""
        head = {"alg": "RS256", "typ": "JWT", **({"kid": self.key_id} if self.key_id else {})}
        begin = int(now)
        claims = {
            "iss": self.email,
            "scope": " ".join(scopes),
            "aud": self.token_uri,
            "iat": begin,
            "exp": begin + LIFETIME,
        }
        signed = b".".join(_base64(msgspec.json.encode(part)) for part in (head, claims))
        return {
            "grant_type": JWT_BEARER,
            "assertion": b".".join((signed, _base64(self.sign(signed)))).decode(),
        }

    def sign(self, content: bytes) -> bytes:
        """Return the signature of the key: RSASSA-PKCS1-v1_5 with SHA-256.

        Raises `InvalidCredsError` if the key cannot be read, and `PolycloudError` if the extra `google` is
        not installed.
        """
        key = _rsa(self.private_key)
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        return key.sign(content, padding.PKCS1v15(), hashes.SHA256())


class User(Account, frozen=True, kw_only=True):
    """A user whom `gcloud auth application-default login` has logged in."""

    client_id: str
    client_secret: str
    refresh_token: str

    def secrets(self) -> tuple[str, ...]:
        """Return the secret of the client and the token that renews."""
        return (self.client_secret, self.refresh_token)

    def who(self) -> str:
        """Return what it is; its name is not in the file."""
        return "the user whom gcloud has logged in"

    def form(self, scopes: Iterable[str], now: float) -> dict[str, str]:
        """Return the form that renews; its scopes are those of the login."""
        return {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }


class Machine(Account, frozen=True, kw_only=True):
    """The account of the machine on which the program runs; `host` is its metadata server, with a port."""

    host: str = METADATA_HOST

    def who(self) -> str:
        """Return what it is."""
        return "the account of this machine"

    def token(self) -> Token:
        """Return its token. Raises `InvalidCredsError` if there is no metadata server, or no account."""
        response = self._read("/instance/service-accounts/default/token")
        if response is None:
            raise InvalidCredsError(NO_ACCOUNT)
        return response.decode(GrantPayload).token()

    def project_id(self) -> str | None:
        """Return the project of the machine, or None."""
        response = self._read("/project/project-id")
        return None if response is None else response.body.strip() or None

    def _read(self, path: str) -> MetadataResponse | None:
        try:
            valid_host(split_url(url := f"http://{self.host}").hostname or "")
            connection = MetadataConnection(url)
        except InvalidArgumentError:
            message = f"GCE_METADATA_HOST must be a host with or without a port, got {self.host!r}"
            raise InvalidArgumentError(message) from None
        try:
            response: MetadataResponse = connection.request(METADATA + path, headers=FLAVOR)
        except (TransportError, NotFoundError):
            return None
        except PolycloudError as error:
            raise InvalidCredsError(
                f"the metadata server has no {path.rpartition('/')[2]}: {error}"
            ) from None
        finally:
            connection.close()
        return response if response.headers.get("metadata-flavor") == "Google" else None


def ambient() -> Account:
    """Return the account that Google's tools would find; the machine's if no file names another.

    Raises `InvalidCredsError` if a file that is there cannot be used.
    """
    if named := os.environ.get(KEY_VARIABLE):
        return _of_file(Path(named).expanduser(), KEY_VARIABLE)
    folder = os.environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud"
    file = Path(folder).expanduser() / "application_default_credentials.json"
    if file.exists():
        return _of_file(file, "gcloud's file")
    return Machine(host=os.environ.get("GCE_METADATA_HOST") or METADATA_HOST)


def service_account(email: str | None, key: str) -> ServiceAccount:
    """Return the service account of a key.

    Args:
        email: The address of the account; that in the key if None.
        key: The key: its JSON, its private key in PEM, or the path of a file with one of them.

    Raises:
        InvalidCredsError: The key cannot be read, or is that of another account.
    """
    text = key if _is_key(key) else _text_of(key)
    found: Account
    if text.lstrip().startswith("{"):
        found = _of_json(text, "the key")
    elif PEM in text and email:
        found = ServiceAccount(email=email, private_key=text)
    else:
        raise InvalidCredsError("a key in PEM needs the e-mail address of its service account")
    if not isinstance(found, ServiceAccount):
        raise InvalidCredsError("the key must be that of a service account, got the login of a user")
    if email and email != found.email:
        raise InvalidCredsError(f"the key must be that of {email!r}, got that of {found.email!r}")
    return found


def _is_key(text: str) -> bool:
    return text.lstrip().startswith("{") or PEM in text


def _text_of(path: str) -> str:
    """Return the content of a file with a key. Errors do not quote `path`, which may be another secret."""
    problem = "the key of a service account must be its JSON, its PEM, or the path of a file with one of them"
    try:
        file = Path(path).expanduser()
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "there is no such file"
        raise InvalidCredsError(f"{problem}: {reason}") from None
    if not _is_key(text):
        raise InvalidCredsError(f"{problem}; the file has neither")
    return text


def _of_file(file: Path, source: str) -> Account:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidCredsError(f"{source}, {file}, cannot be read: {reason}") from None
    return _of_json(text, f"{source}, {file},")


class FilePayload(msgspec.Struct):
    """A file of credentials: the key of a service account, or the login of a user."""

    type: str | None = None
    client_email: str | None = None
    private_key: str | None = None
    private_key_id: str | None = None
    project_id: str | None = None
    quota_project_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    token_uri: str | None = None


def _of_json(text: str, source: str) -> Account:
    try:
        found: FilePayload = decoder(FilePayload).decode(text.encode())
    except (msgspec.MsgspecError, UnicodeEncodeError):  # its message may quote a secret
        raise InvalidCredsError(f"{source} must be JSON as Google writes it") from None
    uri = found.token_uri or TOKEN_URI
    if found.client_email and found.private_key:
        return ServiceAccount(
            email=found.client_email,
            private_key=found.private_key,
            key_id=found.private_key_id,
            project=found.project_id,
            token_uri=uri,
        )
    if found.client_id and found.client_secret and found.refresh_token:
        return User(
            client_id=found.client_id,
            client_secret=found.client_secret,
            refresh_token=found.refresh_token,
            project=found.quota_project_id,
            token_uri=uri,
        )
    kind = f"credentials of the type {found.type!r}" if found.type else "neither"
    raise InvalidCredsError(
        f"{source} must have the key of a service account (client_email, private_key) or the login of a user "
        f"(client_id, client_secret, refresh_token), got {kind}"
    )


@lru_cache(maxsize=16)  # reading a key takes longer than signing with it
def _rsa(pem: str) -> RSAPrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise PolycloudError("keys of service accounts need: pip install 'polycloud[google]'") from None
    try:
        key: Any = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):  # of another format, or encrypted
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise InvalidCredsError("the private key must be an RSA key in PEM, unencrypted")
    return key


def _base64(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")

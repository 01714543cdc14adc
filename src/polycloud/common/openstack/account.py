"""What all connections of an account in this process share: the login, its token, and what services offer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import msgspec

from polycloud.common.openstack.identity import Access
from polycloud.common.openstack.login import Login
from polycloud.common.tokens import SharedStores, TokenStore
from polycloud.errors import InvalidArgumentError

MICROVERSION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")
Range = tuple[tuple[int, int], tuple[int, int]]
"""The lowest and the highest microversion of a service."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What the connections of one account share: the login, and where the services are looked for.

    Attributes:
        login: Who logs in; None if only a token and a `base_url` are given.
        identity_url: The root of Keystone, without a version; for a login of version 1 its complete address.
        region: The region; None for the first one of the catalogue.
        interface: "public", "internal" or "admin".
        urls: Addresses of services, by type, that replace those of the catalogue.
        service_type: Overrides the type of the driver's own service in the catalogue.
        service_name: The name that the driver's own service has in the catalogue.
        microversion: Overrides the microversion of the driver's own service.
    """

    login: Login
    identity_url: str | None = None
    region: str | None = None
    interface: str = "public"
    urls: Mapping[str, str] = {}
    service_type: str | None = None
    service_name: str | None = None
    microversion: str | None = None

    def identity(self) -> str:
        """Return a digest of who this is: the login with its secrets, at this identity service."""
        content = msgspec.json.encode([self.identity_url, self.login])
        return hashlib.sha256(content).hexdigest()


class AccountStore(TokenStore):
    """The token of an account, and the microversions of its services, by their address."""

    token: Access | None

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, Range | None] = {}


_stores = SharedStores(AccountStore)


def store_of(account: Account) -> AccountStore:
    """Return the store that all connections of an account share."""
    return _stores.of(account.identity())


def numbers_of(version: str) -> tuple[int, int]:
    """Return a microversion as numbers. Raises `InvalidArgumentError` for other text."""
    match = MICROVERSION.fullmatch(version)
    if match is None:
        raise InvalidArgumentError(f"a microversion must be like '2.36', got {version!r}")
    return int(match[1]), int(match[2])

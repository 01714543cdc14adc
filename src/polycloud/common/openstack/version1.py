"""The login of version 1, which Swift and Ceph's gateway have in place of Keystone: one GET.

The user and the key go as headers; the response has the token and the address of the storage, which is the
only service of the catalogue. Where Swift keeps the users itself (tempauth), a user's name is
"account:user".

Source: the guide to OpenStack's Object Storage API, version 1; Ceph's reference of its Swift API.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from polycloud.common.openstack.catalog import Endpoint
from polycloud.common.openstack.identity import Access, Requests
from polycloud.common.openstack.login import Login
from polycloud.common.tokens import EARLY
from polycloud.errors import InvalidCredsError
from polycloud.utils.values import LONGEST, whole_number

PATH = "/auth/v1.0"
"""The path of an authentication URL that has none."""


def log_in(connection: Requests, login: Login) -> Access:
    """Return a new token. Raises `InvalidCredsError` if the login is refused, and the errors of `request`."""
    if login.user is None or login.password is None:
        raise InvalidCredsError(
            "the login of version 1 needs a user (such as 'account:user') and a key; a token in their place, "
            "which ends some day, needs ex_force_base_url=, the address of the storage"
        )
    headers = {"X-Auth-User": login.user, "X-Auth-Key": login.password}
    try:
        response = connection.request("", headers=headers)
    except InvalidCredsError as error:
        raise InvalidCredsError(f"{login.who()} is refused: {error.value}") from error
    token, url = response.headers.get("x-auth-token"), response.headers.get("x-storage-url")
    if not token or not url:
        raise response.malformed("the response to the login must have X-Auth-Token and X-Storage-Url")
    endpoint = Endpoint("object-store", "swift", "", "public", url)
    seconds = whole_number(response.headers.get("x-auth-token-expires"))
    if seconds is None:
        return Access(token, endpoints=(endpoint,))
    left = min(seconds, LONGEST)
    return Access(token, datetime.now(UTC) + timedelta(seconds=left), min(EARLY, left / 4), (endpoint,))

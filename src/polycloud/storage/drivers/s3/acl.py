"""Who may read and change an object of S3.

Source: Amazon's reference of the S3 REST API, "GetObjectAcl" and the grants of "CopyObject".
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from polycloud.errors import ProviderHTTPError
from polycloud.storage.drivers.s3.connection import S3BaseDriver, S3Response
from polycloud.storage.objects import Object
from polycloud.utils.status import HTTPStatus

UNREADABLE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
"""The responses to those who may not read an ACL, and of stores without ACLs."""


class Grantee(msgspec.Struct):
    """An account, or a group of users."""

    id: str | None = msgspec.field(name="ID", default=None)
    uri: str | None = msgspec.field(name="URI", default=None)
    email: str | None = msgspec.field(name="EmailAddress", default=None)


class Grant(msgspec.Struct):
    """What a grantee may do: FULL_CONTROL, READ, READ_ACP or WRITE_ACP."""

    grantee: Grantee = msgspec.field(name="Grantee")
    permission: str = msgspec.field(name="Permission")


class S3ACLs(S3BaseDriver):
    """ACLs as S3 has them."""

    def ex_get_object_acl(self, obj: Object) -> list[Grant]:
        """Return who may do what with an object, its owner included.

        Raises `ObjectDoesNotExistError`, and `ProviderHTTPError` (501) for a store without ACLs.
        """
        path, query = self._path(obj.container.name, obj.name), {"acl": "", "versionId": obj.version_id}
        with self._errors(obj.container.name, obj.name):
            response: S3Response = self._send(obj.container.name, lambda one: one.request(path, query))
        items = response.items("AccessControlPolicy", "AccessControlList/Grant", Grant)
        return [item.value for item in items]

    def _acl_headers(self, obj: Object) -> dict[str, str]:
        """Return the headers that give a copy the ACL of an object; none for the default ACL, the owner's."""
        try:
            grants = self.ex_get_object_acl(obj)
        except ProviderHTTPError as error:
            if error.exchange is None or error.exchange.status not in UNREADABLE:
                raise
            return {}
        if len(grants) < 2:  # noqa: PLR2004 - only the owner's
            return {}
        fields: dict[str, list[str]] = defaultdict(list)
        for one in grants:
            values: dict[str, Any] = {
                "id": one.grantee.id,
                "uri": one.grantee.uri,
                "emailAddress": one.grantee.email,
            }
            name = f"x-amz-grant-{one.permission.lower().replace('_', '-')}"
            fields[name] += [f'{kind}="{text}"' for kind, text in values.items() if text]
        return {name: ", ".join(texts) for name, texts in fields.items()}

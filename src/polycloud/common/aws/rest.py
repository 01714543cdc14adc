"""REST with XML bodies: Route 53 and S3.

A method and a path say what to do; requests and responses have XML bodies, or none. The service's connection
sets `service` and `namespace`, its response the names of the elements that are members of lists:

    class Route53Response(AWSRestResponse):
        lists = frozenset({"HostedZone", "ResourceRecord", "ResourceRecordSet"})

    class Route53Connection(AWSRestConnection):
        service = "route53"
        namespace = "https://route53.amazonaws.com/doc/2013-04-01/"
        request_path = "/2013-04-01"
        responseCls = Route53Response

Build paths with `quote_segment`: all but unreserved characters must be quoted, since the path is part of the
signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from polycloud.common.aws.connection import AWSConnection, AWSResponse
from polycloud.common.aws.xml import Item, document, local_name, plain
from polycloud.errors import MalformedResponseError

__all__ = ["AWSRestConnection", "AWSRestResponse"]

T = TypeVar("T")


class AWSRestResponse(AWSResponse):
    """A response in XML; set `lists` to the names of the elements that are members of lists."""

    lists: ClassVar[frozenset[str]] = frozenset()

    def items(self, root: str, path: str, type_: type[T]) -> list[Item[T]]:
        """Return the elements at `path` in the root element `root`: "HostedZones/HostedZone", "Contents".

        Raises `MalformedResponseError` for another root, and if an element above them is missing.
        """
        parent = self.root(root)
        *parents, name = path.split("/")
        for above in parents:
            found = parent.find(f"{{*}}{above}")
            if found is None:
                raise self.malformed(f"the response has no <{above}>")
            parent = found
        elements = (plain(element, self.lists) for element in parent.findall(f"{{*}}{name}"))
        return [Item(self.typed(fields, type_), fields) for fields in elements]

    def refusal(self) -> tuple[str, str]:
        """Return the error's code and message. Some errors of Route 53 have the code as their root's name."""
        code, message = super().refusal()
        try:
            root = self.object
        except MalformedResponseError:
            return code, message
        if code or isinstance(root, str) or root.find("{*}Messages") is None:
            return code, message
        texts = (element.text or "" for element in root.iterfind("{*}Messages/{*}Message"))
        return local_name(root), "; ".join(text.strip() for text in texts)


class AWSRestConnection(AWSConnection):
    """A connection to a REST API; `namespace` is that of the XML in requests."""

    responseCls = AWSRestResponse
    namespace: ClassVar[str] = ""

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
    ) -> Any:
        """Send a request and return its response, a `responseCls`.

        `body` has one key, the name of the root element: `{"Tagging": {"TagSet": {"Tag": [...]}}}`. The other
        arguments are those of `request`, which also sends bodies that are not XML.
        """
        if body is None:
            return self.request(path, params, None, headers, method, idempotent=idempotent)
        ((name, fields),) = body.items()
        sent = {"Content-Type": "application/xml", **(headers or {})}
        content = document(name, fields, self.namespace)
        return self.request(path, params, content, sent, method, idempotent=idempotent)

"""What a driver author extends, at Libcloud's path: connections, responses and the base of all drivers."""

from polycloud.common.building import quote_segment
from polycloud.common.connection import (
    Connection,
    ConnectionKey,
    ConnectionOptions,
    ConnectionUserAndKey,
)
from polycloud.common.driver import BaseDriver
from polycloud.common.polling import PollingConnection
from polycloud.common.response import JsonResponse, Response
from polycloud.common.xmlresponse import XmlResponse, XMLRPCResponse

__all__ = [
    "BaseDriver",
    "Connection",
    "ConnectionKey",
    "ConnectionOptions",
    "ConnectionUserAndKey",
    "JsonResponse",
    "PollingConnection",
    "Response",
    "XMLRPCResponse",
    "XmlResponse",
    "quote_segment",
]

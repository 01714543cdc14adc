"""What a response may take: bytes, values, depth."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from itertools import repeat
from typing import Any

import msgspec
import pytest

from polycloud.common.aws.credentials import of_container
from polycloud.common.base import Connection, JsonResponse, XmlResponse
from polycloud.common.xmlrpc import XMLRPCConnection
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.compute.drivers.linode import LinodeNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.errors import InvalidCredsError, MalformedResponseError, ProviderHTTPError, ServerError
from polycloud.http.retry import RetryPolicy
from support.web import Answer, Seen, Web, serve

MEGABYTE = 1_000_000
ONCE = RetryPolicy(attempts=1)
ZIPPED = {"Content-Encoding": "gzip"}


class Elements(msgspec.Struct):
    a: list[Any]


class Thing(msgspec.Struct):
    a: int = 0
    b: str | None = None
    c: list[int] | None = None


class JsonConnection(Connection):
    responseCls = JsonResponse


class XmlConnection(Connection):
    responseCls = XmlResponse


def sequence(value: bytes, count: int) -> bytes:
    return b"[" + b",".join([value] * count) + b"]"


def connection(kind: type[Connection], web: Web, **options: Any) -> Any:
    return kind(**web.options, retry=ONCE, **options)


def rpc(value: bytes) -> bytes:
    return b"<methodResponse><params><param><value>" + value + b"</value></param></params></methodResponse>"


READS: dict[str, tuple[bytes, Callable[..., Any]]] = {
    "lists": (
        sequence(b"[]", 600),
        lambda web, **limit: connection(JsonConnection, web, **limit).request("/").object,
    ),
    "nested lists": (
        sequence(b"[" * 100 + b"]" * 100, 11),
        lambda web, **limit: connection(JsonConnection, web, **limit).request("/").object,
    ),
    "numbers": (
        sequence(b"1", 1100),
        lambda web, **limit: connection(JsonConnection, web, **limit).request("/").object,
    ),
    "Structs": (
        sequence(b"{}", 600),
        lambda web, **limit: connection(JsonConnection, web, **limit).request("/").decode(list[Thing]),
    ),
    "elements": (
        b"<r>" + b"<a/>" * 1000 + b"</r>",
        lambda web, **limit: connection(XmlConnection, web, **limit).request("/").object,
    ),
    "elements as Structs": (
        b"<r>" + b"<a/>" * 1000 + b"</r>",
        lambda web, **limit: connection(XmlConnection, web, **limit).request("/").decode(Elements).a,
    ),
    "attributes": (
        b"<r " + b" ".join(b"a%d=''" % number for number in range(1000)) + b"/>",
        lambda web, **limit: connection(XmlConnection, web, **limit).request("/").object,
    ),
    "XML-RPC": (
        rpc(b"<array><data>" + b"<value/>" * 1000 + b"</data></array>"),
        lambda web, **limit: connection(XMLRPCConnection, web, **limit).call("f"),
    ),
    "NephoScale": (
        b'{"success": true, "data": ' + sequence(b'{"id": 1}', 1100) + b"}",
        lambda web, **limit: NephoscaleNodeDriver("u", "p", **web.options, **limit).list_nodes(),
    ),
    "DigitalOcean": (
        b'{"droplets": ' + sequence(b'{"id": 1}', 600) + b"}",
        lambda web, **limit: DigitalOceanNodeDriver("t", **web.options, **limit).list_nodes(),
    ),
    "Linode": (
        b'{"data": ' + sequence(b'{"id": 1}', 600) + b"}",
        lambda web, **limit: LinodeNodeDriver("t", **web.options, **limit).list_nodes(),
    ),
    "EC2": (
        b"<DescribeInstancesResponse>" + b"<item/>" * 1000 + b"</DescribeInstancesResponse>",
        lambda web, **limit: EC2NodeDriver("k", "s", **web.options, **limit).list_nodes(),
    ),
}


@pytest.mark.parametrize("kind", READS)
def test_value_limit(kind: str) -> None:
    """A response of more values than `value_limit` is refused before it is parsed, however it is read."""
    body, read = READS[kind]
    with serve(lambda _: Answer(200, body)) as web:
        with pytest.raises(MalformedResponseError, match=r"more than 1,000 values \(value_limit=\)"):
            read(web, value_limit=1000)


@pytest.mark.parametrize(
    "kind", ["lists", "Structs", "numbers", "elements", "elements as Structs", "XML-RPC"]
)
def test_value_limit_raised(kind: str) -> None:
    """A response that has as many values as `value_limit` allows is read."""
    body, read = READS[kind]
    with serve(lambda _: Answer(200, body)) as web:
        assert len(read(web, value_limit=4000)) in {600, 1000, 1100}


def test_very_long() -> None:
    """A body of more than 4 MiB is decoded where it was received, and is bytes for who asks for them."""
    things = [{"a": number, "b": "x" * 100} for number in range(40_000)]
    body = json.dumps(things).encode()
    with serve(lambda _: Answer(200, body)) as web:
        response = connection(JsonConnection, web).request("/")
        assert response.decode(list[Thing])[-1].a == 39_999
        assert isinstance(response.raw.buffer, memoryview)
        assert (response.object, response.content, response.raw.body) == (things, body, body)
        with pytest.raises(MalformedResponseError, match="more than 79,998 values"):
            connection(JsonConnection, web, value_limit=79_998).request("/").decode(list[Thing], (b",",))
        exactly = connection(JsonConnection, web, value_limit=79_999).request("/")
        assert len(exactly.decode(list[Thing], (b",",))) == 40_000


@pytest.mark.parametrize("kind", [JsonConnection, XmlConnection])
def test_very_long_page(kind: type[Connection]) -> None:
    """A very long HTML page in place of a response is refused, and the error has its beginning."""
    body = b" " * 100 + b"<html>" + b"busy " * MEGABYTE
    with serve(lambda _: Answer(200, body)) as web:
        with pytest.raises(MalformedResponseError, match=r"must be (JSON|XML).*busy"):
            connection(kind, web).request("/")


@pytest.mark.parametrize(
    ("value", "type_"), [(b"[]", Any), (b"{}", list[Thing]), (b"0", list[msgspec.Raw])], ids=str
)
def test_small_on_the_wire(value: bytes, type_: Any) -> None:
    """By default 6 MB of empty values, 6 KB on the wire, take no more memory than their bytes."""
    body = gzip.compress(sequence(value, 6 * MEGABYTE // (len(value) + 1)), 1)
    with serve(lambda _: Answer(200, body, ZIPPED)) as web:
        response = connection(JsonConnection, web).request("/")
        tracemalloc.start()
        try:
            with pytest.raises(MalformedResponseError, match="value_limit="):
                response.decode(type_)
            assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
        finally:
            tracemalloc.stop()


def test_a_refusal_of_many_values() -> None:
    """The body of a refusal is not parsed either if it has too many values; the error has its status."""
    body = b'{"message": "no", "errors": ' + sequence(b"{}", 600) + b"}"
    with serve(lambda _: Answer(403, body)) as web:
        for driver in (DigitalOceanNodeDriver, LinodeNodeDriver):
            with pytest.raises(ProviderHTTPError) as caught:
                driver("t", **web.options, value_limit=1000).list_nodes()
            assert caught.value.code == 403


DEEP = {
    "JSON": (JsonConnection, b"[" * 200_000 + b"]" * 200_000),
    "XML": (XmlConnection, b"<a>" * 200_000 + b"</a>" * 200_000),
    "XML-RPC": (XMLRPCConnection, rpc(b"<array><data><value>" * 500 + b"</value></data></array>" * 500)),
}


@pytest.mark.parametrize("kind", DEEP)
def test_depth(kind: str) -> None:
    """A response whose values are nested too deep is refused."""
    cls, body = DEEP[kind]
    with serve(lambda _: Answer(200, body)) as web, pytest.raises(MalformedResponseError, match="nested"):
        _ = connection(cls, web).request("/").object


def test_depth_of_ec2() -> None:
    """A response of EC2 whose elements are nested too deep is refused."""
    body = (
        b"<DescribeInstancesResponse>" + b"<a>" * 10_000 + b"</a>" * 10_000 + b"</DescribeInstancesResponse>"
    )
    with serve(lambda _: Answer(200, body)) as web:
        with pytest.raises(MalformedResponseError, match="nested more than 200 deep"):
            EC2NodeDriver("k", "s", **web.options).list_nodes()


@pytest.mark.parametrize(("encoding", "reads"), [("cp037", False), ("windows-1252", True), ("UTF-8", True)])
def test_encodings(encoding: str, reads: bool) -> None:
    """XML in an encoding that does not extend ASCII is refused, since its elements could not be counted."""
    codec = encoding if encoding == "cp037" else "ascii"
    body = f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + "<r><a/></r>".encode(codec)
    with serve(lambda _: Answer(200, body)) as web:
        response = connection(XmlConnection, web).request("/")
        if reads:
            assert len(response.object) == 1
        else:
            with pytest.raises(MalformedResponseError, match="extends ASCII"):
                _ = response.object


def test_long_lists_pass() -> None:
    """By default a list without pages may have 10,000 objects of 3 KB; that of NephoScale 35,000 of 2 KB."""
    fields: dict[str, Any] = {f"field{number}": [{"a": number}, "x" * 40] for number in range(28)}
    thing = json.dumps({"id": 1, **fields}).encode()
    with serve(lambda _: Answer(200, sequence(thing + b" " * (3000 - len(thing)), 10_000))) as web:
        assert len(connection(JsonConnection, web).request("/").object) == 10_000
    fields = {f"field{number}": "x" * 20 for number in range(50)}
    server = json.dumps({"id": 1, "ipaddresses": "192.0.2.1", **fields}).encode()
    body = b'{"success": true, "data": ' + sequence(server + b" " * (2000 - len(server)), 35_000) + b"}"
    with serve(lambda _: Answer(200, body)) as web:
        assert len(NephoscaleNodeDriver("u", "p", **web.options).list_nodes()) == 35_000


def test_streams() -> None:
    """A stream may be longer than `body_limit`; the body of an error, even without end, is read up to it."""
    endless = False

    def respond(_: Seen) -> Answer:
        return Answer(500, chunks=repeat(b"x" * 1000)) if endless else Answer(200, chunks=[b"x" * 1000] * 50)

    with serve(respond) as web:
        cloud = connection(JsonConnection, web, body_limit=10_000)
        response = cloud.request("/", stream=True)
        assert sum(map(len, response.iter_bytes())) == 50_000
        assert len(cloud.request("/", stream=True).content) == 50_000
        endless = True
        with pytest.raises(ServerError):
            cloud.request("/", stream=True)


def test_a_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a metadata service sends instead of credentials is read up to a megabyte."""
    with serve(lambda _: Answer(200, b'{"AccessKeyId": "' + b"x" * 2 * MEGABYTE + b'"}')) as web:
        monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", raising=False)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{web.url}/container")
        with pytest.raises(InvalidCredsError, match="longer than 1,048,576 bytes"):
            of_container()

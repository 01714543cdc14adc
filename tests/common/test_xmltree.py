from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct, ValidationError, field

from polycloud.common import xmltree
from polycloud.common.base import Connection, XmlResponse
from polycloud.errors import MalformedResponseError
from support.web import Answer, serve


class Disk(Struct):
    size: int
    unit: str = "GB"


class Server(Struct):
    id: int
    name: str | None = None
    running: bool = False
    disks: list[Disk] = []
    address: list[str] = []
    plan: Disk | None = None
    os_name: str | None = field(name="os-name", default=None)


class Servers(Struct):
    server: list[Server]


def decoded(text: str, type_: Any = Server) -> Any:
    return xmltree.convert(xmltree.parse(text.encode()), type_)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("<s><id>5</id></s>", Server(5)),
        ("<s id='5' name='web'/>", Server(5, "web")),
        ("<s><id> 5 </id><name/><new/></s>", Server(5)),
        ("<s xmlns='urn:x' xmlns:y='u:y'><y:id>5</y:id><running>true</running></s>", Server(5, running=True)),
        ("<s id='5'><disks><disk><size>9</size></disk></disks></s>", Server(5, disks=[Disk(9)])),
        ("<s id='5'><disks><d size='9'/><d size='8'/></disks></s>", Server(5, disks=[Disk(9), Disk(8)])),
        ("<s id='5'><disks size='9' unit='TB'/></s>", Server(5, disks=[Disk(9, "TB")])),
        ("<s id='5'><disks><size>9</size></disks></s>", Server(5, disks=[Disk(9)])),
        ("<s id='5'><disks size='9'/><disks size='8'/></s>", Server(5, disks=[Disk(9), Disk(8)])),
        ("<s id='5'><disks/></s>", Server(5)),
        ("<s id='5'><address>::1</address></s>", Server(5, address=["::1"])),
        ("<s id='5'><address><ip>::1</ip><ip>::2</ip></address></s>", Server(5, address=["::1", "::2"])),
        ("<s id='5'><plan><size>4</size></plan><os-name>Debian</os-name></s>",
         Server(5, plan=Disk(4), os_name="Debian")),
    ],
)  # fmt: skip
def test_elements_as_structs(text: str, server: Server) -> None:
    """Attributes, children and lists of any form become a Struct's fields, without namespaces."""
    assert decoded(text) == server


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("<s/>", "missing required field `id`"),
        ("<s id='x'/>", r"\$.id"),
        ("<s id='5'><disks size='x'/></s>", r"\$.disks\[0\].size"),
        ("<s id='5'><disks><disk unit='GB'/></disks></s>", r"missing required field `size` - at `\$.disks"),
    ],
)
def test_elements_that_do_not_fit(text: str, path: str) -> None:
    """An element without a required field, or with another type, is refused by the path of the field."""
    with pytest.raises(ValidationError, match=path):
        decoded(text)


class XmlConnection(Connection):
    responseCls = XmlResponse


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<other><body/></other>", "not as documented: .*`server`"),
        (b"<status>maintenance</status>", "not as documented: .*`server`"),
        (b"<a>", "not XML"),
        (b"", "not XML"),
    ],
)
def test_foreign_documents(body: bytes, message: str) -> None:
    """A response that is another document, or none, is no empty list but a `MalformedResponseError`."""
    with serve(lambda _: Answer(200, body)) as web:
        connection = XmlConnection(**web.options)
        with pytest.raises(MalformedResponseError, match=message):
            connection.request("/").decode(Servers)
        connection.close()


@pytest.mark.parametrize(
    ("body", "servers"),
    [("<list><server id='1'/><server id='2'/></list>", [Server(1), Server(2)]), ("<list/>", [])],
)
def test_decoded_responses(body: str, servers: list[Server]) -> None:
    """`decode` of an XML response returns the root element as the type that was asked for."""
    with serve(lambda _: Answer(200, body.encode())) as web:
        connection = XmlConnection(**web.options)
        assert connection.request("/").decode(Servers) == Servers(servers)
        connection.close()

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.common import xmltree
from polycloud.common.aws.xml import local_name, plain, plain_root
from polycloud.common.xmlresponse import XmlResponse, XMLRPCResponse
from polycloud.errors import MalformedResponseError, PolycloudError
from support.fuzz import answer, outcome, peak, scrambled
from support.web import Web, serve

KINDS = [XmlResponse, XMLRPCResponse]
SECRET = "what only this machine knows"
SAMPLES = (
    b'<?xml version="1.0"?><r xmlns="urn:a" xmlns:b="urn:b"><b:Message x="1">no</b:Message></r>',
    '<?xml version="1.0" encoding="utf-16"?><error>caf\u00e9 &amp; &#65; <![CDATA[<]]></error>'.encode(
        "utf-16"
    ),
    b'<?xml version="1.0" encoding="iso-8859-1"?><!-- c --><?p i?><a><b/><b>\xe9</b></a>',
)
NAMES = st.sampled_from(["a", "Message", "error", "x:a", "xml:a", "\u00e9", "xmlns", "1", "a b", ":"])
ENCODINGS = [
    *("utf-8", "utf-16", "utf-16-le", "utf-32", "utf-7", "latin-1", "cp1252", "big5", "hz", "iso2022_jp"),
    *(
        "idna",
        "punycode",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "rot13",
        "zlib",
        "mbcs",
        "\u00e9",
    ),
]


def elements() -> st.SearchStrategy[str]:
    text = st.text(max_size=5) | st.sampled_from(
        ["&lt;", "&no;", "&#0;", "&#x110000;", "]]>", "<![CDATA[", "<?", "\0"]
    )
    attributes = st.sampled_from(
        ["", " x='1'", " x='1' x='2'", " xmlns='u'", " xmlns:x='u'", " xmlns:x=''", " x"]
    )

    def nest(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.builds(
            lambda name, extra, children: f"<{name}{extra}>{''.join(children)}</{name}>",
            NAMES,
            attributes,
            st.lists(inner, max_size=3),
        )

    return nest(st.recursive(text, nest, max_leaves=6))


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    declared = draw(st.sampled_from([*ENCODINGS, ""]))
    written = draw(st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"]))
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    return (head + draw(elements())).encode(written, "surrogatepass")


def bodies() -> st.SearchStrategy[bytes]:
    return documents() | scrambled(*SAMPLES) | st.binary(max_size=50)


@given(bodies(), st.sampled_from(KINDS))
def test_body(body: bytes, kind: type[XmlResponse]) -> None:
    """A body is parsed, or is a `MalformedResponseError`."""
    parsed = outcome(lambda: answer(kind, body).object)
    assert kind is XMLRPCResponse or isinstance(parsed, MalformedResponseError | ET.Element | str)


@given(bodies())
def test_plain_values(body: bytes) -> None:
    """A document has the same plain values whether a tree is built from it or not."""
    tree = outcome(lambda: xmltree.parse(body), ValueError)
    values = outcome(lambda: plain_root(body), ValueError)
    if isinstance(tree, ET.Element):
        assert values == (local_name(tree), plain(tree))


@given(bodies(), st.integers(100, 599), st.sampled_from(KINDS))
def test_error(body: bytes, status: int, kind: type[XmlResponse]) -> None:
    """Whatever the body of a refusal is, there is an error of our tree with a message for it."""
    refusal = answer(kind, body, status=status)
    outcome(refusal.success)
    error = refusal.to_error()
    assert isinstance(error, PolycloudError)
    assert str(error).strip()


LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
TEMPLATES = {
    "a file": "<!DOCTYPE a [<!ENTITY e SYSTEM 'file://{file}'>]><a>&e;</a>",
    "an address": "<!DOCTYPE a [<!ENTITY e SYSTEM '{url}/entity'>]><a>&e;</a>",
    "a public name": "<!DOCTYPE a [<!ENTITY e PUBLIC '-//p' '{url}/public'>]><a>&e;</a>",
    "a document type": "<!DOCTYPE a SYSTEM '{url}/a.dtd'><a>&e;</a>",
    "a parameter": "<!DOCTYPE a [<!ENTITY % p SYSTEM '{url}/p.dtd'> %p;]><a>&e;</a>",
    "a parameter in one": "<!DOCTYPE a [<!ENTITY % f SYSTEM 'file://{file}'>"
    "<!ENTITY % p '<!ENTITY e \"%f;\">'> %p;]><a>&e;</a>",
    "an attribute": "<!DOCTYPE a [<!ATTLIST a b CDATA 'c'><!ENTITY e SYSTEM 'file://{file}'>]><a b='&e;'/>",
    "a notation": "<!DOCTYPE a [<!NOTATION n SYSTEM '{url}/n'>"
    "<!ENTITY e SYSTEM '{url}/e' NDATA n>]><a>&e;</a>",
    "laughs": f"<!DOCTYPE a [<!ENTITY l0 'ha'>{LAUGHS}]><a>&l9;</a>",
    "laughs in attributes": f"<!DOCTYPE a [<!ENTITY l0 'ha'>{LAUGHS}]><a b='&l9;'/>",
    "one long entity": f"<!DOCTYPE a [<!ENTITY e '{'h' * 50_000}'>]><a>{'&e;' * 50_000}</a>",
    "itself": "<!DOCTYPE a [<!ENTITY e '&e;'>]><a>&e;</a>",
}
INCLUSIONS = {
    "XInclude": "<a xmlns:xi='http://www.w3.org/2001/XInclude'>"
    "<xi:include href='file://{file}' parse='text'/></a>",
    "a stylesheet": "<?xml-stylesheet href='{url}/style' type='text/xsl'?><a/>",
    "a schema": "<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:schemaLocation='{url}/a {url}/b'/>",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Web]:
    with serve() as running:
        yield running


@pytest.fixture
def web(server: Web) -> Web:
    server.seen.clear()
    return server


def traps(template: str, web: Web, folder: Path, encoding: str) -> bytes:
    file = folder / "secret"
    file.write_text(SECRET, encoding="ascii")
    head = "" if encoding == "utf-8" else f"<?xml version='1.0' encoding='{encoding}'?>"
    body = template.replace("{file}", str(file)).replace("{url}", web.url)
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    return mark + (head.replace("-le", "").replace("-be", "") + body).encode(encoding)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "utf-7"]
)
@pytest.mark.parametrize("name", TEMPLATES)
def test_entities(name: str, encoding: str, kind: type[XmlResponse], web: Web, tmp_path: Path) -> None:
    """Entities are refused in every encoding: nothing is fetched, nothing is read, nothing grows."""
    body = traps(TEMPLATES[name], web, tmp_path, encoding)
    document = answer(kind, body, status=400)
    outcome(lambda: answer(kind, b"<a", status=400).object)  # imports what it needs: that is not counted
    assert peak(lambda: outcome(lambda: document.object)) < 500_000 + 20 * len(body)
    assert isinstance(outcome(lambda: document.object), MalformedResponseError)
    assert SECRET not in str(document.to_error())
    assert web.seen == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", INCLUSIONS)
def test_inclusions(name: str, kind: type[XmlResponse], web: Web, tmp_path: Path) -> None:
    """What a document names elsewhere is neither fetched nor read."""
    document = answer(kind, traps(INCLUSIONS[name], web, tmp_path, "utf-8"), status=400)
    parsed = outcome(lambda: document.object)
    assert SECRET not in (ET.tostring(parsed, "unicode") if isinstance(parsed, ET.Element) else str(parsed))
    assert SECRET not in str(document.to_error())
    assert web.seen == []


def test_the_traps_work(web: Web) -> None:
    """The server of these tests sees requests."""
    import urllib3

    with urllib3.PoolManager() as pool:
        pool.request("GET", f"{web.url}/entity")
    assert [seen.path for seen in web.seen] == ["/entity"]


BOMBS = {
    "deep nesting": b"<a>" * 100_000 + b"</a>" * 100_000,
    "open ends": b"<a>" * 50_000,
    "many attributes": b"<a %s/>" % b" ".join(b"a%d=''" % n for n in range(20_000)),
    "many references": b"<a>" + b"&#65;" * 100_000 + b"</a>",
    "many namespaces": b"<a>" + b"".join(b"<b xmlns:x%d='u%d'/>" % (n, n) for n in range(10_000)) + b"</a>",
    "nested namespaces": b"".join(b"<a xmlns:x='u%d'>" % n for n in range(10_000)) + b"</a>" * 10_000,
    "a long namespace": b"<x:a xmlns:x='%s'>" % (b"u" * 100_000)
    + b"".join(b"<x:a%d/>" % n for n in range(10_000)),
    "a long name": b"<" + b"a" * 1_000_000 + b"/>",
    "a long comment": b"<!--" + b"a-" * 500_000 + b"--><a/>",
    "much space": b" " * 1_000_000 + b"<a/>",
    "many instructions": b"<?a?>" * 200_000 + b"<a/>",
    "a long instruction": b"<?a " + b"?" * 500_000 + b"?><a/>",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str, kind: type[XmlResponse]) -> None:
    """A document takes memory in proportion to its length, whatever is in it."""
    document = answer(kind, BOMBS[name], status=400)
    assert peak(lambda: outcome(lambda: document.object)) < 120 * len(BOMBS[name])
    assert isinstance(document.to_error(), PolycloudError)

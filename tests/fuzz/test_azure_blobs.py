from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.http.retry import RetryPolicy
from polycloud.storage.base import Container
from polycloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
from polycloud.storage.uploads import Upload
from support.fuzz import ODD_TEXTS, look_at, outcome, scrambled
from support.web import Answer, Seen, serve

UPLOAD = "0123456789ab"
BLOCK = base64.b64encode(f"{UPLOAD}-00001-{'0' * 32}".encode()).decode()
MD5 = base64.b64encode(bytes(16)).decode()
PROPERTIES = f"""<Properties><Last-Modified>Sun, 29 Nov 2026 13:36:05 GMT</Last-Modified><Etag>0x1</Etag>
<Content-Length>5</Content-Length><Content-Type>text/plain</Content-Type><Content-MD5>{MD5}</Content-MD5>
<BlobType>BlockBlob</BlobType></Properties>"""
LISTS = {
    "list_containers": "<EnumerationResults><Containers><Container><Name>photos</Name>"
    f"{PROPERTIES}</Container></Containers><NextMarker /></EnumerationResults>",
    "list_container_objects": '<EnumerationResults><Blobs><Blob><Name Encoded="true">a%20b</Name>'
    f"<VersionId>2026</VersionId>{PROPERTIES}</Blob></Blobs><NextMarker /></EnumerationResults>",
    "parts": f"<BlockList><UncommittedBlocks><Block><Name>{BLOCK}</Name><Size>5</Size></Block>"
    "</UncommittedBlocks></BlockList>",
}
TEXTS = ("photos", "a%20b", "2026", "0x1", "5", MD5, BLOCK, "BlockBlob", "true", " />", "<Name>", "</Name>")
HEADERS = {"ETag": '"0x1"', "Content-Length": "5", "Content-MD5": MD5, "x-ms-blob-type": "BlockBlob"}
HEADER_TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))


class Stage:
    """A driver of a server whose next response a test decides."""

    def __init__(self) -> None:
        self.response = Answer()

    def respond(self, _: Seen) -> Answer:
        return self.response


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Stage, dict[str, Callable[[], Any]]]]:
    made, once = Stage(), RetryPolicy(attempts=1)
    with (
        serve(made.respond) as web,
        AzureBlobsStorageDriver("account", "YWJj", url=web.url, retry=once, timeout=10) as driver,
    ):
        photos, upload = Container("photos", {}, driver), Upload({}, {})
        yield (
            made,
            {
                "list_containers": driver.list_containers,
                "list_container_objects": lambda: driver.list_container_objects(photos),
                "list_object_versions": lambda: driver.list_object_versions(photos),
                "parts": lambda: list(driver._upload_in_parts(photos, "a", upload, UPLOAD).parts()),
                "get_object": lambda: driver.get_object("photos", "a"),
            },
        )


@st.composite
def lists(draw: st.DrawFn) -> tuple[str, bytes]:
    """Generate a call, and a list that was torn, or of which some texts are others."""
    name = draw(st.sampled_from(sorted(LISTS)))
    document = LISTS[name]
    if draw(st.booleans()):
        return name, draw(scrambled(document.encode()))
    for _ in range(draw(st.integers(1, 3))):
        odd = draw(
            st.text(max_size=9) | st.sampled_from([*ODD_TEXTS, "%", "%ff", "9" * 5000, "=", "é==", "²"])
        )
        document = document.replace(draw(st.sampled_from(TEXTS)), odd)
    return name, document.encode(errors="replace")


def test_the_original_responses(stage: tuple[Stage, dict[str, Callable[[], Any]]]) -> None:
    """Every call returns something for a response that nobody changed."""
    made, calls = stage
    for name, call in calls.items():
        document = LISTS.get(name, LISTS["list_container_objects"] if "list" in name else "")
        made.response = Answer(200, document.encode(), {} if document else HEADERS)
        found = call()
        assert found
        look_at(found)


@given(lists())
def test_changed_lists(stage: tuple[Stage, dict[str, Callable[[], Any]]], changed: tuple[str, bytes]) -> None:
    """Whatever a list holds, a call returns readable objects or raises an error of our tree."""
    made, calls = stage
    name, body = changed
    made.response = Answer(200, body, {"Content-Type": "application/xml"})
    outcome(lambda: look_at(calls[name]()))
    if name == "list_container_objects":
        outcome(lambda: look_at(calls["list_object_versions"]()))


@given(st.dictionaries(st.sampled_from(sorted(HEADERS)), HEADER_TEXTS, max_size=3))
def test_changed_headers(stage: tuple[Stage, dict[str, Callable[[], Any]]], changed: dict[str, str]) -> None:
    """Whatever the headers of a blob are, a call returns a readable object or raises an error of our tree."""
    made, calls = stage
    made.response = Answer(200, b"", {**HEADERS, **changed})
    outcome(lambda: look_at(calls["get_object"]()))

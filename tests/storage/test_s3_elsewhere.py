"""What S3 says to send again: to another region, by another clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from polycloud.errors import InvalidCredsError, ProviderHTTPError
from polycloud.storage.base import Container
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.testing.conformance.storage.suite import CONTENT
from support.web import Answer, Seen, Web, serve

SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/s3/aws4_request")
MOVED = (
    "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message><Bucket>photos</Bucket>"
    "<Endpoint>photos.evil.example.com</Endpoint></Error>"
)
LATE = "<Error><Code>RequestTimeTooSkewed</Code><Message>too late</Message></Error>"


def region_of(seen: Seen) -> str:
    """Return the region for which a request is signed."""
    match = SCOPE.search(seen.headers["Authorization"])
    assert match is not None
    return match[1]


def in_region(region: str, wrong: Answer) -> Iterator[Web]:
    """Serve a bucket of a region; requests that are signed for another one get the response `wrong`."""

    def respond(seen: Seen) -> Answer:
        if region_of(seen) != region:
            return Answer(wrong.status, b"" if seen.method == "HEAD" else wrong.body, wrong.headers)
        return Answer(headers={"ETag": '"e"', "Content-Length": "0"})

    with serve(respond) as web:
        yield web


@pytest.mark.parametrize("status", [301, 307, 400])
def test_a_bucket_of_another_region(status: int) -> None:
    """A request for a bucket elsewhere is signed anew for its region, and goes to no host of the response."""
    headers = {"x-amz-bucket-region": "eu-west-1", "Location": "http://photos.evil.example.com/"}
    for web in in_region("eu-west-1", Answer(status, MOVED.encode(), headers)):
        with S3StorageDriver("key", "secret", url=web.url) as driver:
            photos = Container("photos", {}, driver)
            driver.upload_object_via_stream(CONTENT, photos, "a")
            driver.get_object("photos", "a")
        assert [(one.method, region_of(one)) for one in web.seen] == [
            ("PUT", "us-east-1"),
            ("PUT", "eu-west-1"),
            ("HEAD", "eu-west-1"),
        ]
        assert [one.body for one in web.seen[:2]] == [CONTENT, CONTENT]


def test_a_region_that_is_no_name() -> None:
    """A region that is not a name is no region: the refusal is raised, and nothing more is sent."""
    headers = {"x-amz-bucket-region": "evil.example.com/"}
    for web in in_region("eu-west-1", Answer(400, MOVED.encode(), headers)):
        with S3StorageDriver("key", "secret", url=web.url) as driver, pytest.raises(ProviderHTTPError):
            driver.list_container_objects(Container("photos", {}, driver))
        assert len(web.seen) == 1


@pytest.mark.parametrize("first", ["upload", "get"])
def test_a_clock_that_is_off(first: str) -> None:
    """A request that S3 refuses because of its time is signed by S3's clock, also an upload and a HEAD."""
    clock = datetime.now(UTC) + timedelta(hours=3)

    def respond(seen: Seen) -> Answer:
        signed = datetime.strptime(seen.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(signed - clock) > timedelta(minutes=15):
            body = b"" if seen.method == "HEAD" else LATE.encode()
            return Answer(403, body, {"Date": format_datetime(clock, usegmt=True)})
        return Answer(headers={"ETag": '"e"', "Content-Length": "0"})

    with serve(respond) as web, S3StorageDriver("key", "secret", url=web.url) as driver:
        if first == "upload":
            driver.upload_object_via_stream(CONTENT, Container("photos", {}, driver), "a")
            assert [one.body for one in web.seen] == [CONTENT, CONTENT]
        else:
            driver.get_object("photos", "a")
        assert len(web.seen) == 2


def test_a_refusal_that_is_not_the_clocks() -> None:
    """A refused HEAD is not sent again if the clocks agree."""

    def respond(_: Seen) -> Answer:
        return Answer(403)

    with serve(respond) as web, S3StorageDriver("key", "secret", url=web.url) as driver:
        with pytest.raises((InvalidCredsError, ProviderHTTPError)):
            driver.get_object("photos", "a")
        assert len(web.seen) == 1

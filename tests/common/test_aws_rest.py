from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.common.aws import AWSCredentials, AWSCredsError
from polycloud.common.aws.rest import AWSRestConnection, AWSRestResponse
from polycloud.common.aws.xml import Item, document, plain
from polycloud.common.base import quote_segment
from polycloud.errors import (
    ConflictError,
    InvalidArgumentError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest
from support.ec2 import botocore_signature
from support.moto import Moto

ONCE = RetryPolicy(attempts=1)


class HostedZone(msgspec.Struct, rename="pascal"):
    id: str
    name: str


class Value(msgspec.Struct, rename="pascal"):
    value: str


class RecordSet(msgspec.Struct, rename="pascal"):
    name: str
    type: str
    ttl: int | None = msgspec.field(name="TTL", default=None)
    resource_records: list[Value] | None = None


class Created(msgspec.Struct, rename="pascal"):
    hosted_zone: HostedZone


class Bucket(msgspec.Struct, rename="pascal"):
    name: str


class Contents(msgspec.Struct, rename="pascal"):
    key: str
    size: int


class Route53Response(AWSRestResponse):
    lists = frozenset({"ResourceRecord"})


class Route53Connection(AWSRestConnection):
    service = "route53"
    namespace = "https://route53.amazonaws.com/doc/2013-04-01/"
    request_path = "/2013-04-01"
    responseCls = Route53Response


class S3Connection(AWSRestConnection):
    service = "s3"
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"


@pytest.fixture(scope="module")
def cloud(aws: Sandbox) -> Moto:
    return Moto(aws.url, *aws.credentials)


@pytest.fixture
def route53(cloud: Moto) -> Iterator[Route53Connection]:
    connection = Route53Connection(cloud.key, cloud.secret, url=cloud.url)
    yield connection
    connection.close()


@pytest.fixture
def s3(cloud: Moto) -> Iterator[S3Connection]:
    connection = S3Connection(cloud.key, cloud.secret, url=cloud.url, region="eu-west-1")
    yield connection
    connection.close()


# Route 53


def create_zone(route53: Route53Connection, name: str) -> str:
    body = {"CreateHostedZoneRequest": {"Name": name, "CallerReference": name, "HostedZoneConfig": None}}
    response = route53.call("POST", "/hostedzone", body)
    assert response.status == 201
    created: Created = response.read("CreateHostedZoneResponse", Created)
    return created.hosted_zone.id.rpartition("/")[2]


def change(route53: Route53Connection, zone_id: str, action: str, name: str, *values: str) -> AWSRestResponse:
    records = [{"Value": value} for value in values]
    record_set = {"Name": name, "Type": "TXT", "TTL": 60, "ResourceRecords": {"ResourceRecord": records}}
    changes = {"Change": [{"Action": action, "ResourceRecordSet": record_set}]}
    body = {"ChangeResourceRecordSetsRequest": {"ChangeBatch": {"Comment": "a & b", "Changes": changes}}}
    response: AWSRestResponse = route53.call("POST", f"/hostedzone/{quote_segment(zone_id)}/rrset", body)
    return response


def record_sets(route53: Route53Connection, zone_id: str) -> list[RecordSet]:
    response = route53.call("GET", f"/hostedzone/{quote_segment(zone_id)}/rrset", params={"maxitems": 100})
    path = "ResourceRecordSets/ResourceRecordSet"
    return [item.value for item in response.items("ListResourceRecordSetsResponse", path, RecordSet)]


def test_hosted_zones(route53: Route53Connection) -> None:
    """A hosted zone is created by an XML body, and listed with all its fields."""
    ids = {create_zone(route53, f"zone-{number}.example.") for number in range(2)}
    path = "HostedZones/HostedZone"
    items = route53.call("GET", "/hostedzone").items("ListHostedZonesResponse", path, HostedZone)
    found = {item.value.id.rpartition("/")[2]: item for item in items}
    assert ids <= set(found)
    assert {found[id_].value.name for id_ in ids} == {"zone-0.example.", "zone-1.example."}
    assert {found[id_].fields["CallerReference"] for id_ in ids} == {"zone-0.example.", "zone-1.example."}


def test_record_sets(route53: Route53Connection) -> None:
    """Lists within a body and within the items of a response have one item or several."""
    zone_id = create_zone(route53, "records.example.")
    change(route53, zone_id, "CREATE", "one.records.example.", '"a b"')
    change(route53, zone_id, "CREATE", "two.records.example.", '"<c>"', '"d"')
    found = {one.name: one for one in record_sets(route53, zone_id) if one.type == "TXT"}
    values = {name: [value.value for value in one.resource_records or ()] for name, one in found.items()}
    assert values == {"one.records.example.": ['"a b"'], "two.records.example.": ['"<c>"', '"d"']}
    assert {one.ttl for one in found.values()} == {60}


def test_errors_of_route_53(route53: Route53Connection) -> None:
    """An unknown zone is not found, and a refused change has the provider's code and message."""
    with pytest.raises(NotFoundError, match="NoSuchHostedZone: ") as missing:
        route53.call("GET", f"/hostedzone/{quote_segment('Z0UNKNOWN')}")
    assert missing.value.code == 404
    zone_id = create_zone(route53, "errors.example.")
    change(route53, zone_id, "CREATE", "a.errors.example.", '"a"')
    with pytest.raises(ProviderHTTPError, match=r"InvalidChangeBatch: .*already exists") as refused:
        change(route53, zone_id, "CREATE", "a.errors.example.", '"a"')
    assert refused.value.code == 400
    assert "POST /2013-04-01/hostedzone/" in str(refused.value)


# S3


def test_buckets_and_objects(s3: S3Connection) -> None:
    """S3 takes XML bodies and objects of any key; buckets and objects are listed."""
    s3.call("PUT", "/bucket-1", {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}})
    buckets = s3.call("GET", "/").items("ListAllMyBucketsResult", "Buckets/Bucket", Bucket)
    assert "bucket-1" in [item.value.name for item in buckets]
    listed: list[Item[Contents]] = []
    for count, key in enumerate(["a b+c=%41/ü&(x)~*", "plain"], 1):
        path = f"/bucket-1/{quote_segment(key)}"
        s3.request(path, data=key.encode(), method="PUT")
        assert s3.request(path).content == key.encode()
        listed = s3.call("GET", "/bucket-1").items("ListBucketResult", "Contents", Contents)
        assert len(listed) == count
    assert {(item.value.key, item.value.size) for item in listed} == {("a b+c=%41/ü&(x)~*", 18), ("plain", 5)}


def test_errors_of_s3(s3: S3Connection) -> None:
    """An unknown bucket or object is not found, also without a body; a taken name is a conflict."""
    with pytest.raises(NotFoundError, match="NoSuchBucket: "):
        s3.call("GET", "/no-such-bucket")
    with pytest.raises(NotFoundError):
        s3.call("HEAD", "/no-such-bucket")
    region = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    s3.call("PUT", "/bucket-2", region)
    with pytest.raises(NotFoundError, match="NoSuchKey: "):
        s3.call("GET", "/bucket-2/no-such-key")
    with pytest.raises(ConflictError, match="BucketAlreadyOwnedByYou: "):
        s3.call("PUT", "/bucket-2", region)


@pytest.mark.parametrize(
    ("kind", "path", "codes"),
    [
        (Route53Connection, "/hostedzone", ["SignatureDoesNotMatch", "InvalidClientTokenId"]),
        (S3Connection, "/", ["SignatureDoesNotMatch", "InvalidAccessKeyId"]),
    ],
)
def test_wrong_credentials(cloud: Moto, kind: type[AWSRestConnection], path: str, codes: list[str]) -> None:
    """A wrong secret and an unknown key are wrong credentials, with the provider's code."""
    found = []
    for pair in ((cloud.key, "wrong"), ("AKIAUNKNOWN", cloud.secret)):
        connection = kind(*pair, url=cloud.url)
        with pytest.raises(AWSCredsError) as caught:
            connection.call("GET", path)
        found.append(caught.value.error_code)
        connection.close()
    assert found == codes


# Errors that moto does not make


class RestServer(LoopbackServer):
    """A server that refuses the next requests with `errors`; `seen` are all requests."""

    def __init__(self, *errors: Answer) -> None:
        self.errors = list(errors)
        self.seen: list[SeenRequest] = []
        self.body = b"<Result><Item/></Result>"

    def answer(self, request: SeenRequest) -> Answer:
        self.seen.append(request)
        return self.errors.pop(0) if self.errors else Answer(200, [], self.body)


def error(code: str, status: int, *headers: tuple[str, str], message: str = "these words") -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>r-1</RequestId></Error>"
    return Answer(status, [("Content-Type", "application/xml"), *headers], body.encode())


def envelope(code: str, status: int) -> Answer:
    inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>these words</Message></Error>"
    body = f'<ErrorResponse xmlns="urn:x">{inner}<RequestId>r-1</RequestId></ErrorResponse>'
    return Answer(status, [("Content-Type", "text/xml")], body.encode())


CODES: dict[str, tuple[Answer, type[PolycloudError]]] = {
    "NoSuchHostedZone": (envelope("NoSuchHostedZone", 404), NotFoundError),
    "NoSuchChange": (envelope("NoSuchChange", 404), NotFoundError),
    "HostedZoneAlreadyExists": (envelope("HostedZoneAlreadyExists", 409), ConflictError),
    "HostedZoneNotEmpty": (envelope("HostedZoneNotEmpty", 400), ConflictError),
    "TooManyHostedZones": (envelope("TooManyHostedZones", 400), QuotaExceededError),
    "InvalidInput": (envelope("InvalidInput", 400), ProviderHTTPError),
    "PriorRequestNotComplete": (envelope("PriorRequestNotComplete", 400), RateLimitReachedError),
    "Throttling": (envelope("Throttling", 400), RateLimitReachedError),
    "NoSuchBucket": (error("NoSuchBucket", 404), NotFoundError),
    "BucketNotEmpty": (error("BucketNotEmpty", 409), ConflictError),
    "TooManyBuckets": (error("TooManyBuckets", 400), QuotaExceededError),
    "AccessDenied": (error("AccessDenied", 403), ProviderHTTPError),
    "SlowDown": (error("SlowDown", 503), RateLimitReachedError),
    "SignatureDoesNotMatch": (error("SignatureDoesNotMatch", 403), AWSCredsError),
    "InvalidAccessKeyId": (error("InvalidAccessKeyId", 403), AWSCredsError),
    "ExpiredToken": (error("ExpiredToken", 400), AWSCredsError),
}


def local(server: RestServer, kind: type[AWSRestConnection] = S3Connection, **options: Any) -> Any:
    return kind("AKIATEST", "very secret", **{"url": server.url, "retry": ONCE, **options})


@pytest.mark.parametrize("code", CODES)
def test_codes(code: str) -> None:
    """A code becomes the error that it stands for, in both envelopes, with the provider's message."""
    answer, kind = CODES[code]
    with RestServer(answer) as server:
        connection = local(server)
        with pytest.raises(PolycloudError, match=f"{code}: these words") as caught:
            connection.call("GET", "/")
        connection.close()
    assert type(caught.value) is kind


def test_an_invalid_change_batch() -> None:
    """An error whose code is its root's name has all its messages."""
    messages = "".join(f"<Message>{text}</Message>" for text in ("a exists", " b exists "))
    namespace = Route53Connection.namespace
    body = f'<InvalidChangeBatch xmlns="{namespace}"><Messages>{messages}</Messages></InvalidChangeBatch>'
    with RestServer(Answer(400, [], body.encode())) as server:
        connection = local(server, Route53Connection)
        with pytest.raises(ProviderHTTPError) as caught:
            connection.call("POST", "/hostedzone/Z1/rrset", {"ChangeResourceRecordSetsRequest": {}})
        connection.close()
    assert (caught.value.code, caught.value.message) == (400, "InvalidChangeBatch: a exists; b exists")


@pytest.mark.parametrize("answer", [error("SlowDown", 503), envelope("Throttling", 400)])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_throttling(method: str, answer: Answer) -> None:
    """A throttled request is retried, a POST too, and its body is the same."""
    with RestServer(answer, answer) as server:
        connection = local(server, retry=RetryPolicy(base=0.01, cap=0.01))
        body = {"Request": {"Name": "a"}} if method == "POST" else None
        assert connection.call(method, "/", body).status == 200
        connection.close()
        assert len({(request.method, request.body) for request in server.seen}) == 1
        assert len(server.seen) == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_clock_that_is_off(method: str) -> None:
    """A request refused for its time is sent once more, with the time of the provider's clock."""
    there = datetime.now(UTC) + timedelta(hours=1)
    late = error("RequestTimeTooSkewed", 403, ("Date", format_datetime(there, usegmt=True)))
    with RestServer(late, late) as server:
        connection = local(server)
        body = {"Request": {"Name": "a"}} if method == "POST" else None
        with pytest.raises(AWSCredsError, match="RequestTimeTooSkewed"):
            connection.call(method, "/", body)
        connection.close()
        first, second = (
            datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            for request in server.seen
        )
    assert abs(first - datetime.now(UTC)) < timedelta(minutes=1)
    assert abs(second - there) < timedelta(minutes=1)
    assert server.seen[0].body == server.seen[1].body


def test_expired_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that have expired are renewed, and the request is sent once more, with the new token."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIA1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "old")
    with RestServer(error("ExpiredToken", 400)) as server:
        connection = S3Connection(None, None, url=server.url, retry=ONCE)
        assert connection.credentials == AWSCredentials("ASIA1", "s", "old")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "new")
        assert connection.call("GET", "/").status == 200
        connection.close()
        assert [request.headers["X-Amz-Security-Token"] for request in server.seen] == ["old", "new"]


# Signatures and XML

SCOPE = re.compile(r"SignedHeaders=([^,]+), Signature=(\w+)")


@pytest.mark.parametrize("kind", [Route53Connection, S3Connection])
def test_signed_paths(kind: type[AWSRestConnection]) -> None:
    """A quoted path is signed as it is sent for S3, and quoted twice for others, as botocore does it."""
    with RestServer() as server:
        connection = local(server, kind)
        connection.call("GET", f"/b/{quote_segment('a b/%41+ü')}", params={"x-id": "a b", "acl": ""})
        connection.close()
        (request,) = server.seen
    assert request.target.startswith(f"{kind.request_path}/b/a%20b%2F%2541%2B%C3%BC?")
    found = SCOPE.search(request.headers["Authorization"])
    assert found is not None
    names, signature = found.groups()
    headers = {name: request.headers[name] for name in names.split(";") if name != "host"}
    url = f"http://{request.headers['Host']}{request.target}"
    time, pair = request.headers["X-Amz-Date"], ("AKIATEST", "very secret", None)
    scope = ("us-east-1", kind.service)
    assert signature == botocore_signature("GET", url, headers, b"", time, pair, scope)


def test_responses_that_are_not_as_documented() -> None:
    """Another root, a missing parent and an item of another type are malformed; an empty list is one."""
    with RestServer() as server:
        connection = local(server)
        assert connection.call("GET", "/").items("Result", "Others", Bucket) == []
        for root, path, kind in (
            ("Other", "Item", dict),
            ("Result", "Items/Item", dict),
            ("Result", "Item", Bucket),
        ):
            with pytest.raises(MalformedResponseError):
                connection.call("GET", "/").items(root, path, kind)
        connection.close()


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
NAMES = st.sampled_from(["Name", "Id", "Tag"])
WRITABLE: st.SearchStrategy[Any] = st.recursive(
    TEXTS.filter(str.strip), lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=6
)


@given(fields=st.dictionaries(NAMES, WRITABLE, min_size=1), namespace=st.sampled_from(["", "urn:x"]))
def test_documents(fields: dict[str, Any], namespace: str) -> None:
    """A document is read as the fields that it was made of, and its elements are in the namespace."""
    root = ET.fromstring(document("Root", fields, namespace))  # noqa: S314 - our own
    assert plain(root) == fields
    assert {element.tag.rpartition("}")[0] for element in root.iter()} == {f"{{{namespace}" * bool(namespace)}


def test_values_of_documents() -> None:
    """Lists repeat an element, None is left out, booleans and numbers are text, a line feed stays one."""
    fields = {"A": [{"B": 1}, {"B": True}], "C": None, "D": [], "E": "x\r\n<&>", "F": b"y"}
    assert document("R", fields).partition(b"\n")[2] == (
        b"<R><A><B>1</B></A><A><B>true</B></A><E>x&#13;\n&lt;&amp;&gt;</E><F>y</F></R>"
    )


@pytest.mark.parametrize("value", ["a\0b", "\x1b", "\ud800", object(), Bucket("b")])
def test_values_that_documents_cannot_hold(value: object) -> None:
    """A control character, a lone surrogate or an object is refused, with the name of its element."""
    with pytest.raises(InvalidArgumentError, match="Name must"):
        document("Bucket", {"Name": value})

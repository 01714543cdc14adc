"""What is Azure's own: signatures, accounts, logins, names, and responses that no emulator sends."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from polycloud.common.azure import decoded_key, signature, signed, string_to_sign
from polycloud.concurrency.calls import call_options
from polycloud.errors import (
    ConflictError,
    InsecureConnectionError,
    InvalidArgumentError,
    InvalidCredsError,
    LoginError,
    MalformedResponseError,
    PolycloudError,
    ProviderHTTPError,
    ServerError,
    UnsupportedOperationError,
)
from polycloud.http.messages import Request
from polycloud.http.retry import RetryPolicy
from polycloud.storage.base import Container, Object
from polycloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    InvalidContainerNameError,
    ObjectDoesNotExistError,
    ObjectError,
    ObjectHashMismatchError,
)
from support.web import Answer, Seen, Web, serve

KEY = base64.b64encode(b"a key of 32 bytes, as Azure's are").decode()
SAS = "sv=2023-11-03&ss=b&srt=sco&sp=rl&sig=a%2Bb%2Fc%3D"
QUICK = RetryPolicy(attempts=4, base=0.01)
HOST = "https://myaccount.blob.core.windows.net"
Reply = Callable[[Seen], Answer]


@contextmanager
def driver_of(reply: Reply, key: str = KEY, **options: Any) -> Iterator[tuple[AzureBlobsStorageDriver, Web]]:
    """Return a driver for a server that replies so."""
    options = {"retry": QUICK, **options}
    with serve(reply) as web, AzureBlobsStorageDriver("account", key, url=web.url, **options) as driver:
        yield driver, web


def refusal(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """Return an error as Azure sends it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    fields = {"x-ms-error-code": code, "Content-Type": "application/xml", **headers}
    return Answer(status, body.encode(), fields)


def listed(*names: str, marker: str = "", properties: str = "") -> Answer:
    """Return a page of blobs; names are written as they are."""
    blobs = "".join(
        f"<Blob>{name}<Properties><Etag>0x1</Etag><Content-Length>1</Content-Length>{properties}"
        "</Properties></Blob>"
        for name in names
    )
    body = f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
    return Answer(200, body.encode(), {"Content-Type": "application/xml"})


def blob(**headers: str) -> Answer:
    """Return the headers of a blob."""
    return Answer(200, b"", {"ETag": '"0x1"', "Content-Length": "0", **headers})


# Signatures


def test_the_text_that_is_signed() -> None:
    """The text of a request that is signed is that of the examples in Microsoft's document."""
    url = f"{HOST}/mycontainer?restype=container&comp=metadata&timeout=20"
    headers = {"x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT", "x-ms-version": "2015-02-21"}
    assert string_to_sign(Request("GET", url, headers), "myaccount") == (
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
        "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
    )
    lists = "?restype=container&comp=list&include=snapshots&include=metadata&include=uncommittedblobs"
    text = string_to_sign(Request("GET", f"{HOST}/container{lists}"), "myaccount")
    assert text.endswith(
        "\n/myaccount/container\ncomp:list\ninclude:metadata,snapshots,uncommittedblobs\nrestype:container"
    )


def test_the_length_that_is_signed() -> None:
    """The length of a body is signed, given as a header or as bytes, and that of an empty one is not."""
    texts = [
        string_to_sign(Request("PUT", HOST, {"Content-Length": length} if length else {}, body), "a")
        for length, body in (("11", None), ("", b"hello world"), ("0", None), ("", b""))
    ]
    assert [text.split("\n")[3] for text in texts] == ["11", "11", "", ""]


def test_the_order_of_metadata() -> None:
    """Metadata is signed in the order of the service, in which an underscore comes before a digit."""
    headers = {f"x-ms-meta-{name}": "x" for name in ("a1", "ab", "a_b")}
    lines = string_to_sign(Request("PUT", HOST, headers), "a").split("\n")
    names = [line.removesuffix(":x") for line in lines if line.startswith("x-ms-meta-")]
    assert names == ["x-ms-meta-a_b", "x-ms-meta-a1", "x-ms-meta-ab"]


def test_signed_requests() -> None:
    """A signed request has its date, and the HMAC-SHA256 of its text by the account's key."""
    now = datetime(2026, 11, 29, 13, 36, 5, 999999, tzinfo=UTC)
    sent = signed(Request("GET", f"{HOST}/c"), "myaccount", decoded_key(KEY), now)
    assert sent.headers["x-ms-date"] == "Sun, 29 Nov 2026 13:36:05 GMT"
    expected = signature(decoded_key(KEY), string_to_sign(sent, "myaccount"))
    assert sent.headers["Authorization"] == f"SharedKey myaccount:{expected}"


# Accounts


@pytest.mark.parametrize("key", ["not base64!", "YWJ", "ключ", "\t"])
def test_keys_that_are_none(key: str) -> None:
    """A key that is not base64 is refused at once, and the error does not show it."""
    with pytest.raises(InvalidCredsError, match="must be base64") as caught:
        AzureBlobsStorageDriver("account", key)
    assert key not in str(caught.value)


def test_accounts_that_are_none() -> None:
    """An account whose name cannot be a part of a host's name is refused."""
    with pytest.raises(InvalidArgumentError, match="letters and digits"):
        AzureBlobsStorageDriver("a/b", KEY)


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "https://account.blob.core.windows.net"),
        ({"cloud_environment": "AzureChinaCloud"}, "https://account.blob.core.chinacloudapi.cn"),
        ({"host": "blob.core.usgovcloudapi.net"}, "https://account.blob.core.usgovcloudapi.net"),
        (
            {"host": "privatelink.blob.core.windows.net"},
            "https://account.privatelink.blob.core.windows.net",
        ),
        ({"host": "account.privatelink.blob.core.windows.net"},) * 2,
        ({"host": "account-secondary.blob.core.windows.net"},) * 2,
        ({"host": "127.0.0.1", "port": 10000, "secure": False}, "http://127.0.0.1:10000/account"),
        ({"url": "http://127.0.0.1:10000"}, "http://127.0.0.1:10000/account"),
        ({"url": "https://account.blob.core.windows.net/"}, "https://account.blob.core.windows.net"),
        ({"url": "https://gateway.example.com/blobs"}, "https://gateway.example.com/blobs"),
    ],
)
def test_addresses(options: dict[str, Any], url: str | dict[str, str]) -> None:
    """The account is in the host's name at Azure, and in the path elsewhere, unless a URL has a path."""
    with AzureBlobsStorageDriver("account", KEY, **options) as driver:
        expected = url if isinstance(url, str) else f"https://{url['host']}"
        assert driver.get_container_cdn_url(Container("photos", {}, driver)) == f"{expected}/photos"


def test_unknown_environments() -> None:
    """An unknown cloud and an unknown way to authenticate are refused, with those that are known."""
    with pytest.raises(InvalidArgumentError, match="AzureUSGovernment"):
        AzureBlobsStorageDriver("account", KEY, cloud_environment="mars")
    with pytest.raises(InvalidArgumentError, match="azureAd"):
        AzureBlobsStorageDriver("account", KEY, auth_type="kerberos")


def test_unknown_options() -> None:
    """An unknown option is refused with the names that the constructor takes, and no inner ones."""
    with pytest.raises(InvalidArgumentError, match="did you mean 'tenant_id'") as near:
        AzureBlobsStorageDriver("account", KEY, tennant_id="t")
    with pytest.raises(InvalidArgumentError, match="endpoint_suffix") as far:
        AzureBlobsStorageDriver("account", KEY, endpoint_suffix="core.example")
    names = str(far.value).partition("; it has ")[2].split(", ")
    assert {"host", "cloud_environment", "ex_per_page", "timeout"} <= set(names)
    assert not {"login", "self"} & set(names)
    assert "login" not in str(near.value)


@pytest.mark.parametrize("token", [SAS, f"?{SAS}", "sv=2023-11-03&ss=b&srt=sco&sp=rl&sig=a+b/c="])
def test_sas_tokens(token: str) -> None:
    """A SAS token, with or without its "?", encoded or not, is in the query of requests and in no error."""
    with driver_of(lambda _: refusal(403, "AuthorizationFailure", "sig=a+b/c= is wrong"), token) as made:
        driver, web = made
        with pytest.raises(InvalidCredsError) as caught:
            driver.list_containers()
        assert "a+b/c=" not in str(caught.value)
        assert web.seen[0].target.endswith("sig=a%2Bb%2Fc%3D")
        assert "Authorization" not in web.seen[0].headers
        with pytest.raises(UnsupportedOperationError, match="key of the account"):
            driver.ex_presigned_url(Container("photos", {}, driver), "a")
        plain = Object("a", 1, "", {}, None, Container("photos", {}, driver), driver)
        assert "sig" not in driver.get_object_cdn_url(plain)


def test_clocks_that_are_off() -> None:
    """A request that is refused when the clocks differ says by how much."""
    clock = format_datetime(datetime.now(UTC) - timedelta(hours=2), usegmt=True)
    with (
        driver_of(lambda _: refusal(403, "AuthenticationFailed", Date=clock)) as (driver, _),
        pytest.raises(InvalidCredsError, match=r"7,\d\d\d s ahead of Azure's"),
    ):
        driver.list_containers()


# Logins with Microsoft Entra


class Platform:
    """The identity platform, whose tokens are numbered, and a Blob service that takes the last one."""

    def __init__(self) -> None:
        self.logins = 0
        self.valid = 0

    def __call__(self, seen: Seen) -> Answer:
        if seen.path.endswith("/oauth2/v2.0/token"):
            self.logins += 1
            self.valid = self.logins
            body = f'{{"access_token": "token-{self.logins}", "expires_in": 3600}}'
            return Answer(200, body.encode(), {"Content-Type": "application/json"})
        if seen.headers.get("Authorization") != f"Bearer token-{self.valid}":
            return refusal(401, "InvalidAuthenticationInfo")
        return listed()


@contextmanager
def application(reply: Reply, **options: Any) -> Iterator[tuple[AzureBlobsStorageDriver, Web]]:
    """Return a driver that logs in as an application, at a server that is platform and service at once."""
    with (
        serve(reply) as web,
        AzureBlobsStorageDriver(
            "account",
            "a secret",
            url=web.url,
            auth_type="azureAd",
            tenant_id="tenant",
            identity="client",
            ex_authority=web.url,
            **options,
        ) as driver,
    ):
        yield driver, web


def test_logins() -> None:
    """An application logs in once by its id and secret, and again when its token is refused."""
    platform = Platform()
    with application(platform) as (driver, web):
        photos = Container("photos", {}, driver)
        assert driver.list_container_objects(photos) == driver.list_container_objects(photos) == []
        assert platform.logins == 1
        login = web.seen[0]
        assert login.path == "/tenant/oauth2/v2.0/token"
        for field in (b"client_id=client", b"client_secret=a+secret", b"grant_type=client_credentials"):
            assert field in login.body
        assert b"scope=https%3A%2F%2Fstorage.azure.com%2F.default" in login.body
        platform.valid = 7  # the token is not valid any more
        assert driver.list_container_objects(photos) == []
        assert platform.logins == 2


def test_refused_logins() -> None:
    """A refused login raises `InvalidCredsError` with the platform's words, without the secret."""
    body = b'{"error": "invalid_client", "error_description": "AADSTS7000215: a secret is wrong"}'
    with (
        application(lambda _: Answer(401, body, {"Content-Type": "application/json"})) as (driver, web),
        pytest.raises(InvalidCredsError, match="AADSTS7000215") as caught,
    ):
        driver.list_containers()
    assert "a secret" not in str(caught.value) + str(caught.value.__cause__)
    assert len(web.seen) == 1


@pytest.mark.parametrize("body", ["{}", '{"access_token": "", "expires_in": 1}', "[]", "<html>"])
def test_logins_without_a_token(body: str) -> None:
    """A response to a login that has no token is a failed login, and nothing is sent without one."""
    with application(lambda _: Answer(200, body.encode())) as (driver, web):
        with pytest.raises(LoginError, match="the login failed"):
            driver.list_containers()
        assert [one.path for one in web.seen] == ["/tenant/oauth2/v2.0/token"]


def test_applications_need_a_tenant() -> None:
    """A login without tenant or application is refused at once."""
    with pytest.raises(InvalidCredsError, match="tenant_id="):
        AzureBlobsStorageDriver("account", "a secret", auth_type="azureAd")


# Names


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Photos", "a--b", "-ab", "ab-", "a_b", "$other", "a.b", ""])
def test_names_of_containers(name: str) -> None:
    """A name that breaks Azure's rules for containers is refused, and nothing is sent."""
    with driver_of(lambda _: blob()) as (driver, web):
        with pytest.raises(InvalidContainerNameError, match="3 to 63 lower-case letters"):
            driver.create_container(name)
        assert web.seen == []


@pytest.mark.parametrize("name", ["a\\b", "../x", "a/./b", "a.", "a./b", "..", "new\nline", "\x7f", "\x81"])
def test_names_that_azure_changes(name: str) -> None:
    """A name that Azure would change or refuse is refused by every operation, and nothing is sent."""
    with driver_of(lambda _: blob()) as (driver, web):
        photos = Container("photos", {}, driver)
        obj = Object(name, 1, "", {}, None, photos, driver)
        calls: list[Callable[[], object]] = [
            lambda: photos.upload_object_via_stream(b"x", name),
            lambda: photos.get_object(name),
            lambda: list(obj.as_stream()),
            obj.delete,
            lambda: driver.copy_object(Object("a", 1, "", {}, None, photos, driver), photos, name),
            lambda: driver.ex_presigned_url(photos, name),
        ]
        for call in calls:
            with pytest.raises(InvalidArgumentError, match="no backslash"):
                call()
        assert web.seen == []


def test_uploads_that_azure_cannot_keep() -> None:
    """Metadata under other names than identifiers, an acl, and an empty `if_match` are refused unsent."""
    with driver_of(lambda _: blob()) as (driver, web):
        photos = Container("photos", {}, driver)
        for name in ("two-words", "1st", "a.b"):
            with pytest.raises(InvalidArgumentError, match="names of metadata in Azure"):
                photos.upload_object_via_stream(b"x", "a", {"meta_data": {name: "x"}})
        with pytest.raises(InvalidArgumentError, match="no acl"):
            photos.upload_object_via_stream(b"x", "a", {"acl": "public-read"})
        with pytest.raises(InvalidArgumentError, match="etag"):
            photos.upload_object_via_stream(b"x", "a", if_match="")
        assert web.seen == []


# Lists


def test_names_that_xml_cannot_hold() -> None:
    """A name that a list has percent-encoded is decoded, and only such a name."""
    names = ('<Name Encoded="true">a%20%EF%BF%BFb</Name>', "<Name>a%20b</Name>")
    with driver_of(lambda _: listed(*names)) as (driver, _):
        found = driver.list_container_objects(Container("photos", {}, driver))
        assert [one.name for one in found] == ["a \uffffb", "a%20b"]


def test_folders() -> None:
    """A folder of a hierarchical namespace is not listed as an object."""
    folder = listed("<Name>a</Name>", properties="<ResourceType>directory</ResourceType>")
    file = listed("<Name>a/b</Name>", properties="<ResourceType>file</ResourceType>")
    for reply, names in ((folder, []), (file, ["a/b"])):

        def respond(_: Seen, reply: Answer = reply) -> Answer:
            return reply

        with driver_of(respond) as (driver, _):
            found = driver.list_container_objects(Container("photos", {}, driver))
            assert [one.name for one in found] == names


def test_pages() -> None:
    """Pages follow by their markers, an empty one too, until there is none; one that repeats is an error."""
    replies = {None: listed("<Name>a</Name>", marker="2 +"), "2 +": listed(marker="3")}

    def reply(seen: Seen) -> Answer:
        marker = seen.query.get("marker", [None])[0]
        return replies.get(marker) or listed("<Name>b</Name>")

    with driver_of(reply) as (driver, web):
        photos = Container("photos", {}, driver)
        assert [one.name for one in photos.list_objects()] == ["a", "b"]
        assert "marker=2%20%2B" in web.seen[1].target
    with (
        driver_of(lambda _: listed("<Name>a</Name>", marker="again")) as (driver, _),
        pytest.raises(MalformedResponseError, match="has no end"),
    ):
        driver.list_container_objects(Container("photos", {}, driver))


def test_hashes() -> None:
    """The hash is the MD5 of a block blob; of page and append blobs, whose MD5 may be old, it is empty."""
    md5 = base64.b64encode(bytes(range(16))).decode()
    for kind, expected in (("BlockBlob", bytes(range(16)).hex()), ("AppendBlob", ""), ("PageBlob", "")):
        properties = f"<BlobType>{kind}</BlobType><Content-MD5>{md5}</Content-MD5>"

        def reply(seen: Seen, kind: str = kind, properties: str = properties) -> Answer:
            if seen.method == "HEAD":
                return blob(**{"x-ms-blob-type": kind, "Content-MD5": md5})
            return listed("<Name>a</Name>", properties=properties)

        with driver_of(reply) as (driver, _):
            photos = Container("photos", {}, driver)
            for found in (photos.get_object("a"), *photos.list_objects()):
                assert (found.hash, found.extra["blob_type"]) == (expected, kind)


# Creates and uploads


def test_names_that_are_still_being_deleted() -> None:
    """A container of the name of one that is being deleted is created when that is gone."""
    left = [refusal(409, "ContainerBeingDeleted")] * 2
    with driver_of(lambda _: left.pop() if left else Answer(201)) as (driver, web):
        assert driver.create_container("photos").name == "photos"
        assert len(web.seen) == 3


def test_a_container_of_somebody_else() -> None:
    """A container that was there before is not taken for that of a create whose response was lost."""
    now = datetime.now(UTC)
    dates = {
        "Date": format_datetime(now, usegmt=True),
        "Last-Modified": format_datetime(now - timedelta(minutes=1), usegmt=True),
    }
    replies = [Answer(503), refusal(409, "ContainerAlreadyExists"), Answer(200, b"", dates)]
    with driver_of(lambda _: replies.pop(0)) as (driver, web):
        with pytest.raises(ContainerAlreadyExistsError):
            driver.create_container("photos")
        assert [one.method for one in web.seen] == ["PUT", "PUT", "HEAD"]


@pytest.mark.parametrize("same", [True, False])
def test_lost_responses_to_conditional_uploads(same: bool) -> None:
    """A conditional upload whose response is lost is not sent again; a blob of its content is its result."""
    md5 = base64.b64encode(bytes.fromhex("9dd4e461268c8034f5c8564e155c67a6")).decode()  # of b"x"

    def reply(seen: Seen) -> Answer:
        if seen.method == "PUT":
            return Answer(500)
        length = "1" if same else "2"
        return blob(**{"Content-Length": length, "Content-MD5": md5, "x-ms-blob-type": "BlockBlob"})

    with driver_of(reply) as (driver, web):
        photos = Container("photos", {}, driver)
        if same:
            made = photos.upload_object_via_stream(b"x", "a", if_none_match="*")
            assert (made.extra["etag"], made.md5) == ("0x1", bytes(base64.b64decode(md5)).hex())
        else:
            with pytest.raises(PolycloudError):
                photos.upload_object_via_stream(b"x", "a", if_none_match="*")
        assert [one.method for one in web.seen] == ["PUT", "HEAD"]


def test_a_condition_that_was_not_met_yet() -> None:
    """A conditional upload whose response is lost, and before which the blob is as it was, was not done."""
    md5 = base64.b64encode(bytes.fromhex("9dd4e461268c8034f5c8564e155c67a6")).decode()  # of b"x"
    headers = {"Content-Length": "1", "Content-MD5": md5, "x-ms-blob-type": "BlockBlob"}
    with driver_of(lambda seen: Answer(500) if seen.method == "PUT" else blob(**headers)) as (driver, web):
        with pytest.raises(ServerError):
            driver.upload_object_via_stream(b"x", Container("photos", {}, driver), "a", if_match="0x1")
        assert [one.method for one in web.seen] == ["HEAD", "PUT", "HEAD"]


def test_uploads_that_disturb_each_other() -> None:
    """An upload whose blocks another upload of the object has removed raises an error that says so."""

    def reply(seen: Seen) -> Answer:
        return refusal(400, "InvalidBlockList") if b"BlockList" in seen.body else Answer(201)

    with driver_of(reply) as (driver, _), pytest.raises(ObjectError, match="another upload"):
        driver.upload_object_via_stream(bytes(6_000_000), Container("photos", {}, driver), "a")


def test_leases() -> None:
    """A blob that is leased is not "changed": Azure's error is raised with its code."""
    with driver_of(lambda _: refusal(412, "LeaseIdMissing")) as (driver, _):
        with pytest.raises(ProviderHTTPError, match="LeaseIdMissing") as caught:
            driver.upload_object_via_stream(b"x", Container("photos", {}, driver), "a")
        assert not isinstance(caught.value, ObjectError)


def test_deletes_of_containers_whose_response_is_lost() -> None:
    """A delete whose response is lost is done when Azure says that the container is being deleted."""
    replies = [listed(), Answer(503), refusal(409, "ContainerBeingDeleted")]
    with driver_of(lambda _: replies.pop(0)) as (driver, web):
        assert driver.delete_container(Container("photos", {}, driver)) is True
        assert [one.method for one in web.seen] == ["GET", "DELETE", "DELETE"]
    replies = [listed(marker="2"), listed(), refusal(409, "ContainerBeingDeleted")]
    with driver_of(lambda _: replies.pop(0)) as (driver, _), pytest.raises(ContainerDoesNotExistError):
        driver.delete_container(Container("photos", {}, driver))


def test_content_that_was_changed() -> None:
    """A content that Azure says it has got otherwise raises `ObjectHashMismatchError`."""
    with (
        driver_of(lambda _: refusal(400, "Md5Mismatch")) as (driver, _),
        pytest.raises(ObjectHashMismatchError, match="Md5Mismatch"),
    ):
        driver.upload_object_via_stream(b"x", Container("photos", {}, driver), "a")


# Keys of the customer


def test_keys_of_the_customer() -> None:
    """Requests for a blob bring the customer's key, other requests and errors do not."""
    key = bytes(range(32))
    coded = base64.b64encode(key).decode()

    def reply(seen: Seen) -> Answer:
        if seen.query.get("comp") == ["list"]:
            return listed()
        if seen.method == "GET":
            return refusal(409, "BlobUsesCustomerSpecifiedEncryption", f"not with {coded}")
        headers = blob(**{"x-ms-encryption-key-sha256": "of the key"}).headers
        return Answer(201 if seen.method == "PUT" else 200, b"", headers)

    with driver_of(reply, ex_customer_key=key) as (driver, web):
        photos = Container("photos", {}, driver)
        made = photos.upload_object_via_stream(iter([bytes(6_000_000)]), "a")
        photos.upload_object_via_stream(b"x", "a")
        found = photos.get_object("a")
        assert made.extra["encryption"] == found.extra["encryption"] == "customer"
        with pytest.raises(ConflictError) as caught:
            list(found.as_stream())
        assert coded not in str(caught.value)
        assert len(web.seen) == 6
        for one in web.seen:
            assert one.headers["x-ms-encryption-key"] == coded
            assert one.headers["x-ms-encryption-key-sha256"] == "Yw3NKWbEM2aRElRIu7JbT/QSpJxzLbLIq8G4WBvXEN0="
            assert one.headers["x-ms-encryption-algorithm"] == "AES256"
        photos.list_objects()
        assert "x-ms-encryption-key" not in web.seen[-1].headers


def test_keys_of_the_customer_that_are_none() -> None:
    """A key of other than 32 bytes is refused, and so is plain HTTP to another machine for one."""
    for given in (b"short", "c2hvcnQ=", "not base64!"):
        with pytest.raises(InvalidArgumentError, match="32 bytes"):
            AzureBlobsStorageDriver("account", KEY, ex_customer_key=given)
    with pytest.raises(InsecureConnectionError, match="ex_customer_key"):
        AzureBlobsStorageDriver(
            "account", KEY, url="http://10.0.0.1", allow_insecure=True, ex_customer_key=bytes(32)
        )


# Versions


def test_versions() -> None:
    """Versions come by name, the newest first; reads, copies and deletes of one are about that version."""

    def version(name: str, id_: str, current: str = "") -> str:
        return f"<Name>{name}</Name><VersionId>{id_}</VersionId>{current}"

    current = "<IsCurrentVersion>true</IsCurrentVersion>"
    names = [version("a", "2026-01"), version("a", "2026-02", current), version("b", "2026-03")]

    def reply(seen: Seen) -> Answer:
        if seen.query.get("comp") == ["list"]:
            assert seen.query["include"] == ["versions"]
            return listed(*names)
        if seen.query.get("versionid") == ["none"]:
            return refusal(400, "InvalidQueryParameterValue")
        status = 202 if seen.method == "PUT" else 200
        return Answer(status, b"", blob(**{"x-ms-copy-status": "success"}).headers)

    with driver_of(reply) as (driver, web):
        photos = Container("photos", {}, driver)
        found = photos.list_object_versions()
        assert [(one.name, one.version_id, one.extra["is_latest"]) for one in found] == [
            ("a", "2026-02", True),
            ("a", "2026-01", False),
            ("b", "2026-03", False),
        ]
        old = found[1]
        driver.get_object_version("photos", "a", "2026-01")
        old.delete()
        assert [one.query["versionid"] for one in web.seen[1:]] == [["2026-01"]] * 2
        driver.copy_object(old, photos, "c")
        assert web.seen[3].headers["x-ms-copy-source"].endswith("/account/photos/a?versionid=2026-01")
        with pytest.raises(ObjectDoesNotExistError, match="no version"):
            driver.get_object_version("photos", "a", "none")
        with pytest.raises(InvalidArgumentError, match="cannot be changed"):
            old.update({"meta_data": {}})


def test_the_latest_version() -> None:
    """The latest version, which Azure does not delete by its id, is deleted by its name before."""
    replies = [refusal(403, "OperationNotAllowedOnRootBlob"), Answer(202), Answer(202)]
    with driver_of(lambda _: replies.pop(0)) as (driver, web):
        extra = {"version_id": "2026-02", "is_latest": True, "etag": "0x1"}
        obj = Object("a", 0, "", extra, None, Container("photos", {}, driver), driver)
        assert driver.delete_object(obj) is True
        sent = [(one.query.get("versionid"), one.headers.get("If-Match")) for one in web.seen]
        assert sent == [(["2026-02"], None), (None, '"0x1"'), (["2026-02"], None)]


# Copies and deletes


def copying(*states: str) -> tuple[Reply, list[str]]:
    """Return a server that copies, whose copy has these states one after another, and what it was asked."""
    left, asked = list(states), []

    def reply(seen: Seen) -> Answer:
        asked.append(f"{seen.method} {seen.target.partition('?')[2]}".strip())
        if "comp=copy" in seen.target:
            return Answer(204)
        state = left.pop(0) if len(left) > 1 else left[0]
        status = 202 if seen.method == "PUT" else 200
        return Answer(status, b"", blob(**{"x-ms-copy-id": "7", "x-ms-copy-status": state}).headers)

    return reply, asked


def test_copies_that_take_their_time() -> None:
    """A copy that is pending is waited for."""
    reply, asked = copying("pending", "pending", "success")
    with driver_of(reply) as (driver, _):
        photos = Container("photos", {}, driver)
        source = Object("a", 0, "", {"etag": "0x1"}, None, photos, driver)
        assert driver.copy_object(source, photos, "b").name == "b"
        assert asked == ["PUT", "HEAD", "HEAD", "HEAD"]


@pytest.mark.parametrize("state", ["failed", "aborted"])
def test_copies_that_fail(state: str) -> None:
    """A copy that fails raises an error that says so."""
    reply, _ = copying("pending", state)
    with driver_of(reply) as (driver, _):
        photos = Container("photos", {}, driver)
        source = Object("a", 0, "", {}, None, photos, driver)
        with pytest.raises(ObjectError, match=state):
            driver.copy_object(source, photos, "b")


def test_copies_of_what_has_changed() -> None:
    """A copy of a blob that was replaced since it was listed raises an error that names it."""
    with driver_of(lambda _: refusal(412, "SourceConditionNotMet")) as (driver, _):
        photos = Container("photos", {}, driver)
        source = Object("a", 0, "", {"etag": "0x1"}, None, photos, driver)
        with pytest.raises(ObjectError, match="changed since it was listed") as caught:
            driver.copy_object(source, photos, "b")
        assert caught.value.object_name == "a"


def test_copies_that_are_interrupted() -> None:
    """A copy that is not waited for to its end is aborted."""
    reply, asked = copying("pending")
    with driver_of(reply) as (driver, _):
        photos = Container("photos", {}, driver)
        source = Object("a", 0, "", {}, None, photos, driver)
        with pytest.raises(PolycloudError), call_options(deadline=0.7):
            driver.copy_object(source, photos, "b")
        assert asked[-1] == "PUT comp=copy&copyid=7"


def test_deletes_that_would_lose_snapshots() -> None:
    """A blob that has snapshots is not deleted: `ConflictError` with Azure's code."""
    with (
        driver_of(lambda _: refusal(409, "SnapshotsPresent")) as (driver, _),
        pytest.raises(ConflictError, match="SnapshotsPresent"),
    ):
        driver.delete_object(Object("a", 0, "", {}, None, Container("photos", {}, driver), driver))

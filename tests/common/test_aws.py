from __future__ import annotations

import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polycloud import connect
from polycloud.common.aws import AWSConnection, AWSCredentials, AWSCredsError, signed
from polycloud.common.aws.credentials import Chain, ambient_region
from polycloud.common.aws.query import flatten
from polycloud.common.aws.xml import plain
from polycloud.compute.base import NodeImage, NodeSize
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, InvalidCredsError, PolycloudError, ServerError
from polycloud.http.messages import Request
from polycloud.http.retry import RetryPolicy
from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest
from support.ec2 import SmallEC2, botocore_signature, refusal, response

SUITE = AWSCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
THEN = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"
ONCE = RetryPolicy(attempts=1)


# Signatures


@pytest.mark.parametrize(
    ("request_", "service", "signature"),
    [
        (
            Request("GET", "https://example.amazonaws.com/"),
            "service",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            Request("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1"),
            "service",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            Request("POST", "https://example.amazonaws.com/", {"Content-Type": FORM}, b"Param1=value1"),
            "service",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            Request(
                "GET",
                "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
                {"Content-Type": f"{FORM}; charset=utf-8"},
            ),
            "iam",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
    ids=["get-vanilla", "get-vanilla-query-order", "post-x-www-form-urlencoded", "list-users"],
)
def test_published_signatures(request_: Request, service: str, signature: str) -> None:
    """The requests of Amazon's test suite and documentation have the signatures that are published there."""
    result = signed(request_, SUITE, region="us-east-1", service=service, now=THEN)
    assert result.headers["Authorization"].endswith(f"Signature={signature}")
    assert result.headers["X-Amz-Date"] == "20150830T123600Z"


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text of a fresh checkout takes seconds
@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    service=st.sampled_from(["ec2", "s3"]),
    path=st.lists(
        st.text("abcXYZ019-_.~ +%:@é€", min_size=1, max_size=6).filter(lambda x: x.strip(".")), max_size=3
    ),
    fields=st.lists(st.tuples(WORDS, WORDS), max_size=5),
    headers=st.dictionaries(
        st.from_regex(r"x-amz-[a-z]{1,8}", fullmatch=True).filter(lambda name: name != "x-amz-date"),
        st.text("ab c=,;/", max_size=12),
        max_size=3,
    ),
    body=st.binary(max_size=60),
    token=st.none() | st.text("abcXYZ09/+=", min_size=1),
    time=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_signatures_are_botocores(
    method: str,
    service: str,
    path: list[str],
    fields: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    token: str | None,
    time: datetime,
) -> None:
    """Any request has the signature that botocore makes of it, for S3 and for services other than S3."""
    where = "/".join(quote(segment, safe="") for segment in path)
    url = f"https://{service}.eu-west-1.amazonaws.com/{where}?{urlencode(fields)}"
    credentials = AWSCredentials("AKIATEST", "a+secret/key", token)
    result = signed(
        Request(method, url, headers, body), credentials, region="eu-west-1", service=service, now=time
    )
    sent = {name: text for name, text in result.headers.items() if name != "Authorization"}
    when = f"{time:%Y%m%dT%H%M%SZ}"
    pair = ("AKIATEST", "a+secret/key", token)
    expected = botocore_signature(method, result.url, sent, body, when, pair, ("eu-west-1", service))
    assert result.headers["Authorization"].endswith(f"Signature={expected}")


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_an_authorization_header_is_replaced(name: str) -> None:
    """A signed request has one Authorization header, its signature, whatever header the caller gave."""
    bare = Request("GET", "https://example.amazonaws.com/")
    given = Request("GET", bare.url, {name: "Basic aGFuZDpnaXZlbg=="})
    result, expected = (
        signed(request, SUITE, region="us-east-1", service="ec2", now=THEN) for request in (given, bare)
    )
    assert dict(result.headers) == dict(expected.headers)


def test_signing_twice() -> None:
    """A request that is signed again has only the signature for its new time."""
    request = Request("GET", "https://example.amazonaws.com/?a=b+c")
    first = signed(request, SUITE, region="us-east-1", service="ec2", now=THEN)
    again = signed(first, SUITE, region="us-east-1", service="ec2", now=THEN + timedelta(days=1))
    fresh = signed(request, SUITE, region="us-east-1", service="ec2", now=THEN + timedelta(days=1))
    assert dict(again.headers) == dict(fresh.headers)
    assert again.url.endswith("?a=b%20c")


def test_no_secret_in_sight() -> None:
    """Neither credentials nor driver show a secret."""
    driver = EC2NodeDriver("AKIATEST", "very secret", token="session token")
    for item in (AWSCredentials("AKIATEST", "very secret", "session token"), driver, driver.connection):
        assert "secret" not in repr(item)
        assert "session" not in repr(item)


# Requests and responses


def test_fields_of_requests() -> None:
    """Lists are numbered from 1, booleans are "true" and "false", and None is left out."""
    fields = flatten({"A": [{"B": "x", "C": [1, 2]}], "D": True, "E": None, "F": [], "G": {"H": "y"}})
    assert fields == {"A.1.B": "x", "A.1.C.1": "1", "A.1.C.2": "2", "D": "true", "G.H": "y"}


def test_elements() -> None:
    """Elements of any namespace become dicts, lists and strings; empty ones None, repeated ones lists."""
    text = (
        '<x:a xmlns:x="u"><x:b> 1 </x:b><c><item>2</item></c><d/><e>\n </e><f><item><g>3</g></item></f></x:a>'
    )
    assert plain(ET.fromstring(text)) == {  # noqa: S314 - our own
        "b": " 1 ",
        "c": ["2"],
        "d": None,
        "e": None,
        "f": [{"g": "3"}],
    }
    twice = ET.fromstring("<a><b>1</b><b/><c/></a>")  # noqa: S314 - our own
    assert plain(twice) == {"b": ["1", None], "c": None}


def driver_of(server: LoopbackServer, **options: Any) -> EC2NodeDriver:
    return EC2NodeDriver("AKIATEST", "very secret", **{"retry": ONCE, **server.options, **options})


def test_a_server_that_checks_signatures() -> None:
    """Requests have botocore's signature; with another secret, key or token they are refused."""
    with SmallEC2() as server:
        with driver_of(server, region="eu-south-2") as driver:
            assert driver.list_nodes(ex_filters={"tag:a b+c": ["x/y z", "Grüße"]}) == []
        wrong = (
            ("AKIATEST", "guessed", None),
            ("AKIAOTHER", "very secret", None),
            ("AKIATEST", "very secret", "t"),
        )
        for key, secret, token in wrong:
            with EC2NodeDriver(key, secret, token=token, **server.options) as stranger:
                with pytest.raises(InvalidCredsError, match="AuthFailure") as caught:
                    stranger.list_nodes()
            assert secret not in str(caught.value)


def test_temporary_credentials() -> None:
    """A session token is sent and signed."""
    with SmallEC2() as server:
        server.credentials = ("AKIATEST", "very secret", "a/token==")
        with driver_of(server, token="a/token==") as driver:
            assert driver.list_nodes() == []


@pytest.mark.parametrize("clock", [-3600.0, 3600.0])
def test_a_clock_that_is_off(clock: float) -> None:
    """A request refused for its time is sent once more by the provider's clock, which later requests use."""
    with SmallEC2(clock=clock) as server, driver_of(server) as driver:
        assert driver.list_nodes() == []
        assert len(server.calls) == 2
        assert driver.list_nodes() == []
        assert len(server.calls) == 3


def test_a_clock_that_cannot_be() -> None:
    """A provider's clock that is off by more than 100 years is not believed: the refusal is raised."""
    far = (datetime(9999, 12, 1, tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    with SmallEC2(clock=far) as server, driver_of(server) as driver:
        with pytest.raises(AWSCredsError):
            driver.list_nodes()
        assert len(server.calls) == 1


def test_wrong_credentials_are_sent_once() -> None:
    """Where the clocks agree, a refused request is not sent again."""
    with SmallEC2() as server, driver_of(server) as driver:
        server.credentials = ("AKIATEST", "changed", None)
        with pytest.raises(AWSCredsError) as caught:
            driver.list_nodes()
    assert (caught.value.error_code, len(server.calls)) == ("AuthFailure", 1)


@pytest.mark.parametrize(("code", "status"), [("RequestLimitExceeded", 503), ("Throttling", 400)])
def test_throttling(code: str, status: int) -> None:
    """A refusal for too many requests is retried, for a create without a token too."""
    left = [refusal(code, status=status)] * 2

    def reply(_: dict[str, str]) -> Answer:
        return left.pop() if left else response("AllocateAddress", "<publicIp>198.51.100.1</publicIp>")

    with SmallEC2(AllocateAddress=reply) as server:
        with driver_of(server, retry=RetryPolicy(base=0.01, cap=0.01)) as driver:
            assert driver.ex_allocate_address().ip == "198.51.100.1"
    assert server.count("AllocateAddress") == 3


@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("Unavailable", 503)])
def test_server_errors_are_transient(code: str, status: int) -> None:
    """After 500 and 503, reads and creates with a token are sent again; what has no token is sent once."""
    failures = dict.fromkeys(("DescribeInstances", "RunInstances", "AllocateAddress"), 2)

    def failing_first(action: str, reply: Any) -> Any:
        def respond(fields: dict[str, str]) -> Any:
            failures[action] -= 1
            return refusal(code, status=status) if failures[action] >= 0 else reply(fields)

        return respond

    with SmallEC2() as server, driver_of(server, retry=RetryPolicy(base=0.01, cap=0.01)) as driver:
        address = response("AllocateAddress", "<publicIp>198.51.100.1</publicIp>")
        replies = {**server.acts, "AllocateAddress": lambda _: address}
        server.acts.update({action: failing_first(action, replies[action]) for action in failures})
        size = NodeSize("t3.nano", "t3.nano", 512, 0, 0, 0.0, driver)
        node = driver.create_node("web", size, NodeImage("ami-1", "image", driver))
        assert [listed.id for listed in driver.list_nodes()] == [node.id]
        with pytest.raises(ServerError):
            driver.ex_allocate_address()
        counts = [server.count(action) for action in failures]
    assert counts == [3, 3, 1]


# Credentials


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove Amazon's settings from the environment."""
    for name in (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_EC2",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "HTTP_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    return monkeypatch.setenv


Set = Callable[[str, str], None]


def test_credentials_of_the_environment(env: Set) -> None:
    """A driver without credentials takes those of the environment, its token and region too."""
    env("AWS_ACCESS_KEY_ID", "AKIAENV")
    env("AWS_SECRET_ACCESS_KEY", "of env")
    env("AWS_SESSION_TOKEN", "token of env")
    env("AWS_DEFAULT_REGION", "eu-north-1")
    for driver in (EC2NodeDriver(), connect("ec2")):
        assert driver.connection.credentials == AWSCredentials("AKIAENV", "of env", "token of env")
        assert driver.connection.host == "ec2.eu-north-1.amazonaws.com"
        assert set(driver.connection.secrets()) == {"of env", "token of env"}


def test_half_of_the_environments_credentials(metadata: Metadata, env: Set) -> None:
    """One variable of a pair without the other is an error: credentials from the next source are not used."""
    env("AWS_ACCESS_KEY_ID", "AKIAENV")
    with pytest.raises(InvalidCredsError, match="AWS_SECRET_ACCESS_KEY is not"):
        Chain().find()
    assert metadata.given == 0


def test_a_token_of_a_web_identity(metadata: Metadata, env: Set) -> None:
    """A role for a web identity is refused with its variable's name; the machine's own role is not used."""
    env("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token")
    env("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")
    with pytest.raises(InvalidCredsError, match="AWS_WEB_IDENTITY_TOKEN_FILE, which is not supported"):
        Chain().find()
    assert metadata.given == 0


def test_given_credentials_count_first(env: Set) -> None:
    """Given credentials are used alone: neither the environment's token nor its region is added."""
    env("AWS_ACCESS_KEY_ID", "AKIAENV")
    env("AWS_SESSION_TOKEN", "token of env")
    env("AWS_REGION", "eu-north-1")
    driver = EC2NodeDriver("AKIATEST", "very secret")
    assert driver.connection.credentials == AWSCredentials("AKIATEST", "very secret")
    assert driver.connection.region == "us-east-1"


CONFIG = """
[default]
region = eu-west-3
[profile prod]
region = ap-south-1
aws_access_key_id = AKIAINCONFIG
aws_secret_access_key = overridden
[profile command]
credential_process = {command}
[profile login]
sso_session = office
credential_process = {command}
[profile role]
role_arn = arn:aws:iam::1:role/x
source_profile = default
[profile broken]
credential_process = {broken}
[profile both]
role_arn = arn:aws:iam::1:role/x
source_profile = both
"""
CREDENTIALS = """
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = per%cent
[prod]
aws_access_key_id=AKIAPROD
aws_secret_access_key=of prod
aws_session_token=token of prod
[both]
aws_access_key_id = AKIABOTH
aws_secret_access_key = of both
"""


@pytest.fixture
def files(tmp_path: Path) -> None:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    output = {"Version": 1, "AccessKeyId": "AKIAPROC", "SecretAccessKey": "of process", "Expiration": ends}
    (tmp_path / "output.json").write_text(json.dumps(output))
    (tmp_path / "output.py").write_text(f"print(open({str(tmp_path / 'output.json')!r}).read())")
    command, broken = (
        f"{sys.executable} {tmp_path / 'output.py'}",
        f"{sys.executable} -c 'raise SystemExit(3)'",
    )
    (tmp_path / "config").write_text(CONFIG.format(command=command, broken=broken))
    (tmp_path / "credentials").write_text(CREDENTIALS)


@pytest.mark.usefixtures("files")
def test_the_shared_files(env: Set) -> None:
    """Profiles are read from both files, of which that of credentials counts more; one is the default."""
    assert Chain().find() == AWSCredentials("AKIADEFAULT", "per%cent")
    assert ambient_region() == "eu-west-3"
    assert Chain("prod").find() == AWSCredentials("AKIAPROD", "of prod", "token of prod")
    assert EC2NodeDriver(ex_profile="prod").connection.host == "ec2.ap-south-1.amazonaws.com"
    env("AWS_PROFILE", "prod")
    assert Chain().find().access_key == "AKIAPROD"


def test_the_long_name_of_the_default_profile(tmp_path: Path) -> None:
    """The section "profile default" takes precedence over "default"."""
    (tmp_path / "config").write_text("[default]\nregion = us-west-1\n[profile default]\nregion = eu-west-3\n")
    assert ambient_region() == "eu-west-3"


@pytest.mark.usefixtures("files")
def test_credential_process() -> None:
    """A command's credentials are renewed before they expire; a command that fails is an error."""
    found = Chain("command").find()
    assert (found.access_key, found.secret_key) == ("AKIAPROC", "of process")
    assert Chain("login").find().access_key == "AKIAPROC"
    assert 3000 < found.renewed_in() < 3600 - 290
    with pytest.raises(InvalidCredsError, match="its exit status is 3"):
        Chain("broken").find()


@pytest.mark.parametrize(
    "command", ["wJalrXUtnFEMIsecret", "/wJal/rXUtn+secret --x", "'wJalrXUtn secret", '""']
)
def test_a_secret_in_the_place_of_a_command(tmp_path: Path, command: str) -> None:
    """What is given as credential_process and names no program is not repeated: it may be the secret."""
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {command}\n")
    with pytest.raises(InvalidCredsError, match="must be the command of a program") as caught:
        Chain().find()
    assert "wJal" not in "".join(traceback.format_exception(caught.value))


def test_a_secret_in_the_place_of_a_region(env: Set, tmp_path: Path) -> None:
    """A region of the shared files or the environment that is none is not repeated: it may be a secret."""
    (tmp_path / "config").write_text("[default]\nregion = wJal/secret\n")
    for _ in range(2):
        with pytest.raises(
            InvalidArgumentError, match="that of the environment or the shared files"
        ) as caught:
            EC2NodeDriver()
        assert "wJal" not in str(caught.value)
        env("AWS_REGION", "wJal/secret")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_misspelt_profile(env: Set, variable: str) -> None:
    """A profile that does not exist is an error with the nearest names, never another source's identity."""
    with pytest.raises(InvalidCredsError, match=r"'prdo' is not in .*; the nearest are prod"):
        EC2NodeDriver(ex_profile="prdo")
    env(variable, "prdo")
    env("AWS_ACCESS_KEY_ID", "AKIAENV")
    env("AWS_SECRET_ACCESS_KEY", "of env")
    with pytest.raises(InvalidCredsError, match=f"'prdo', which {variable} names, .* nearest are prod"):
        EC2NodeDriver()
    with pytest.raises(InvalidCredsError, match="'prdo'"):
        _ = EC2NodeDriver(region="eu-west-1").connection.credentials
    assert EC2NodeDriver("AKIA", "given").connection.credentials.access_key == "AKIA"


def test_addresses_of_the_environment(env: Set, tmp_path: Path) -> None:
    """The address is that of the service's variable, the general one, or the profile; a given one counts."""

    def address(*credentials: str, **options: Any) -> str:
        connection = EC2NodeDriver(*credentials, **options).connection
        return f"{connection.host}:{connection.port}"

    keys = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = x\n"
    (tmp_path / "credentials").write_text(f"{keys}endpoint_url = http://127.0.0.1:1001\n")
    assert address() == "127.0.0.1:1001"
    assert address("AKIA", "given") == "ec2.us-east-1.amazonaws.com:443"
    env("AWS_ENDPOINT_URL", "http://127.0.0.1:1002")
    assert address() == address("AKIA", "given") == "127.0.0.1:1002"
    env("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:1003")
    assert address() == "127.0.0.1:1003"
    assert address(url="http://127.0.0.1:1004") == "127.0.0.1:1004"
    assert address(host="ec2.example") == "ec2.example:443"
    env("AWS_ENDPOINT_URL_EC2", "nowhere:1003")
    with pytest.raises(InvalidArgumentError, match="AWS_ENDPOINT_URL_EC2 must be like https://"):
        EC2NodeDriver()
    env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert address() == "ec2.us-east-1.amazonaws.com:443"


@pytest.mark.usefixtures("files")
def test_what_the_files_cannot_do(tmp_path: Path) -> None:
    """A profile with a role or without keys, and a broken file are errors, which do not show a secret."""
    for profile in ("role", "both"):  # keys beside a role are those that it is assumed with
        with pytest.raises(InvalidCredsError, match="role_arn, which is not supported"):
            Chain(profile).find()
    (tmp_path / "config").write_text("[profile bare]\nregion = eu-west-3\n")
    with pytest.raises(InvalidCredsError, match="'bare' has no credentials"):
        Chain("bare").find()
    (tmp_path / "credentials").write_text("aws_secret_access_key = plain secret\n")
    with pytest.raises(InvalidCredsError) as caught:
        Chain().find()
    assert "plain secret" not in str(caught.value)


def test_no_credentials_anywhere() -> None:
    """A call without any credentials raises an error that lists their sources, and sends nothing."""
    with SmallEC2() as server, EC2NodeDriver(**server.options) as driver:
        with pytest.raises(InvalidCredsError, match=r"AWS_ACCESS_KEY_ID.*~/\.aws/credentials"):
            driver.list_nodes()
        assert server.calls == []


class Metadata(LoopbackServer):
    """The metadata services that give credentials: an instance's, version 2, and a container's."""

    def __init__(self, seconds: float = 3600.0, role: str = "web") -> None:
        self.seconds, self.role, self.given = seconds, role, 0
        self.fails = False
        self.said: dict[str, str] = {}
        self.lock = threading.Lock()

    def answer(self, request: SeenRequest) -> Answer:
        if request.path == "/container":
            ok = request.headers.get("Authorization") == "from file"
            return self._credentials() if ok else Answer(403, [], b"no")
        if request.path == "/latest/api/token":
            ok = (
                request.method == "PUT"
                and request.headers.get("X-aws-ec2-metadata-token-ttl-seconds") == "21600"
            )
            return Answer(200 if ok else 400, [], b"the token")
        if request.headers.get("X-aws-ec2-metadata-token") != "the token":
            return Answer(401, [], b"")
        if not self.role:
            return Answer(404, [], b"")
        is_list = request.path.endswith("/security-credentials/")
        return Answer(200, [], self.role.encode()) if is_list else self._credentials()

    def _credentials(self) -> Answer:
        if self.fails:
            return Answer(500, [], b"")
        with self.lock:
            self.given += 1
            number = self.given
        waiting.sleep(0.02)
        ends = (datetime.now(UTC) + timedelta(seconds=self.seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = self.said or {
            "Code": "Success",
            "AccessKeyId": f"ASIA{number}",
            "SecretAccessKey": "of role",
            "Token": "t",
            "Expiration": ends,
        }
        return Answer(200, [], json.dumps(said).encode())


@pytest.fixture
def metadata(env: Set) -> Iterator[Metadata]:
    with Metadata() as server:
        env("AWS_EC2_METADATA_DISABLED", "false")
        env("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        yield server


def test_a_role_that_may_not_be_had(metadata: Metadata) -> None:
    """Metadata that hold a failure instead of credentials raise an error that says so."""
    metadata.said = {"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role web."}
    with pytest.raises(InvalidCredsError, match="metadata have no credentials"):
        Chain().find()


def test_the_metadata_of_an_instance(metadata: Metadata, env: Set) -> None:
    """The role's credentials are requested with a session token, and never through a proxy."""
    env("HTTP_PROXY", "http://127.0.0.1:9")
    assert Chain().find().access_key == "ASIA1"
    metadata.role = ""
    with pytest.raises(InvalidCredsError, match="needs an access key"):
        Chain().find()


def test_a_container(metadata: Metadata, env: Set, tmp_path: Path) -> None:
    """A container's service is requested with the token from its file, before an instance's metadata."""
    (tmp_path / "token").write_text("from file\n")
    env("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata.url}/container")
    with pytest.raises(InvalidCredsError, match="service returned no credentials"):
        Chain().find()
    env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    assert Chain().find().token == "t"


def test_a_container_elsewhere(env: Set) -> None:
    """A container's token is not sent to another machine over plain HTTP."""
    env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/credentials")
    with pytest.raises(InvalidCredsError, match="must use https, or name this machine"):
        Chain().find()


def ambient(metadata: Metadata) -> AWSConnection:
    driver = EC2NodeDriver(url="http://127.0.0.1:9")
    assert driver.connection.credentials.access_key == "ASIA1"
    return driver.connection


def test_many_threads_ask_once(metadata: Metadata) -> None:
    """Credentials are requested once for any number of threads, and once more when they must be renewed."""
    connection: Any = ambient(metadata)
    with ThreadPoolExecutor(16) as pool:
        for number in (1, 2):
            keys = {one.access_key for one in pool.map(lambda _: connection.credentials, range(64))}
            assert keys == {f"ASIA{number}"}
            connection._renew_at = 0.0
    assert metadata.given == 2


def test_credentials_near_their_end(metadata: Metadata) -> None:
    """Credentials are renewed five minutes before they expire, and short-lived ones after a minute."""
    metadata.seconds = 200
    connection = ambient(metadata)
    assert connection.credentials.access_key == "ASIA1"
    assert metadata.given == 1
    soon = AWSCredentials("A", "s", None, datetime.now(UTC) + timedelta(seconds=1000))
    assert 690 < soon.renewed_in() <= 700


def test_metadata_that_fail_for_a_while(metadata: Metadata) -> None:
    """If renewing fails, the old credentials are used until they expire, after which it is an error."""
    connection: Any = ambient(metadata)
    metadata.fails = True
    connection._renew_at = 0.0
    assert connection.credentials.access_key == "ASIA1"
    ended = datetime.now(UTC) - timedelta(seconds=1)
    connection._current, connection._renew_at = AWSCredentials("ASIA1", "of role", "t", ended), 0.0
    with pytest.raises(PolycloudError):
        assert connection.credentials


def test_credentials_that_were_revoked(metadata: Metadata) -> None:
    """Credentials that the provider calls expired are renewed, and the request is sent once more."""
    with SmallEC2() as server, EC2NodeDriver(**server.options) as driver:
        server.credentials = ("ASIA2", "of role", "t")
        assert driver.list_nodes() == []
    assert (metadata.given, len(server.calls)) == (2, 2)


# The driver's constructor


HOSTS = {
    "us-east-1": "ec2.us-east-1.amazonaws.com",
    "us-gov-west-1": "ec2.us-gov-west-1.amazonaws.com",
    "xx-new-9": "ec2.xx-new-9.amazonaws.com",
    "cn-north-1": "ec2.cn-north-1.amazonaws.com.cn",
    "eusc-de-east-1": "ec2.eusc-de-east-1.amazonaws.eu",
    "us-iso-east-1": "ec2.us-iso-east-1.c2s.ic.gov",
    "us-isob-east-1": "ec2.us-isob-east-1.sc2s.sgov.gov",
}


def test_regions() -> None:
    """Every region has a host, in partitions with another domain too; an invalid region is refused."""
    assert EC2NodeDriver("k", "s").connection.host == HOSTS["us-east-1"]
    assert {name: EC2NodeDriver("k", "s", region=name).connection.host for name in HOSTS} == HOSTS
    for region in ("us-east-1.evil.example/", "", 7):
        with pytest.raises(InvalidArgumentError, match="must be a name such as"):
            EC2NodeDriver("k", "s", region=region or "?")


def test_half_of_the_credentials() -> None:
    """A key without a secret, or a secret without a key, is refused by the constructor."""
    for arguments in (("AKIATEST",), (None, "secret")):
        with pytest.raises(InvalidCredsError):
            EC2NodeDriver(*arguments)

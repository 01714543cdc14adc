"""Google's accounts: where they are found, and how they become tokens that requests carry."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from polycloud.common.google import GoogleConnection, Machine, ServiceAccount, User, ambient, service_account
from polycloud.errors import (
    InsecureConnectionError,
    InvalidArgumentError,
    InvalidCredsError,
    PolycloudError,
)
from support.google import EMAIL, SCOPE, Tokens, private_key, tokens
from support.web import Answer, Seen, Web, serve

VARIABLES = (
    *("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GCE_METADATA_HOST", "GOOGLE_CLOUD_PROJECT"),
    "STORAGE_EMULATOR_HOST",
)
THREADS = 12


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have no account in the environment, and none of gcloud."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")


@pytest.fixture
def logins() -> Iterator[Tokens]:
    with tokens() as server:
        yield server


@pytest.fixture
def api(logins: Tokens) -> Iterator[Web]:
    """An API that takes the newest token only, and says who asked."""

    def respond(seen: Seen) -> Answer:
        if seen.headers.get("Authorization") != f"Bearer {logins.granted[-1]}":
            return Answer(401, {"error": {"code": 401, "message": "Invalid Credentials"}})
        return Answer(200, {"token": logins.granted[-1]})

    with serve(respond) as web:
        yield web


def connection(web: Web, key: str) -> GoogleConnection:
    account = service_account(EMAIL, key)
    return GoogleConnection(google_account=account, scopes=(SCOPE,), url=web.url)


def test_a_token_of_an_assertion(logins: Tokens, api: Web) -> None:
    """A request carries the token that Google grants for an assertion signed by the account's key."""
    with_token = connection(api, logins.key()).request("/").object
    assert with_token == {"token": logins.granted[0]}


def test_a_token_is_shared(logins: Tokens, api: Web) -> None:
    """All connections of an account in the process use one token; those of another key have another."""
    for _ in "123":
        connection(api, logins.key()).request("/")
    assert len(logins.granted) == 1
    connection(api, logins.key(private_key_id="k2")).request("/")
    assert len(logins.granted) == 2


def test_one_login_for_many_threads(logins: Tokens, api: Web) -> None:
    """A token that is refused is renewed once, however many threads are refused at that time."""
    line = connection(api, logins.key())
    line.request("/")
    logins.granted.append("withdrawn")
    start = threading.Barrier(THREADS)

    def call(_: int) -> Any:
        start.wait()
        return line.request("/").object

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(call, range(THREADS)))
    assert found == [{"token": logins.granted[-1]}] * THREADS
    assert len(logins.granted) == 3


def test_a_token_is_renewed_before_its_end(logins: Tokens, api: Web) -> None:
    """A token is not sent any more when it is about to end."""
    logins.lifetime = 0
    line = connection(api, logins.key())
    for _ in "12":
        line.request("/")
    assert len(logins.granted) == 2
    assert [one.headers["Authorization"] for one in api.seen] == [f"Bearer {one}" for one in logins.granted]


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_is_off(logins: Tokens, api: Web, hours: int) -> None:
    """An assertion that is refused because of its time is signed by Google's clock."""
    logins.clock = hours * 3600.0
    assert connection(api, logins.key()).request("/").status == 200
    assert len(logins.seen) == 2


def test_a_wrong_key(logins: Tokens, api: Web) -> None:
    """A key that Google refuses is `InvalidCredsError`, which names the account and shows no secret."""
    with pytest.raises(InvalidCredsError, match=f"Google refuses the service account {EMAIL}") as caught:
        connection(api, logins.key(private_key("wrong"))).request("/")
    assert len(logins.seen) == 1
    assert api.seen == []
    for secret in (private_key("wrong"), private_key("wrong").splitlines()[1]):
        assert secret not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_forms_of_a_key(logins: Tokens, tmp_path: Path) -> None:
    """A key is JSON, PEM, or the path of a file with one of them; PEM goes to Google's own token server."""
    as_json, as_pem = tmp_path / "key.json", tmp_path / "key.pem"
    as_json.write_text(logins.key())
    as_pem.write_text(private_key())
    for given in (logins.key(), str(as_json)):
        for email in (EMAIL, None):
            found = service_account(email, given)
            assert (found.email, found.project, found.key_id) == (EMAIL, "project-7", "k1")
            assert found.token_uri == f"{logins.url}/token"
    for given in (private_key(), str(as_pem)):
        found = service_account(EMAIL, given)
        assert (found.private_key, found.project) == (private_key(), None)
        assert found.token_uri == "https://oauth2.googleapis.com/token"


def test_keys_that_are_none(logins: Tokens, tmp_path: Path) -> None:
    """What is no key of the account is `InvalidCredsError`, which does not quote it."""
    empty = tmp_path / "empty.json"
    empty.write_text("neither")
    user = json.dumps({"client_id": "i", "client_secret": "s3cret", "refresh_token": "r3fresh"})
    wrong = {
        "GOCSPX-a-client-secret": "there is no such file|No such file",
        str(tmp_path): "Is a directory",
        str(empty): "the file has neither",
        '{"type": "external_account", "audience": "s3cret"}': "external_account",
        '{"private_key": "s3cret"': "must be JSON",
        user: "the login of a user",
        logins.key(client_email="other@example.com"): "got that of 'other@example.com'",
    }
    for given, message in wrong.items():
        with pytest.raises(InvalidCredsError, match=message) as caught:
            service_account(EMAIL, given)
        for secret in ("s3cret", "r3fresh", "GOCSPX", "PRIVATE"):
            assert secret not in str(caught.value)
    with pytest.raises(InvalidCredsError, match="needs the e-mail address"):
        service_account(None, private_key())


@pytest.mark.parametrize("pem", ["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "none"])
def test_private_keys_that_cannot_be_read(logins: Tokens, api: Web, pem: str) -> None:
    """A private key that cannot be read is `InvalidCredsError`, and nothing is sent."""
    with pytest.raises(InvalidCredsError, match="must be an RSA key in PEM"):
        connection(api, logins.key(pem)).request("/")
    assert logins.seen == []


def test_where_an_account_is_found(logins: Tokens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account is that of the variable, else that of gcloud, else that of the machine."""
    assert ambient() == Machine(host="127.0.0.1:1")
    folder = tmp_path / "gcloud"
    folder.mkdir()
    login = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    (folder / "application_default_credentials.json").write_text(json.dumps(login))
    assert ambient() == User(client_id="i", client_secret="s", refresh_token="r")
    file = tmp_path / "key.json"
    file.write_text(logins.key())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    found = ambient()
    assert isinstance(found, ServiceAccount)
    assert found.email == EMAIL


def test_a_file_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the variable names and that cannot be read is an error: no other account is taken."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(
        InvalidCredsError, match=r"GOOGLE_APPLICATION_CREDENTIALS, .*missing\.json, cannot be read"
    ):
        ambient()


def test_a_user_of_gcloud(api: Web, logins: Tokens) -> None:
    """A user's login is exchanged by its refresh token, and nothing of it is shown."""

    def respond(seen: Seen) -> Answer:
        assert seen.body == b"grant_type=refresh_token&client_id=i&client_secret=s3cret&refresh_token=r3fresh"
        logins.granted.append("token-of-a-user")
        return Answer(200, {"access_token": "token-of-a-user", "expires_in": 3599})

    with serve(respond) as web:
        user = User(
            client_id="i", client_secret="s3cret", refresh_token="r3fresh", token_uri=f"{web.url}/token"
        )
        line = GoogleConnection(google_account=user, url=api.url)
        assert line.request("/").object == {"token": "token-of-a-user"}
    assert "s3cret" not in repr(user)
    assert "r3fresh" not in repr(user)
    assert {"s3cret", "r3fresh", "token-of-a-user"} <= {*line.secrets()}


def test_a_machine(api: Web, logins: Tokens) -> None:
    """A machine has its token and its project from its metadata server, which is asked as Google says."""

    def respond(seen: Seen) -> Answer:
        assert seen.headers["Metadata-Flavor"] == "Google"
        flavor = {"Metadata-Flavor": "Google"}
        if seen.path == "/computeMetadata/v1/project/project-id":
            return Answer(200, b"project-9", flavor)
        assert seen.path == "/computeMetadata/v1/instance/service-accounts/default/token"
        logins.granted.append("token-of-a-machine")
        return Answer(200, {"access_token": "token-of-a-machine", "expires_in": 3599}, flavor)

    with serve(respond) as web:
        line = GoogleConnection(google_account=Machine(host=f"{web.host}:{web.port}"), url=api.url)
        assert line.request("/").object == {"token": "token-of-a-machine"}
        assert line.project() == "project-9"


@pytest.mark.parametrize("answer", [Answer(404), Answer(200, {"access_token": "t", "expires_in": 9}), None])
def test_no_machine_of_google(answer: Answer | None) -> None:
    """Where no metadata server of Google answers, the error says how an account can be given."""
    with serve(lambda _: answer) as web:
        line = GoogleConnection(google_account=Machine(host=f"{web.host}:{web.port}"), url=web.url)
        with pytest.raises(InvalidCredsError, match="GOOGLE_APPLICATION_CREDENTIALS"):
            line.request("/")


def test_a_metadata_host_that_is_none() -> None:
    """A metadata host that is no host is `InvalidArgumentError`, which names the variable."""
    line = GoogleConnection(google_account=Machine(host="a b"), url="http://127.0.0.1:1")
    with pytest.raises(InvalidArgumentError, match="GCE_METADATA_HOST"):
        line.request("/")


def test_a_login_over_plain_http(logins: Tokens, api: Web) -> None:
    """A `token_uri` of plain HTTP to another machine is refused, and nothing is sent."""
    line = connection(api, logins.key(token_uri="http://tokens.example.com/token"))
    with pytest.raises((InsecureConnectionError, PolycloudError), match="plain HTTP for its token_uri"):
        line.request("/")
    assert api.seen == []


def test_a_project_that_is_not_known(api: Web) -> None:
    """A project that neither the account nor the machine says is `InvalidArgumentError` with the way out."""
    line = GoogleConnection(google_account=None, url=api.url)
    with pytest.raises(InvalidArgumentError, match="pass project="):
        line.project()

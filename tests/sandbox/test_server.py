from __future__ import annotations

import contextlib
import gc
import importlib
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from polycloud.sandbox import CLOUDS, Sandbox, serve
from polycloud.sandbox.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_addresses_agree(cloud: Sandbox) -> None:
    """`url` and `options` name the same port of 127.0.0.1."""
    assert cloud.url == f"http://127.0.0.1:{cloud.port}"
    assert cloud.options == {"host": "127.0.0.1", "port": cloud.port, "secure": False}
    assert cloud.ssh_port is None


def test_credentials() -> None:
    """The credentials are the user and the password, by default those of the documentation."""
    assert Sandbox("nephoscale").credentials == ("user", "correct_password")
    assert Sandbox("nephoscale", user="ann", password="x").credentials == ("ann", "x")


def test_a_stopped_sandbox_has_no_address() -> None:
    """The URL, port and options of a sandbox that is not running are an error that says what to do."""
    cloud = Sandbox("nephoscale")
    for attribute in ("url", "port", "options"):
        with pytest.raises(RuntimeError, match=r"is not running: call start\(\)"):
            getattr(cloud, attribute)


def test_stop_ends_thread_and_port() -> None:
    """After a stop, or two, the thread has ended and the port refuses connections."""
    before = threading.active_count()
    cloud = Sandbox("nephoscale").start()
    port = cloud.port
    assert threading.active_count() == before + 1
    cloud.stop()
    cloud.stop()
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_stop_with_open_connections() -> None:
    """A stop closes idle connections, and connections that have sent half a request."""
    with Sandbox("nephoscale") as cloud:
        idle = socket.create_connection(("127.0.0.1", cloud.port), timeout=10)
        idle.sendall(b"GET /server/ HTTP/1.1\r\nHost: x\r\n\r\n")
        response = b""
        while not response.endswith(b"}"):
            response += idle.recv(10000)
        half = socket.create_connection(("127.0.0.1", cloud.port), timeout=10)
        half.sendall(b"POST /server/cloud/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    for connection in (idle, half):
        with connection, contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_stop_under_load() -> None:
    """A stop while clients connect leaves no open socket behind, which would be a ResourceWarning."""
    over = threading.Event()
    url = "http://127.0.0.1:9"

    def call() -> None:
        with urllib3.PoolManager(retries=False, timeout=5) as pool:
            while not over.is_set():
                with contextlib.suppress(urllib3.exceptions.HTTPError):
                    pool.request("GET", url)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for number in range(20):
        with Sandbox("nephoscale") as cloud:
            url = cloud.url
            if not number:
                for caller in callers:
                    caller.start()
            while len(cloud.requests) <= number:
                over.wait(0.001)
    over.set()
    for caller in callers:
        caller.join()
    gc.collect()


def test_start_again(pool: urllib3.PoolManager) -> None:
    """A stopped sandbox can start again and keeps its state; one that is running cannot."""
    cloud = Sandbox("nephoscale", seed_nodes=1)
    headers = urllib3.make_headers(basic_auth="user:correct_password")
    for number in (1, 2):
        with cloud:
            pool.request(
                "POST", f"{cloud.url}/key/password/", body=f"name={number}&password=secret", headers=headers
            )
            keys = pool.request("GET", f"{cloud.url}/key/", headers=headers).json()
            assert keys["total_count"] == number
            with pytest.raises(RuntimeError, match="is running already"):
                cloud.start()
    assert len(cloud.servers) == 1


def test_a_port_of_choice() -> None:
    """A given port is used; one that is in use is an OSError, after which the sandbox can still start."""
    with Sandbox("nephoscale") as first:
        port = first.port
        second = Sandbox("nephoscale", port=port)
        with pytest.raises(OSError, match="in use"):
            second.start()
    with second:
        assert (second.port, second.url) == (port, f"http://127.0.0.1:{port}")


def test_many_at_once() -> None:
    """Several sandboxes run side by side, each with its own port and state."""
    with Sandbox("nephoscale") as one, Sandbox("nephoscale", seed_nodes=2) as two:
        assert one.port != two.port
        assert (len(one.servers), len(two.servers)) == (0, 2)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("nefoscale", {}, "choose from .*nephoscale"),
        ("nephoscale", {"biuld": 1}, "choose from user, password, appear, build"),
        ("nephoscale", {"build": -1}, "build must be a number of seconds from 0 on, got -1"),
        ("nephoscale", {"build": float("nan")}, "build must be"),
        ("nephoscale", {"build": "2"}, "build must be of type float"),
        ("nephoscale", {"seed_nodes": -1}, "seed_nodes must be 0 or more"),
        ("nephoscale", {"seed_nodes": True}, "seed_nodes must be of type int"),
        ("nephoscale", {"content_type": 0}, "content_type must be of type bool"),
        ("nephoscale", {"latency": -0.1}, "latency must be"),
        ("nephoscale", {"port": 65536}, "port must be"),
        ("nephoscale", {"port": "x"}, "port must be of type int, got 'x'"),
        ("nephoscale", {"port": None}, "port must be of type int, got None"),
        ("nephoscale", {"build": 10**400}, "build must be a number of seconds"),
        ([], {}, "unknown cloud"),
        ("nephoscale", {"ssh_delay": -1}, "ssh_delay must be"),
        ("nephoscale", {"ssh": "vm"}, "choose from auto, namespaces, user-namespaces, folder, off"),
    ],
)
def test_bad_settings(name: str, settings: dict[str, Any], message: str) -> None:
    """An unknown cloud or setting and an invalid value are a ValueError that says what is valid."""
    with pytest.raises(ValueError, match=message):
        Sandbox(name, **settings)


def names() -> list[Any]:
    """The names of all clouds; those that start another moto are tested in campaigns."""
    motos = [name for name, where in CLOUDS.items() if where.endswith(":AWS")]
    return [pytest.param(name, marks=[pytest.mark.campaign] if name in motos[1:] else []) for name in CLOUDS]


@pytest.mark.parametrize("name", names())
def test_every_cloud_of_the_table_starts(name: str, pool: urllib3.PoolManager) -> None:
    """Every name in `CLOUDS` is a cloud that starts and refuses requests without credentials."""
    with Sandbox(name) as cloud:
        assert repr(cloud) == f"<Sandbox {name} {cloud.url}>"
        # Missing credentials are a bad request to Cloudflare.
        expected = {400} if name == "cloudflare" else {401, 403}
        assert pool.request("GET", cloud.url + REFUSED.get(name, "/")).status in expected


REFUSED = {
    "azure_blobs": "/sandbox?comp=list",
    "digitalocean": "/v2/droplets",
    "linode": "/v4/linode/instances",
}
"""A path that needs credentials, where the root does not."""


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a package of the extra is missing, the import error says how to install it."""
    loaded = [
        name for name in sys.modules if name.split(".")[0] == missing or name.startswith("polycloud.sandbox")
    ]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'polycloud\[sandbox\]'"):
        importlib.import_module("polycloud.sandbox")


def test_serve_waits_for_ctrl_c() -> None:
    """`serve` calls `ready`, blocks, and returns at Ctrl-C without a message."""
    program = (
        "from polycloud.sandbox import serve\n"
        "serve('nephoscale', ready=lambda cloud: print(cloud.url, flush=True), seed_nodes=1)\n"
        "print('over')\n"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("over\n", "")
        assert process.returncode == 0


def test_serve_ends_with_a_stop() -> None:
    """`wait`, and with it `serve`, returns when another thread stops the sandbox."""

    def stop_soon(cloud: Sandbox) -> None:
        threading.Timer(0.05, cloud.stop).start()

    serve("nephoscale", ready=stop_soon)


def test_requests_are_recorded(cloud: Sandbox, send: Callable[..., urllib3.BaseHTTPResponse]) -> None:
    """`requests` has method, path, query, headers and body of all requests, but never the credentials."""
    send("GET", "/image/server/?region=3021&x=a%20b")
    send("POST", "/key/%70assword/", name="ключ", password="a&b=c")
    first, second = cloud.requests
    assert (first.method, first.path, first.query, first.body) == (
        "GET",
        "/image/server/",
        {"region": "3021", "x": "a b"},
        "",
    )
    assert (second.method, second.path) == ("POST", "/key/password/")
    assert second.form == {"name": "ключ", "password": "a&b=c"}
    assert second.headers["content-type"] == "application/x-www-form-urlencoded"
    assert not any("authorization" in request.headers for request in cloud.requests)


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (404, "Not Found"),
        (413, "Request Entity Too Large"),
        (422, "Unprocessable Entity"),
        (502, "Bad Gateway"),
    ],
)
def test_reason_phrases(status: int, phrase: str) -> None:
    """Bodies have the reason phrases that clouds send, whatever the version of Python."""
    assert reason(status) == phrase


def test_reset(
    cloud: Sandbox, ask: Callable[..., dict[str, Any]], built: Callable[..., dict[str, Any]]
) -> None:
    """`reset` deletes servers, keys, reservations of addresses, faults and requests."""
    address, *_ = built()["ipaddresses"].split(", ")
    ask("POST", "/key/password/", name="k", password="secret")
    reserve = {"_method": "PUT", "ipaddress": "198.51.100.3", "reserved": "true"}
    assert ask("POST", "/network/cidr/ipv4/20101/", **reserve)["success"]
    cloud.fault(500, times=None)
    cloud.reset()
    assert cloud.requests == []
    assert cloud.servers == []
    assert ask("GET", "/key/")["data"] == []
    assert built()["ipaddresses"].startswith(f"{address}, ")
    assert built()["ipaddresses"].startswith("198.51.100.3, ")


def test_time_passes_by_itself(pool: urllib3.PoolManager) -> None:
    """With the real clock a server is built without a request in between."""
    with Sandbox("nephoscale", appear=0.01, build=0.02, ssh="off") as cloud:
        headers = urllib3.make_headers(basic_auth="user:correct_password")
        pool.request(
            "POST", cloud.url + "/server/cloud/", body="name=a&service_type=3&image=49", headers=headers
        )
        threading.Event().wait(0.05)
        assert [server["power"] for server in cloud.servers] == ["on"]

from __future__ import annotations

import json
import os
import re
import signal
import socket
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from polycloud.compute.providers import get_driver
from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    import contextlib
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Start = Callable[..., contextlib.AbstractContextManager[subprocess.Popen[str]]]


def test_it_serves_until_ctrl_c(start: Start) -> None:
    """The JSON has the arguments of a driver, settings take effect, and Ctrl-C ends the command with 0."""
    with start(
        "sandbox", "nephoscale", "--json", "--seed-nodes", "3", "--build", "0.5", fresh=True
    ) as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        assert started["url"] == f"http://127.0.0.1:{started['options']['port']}"
        assert started["started_in"] > 0
        with get_driver(started["name"])(*started["credentials"], **started["options"]) as driver:
            assert len(driver.list_nodes()) == 3
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0


def test_ctrl_c_at_a_terminal_ends_moto(terminal: Callable[..., Any]) -> None:
    """Ctrl-C ends EC2's sandbox with its second process, which does not receive the signal."""
    started = terminal("sandbox", "ec2")
    started.until("Ctrl-C stops it.")
    (moto,) = psutil.Process(started.process.pid).children()
    assert os.getpgid(moto.pid) != os.getpgid(started.process.pid)
    started.type("\x03")
    assert started.end() == 0
    assert not moto.is_running()


def test_the_example_can_be_pasted(start: Start, run: Run) -> None:
    """The printed Python code connects to the sandbox."""
    with start("sandbox", "nephoscale") as process:
        assert process.stdout is not None
        text = "".join(takewhile(lambda line: line != "Ctrl-C stops it.\n", process.stdout))
        example = text[text.index("from polycloud") : text.index("As a profile")]
        done = run(program=example)
        assert (done.stdout, done.stderr) == ("[]\n", "")
        assert text.startswith("nephoscale listens at http://127.0.0.1:")
        assert "credentials: user, correct_password\n" in text


@pytest.mark.parametrize("name", ["azure_blobs", "cloudfiles", "google_storage", "openstack_swift"])
def test_the_example_of_an_object_store(
    start: Start, run: Run, configured: Callable[[str], Path], name: str
) -> None:
    """The printed Python code lists the containers, and so does the command line with the profile."""
    variables = {"POLYCLOUD_CONFIG": str(configured(""))}
    with start("sandbox", name, "--profile", "lab", **variables) as process:
        assert process.stdout is not None
        text = "".join(takewhile(lambda line: line != "Ctrl-C stops it.\n", process.stdout))
        assert "Until it stops there is the profile lab: polycloud storage ls lab:\n" in text
        example = text[text.index("from polycloud") : text.index("Until it stops")]
        made = run(program=f'{example}\ndriver.create_container("box")')
        assert (made.stdout, made.stderr) == ("[]\n", "")
        listed = run("storage", "ls", "lab:", **variables)
        assert "box" in listed.stdout


def test_the_example_of_dns(start: Start, run: Run, configured: Callable[[str], Path]) -> None:
    """The printed Python code of a cloud that has only DNS lists the zones, and its profile is for DNS."""
    file = configured("")
    with start("sandbox", "cloudflare", "--profile", "lab", POLYCLOUD_CONFIG=str(file)) as process:
        assert process.stdout is not None
        text = "".join(takewhile(lambda line: line != "Ctrl-C stops it.\n", process.stdout))
        assert "Until it stops there is the profile lab: polycloud dns zones list -p lab\n" in text
        assert 'service = "dns"' in file.read_text()
        example = text[text.index("from polycloud") : text.index("Until it stops")]
        made = run(program=f'{example}\nprint(driver.create_zone("example.com").domain)')
        assert (made.stdout, made.stderr) == ("[]\nexample.com\n", "")


def test_the_printed_profile_is_one(start: Start, run: Run, configured: Callable[[str], Path]) -> None:
    """The printed TOML, pasted into the configuration, connects to the sandbox."""
    with start("sandbox", "linode", "--seed-nodes", "2", "--ssh", "off") as process:
        assert process.stdout is not None
        text = "".join(takewhile(lambda line: line != "Ctrl-C stops it.\n", process.stdout))
        file = configured(text[text.index("[profiles.linode]") :])
        done = run("nodes", "list", "-p", "linode", "--columns", "state", POLYCLOUD_CONFIG=str(file))
        assert done.stdout.split() == ["state", "running", "running"]


def test_a_profile_until_it_stops(start: Start, run: Run, configured: Callable[[str], Path]) -> None:
    """With --profile there is a profile until Ctrl-C, beside the user's own text; one of the user's stays."""
    mine = '# mine\n[profiles.home]\nprovider = "dummy"\nkey = "x"'
    file = configured(mine)
    variables = {"POLYCLOUD_CONFIG": str(file)}
    command = ("sandbox", "digitalocean", "--ssh", "off", "--profile")
    for _ in range(2):
        with start(*command, "lab", "--json", **variables) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["profile"] == "lab"
            assert run("nodes", "list", "-p", "lab", **variables).returncode == 0
            assert file.stat().st_mode & 0o777 == 0o600
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            assert file.read_text() == f"{mine}\n"
    taken = run(*command, "home", **variables)
    assert (taken.returncode, taken.stdout) == (2, "")
    assert "there is a profile home in" in taken.stderr
    assert file.read_text() == f"{mine}\n"


@pytest.mark.parametrize(
    "name", ["digitalocean", "linode", "nephoscale", "openstack", "rackspace", "softlayer"]
)
def test_settings_have_one_name(name: str) -> None:
    """Seconds of a build, an action and a deletion, and servers from the start have one name."""
    with Sandbox(name, ssh="off", seed_nodes=2, build=0.1, power=0.1, destroy=0.1) as cloud:
        assert len(cloud.servers) == 2


def test_help_and_set_of_a_cloud(run: Run) -> None:
    """The help for a cloud lists its settings with their meaning, and --set has their types."""
    text = run("sandbox", "digitalocean", "--help", COLUMNS="200").stdout
    assert re.search(r"\n  page_size +Items on a page that asks for no number. Default 20.", text)
    for wrong, said in (
        ("page_size=many", "--set page_size must be a number"),
        ("pagesize=1", "--set must be NAME=VALUE; digitalocean has token, "),
    ):
        done = run("sandbox", "digitalocean", "--set", wrong)
        assert done.returncode == 2
        assert said in done.stderr


def test_the_port_is_ones_choice(start: Start) -> None:
    """`--port` sets the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with start("sandbox", "nephoscale", "--json", "--port", str(port)) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["options"]["port"] == port


def test_a_taken_port(run: Run) -> None:
    """A port that is in use is reported in one line, and the exit status is 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = run("sandbox", "nephoscale", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"the sandbox cannot listen on port {port}: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nefoscale"], "unknown cloud 'nefoscale': choose from "),
        (["nephoscale", "--build", "-1"], "build must be a number of seconds from 0 on"),
        (["nephoscale", "--latency", "nan"], "latency must be a number of seconds from 0 on"),
        (["ec2", "--build", "3"], "unknown setting 'build': choose from "),
        (["ec2", "--ssh", "folder"], "ec2 takes no ssh, no_isolation or ssh_delay: moto, which plays EC2,"),
    ],
)
def test_an_unsuitable_setting(run: Run, arguments: list[str], said: str) -> None:
    """An unknown name or an invalid setting is reported in one line with the valid ones, and exits with 2."""
    done = run("sandbox", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1

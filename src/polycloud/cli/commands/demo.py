"""`polycloud demo`: the life of a server on the sandbox, step by step."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import options, output
from polycloud.cli.commands.sandbox import IMPORT_LINE, connecting, running
from polycloud.compute.objects import NodeAuthSSHKey
from polycloud.compute.types import DeploymentError
from polycloud.concurrency import waiting
from polycloud.errors import PolycloudError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from polycloud.compute.objects import Node, NodeSize
    from polycloud.sandbox import Sandbox

__all__ = ["app", "demo"]


class Speed(StrEnum):
    """How long the operations of the sandbox take."""

    FAST = "fast"
    REAL = "real"


SETTINGS: dict[Speed, dict[str, float]] = {
    Speed.FAST: {"appear": 0.5, "build": 4.0, "power": 1.0, "destroy": 0.5},
    Speed.REAL: {"appear": 3.0, "build": 40.0, "power": 8.0, "destroy": 4.0, "latency": 0.2},
}
OTHERS: dict[str, float] = {"build": 1.0, "power": 0.3}
"""The settings of the clouds after the first one, at any speed."""
POLL_PERIOD = 0.25
TIMEOUT = 120.0
BAR_WIDTH = 30
SCRIPT = """#!/bin/sh
echo "$(hostname) runs this $1"
cat app.conf
"""


def demo(
    *,
    speed: Annotated[
        Speed, typer.Option(help="fast takes seconds; real takes over a minute, as a cloud does.")
    ] = Speed.FAST,
) -> None:
    """Walk through a server's life.

    Each step shows the Python code that it runs. The cloud is a sandbox on this machine: no account is
    needed, and nothing is left behind.
    """
    if find_spec("asyncssh") is None:
        output.fail(
            "the demo creates an SSH key, which requires: pip install 'polycloud[cli,deploy,sandbox]'"
        )
    began = time.perf_counter()
    with running("nephoscale", **SETTINGS[speed]) as cloud:
        session = Session(cloud, SETTINGS[speed]["build"])
        try:
            for number, (title, step) in enumerate(STEPS, 1):
                output.line()
                output.line(f"{number}/{len(STEPS)}  {title}", "bold")
                step(session)
        except BaseException:
            _list_servers(cloud)
            raise
    output.line()
    output.line(f"Done in {time.perf_counter() - began:.0f} s. What next:", "bold")
    _show_next()


def _list_servers(cloud: Sandbox) -> None:
    nodes = ", ".join(f"{server['name']} (id {server['id']})" for server in cloud.servers) or "none"
    output.line()
    output.line(f"Stopped early. Nodes at that time: {nodes}.")
    output.line("They were only in the sandbox's memory: nothing is left behind.")


class Session:
    """A Python session that shows each line, then runs it.

    `build` is the number of seconds that the creation of a node takes.
    """

    def __init__(self, cloud: Sandbox, build: float) -> None:
        self.cloud = cloud
        self.build = build
        self.names: dict[str, Any] = {"NodeAuthSSHKey": NodeAuthSSHKey}

    def do(self, statement: str) -> None:
        """Run a statement."""
        _show(statement)
        exec(_compiled(statement, "exec"), self.names)  # noqa: S102 - the text is from this file

    def get(self, expression: str) -> Any:
        """Show an expression, and return its value."""
        _show(expression)
        return self._value(expression)

    def say(self, expression: str) -> None:
        """Show the value of an expression, as Python's prompt does."""
        output.line(repr(self.get(expression)))

    def watch(self, expression: str, wanted: object) -> None:
        """Poll an expression until it has the value `wanted`."""
        _show(f"{expression}  # repeated until {wanted!r}")

        def poll() -> bool | None:
            return self._value(expression) == wanted or None

        with _waiting():
            waiting.poll(
                poll, waiting_for=f"{expression} to be {wanted!r}", timeout=TIMEOUT, longest_pause=POLL_PERIOD
            )
        output.line(repr(self._value(expression)))

    def refused(self, expression: str, expected: str) -> None:
        """Show the error of an expression, which must be of the `expected` type."""
        _show(expression)
        try:
            value = self._value(expression)
        except PolycloudError as error:
            if type(error).__name__ != expected:
                raise
            output.line(f"{expected}: {error}", "yellow")
        else:
            raise PolycloudError(f"{expression} must raise {expected}, got {value!r}")

    def _value(self, expression: str) -> Any:
        return eval(_compiled(expression, "eval"), self.names)  # noqa: S307 - the text is from this file


def _compiled(text: str, mode: str) -> CodeType:
    # With text instead of code, eval and exec mark a Ctrl-C as unhandled, and Python ends by a signal.
    return compile(text, "<demo>", mode)


def _show(text: str) -> None:
    first, *others = text.splitlines()
    output.code("\n".join([f">>> {first}", *(f"... {other}" for other in others)]))


@contextlib.contextmanager
def _waiting() -> Iterator[None]:
    if not output.console().is_terminal:
        yield
        return
    with output.console().status("waiting", spinner="dots"):
        yield


# The steps


def connect(session: Session) -> None:
    session.do(IMPORT_LINE)
    session.do(f"driver = {connecting(session.cloud)}")
    session.say("driver")


def locations(session: Session) -> None:
    session.do("locations = driver.list_locations()")
    found = session.names["locations"]
    output.table(
        ["id", "name", "country"], [(location.id, location.name, location.country) for location in found]
    )


def sizes(session: Session) -> None:
    session.do("sizes = driver.list_sizes()")
    output.table(
        ["id", "name", "RAM, MB", "disk, GB", "USD an hour"],
        [(size.id, size.name, size.ram, size.disk, _price(size)) for size in session.names["sizes"]],
    )


def _price(size: NodeSize) -> str:
    return "unknown" if size.price is None else f"{size.price:.3f}"


def images(session: Session) -> None:
    session.do("images = driver.list_images()")
    output.table(["id", "name"], [(image.id, image.name) for image in session.names["images"]])


def make_keys(session: Session) -> None:
    session.do('pair = driver.create_key_pair("demo")')
    session.say("pair")
    session.do("from secrets import token_urlsafe")
    session.do('console_key = driver.ex_create_keypair("demo-console", password=token_urlsafe(12))')
    keys = session.get("driver.ex_list_keypairs()")
    opens = {1: "servers", 4: "consoles"}
    output.table(["id", "name", "opens"], [(key.id, key.name, opens.get(key.key_group, "")) for key in keys])


def create(session: Session) -> None:
    session.do("size, image, location = sizes[1], images[0], locations[0]")
    session.do('keys = {"server_key": pair.extra["id"], "console_key": console_key}')
    session.do('first = driver.create_node("web", size, image, location=location, **keys)')
    session.do('second = driver.create_node("web", size, image, location=location, **keys)')
    session.say("(first.id, first.name), (second.id, second.name)")
    output.line("The response to a create has no id, and names need not be unique: the driver still")
    output.line("returns the right node from each call.")


def build(session: Session) -> None:
    line = "driver.wait_until_running([first, second], wait_period=0.5)"
    with _building(session):
        ready = session.get(line)
    for node, addresses in ready:
        output.line(f"{node.name} (id {node.id}) runs at {', '.join(addresses)}")


def show_nodes(session: Session) -> None:
    nodes: list[Node] = session.get("driver.list_nodes()")
    output.table(
        ["id", "name", "state", "public addresses", "private addresses"],
        [
            (node.id, node.name, node.state, ", ".join(node.public_ips), ", ".join(node.private_ips))
            for node in nodes
        ],
    )


def reboot(session: Session) -> None:
    session.say("driver.reboot_node(first)")
    session.say("driver.get_node(first.id).state.value")
    session.watch("driver.get_node(first.id).state.value", "running")


def stop_and_start(session: Session) -> None:
    session.say("driver.shutdown_node(second)")
    session.watch("driver.get_node(second.id).state.value", "stopped")
    session.say("driver.start_node(second)")
    session.watch("driver.get_node(second.id).state.value", "running")


def rename(session: Session) -> None:
    session.say('driver.rename_node(second, "database")')
    show_nodes(session)


def deploy(session: Session) -> None:
    session.do(
        "from polycloud.compute.deployment import (\n"
        "    FileDeployment, MultiStepDeployment, ScriptDeployment, SSHKeyDeployment\n)"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("greeting = hello from the file\n")
        file.flush()
        session.names["settings"] = file.name
        session.do('key = SSHKeyDeployment(pair.public_key + " second-user")')
        session.do('file = FileDeployment(settings, "app.conf")')
        session.do(f'script = ScriptDeployment({SCRIPT!r}, args=["today"], delete=True)')
        session.do("def show(stream, text): print(text, end='')")
        if session.cloud.ssh_port is None:
            output.line(f"No deployment here: {session.cloud.isolation}", "yellow")
            return
        try:
            session.do(
                'third = driver.deploy_node(\n    name="app", size=size, image=image,'
                " deploy=MultiStepDeployment([key, file, script]),\n"
                f"    ssh_key=pair.private_key, ssh_port={session.cloud.ssh_port}, ex_on_output=show,"
                " wait_period=0.5, **keys\n)"
            )
        except DeploymentError as error:
            if "no-isolation" not in str(error):
                raise
            output.line(f"{error}", "yellow")
            return
    session.say("script.exit_status")
    session.say("third.destroy()")


def errors(session: Session) -> None:
    wrong = connecting(session.cloud).replace(session.cloud.credentials[-1], "wrong")
    session.do(f"stranger = {wrong}")
    session.refused("stranger.list_nodes()", "InvalidCredsError")
    session.refused('driver.get_node("12345")', "NotFoundError")
    session.refused("driver.list_volumes()", "UnsupportedOperationError")
    session.say('driver.supports("list_volumes")')


def another_cloud(provider: str, session: Session) -> None:
    with running(provider, **OTHERS) as cloud:
        _node_with_volume(cloud, session)
        session.watch("other.list_nodes()", [])
        session.say("volume.destroy()")
        session.do("other.close()")


def by_hand(session: Session) -> None:
    with running("softlayer", **OTHERS) as cloud:
        session.do(f"other = {connecting(cloud)}")
        session.do("own = other.custom_size(vcpus=2, ram=4096, disk=25)")
        session.say("own")
        session.do("location, image = other.list_locations()[0], other.list_images()[0]")
        session.do(
            'node = other.create_node("web.example.org", own, image, location,'
            ' auth=NodeAuthSSHKey(pair.public_key), tags=["demo"])'
        )
        session.say("other.wait_until_running([node], wait_period=0.5)")
        session.do("both = [*driver.list_nodes(), *other.list_nodes()]")
        _table_of_both(session)
        session.say("node.destroy()")
        session.watch("other.list_nodes()", [])
        session.do("other.close()")


def rackspace(session: Session) -> None:
    with running("rackspace", **OTHERS) as cloud:
        session.do(f"other = {connecting(cloud)}")
        session.do("size = min(other.list_sizes(), key=lambda size: size.ram)")
        session.do("image = next(image for image in other.list_images() if other.ex_fits(size, image))")
        session.do('node = other.create_node("web", size, image, auth=NodeAuthSSHKey(pair.public_key))')
        session.say("other.wait_until_running([node], wait_period=0.5)")
        session.say("other.ex_list_virtual_interfaces(node)")
        session.say("node.destroy()")
        session.watch("other.list_nodes()", [])
        session.do("other.close()")


def amazon(session: Session) -> None:
    from polycloud.sandbox import Sandbox

    try:
        Sandbox("ec2")
    except ImportError as error:
        output.line(f"Skipped: {error}", "yellow")
        return
    output.line("Amazon is emulated by moto, an independent project, in a process of its own.")
    with running("ec2", types="t4g") as cloud:
        _node_with_volume(cloud, session)
        session.watch("other.get_node(node.id).state.value", "terminated")
        output.line("A terminated node stays listed for about an hour, and its key pair until it is deleted.")
        session.say("volume.destroy(), other.delete_key_pair(other.list_key_pairs()[0])")
        output.line(f"No deployment here: {cloud.isolation}.", "yellow")
        session.do("other.close()")


def _node_with_volume(cloud: Sandbox, session: Session) -> None:
    session.do(f"other = {connecting(cloud)}")
    session.do("size, location = other.list_sizes()[0], other.list_locations()[0]")
    session.do("image = other.list_images(location)[0]")
    session.do(
        'node = other.create_node("web", size, image, location=location,'
        ' auth=NodeAuthSSHKey(pair.public_key), tags=["demo"])'
    )
    session.say("other.wait_until_running([node], wait_period=0.5)")
    session.do('volume = other.create_volume(10, "data", location)')
    session.say("volume.attach(node)")
    session.do("both = [*driver.list_nodes(), *other.list_nodes()]")
    _table_of_both(session)
    session.say("node.destroy()")


def _table_of_both(session: Session) -> None:
    output.table(
        ["cloud", "id", "name", "state", "public addresses"],
        [
            (node.driver.name, node.id, node.name, node.state, ", ".join(node.public_ips))
            for node in session.get("both")
        ],
    )


def clean_up(session: Session) -> None:
    session.say("first.destroy(), second.destroy()")
    session.watch("driver.list_nodes()", [])
    session.say("driver.delete_key_pair(pair), driver.ex_delete_keypair(console_key)")
    session.watch("driver.ex_list_keypairs()", [])
    session.do("driver.close()")


STEPS: tuple[tuple[str, Callable[[Session], None]], ...] = (
    ("Connect", connect),
    ("Locations: where nodes can be", locations),
    ("Sizes: what they cost", sizes),
    ("Images: what they start from", images),
    ("Keys: an SSH key for servers, a password for consoles", make_keys),
    ("Create two nodes of the same name", create),
    ("Wait until they run", build),
    ("List the nodes", show_nodes),
    ("Reboot", reboot),
    ("Shut down, start again", stop_and_start),
    ("Rename", rename),
    ("Deploy: a node with a key, a file and a script over SSH, with live output", deploy),
    ("Another cloud, the same methods: DigitalOcean, with a volume", partial(another_cloud, "digitalocean")),
    ("A third one: Linode", partial(another_cloud, "linode")),
    ("OpenStack, which many clouds run", partial(another_cloud, "openstack")),
    ("Rackspace, an OpenStack with fields of its own", rackspace),
    ("SoftLayer: a size made by hand", by_hand),
    ("Amazon EC2", amazon),
    ("Errors: one type for each kind of failure", errors),
    ("Clean up", clean_up),
)
NEXT = (
    ("Keep a sandbox running, with a profile:", "{polycloud} sandbox nephoscale --profile demo"),
    ("List the operations of each driver:", "{polycloud} providers"),
    ("Read the driver that just ran:", "{python} -m pydoc polycloud.compute.drivers.nephoscale"),
)


def _show_next() -> None:
    """Print what to run next, as lines for the shell in which the demo was started."""
    python, called = shlex.quote(sys.executable), Path(sys.argv[0])
    found = shutil.which(called.name)
    if called.suffix == ".py":  # python -m polycloud
        command = f"{python} -m polycloud"
    else:
        command = called.name if found and Path(found).samefile(called) else shlex.quote(str(called))
    for purpose, line in NEXT:
        output.line(purpose, "dim")
        output.line(f"  {line.format(polycloud=command, python=python)}")


@contextlib.contextmanager
def _building(session: Session) -> Iterator[None]:
    """Show a bar for each node that is being built; nothing without a terminal.

    Only the sandbox knows the progress of a build, so the bars show the time until it reports "built".
    """
    if not output.console().is_terminal:
        yield
        return
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    began = time.monotonic()

    def bars() -> RenderableType:
        passed = min(time.monotonic() - began, 0.95 * session.build)
        grid = Table.grid(padding=(0, 2))
        for server in session.cloud.servers:
            done = session.build if server["built"] else passed
            state = "built" if server["built"] else "building"
            bar = ProgressBar(
                session.build, done, width=BAR_WIDTH, complete_style="cyan", finished_style="green"
            )
            grid.add_row(f"{server['name']} (id {server['id']})", bar, state)
        return grid

    with Live(get_renderable=bars, console=output.console(), refresh_per_second=10):
        yield


app = options.single(demo)

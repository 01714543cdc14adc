"""`polycloud sandbox`: run a small cloud on this machine until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import options, output

if TYPE_CHECKING:
    from polycloud.sandbox import Sandbox

__all__ = ["IMPORT_LINE", "app", "connecting", "running", "sandbox"]

Seconds = float | None
SECONDS = "SECONDS"
IMPORT_LINE = "from polycloud.compute.providers import get_driver"


def sandbox(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The cloud, such as nephoscale.")],
    port: Annotated[
        int,
        typer.Option(metavar="PORT", help="On 127.0.0.1; 0 for a free one.", min=0, max=65535),
    ] = 0,
    appear: Annotated[Seconds, typer.Option(metavar=SECONDS, help="Until a new server is listed.")] = None,
    build: Annotated[Seconds, typer.Option(metavar=SECONDS, help="Until a new server runs.")] = None,
    power: Annotated[Seconds, typer.Option(metavar=SECONDS, help="For a start, stop or restart.")] = None,
    destroy: Annotated[
        Seconds, typer.Option(metavar=SECONDS, help="Until a destroyed server is gone.")
    ] = None,
    latency: Annotated[Seconds, typer.Option(metavar=SECONDS, help="Before each response.")] = None,
    seed_nodes: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Servers that exist from the start.")
    ] = None,
    ssh: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="auto, namespaces, user-namespaces, folder or off."),
    ] = None,
    ssh_delay: Annotated[
        Seconds, typer.Option(metavar=SECONDS, help="Until a running server has SSH.")
    ] = None,
    no_isolation: Annotated[
        bool, typer.Option("--no-isolation", help="Let servers in folders run commands on this machine.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Run a small cloud on this machine.

    It serves the provider's API on 127.0.0.1 until Ctrl-C, for testing programs. Everything is in memory:
    nothing is ordered or paid.
    """
    began = time.perf_counter()
    settings = {
        "appear": appear,
        "build": build,
        "power": power,
        "destroy": destroy,
        "latency": latency,
        "seed_nodes": seed_nodes,
        "ssh": ssh,
        "ssh_delay": ssh_delay,
        "no_isolation": no_isolation or None,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    with contextlib.suppress(KeyboardInterrupt), running(name, port=port, **given) as cloud:
        _announce(cloud, time.perf_counter() - began, as_json=as_json)
        cloud.wait()


@contextlib.contextmanager
def running(name: str, **settings: Any) -> Iterator[Sandbox]:
    """Run the sandbox of that name until the block ends.

    If it cannot start, the command ends with one line: 1 if an extra is missing or the port is taken, 2 for
    an unknown name or an invalid setting.
    """
    cloud = _start(name, settings)
    try:
        yield cloud
    finally:
        cloud.stop()


def _start(name: str, settings: dict[str, Any]) -> Sandbox:
    try:
        from polycloud.sandbox import MachineError, Sandbox
    except ImportError as error:
        output.fail(error)
    try:
        return Sandbox(name, **settings).start()
    except (ImportError, MachineError, RuntimeError) as error:
        output.fail(error)
    except ValueError as error:
        output.fail(error, code=2)
    except OSError as error:
        output.fail(f"the sandbox cannot listen on port {settings.get('port', 0)}: {error.strerror}")


def connecting(cloud: Sandbox) -> str:
    """The Python expression that makes a driver for a running sandbox."""
    options = [f"{name}={_literal(value)}" for name, value in cloud.options.items()]
    arguments = ", ".join([*map(_literal, cloud.credentials), *options])
    return f"get_driver({_literal(cloud.name)})(\n    {arguments}\n)"


def _literal(value: object) -> str:
    """A value as Python text, with double quotes as in the rest of the example."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _announce(cloud: Sandbox, seconds: float, *, as_json: bool) -> None:
    if as_json:
        output.json(
            {
                "name": cloud.name,
                "url": cloud.url,
                "credentials": cloud.credentials,
                "options": cloud.options,
                "ssh_port": cloud.ssh_port,
                "isolation": cloud.isolation,
                "started_in": round(seconds, 3),
            }
        )
        return
    output.line(f"{cloud.name} listens at {cloud.url} (started in {seconds:.2f} s)", "bold")
    output.line(f"credentials: {', '.join(cloud.credentials)}")
    port = "" if cloud.ssh_port is None else f", SSH on port {cloud.ssh_port}"
    output.line(f"servers: {cloud.isolation}{port}")
    output.line()
    output.code(f"{IMPORT_LINE}\n\ndriver = {connecting(cloud)}\nprint(driver.list_nodes())")
    output.line()
    output.line("Ctrl-C stops it.", "dim")


app = options.single(sandbox)

"""`polycloud sandbox`: run a small cloud on this machine until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from inspect import getdoc
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import accounts, configfile, options, output
from polycloud.cli.command import Command
from polycloud.config import config_file
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.sandbox import Sandbox

__all__ = ["IMPORT_LINE", "app", "connecting", "running", "sandbox"]

Seconds = float | None
SECONDS = "SECONDS"
NOT_AWS = " (not aws)"
IMPORT_LINE = "from polycloud.compute.providers import get_driver"
_PROVIDERS = {"aws": "ec2"}
_EXAMPLES = {
    "compute": ("list_nodes", "nodes list -p {}"),
    "storage": ("list_containers", "storage ls {}:"),
    "dns": ("list_zones", "dns zones list -p {}"),
    "loadbalancer": ("list_balancers", "lb list -p {}"),
}
"""What to try first, in Python and at the command line."""


def sandbox(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The cloud, such as nephoscale.")],
    port: Annotated[
        int,
        typer.Option(metavar="PORT", help="On 127.0.0.1; 0 for a free one.", min=0, max=65535),
    ] = 0,
    latency: Annotated[Seconds, typer.Option(metavar=SECONDS, help="Before each response.")] = None,
    build: Annotated[
        Seconds, typer.Option(metavar=SECONDS, help="Until a new server runs." + NOT_AWS)
    ] = None,
    power: Annotated[
        Seconds, typer.Option(metavar=SECONDS, help="For a start, stop or restart." + NOT_AWS)
    ] = None,
    destroy: Annotated[
        Seconds, typer.Option(metavar=SECONDS, help="Until a destroyed server is gone." + NOT_AWS)
    ] = None,
    seed_nodes: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Servers that exist from the start." + NOT_AWS)
    ] = None,
    ssh: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="auto, namespaces, user-namespaces, folder or off." + NOT_AWS),
    ] = None,
    ssh_delay: Annotated[
        Seconds, typer.Option(metavar=SECONDS, help="Until a running server has SSH." + NOT_AWS)
    ] = None,
    no_isolation: Annotated[
        bool,
        typer.Option("--no-isolation", help="Let servers in folders run commands on this machine." + NOT_AWS),
    ] = False,
    appear: Annotated[
        Seconds, typer.Option(metavar=SECONDS, help="Until a new server is listed. (nephoscale)")
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another setting of that cloud; may be repeated."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", "-p", metavar="NAME", help="Have a profile of this name until it stops."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Run a small cloud on this machine.

    It serves the provider's API on 127.0.0.1 until Ctrl-C, for testing programs. Everything is in memory:
    nothing is ordered or paid. `polycloud sandbox NAME --help` lists what --set takes there.
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
    if profile is not None:
        configfile.require_name(profile)
    given |= _settings(name, more or ())
    with contextlib.suppress(KeyboardInterrupt), running(name, port=port, **given) as cloud:
        values = _profile(cloud)
        if profile is not None and not values:
            raise InvalidArgumentError(f"there is no driver for {name}, so it can have no --profile")
        written = configfile.temporary(profile, values) if profile else contextlib.nullcontext()
        with written:
            seconds = time.perf_counter() - began
            _announce(cloud, seconds, profile, values, as_json=as_json)
            cloud.wait()


def _settings(cloud: str, texts: Sequence[str]) -> dict[str, Any]:
    """The settings in texts NAME=VALUE, of the types that they have at this cloud."""
    kinds = {one.name: type(one.default) for one in _fields(cloud)} if texts else {}
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in kinds:
            raise InvalidArgumentError(f"--set must be NAME=VALUE; {cloud} has {', '.join(kinds)}")
        found[name] = _typed(name, kinds[name], value)
    return found


def _typed(name: str, kind: type, text: str) -> Any:
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)  # the sandbox says what is right
    try:
        return kind(text)
    except ValueError:
        raise InvalidArgumentError(f"--set {name} must be a number, got {text!r}") from None


def _fields(cloud: str) -> tuple[Any, ...]:
    """The settings of a cloud; none where there is no such cloud, which is said later."""
    try:
        from polycloud.sandbox.clouds import find

        return fields(find(cloud).settings_type)
    except (ImportError, ValueError):
        return ()


def _service(name: str) -> str:
    """The service for which a cloud is, which is that of the first driver of its name."""
    provider = _PROVIDERS.get(name, name)
    return next((one for one in _EXAMPLES if accounts.driver_class(one, None, provider)), "compute")


def _profile(cloud: Sandbox) -> dict[str, Any]:
    """The values of a profile for a running sandbox; none where polycloud has no driver for it."""
    from polycloud.common.driver import credentials_of

    provider, service = _PROVIDERS.get(cloud.name, cloud.name), _service(cloud.name)
    kind = accounts.driver_class(service, None, provider)
    if kind is None:
        return {}
    names = [one.name for one in credentials_of(kind)]
    return {
        "provider": provider,
        **({} if service == "compute" else {"service": service}),
        **dict(zip(names, cloud.credentials, strict=True)),
        **cloud.options,
    }


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


def _announce(
    cloud: Sandbox, seconds: float, profile: str | None, values: dict[str, Any], *, as_json: bool
) -> None:
    if as_json:
        output.json(
            {
                "name": cloud.name,
                "url": cloud.url,
                "credentials": cloud.credentials,
                "options": cloud.options,
                "ssh_port": cloud.ssh_port,
                "isolation": cloud.isolation,
                "profile": profile,
                "started_in": round(seconds, 3),
            }
        )
        return
    output.line(f"{cloud.name} listens at {cloud.url} (started in {seconds:.2f} s)", "bold")
    output.line(f"credentials: {', '.join(cloud.credentials)}")
    port = "" if cloud.ssh_port is None else f", SSH on port {cloud.ssh_port}"
    output.line(f"servers: {cloud.isolation}{port}")
    output.line()
    service = _service(cloud.name)
    method, command = _EXAMPLES[service]
    line = IMPORT_LINE.replace("compute", service)
    output.code(f"{line}\n\ndriver = {connecting(cloud)}\nprint(driver.{method}())")
    output.line()
    if profile:
        output.line(f"Until it stops there is the profile {profile}: polycloud {command.format(profile)}")
    elif values:
        output.line(f"As a profile in {config_file()}, which --profile NAME writes for you:")
        for text in configfile.toml(cloud.name, values).splitlines():
            output.line(text)
    output.line()
    output.line("Ctrl-C stops it.", "dim")


class SandboxCommand(Command):
    """A command whose help lists the settings of the cloud that was named."""

    def more_help(self, given: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
        """The settings, each with its default."""
        name = given.get("name") or ""
        return f"--set for {name}", [
            (one.name, f"{_meaning(name, one.name)} Default {one.default!r}.") for one in _fields(name)
        ]


def _meaning(cloud: str, setting: str) -> str:
    """What the documentation of a cloud's settings says of one."""
    from polycloud.sandbox.clouds import find

    text = getdoc(find(cloud).settings_type) or ""
    found = re.search(rf"^ {{4}}{setting}: (.*(?:\n {{8}}.*)*)", text, re.MULTILINE)
    meaning = " ".join(found[1].split()) if found else ""
    return meaning[:1].upper() + meaning[1:]


app = options.single(sandbox, SandboxCommand)

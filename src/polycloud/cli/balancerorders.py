"""The options of a new balancer and of a change of one, which become arguments of the driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import accounts, bundles, completion, extras
from polycloud.cli.command import Command
from polycloud.cli.nouns import BALANCERS
from polycloud.common.arguments import drop_none
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.loadbalancer.base import Driver
    from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions

__all__ = ["BalancerCreateCommand", "BalancerUpdateCommand", "Order", "takes_order"]


def _offers_of(operation: str) -> Any:
    """Offers what a driver's list without a request has."""
    return completion.lookup(
        BALANCERS.service, lambda driver, _: [(str(one), "") for one in getattr(driver, operation)()]
    )


Protocol = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Such as http, https or tcp.", autocompletion=_offers_of("list_protocols")
    ),
]
ChosenAlgorithm = Annotated[
    str | None,
    typer.Option(
        "--algorithm",
        metavar="NAME",
        help="Such as round_robin or least_connections.",
        autocompletion=_offers_of("list_supported_algorithms"),
    ),
]
Check = Annotated[
    str | None,
    typer.Option(
        "--health-check",
        metavar="CHECK",
        help="How members are checked: tcp, http:/healthz, http:8081/healthz,interval=10,timeout=5.",
    ),
]
Sticky = Annotated[
    str | None,
    typer.Option(
        metavar="HOW", help="A client goes to one member by: cookie, cookie:NAME,ttl=600, source_ip."
    ),
]
Certificate = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="The provider's id of the certificate, for https; @FILE where it takes the PEM itself.",
    ),
]
PrivateKey = Annotated[
    Path | None, typer.Option("--private-key", metavar="FILE", help="The key of that certificate, in PEM.")
]
Listeners = Annotated[
    list[str] | None,
    typer.Option(
        "--listener",
        metavar="LISTENER",
        help="A further port, such as 443:https=8080:http: of the balancer and its protocol, of the members "
        "and theirs. May be repeated.",
    ),
]
ProxyProtocol = Annotated[
    bool, typer.Option("--proxy-protocol", help="Send members the header of the PROXY protocol.")
]


def _offers(driver: Driver, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The names that `--set` takes, each with what its value is; only `update` has a `new_name`."""
    method = extras.UPDATE_BALANCER if "new_name" in given else extras.CREATE_BALANCER
    return [(f"{name}=", what) for name, what in extras.described(type(driver), method)]


Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="What the provider has beyond; --help with a profile lists the names. May be repeated.",
        autocompletion=completion.lookup("loadbalancer", _offers),
    ),
]


@dataclass(frozen=True, slots=True)
class Order:
    """What a balancer shall have, beyond its name, port and members; None for the driver's default."""

    protocol: str | None = None
    algorithm: int | None = None
    health_check: HealthCheck | None = None
    sticky: StickySessions | None = None
    certificate: str | None = None
    private_key: str | None = field(default=None, repr=False)
    listeners: Sequence[Listener] = ()
    proxy_protocol: bool = False
    settings: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no option was given."""
        return self == Order()

    def arguments(self, driver: Driver, method: extras.Method) -> dict[str, Any]:
        """Return the arguments of a method. Raises `UnsupportedOperationError` for others than it has."""
        own = {
            "ex_health_check": self.health_check,
            "ex_sticky": self.sticky,
            "ex_certificate": self.certificate,
            "ex_private_key": self.private_key,
            "ex_listeners": list(self.listeners),
            "ex_proxy_protocol": self.proxy_protocol,
        }
        found = drop_none({"protocol": self.protocol, "algorithm": self.algorithm})
        for name, value in own.items():
            found |= extras.if_supported(driver, method, name, value)
        return found | extras.parsed(driver, self.settings, method)


def _options(
    *,
    protocol: Protocol = None,
    algorithm: ChosenAlgorithm = None,
    health_check: Check = None,
    sticky: Sticky = None,
    certificate: Certificate = None,
    private_key: PrivateKey = None,
    listeners: Listeners = None,
    proxy_protocol: ProxyProtocol = False,
    settings: Settings = None,
) -> None:
    """Has the options of an order as its parameters; their names are those of the fields of `Order`."""


def _order(
    *,
    algorithm: str | None,
    health_check: str | None,
    sticky: str | None,
    certificate: str | None,
    private_key: Path | None,
    listeners: list[str] | None,
    settings: list[str] | None,
    **others: Any,
) -> Order:
    from polycloud.cli import balancersettings as read

    return Order(
        algorithm=None if algorithm is None else read.algorithm(algorithm),
        health_check=None if health_check is None else read.health_check(health_check),
        sticky=None if sticky is None else read.sticky(sticky),
        certificate=_certificate(certificate),
        private_key=None if private_key is None else _content(private_key),
        listeners=tuple(map(read.listener, listeners or ())),
        settings=tuple(settings or ()),
        **others,
    )


def _certificate(text: str | None) -> str | None:
    """Return the id of a certificate, or what is in its file."""
    return _content(Path(text[1:])) if text and text.startswith("@") else text


def _content(file: Path) -> str:
    try:
        return file.expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidArgumentError(f"{file} cannot be read: {reason}") from error


takes_order = bundles.takes(order=(_options, _order))
"""Give a command these options; its parameter `order` is what they become."""


class _OrderCommand(Command):
    """A command whose help lists what `--set` takes for the account's driver."""

    method: extras.Method

    def more_help(self, given: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
        """The title and the lines of another section of the help; nothing without an account."""
        kind = accounts.driver_class(BALANCERS.service, given.get("profile"), given.get("provider"))
        return (f"--set for {kind.name}", extras.described(kind, self.method)) if kind else ("", [])


class BalancerCreateCommand(_OrderCommand):
    """A command that creates."""

    method = extras.CREATE_BALANCER


class BalancerUpdateCommand(_OrderCommand):
    """A command that changes."""

    method = extras.UPDATE_BALANCER

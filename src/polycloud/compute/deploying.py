"""What `deploy_node` does once its node is created: wait, log in, run the step, and account for the node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Protocol

from polycloud.compute.deployment import Deployment, Login, run_step
from polycloud.compute.keys import has_usual_keys
from polycloud.compute.objects import Node, NodeAuthPassword, NodeAuthSSHKey
from polycloud.compute.running import require_interface
from polycloud.compute.ssh import HostKeys
from polycloud.compute.types import DeploymentError, SSHAuthenticationError
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import cleanup
from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.utils.networking import is_ip

__all__ = ["deploy", "login_for", "require_deployable"]

REFUSED_HINT = "did create_node pass on auth=, and is ssh_username the image's user?"


class NodeOwner(Protocol):
    """What deploying needs of a driver."""

    features: ClassVar[Mapping[str, Sequence[str]]]
    password_arguments: ClassVar[Sequence[str]]

    def wait_until_running(
        self,
        nodes: Sequence[Node],
        wait_period: float,
        timeout: float,
        ssh_interface: str,
        force_ipv4: bool,
    ) -> list[tuple[Node, list[str]]]:
        """See `NodeDriver.wait_until_running`."""
        ...

    def destroy_node(self, node: Node) -> bool:
        """See `NodeDriver.destroy_node`."""
        ...


def require_deployable(step: object, interface: str, *times: float) -> None:
    """Refuse, before a node is created, arguments that could only fail after it.

    Raises `InvalidArgumentError`.
    """
    if isinstance(step, type) or not callable(getattr(step, "run", None)):
        raise InvalidArgumentError(
            f"deploy must be a deployment step (see polycloud.compute.deployment), got {step!r}"
        )
    require_interface(interface)
    for seconds in times:
        waiting.require_times(seconds)


def login_for(
    driver: NodeOwner,
    auth: NodeAuthSSHKey | NodeAuthPassword | None,
    create_arguments: Mapping[str, Any],
    known_hosts: str | None,
    **settings: Any,
) -> Login:
    """Return how to log in. The keys are loaded once now, so that an unusable one costs no node.

    Raises `InvalidArgumentError` if there is nothing that could log in.
    """
    own = [create_arguments[name] for name in driver.password_arguments if create_arguments.get(name)]
    password = auth.password if isinstance(auth, NodeAuthPassword) else next(iter(own), None)
    login = Login(password=password, host_keys=HostKeys(known_hosts), **settings)
    login.client("127.0.0.1", "nobody", "nobody")
    if not (login.keys or password or _generates_password(driver) or has_usual_keys()):
        raise InvalidArgumentError(
            "nothing could log in to the node: there is no key in ~/.ssh nor in an agent; pass ssh_key=, a "
            "private key"
        )
    return login


def _generates_password(driver: NodeOwner) -> bool:
    return "generates_password" in driver.features.get("create_node", ())


def deploy(
    driver: NodeOwner,
    node: Node,
    step: Deployment,
    login: Login,
    *,
    interface: str,
    force_ipv4: bool,
    with_auth: bool,
    at_exit: Callable[[Node], object] | None,
    destroy_on_failure: bool,
) -> Node:
    """Deploy to a new node; return it as it runs.

    Raises `DeploymentError` with a note that says whether the node exists or was destroyed; an interruption
    passes through with the same note, after `at_exit` was called with the node. `with_auth`: the node was
    created with `auth=`, so a refused login gets a hint.
    """
    try:
        return _run(driver, node, step, login, interface, force_ipv4=force_ipv4)
    except BaseException as error:
        if with_auth and isinstance(error, SSHAuthenticationError):
            error.value = f"{error.value}; {REFUSED_HINT}"
        interrupted = not isinstance(error, Exception)
        if interrupted and at_exit is not None:
            at_exit(node)
        failure = error
        if not interrupted and not isinstance(error, DeploymentError):
            failure = DeploymentError(node, error, driver)
        _account_for(driver, node, failure, destroy=destroy_on_failure)
        if failure is error:
            raise
        raise failure from error


def _run(
    driver: NodeOwner, node: Node, step: Deployment, login: Login, interface: str, *, force_ipv4: bool
) -> Node:
    wait = partial(driver.wait_until_running, [node], login.wait_period, login.timeout, interface)
    ((running, addresses),) = wait(force_ipv4)
    if _generates_password(driver) and login.password is None:
        # Some providers return it with the create, others once the node runs
        password = node.extra.get("password") or running.extra.get("password")
        login = replace(login, password=password)
    node.state, node.public_ips, node.private_ips = running.state, running.public_ips, running.private_ips

    looked = False

    def current() -> list[str]:
        """Return the addresses, IPv4 first; look again before each further attempt while there is no IPv4."""
        nonlocal addresses, looked
        if looked and not any(is_ip(text, 4) for text in addresses):
            ((_, addresses),) = wait(force_ipv4)
        looked = True
        return sorted(addresses, key=lambda text: not is_ip(text, 4))

    client = login.connect(running, current)
    try:
        return run_step(step, running, client)
    finally:
        client.close()


def _account_for(driver: NodeOwner, node: Node, error: BaseException, *, destroy: bool) -> None:
    """Add a note that says whether the node exists, after destroying it where asked."""
    exists = f"the node {node.name} (id {node.id}, {', '.join(node.public_ips) or 'no address yet'}) exists"
    if not destroy:
        error.add_note(f"{exists}; ex_destroy_on_failure=True would have destroyed it")
        return
    try:
        with cleanup():
            driver.destroy_node(node)
    except PolycloudError as second:
        error.add_note(f"{exists}, and destroying it failed: {second}")
    except BaseException as second:  # interrupted again
        second.add_note(f"{exists}, and destroying it was interrupted")
        raise
    else:
        error.add_note(f"the node {node.name} (id {node.id}) was destroyed")

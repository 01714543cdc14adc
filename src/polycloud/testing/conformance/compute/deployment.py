"""Rules of logging into nodes and of deployments."""

from __future__ import annotations

import secrets
from functools import cache, partial
from typing import Any

import pytest

from polycloud.compute import keys
from polycloud.compute.base import NodeDriver
from polycloud.compute.deployment import Deployment, ScriptDeployment
from polycloud.compute.objects import Node, NodeAuthPassword, NodeAuthSSHKey
from polycloud.compute.types import DeploymentError, NodeState
from polycloud.errors import PolycloudError
from polycloud.testing.cleanup import RUN
from polycloud.testing.conformance.assertions import error_of
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.compute.suite import ComputeSuite, Create, public_key


class DeploymentRules(ComputeSuite):
    """The rules of `auth` and of `deploy_node`."""

    @rule()
    def test_c51_auth(self, driver: NodeDriver, create: Create) -> None:
        """`create_node` refuses an `auth` of a kind that `features` does not name."""
        self.need_argument(driver, "auth")
        kinds = {
            "ssh_key": NodeAuthSSHKey(public_key()),
            "password": NodeAuthPassword(secrets.token_hex(12)),
        }
        offered = driver.features.get("create_node", ())
        others = [auth for kind, auth in kinds.items() if kind not in offered]
        if not others:
            pytest.skip("the driver takes every kind of auth")
        for auth in others:
            error_of(PolycloudError, f"create_node(auth={type(auth).__name__})", create, auth=auth)

    @rule("list_nodes", "create_node", "destroy_node")
    def test_c52_deploy(self, driver: NodeDriver, create: Create, ssh: dict[str, Any]) -> None:
        """`deploy_node` returns the running node, on which it has run its step, logged in as `auth` says."""
        script = ScriptDeployment("echo deployed")
        node = self._deploy(driver, script, ssh)
        assert node.state is NodeState.RUNNING, f"it returned a node that is {node.state}"
        assert (script.exit_status, script.stdout) == (0, "deployed\n"), f"the step wrote {script.stdout!r}"

    @rule("list_nodes", "create_node", "destroy_node")
    def test_c53_failed_deployment(self, driver: NodeDriver, create: Create, ssh: dict[str, Any]) -> None:
        """The error of a failed deployment has its node, which `ex_destroy_on_failure` has destroyed."""
        for destroy in (False, True):
            fail = partial(self._deploy, driver, ScriptDeployment("exit 28"), ssh)
            error = error_of(DeploymentError, "a script that fails", fail, ex_destroy_on_failure=destroy)
            assert error.exit_status == 28, f"the script's exit status is {error.exit_status}, not 28"
            assert error.node is not None, "it has no node"
            if destroy:
                self.vanished(driver, error.node)
            else:
                self.seen(driver, error.node)

    def _deploy(self, driver: NodeDriver, step: Deployment, ssh: dict[str, Any], **options: Any) -> Node:
        features = driver.features.get("create_node", ())
        login: dict[str, Any] = {"auth": NodeAuthPassword(f"Aa1-{secrets.token_urlsafe(24)}")}
        if "ssh_key" in features:
            private, public = _key_pair()
            login = {"auth": NodeAuthSSHKey(public), "ssh_key": private}
        elif "password" not in features:
            pytest.skip("`features` names neither a key nor a password")
        return driver.deploy_node(
            step, name=RUN.name(), **self.node_options(driver), **login, **ssh, wait_period=0.5, **options
        )


@cache
def _key_pair() -> tuple[str, str]:
    """Generate one pair for all deployments, as users log in to all their nodes with one."""
    return keys.generate()

"""The tables of docs/migrating.md, and what of them can be shown by code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polycloud import errors, get_driver, security
from polycloud.compute.types import DeploymentError, DeploymentException, NodeState
from polycloud.libcloud.differences import BETTER, ON_PURPOSE, SAME
from polycloud.libcloud.instead import INSTEAD
from polycloud.libcloud.modules import MODULES

PAGE = (Path(__file__).parents[2] / "docs/migrating.md").read_text(encoding="utf-8")


def section(title: str) -> list[str]:
    """Return the list items and table rows of a section."""
    text = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [line for line in text.splitlines() if re.match(r"- |\| [^|]", line)]


def test_the_lists_are_those_of_the_module() -> None:
    """The lists of what is the same and what is better are those of the module, in its order."""
    assert section("What is the same") == [f"- {one}" for one in SAME]
    assert section("What is better") == [f"- {one}" for one in BETTER]


def test_the_table_of_differences_is_that_of_the_module() -> None:
    """The table of what differs on purpose has one row for each difference, with its reason."""
    assert section("What differs on purpose") == [f"| {' | '.join(one)} |" for one in ON_PURPOSE]


def test_the_table_of_paths_is_that_of_the_module() -> None:
    """The table of modules at other paths has one row for each, with its path in polycloud."""
    rows = [f"| `{name}` | `{home}` |" for name, home in MODULES.items()]
    assert section("When you change the imports") == ["| libcloud. | polycloud |", *rows]


def test_the_table_of_missing_names_is_that_of_the_module() -> None:
    """The table of what is missing has one row for each name, with what to use instead."""
    rows = [f"| `libcloud.{name}` | {clause} |" for name, clause in INSTEAD.items()]
    assert section("What is missing") == ["| name | instead |", *rows]


def test_every_error_is_of_libclouds_root() -> None:
    """Every error of the tree is a LibcloudError, under which a program catches it."""
    kinds = [kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)]
    found = [kind for kind in kinds if issubclass(kind, Exception)]
    assert len(found) > 20
    assert [kind for kind in found if not issubclass(kind, errors.LibcloudError)] == []


def test_verification_cannot_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """`VERIFY_SSL_CERT = False` has no effect but a warning, with the way to trust a server."""
    monkeypatch.setattr(security, "VERIFY_SSL_CERT", False)
    with pytest.warns(RuntimeWarning, match=r"has no effect.*CA_CERTS_PATH"):
        get_driver("compute", "digitalocean")("token").close()


def test_plain_http_needs_permission() -> None:
    """Plain HTTP to another machine raises InsecureConnectionError before anything is sent."""
    driver = get_driver("compute", "digitalocean")
    with (
        pytest.raises(errors.InsecureConnectionError),
        driver("token", secure=False, host="192.0.2.1") as made,
    ):
        made.list_nodes()


def test_unknown_arguments_are_refused() -> None:
    """An unknown argument of a driver raises InvalidArgumentError with the nearest name."""
    with pytest.raises(errors.InvalidArgumentError, match="did you mean 'region'"):
        get_driver("compute", "ec2")("key", "secret", regoin="eu-west-1")


def test_what_is_not_offered_is_refused_at_once() -> None:
    """An operation that a provider lacks raises a NotImplementedError without a request."""
    with get_driver("compute", "nephoscale")("user", "password", host="192.0.2.1") as driver:
        assert not driver.supports("create_volume")
        with pytest.raises(NotImplementedError) as caught:
            driver.create_volume(1, "data")
        assert isinstance(caught.value, errors.UnsupportedOperationError)


def test_actions_times_and_states() -> None:
    """An action returns True, `created_at` has a time zone, and a state equals its string."""
    driver = get_driver("compute", "dummy")("any key")
    node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
    assert node.created_at.tzinfo is not None
    assert node.state == "running" == str(NodeState.RUNNING)
    assert driver.destroy_node(node) is True


def test_secrets_are_in_no_repr() -> None:
    """A driver and its connection show none of its credentials."""
    with get_driver("compute", "ec2")("AKIAKEY", "very-secret") as driver:
        assert "very-secret" not in repr(driver) + repr(driver.connection)


def test_both_names_of_the_deployment_error() -> None:
    """DeploymentException and DeploymentError are one class."""
    assert DeploymentException is DeploymentError

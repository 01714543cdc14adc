from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from faults.clouds import cloud_of, driver_of, until
from polycloud.errors import ConflictError
from support.ec2account import EC2Account


@pytest.fixture
def account() -> Iterator[EC2Account]:
    with cloud_of("ec2") as cloud:
        assert isinstance(cloud, EC2Account)
        yield cloud


@pytest.fixture
def driver(account: EC2Account) -> Iterator[Any]:
    with driver_of(account, ex_per_page=2) as driver:
        yield driver


def create(driver: Any, name: str, token: str | None = None) -> Any:
    return driver.create_node(name, "t3.nano", "ami-0000000000000000a", ex_clienttoken=token)


def test_a_token_makes_one_instance(account: EC2Account, driver: Any) -> None:
    """A repeated token and request return the same instance, another token returns another one."""
    first = create(driver, "web", "one")
    assert create(driver, "web", "one").id == first.id
    assert create(driver, "web", "two").id != first.id
    assert len(account.servers) == 2


def test_a_token_of_another_request(account: EC2Account, driver: Any) -> None:
    """A token of another request is refused."""
    create(driver, "web", "one")
    with pytest.raises(ConflictError, match="IdempotentParameterMismatch"):
        create(driver, "db", "one")
    assert len(account.servers) == 1


def test_a_token_of_a_terminated_instance(account: EC2Account, driver: Any) -> None:
    """A token creates no second instance after the first one is terminated."""
    driver.destroy_node(create(driver, "web", "one"))
    assert until(lambda: not account.servers)
    with pytest.raises(ConflictError, match="IdempotentInstanceTerminated"):
        create(driver, "web", "one")


def test_pages(driver: Any) -> None:
    """Instances are listed page by page, with the names that they were created with."""
    created = [(create(driver, name).id, name) for name in ("a&b", "c", "d", "e", "f")]
    assert [(node.id, node.name) for node in driver.list_nodes()] == created

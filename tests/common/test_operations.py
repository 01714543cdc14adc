from __future__ import annotations

import pytest

from polycloud.compute.base import Node, NodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from support.web import serve


class ListsOnly(NodeDriver):
    name = "Lists"

    def list_nodes(self) -> list[Node]:
        return []

    def ex_more(self) -> str:
        return "more"


def test_what_is_overridden_is_offered() -> None:
    """An operation is offered where the driver overrides it, a template where all that it needs is."""
    assert ListsOnly.offers("list_nodes")
    assert ListsOnly.offers("get_node")
    assert not ListsOnly.offers("shutdown_node")
    assert not ListsOnly.offers("create_volume")
    assert ListsOnly.offers("ex_more")
    assert not ListsOnly.offers("ex_less")
    assert ListsOnly.extensions() == ["ex_more"]
    assert "create_node" in ListsOnly.operations()


def test_an_instance_may_veto() -> None:
    """A driver may say less of itself than its class offers."""

    class Vetoing(ListsOnly):
        def supports(self, name: str) -> bool:
            return name != "list_nodes" and super().supports(name)

    assert Vetoing.offers("list_nodes")
    assert not Vetoing("key").supports("list_nodes")


def test_a_misspelt_operation() -> None:
    """An unknown operation raises an error with the nearest name, instead of returning False."""
    with pytest.raises(InvalidArgumentError, match="did you mean 'create_node'"):
        ListsOnly("key").supports("creat_node")


def test_what_is_not_offered_is_refused_before_anything_is_sent() -> None:
    """A call that the driver does not offer raises, as a NotImplementedError too, and sends nothing."""
    with serve() as web:
        driver = NephoscaleNodeDriver("user", "password", **web.options)
        with pytest.raises(
            UnsupportedOperationError, match="NephoScale does not offer create_volume"
        ) as caught:
            driver.create_volume(1, "data")
        assert web.seen == []
    assert isinstance(caught.value, NotImplementedError)
    assert caught.value.driver is driver


def test_signatures_and_docstrings_stay() -> None:
    """An operation that is not offered keeps its name and documentation for help() and completion."""
    assert NodeDriver.create_volume.__name__ == "create_volume"
    assert "volume" in (NodeDriver.create_volume.__doc__ or "")

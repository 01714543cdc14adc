"""The facade of drivers of load balancers."""

from __future__ import annotations

from typing import TypeVar

from polycloud.aio.driver import AsyncDriver, Awaited, Iterated
from polycloud.loadbalancer.base import Driver

__all__ = ["AsyncLBDriver"]

D = TypeVar("D", bound=Driver)


class AsyncLBDriver(AsyncDriver[D]):
    """A driver of balancers whose methods are awaited; see `polycloud.loadbalancer.base.Driver` for each."""

    list_protocols = Awaited(Driver.list_protocols)
    list_supported_algorithms = Awaited(Driver.list_supported_algorithms)
    list_balancers = Awaited(Driver.list_balancers)
    iterate_balancers = Iterated(Driver.iterate_balancers)
    get_balancer = Awaited(Driver.get_balancer)
    create_balancer = Awaited(Driver.create_balancer)
    update_balancer = Awaited(Driver.update_balancer)
    destroy_balancer = Awaited(Driver.destroy_balancer)
    balancer_list_members = Awaited(Driver.balancer_list_members)
    balancer_attach_member = Awaited(Driver.balancer_attach_member)
    balancer_attach_compute_node = Awaited(Driver.balancer_attach_compute_node)
    balancer_detach_member = Awaited(Driver.balancer_detach_member)
    balancer_suspend_member = Awaited(Driver.balancer_suspend_member)
    wait_until_running = Awaited(Driver.wait_until_running)
    wait_until_healthy = Awaited(Driver.wait_until_healthy)

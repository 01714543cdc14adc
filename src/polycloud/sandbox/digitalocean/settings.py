"""What can be set about the sandbox's DigitalOcean."""

from __future__ import annotations

from dataclasses import dataclass

from polycloud.sandbox.clouds import Settings


@dataclass(frozen=True, kw_only=True)
class DigitalOceanSettings(Settings):
    """The settings of DigitalOcean.

    Attributes:
        token: permits everything; every token but these two is refused like an expired one.
        read_only_token: permits reading only.
        build: seconds from a create, a rebuild or a restore until the droplet is active.
        power: seconds that any other action on a droplet takes, but for those below.
        copy: seconds that a snapshot, a resize or a transfer of an image takes.
        attach: seconds that a volume, a reserved IP, a firewall or a load balancer needs for a change.
        balance: seconds until a load balancer is active.
        destroy: seconds for which a deleted droplet is still listed, with the status "archive".
        errored: types of actions, with commas between them, that end as errored and without effect;
            "load_balancer" among them is for new load balancers.
        seed_nodes: how many droplets exist from the beginning, active and with the tag "seed".
        droplet_limit: how many droplets there may be beside those.
        reserved_ip_limit: how many reserved IPs there may be.
        page_size: items on a page that asks for no number.
        largest_page: items on a page at most.
        hourly_limit: requests an hour, and then 429; 0 refuses nothing.
        burst_limit: requests a minute, and then 429 with Retry-After; 0 refuses nothing.
    """

    token: str = "dop_v1_sandbox"  # noqa: S105 - opens nothing but a sandbox
    read_only_token: str = "dop_v1_sandbox_read_only"  # noqa: S105
    build: float = 2.0
    power: float = 0.5
    copy: float = 1.0
    attach: float = 0.5
    balance: float = 1.0
    destroy: float = 0.0
    errored: str = ""
    seed_nodes: int = 0
    droplet_limit: int = 25
    reserved_ip_limit: int = 5
    page_size: int = 20
    largest_page: int = 200
    hourly_limit: int = 0
    burst_limit: int = 0

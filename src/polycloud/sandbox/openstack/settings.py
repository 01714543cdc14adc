"""What can be set about the sandbox's OpenStack."""

from __future__ import annotations

from dataclasses import dataclass

from polycloud.sandbox.clouds import Settings


@dataclass(frozen=True, kw_only=True)
class OpenStackSettings(Settings):
    """The settings of OpenStack.

    Attributes:
        user: who the credentials belong to: "demo", a member of the project "demo", or "admin", the
            administrator, whose project is "admin".
        password: that of all users.
        token_lifetime: seconds until a token expires.
        build: seconds from a create or a rebuild until the server is active.
        power: seconds that a reboot, start, stop, pause, suspend or rescue takes.
        copy: seconds that a snapshot, a resize, a migration or an upload of an image takes.
        attach: seconds that a volume needs for any change.
        dns: seconds until all name servers have a change of DNS.
        balancing: seconds that a change of a load balancer takes.
        destroy: seconds for which a deleted server is still listed.
        errored: types of changes, with commas between them, that fail: "create" leaves a server in the status
            ERROR, for lack of a host; "create_zone" and "delete_zone" leave a zone in that status, and
            "create_balancer" a load balancer.
        seed_nodes: how many servers of the project exist from the beginning.
        seed_keypairs: how many key pairs the user has from the beginning.
        server_limit: how many servers a project may have beside those.
        core_limit: how many virtual CPUs a project may have.
        volume_limit: how many volumes a project may have.
        security_group_limit: how many security groups a project may have.
        dns_zone_limit: how many zones of DNS a project may have.
        dns_set_limit: how many record sets, and how many records, a zone may have.
        dns_record_limit: how many records a set may have.
        balancer_limit: how many load balancers a project may have.
        page_size: items on a page at most; Glance's pages have 25 unless a request asks for more.
        largest_page: names in a list of Swift at most.
        largest_object: bytes in an object at most, unless it is made of segments.
        minute_limit: Nova's requests a minute, and then 413 with Retry-After; 0 refuses nothing.
    """

    user: str = "demo"
    password: str = "openstack_sandbox"  # noqa: S105 - opens nothing but a sandbox
    token_lifetime: float = 3600.0
    build: float = 2.0
    power: float = 0.5
    copy: float = 1.0
    attach: float = 0.5
    dns: float = 0.5
    balancing: float = 0.3
    destroy: float = 0.0
    errored: str = ""
    seed_nodes: int = 0
    seed_keypairs: int = 0
    server_limit: int = 25
    core_limit: int = 400
    volume_limit: int = 25
    security_group_limit: int = 10
    dns_zone_limit: int = 100
    dns_set_limit: int = 500
    dns_record_limit: int = 20
    balancer_limit: int = 100
    page_size: int = 1000
    largest_page: int = 10000
    largest_object: int = 5368709122
    minute_limit: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_user()
        if self.page_size == 0:
            raise ValueError("page_size must be 1 or more, got 0")

    def check_user(self) -> None:
        """Raise ValueError for a user that does not exist."""
        if self.user not in {"admin", "demo"}:
            raise ValueError(f"user must be admin or demo, got {self.user!r}")

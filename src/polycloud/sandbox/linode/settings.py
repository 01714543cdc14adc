"""What can be set about the sandbox's Linode."""

from __future__ import annotations

from dataclasses import dataclass

from polycloud.sandbox.clouds import Settings


@dataclass(frozen=True, kw_only=True)
class LinodeSettings(Settings):
    """The settings of Linode.

    Attributes:
        token: permits everything; every token but these two is refused like an expired one.
        read_only_token: permits reading only.
        username: the one user of the account, whose keys `authorized_users` means.
        build: seconds from a create or a rebuild until the Linode has its disks.
        boot: seconds that a boot takes; where a create boots, it takes both.
        power: seconds that a shutdown or a reboot takes.
        copy: seconds that a resize, a clone, a migration, a backup, an image or a disk takes.
        attach: seconds that a volume needs to be made, changed, or attached to a Linode that runs, and a
            NodeBalancer to check a node.
        destroy: seconds for which a deleted Linode is still listed, with the status "deleting".
        failing: actions of events, with commas between them, that end as failed and without effect.
        seed_nodes: how many Linodes exist from the beginning, running and with the tag "seed".
        linode_limit: how many Linodes there may be beside those.
        page_size: items on a page that asks for no number.
        smallest_page: the smallest number of items that a page may ask for.
        largest_page: the largest one.
        list_limit: requests for pages of lists a minute, and then 429; 0 refuses nothing.
        request_limit: other requests a minute, and then 429; 0 refuses nothing.
        create_limit: creates of Linodes in 15 seconds, and then 429; 0 refuses nothing.
    """

    token: str = "linode_sandbox"  # noqa: S105 - opens nothing but a sandbox
    read_only_token: str = "linode_sandbox_read_only"  # noqa: S105
    username: str = "sandbox"
    build: float = 1.5
    boot: float = 0.5
    power: float = 0.5
    copy: float = 1.0
    attach: float = 0.5
    destroy: float = 0.0
    failing: str = ""
    seed_nodes: int = 0
    linode_limit: int = 25
    page_size: int = 100
    smallest_page: int = 25
    largest_page: int = 500
    list_limit: int = 0
    request_limit: int = 0
    create_limit: int = 0

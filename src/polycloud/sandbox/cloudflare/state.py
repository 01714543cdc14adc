"""Everything that one user has."""

from __future__ import annotations

from typing import ClassVar

from polycloud.sandbox.cloudflare.settings import CloudflareSettings
from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.machines import Machines
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.timeline import Account, Event

ACCOUNT = "01a7362d577a6c3019a474fd6f485823"
TOKEN = "ed17574386854bf78a67040be0a770b0"  # noqa: S105 - an id


class State(Account[Event]):
    """The user: one account, which has zones."""

    event_type = Event
    date_format: ClassVar[str] = "%Y-%m-%dT%H:%M:%S.%fZ"
    first_number = 1

    def __init__(self, settings: CloudflareSettings, clock: Clock, machines: Machines) -> None:
        super().__init__(settings, clock, machines, "")
        account = Item(id=ACCOUNT, name="Sandbox", created_on=self.stamp())
        self.accounts: dict[str, Item] = {account.id: account}
        self.zones: dict[str, Item] = {}

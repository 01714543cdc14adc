"""The account, and the events on everything it has."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode import views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.state import State, found

_FIELDS = frozenset({"action", "created", "id", "read", "entity.id", "entity.type"})


def _account(_: State, __: Call) -> Reply:
    account = {
        "first_name": "Tux",
        "last_name": "Sandbox",
        "company": "",
        "email": "sandbox@example.com",
        "phone": "215-555-0100",
        "address_1": "123 Main Street",
        "address_2": "",
        "city": "Philadelphia",
        "state": "PA",
        "zip": "19102-1234",
        "country": "US",
        "tax_id": "",
        "balance": 0.0,
        "balance_uninvoiced": 0.0,
        "billing_source": "linode",
        "active_since": "2018-01-01T00:01:01",
        "active_promotions": [],
        "capabilities": ["Linodes", "Block Storage", "Cloud Firewall"],
        "credit_card": {"expiry": "11/2032", "last_four": "1111"},
        "euuid": "e1af5eec-526f-487d-b317-eb34c87d71aa",
    }
    return Reply(account)


def _list(state: State, _: Call) -> Listing:
    """The events, the latest first."""
    return Listing(list(reversed(state.events.values())), partial(views.event, state), _FIELDS)


def _get(state: State, call: Call) -> Reply:
    return Reply(views.event(state, found(state.events, call.path["event"])))


def _seen(state: State, call: Call) -> Reply:
    """Mark this event and all before it."""
    last = found(state.events, call.path["event"])
    for event in state.events.values():
        event.seen = event.seen or event.id <= last.id
    return DONE


def _read(state: State, call: Call) -> Reply:
    found(state.events, call.path["event"]).read = True
    return DONE


ROUTES: Routes = {
    "/account": {"GET": _account},
    "/account/events": {"GET": _list},
    "/account/events/{event:int}": {"GET": _get},
    "/account/events/{event:int}/seen": {"POST": _seen},
    "/account/events/{event:int}/read": {"POST": _read},
}

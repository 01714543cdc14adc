"""Designate: zones, and the record sets of zones.

A change takes a while to reach all name servers, and until then what was changed is PENDING; a zone that is
being deleted stays that long. Each zone has an SOA and an NS record, which belong to Designate. `items` are
zones and sets, `requests` reads requests and makes pages, `rdata` checks records, `zones` and `recordsets`
have the handlers.
"""

"""Cloud Load Balancers: balancers and their nodes.

Source: Rackspace's API reference of Cloud Load Balancers, version 1.0. A change takes a while, in which the
balancer is in BUILD or PENDING_UPDATE and refuses others. `requests` reads bodies, `faults` has the refusals,
`balancers` and `nodes` the handlers.
"""

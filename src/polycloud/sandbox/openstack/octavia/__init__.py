"""Octavia: load balancers with their listeners, pools, members and health monitors.

A change takes a while, in which the balancer and what is changed are PENDING, and other changes of the
balancer are refused. A balancer is created with all that it shall have in one request; listeners, pools and
monitors are not created apart. Subnets are not looked up, and nothing is balanced. `fields` checks requests,
`items` are the objects, `graph` makes them from a request, `handlers` has the paths.
"""

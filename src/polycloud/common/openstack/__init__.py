"""OpenStack's identity and what the drivers of all its services share.

- `login`: who logs in and how; `identity`: the login at Keystone; `version1`: the login of Swift alone;
- `catalog`: where the services are;
- `clouds`: clouds.yaml and `OS_*`; `publicclouds`: the table of public clouds;
- `account`: what the connections of an account share;
- `connection`, `response`: requests to one service, their lists, microversions and errors;
- `driver`: the arguments of drivers.

A service's driver subclasses `OpenStackBaseConnection` (its types in the catalogue, its version) and
`OpenStackBaseDriver` with the service's base.
"""

from polycloud.common.openstack.account import Account
from polycloud.common.openstack.connection import OpenStackBaseConnection
from polycloud.common.openstack.driver import OpenStackBaseDriver
from polycloud.common.openstack.identity import Access
from polycloud.common.openstack.login import METHODS, Login, Method
from polycloud.common.openstack.response import OpenStackResponse

__all__ = [
    "METHODS",
    "Access",
    "Account",
    "Login",
    "Method",
    "OpenStackBaseConnection",
    "OpenStackBaseDriver",
    "OpenStackResponse",
]

"""Health checks as callers give them."""

from __future__ import annotations

from polycloud.common.arguments import require_count, require_text
from polycloud.errors import InvalidArgumentError
from polycloud.loadbalancer.base import check_port
from polycloud.loadbalancer.settings import HealthCheck

COUNTS = ("interval", "timeout", "healthy", "unhealthy")


def require_check(check: HealthCheck) -> HealthCheck:
    """Return a health check with its protocol in lower case.

    Raises `InvalidArgumentError` unless its numbers are above 0, its port is one, and its path begins with /.
    """
    protocol = require_text("the protocol of a health check", check.protocol).lower()
    for name in COUNTS:
        if getattr(check, name) is not None:
            require_count(f"{name} of a health check", getattr(check, name))
    if check.port is not None:
        check_port(check.port, "the port of a health check")
    if check.path is not None and not require_text("the path of a health check", check.path).startswith("/"):
        raise InvalidArgumentError(f"the path of a health check must begin with /, got {check.path!r}")
    return HealthCheck(**{**vars(check), "protocol": protocol})

"""Where requests to an origin go: to its own address, or to a proxy that forwards or tunnels them."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct, field
from urllib3 import make_headers
from urllib3.connection import port_by_scheme
from urllib3.exceptions import LocationValueError
from urllib3.util import Url, parse_url

from polycloud.errors import InvalidArgumentError
from polycloud.http.messages import TransportOptions
from polycloud.http.protocol import HeaderLines

__all__ = ["Route", "route_to", "target_of"]

TARGET = re.compile(r"[!-~]+")
VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


class Route(Struct, frozen=True):
    """The way to an origin.

    `host_header` names the origin in requests. `prefix` is the part before the path that a proxy wants, which
    forwards what is not encrypted; without it a proxy tunnels. `proxy_headers` are for the proxy alone.
    `header_lines` keeps the headers of the last request.
    """

    scheme: str
    host: str
    port: int
    host_header: str
    proxy_url: str | None = None
    proxy_headers: dict[str, str] = {}
    prefix: str = ""
    header_lines: HeaderLines = field(default_factory=HeaderLines)

    def __repr__(self) -> str:
        return f"<Route to {self.host_header}>"  # the proxy's URL may hold a password


def route_to(origin: str, options: TransportOptions) -> Route:
    """Return the way to an origin. Raises `InvalidArgumentError` if it cannot be one."""
    try:
        where = parse_url(origin)
    except LocationValueError:
        raise InvalidArgumentError("not a usable URL") from None
    scheme, host = where.scheme or "", where.host or ""
    port = port_by_scheme[scheme] if where.port is None else where.port
    host_header = _host_header(where)
    proxy = options.proxy_for(origin)
    if not proxy:
        return Route(scheme, host, port, host_header)
    prefix = f"http://{host_header}" if scheme == "http" else ""
    return Route(scheme, host, port, host_header, proxy, _login(proxy), prefix)


def target_of(url: str, origin: str) -> str:
    """Return path and query of a URL as the request line names them."""
    rest = url[len(origin) :].partition("#")[0]
    target = rest if rest.startswith("/") else f"/{rest}"
    return target if TARGET.fullmatch(target) else quote(target, safe=VISIBLE)


def _host_header(where: Url) -> str:
    host = re.sub(r"%[^]]*", "", where.host or "").rstrip(".")  # without the scope of an IPv6 address
    return host if where.port in {None, port_by_scheme[where.scheme or ""]} else f"{host}:{where.port}"


def _login(proxy: str) -> dict[str, str]:
    user_info, at, _ = urlsplit(proxy).netloc.rpartition("@")
    return dict(make_headers(proxy_basic_auth=unquote(user_info))) if at else {}

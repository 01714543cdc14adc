"""The servers that are measured against, each in a process of its own, so that their CPU time is not counted.

    python bench/servers.py pages COUNT LATENCY     # lists of COUNT things, recorded from the sandbox
    python bench/servers.py objects                 # an S3 that answers from memory
    python bench/servers.py zone COUNT              # a PowerDNS with a zone of COUNT records
    python bench/servers.py nodes                   # DigitalOcean's sandbox, whose nodes accept SSH
    python bench/servers.py faults SEED             # DigitalOcean's sandbox behind a network that fails

Prints one line, host and port first, and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from zonevalues import DOMAIN, zone_values

RECORDED = Path(__file__).parent / "recorded"
HEADERS = (
    "date: Sun, 29 Nov 2026 12:00:00 GMT\r\ncontent-type: {}\r\ncontent-length: {}\r\n"
    "x-request-id: 12efbf7b-f58d-44fb-929c-ce5c38371516\r\n"
    "ratelimit-limit: 5000\r\nratelimit-remaining: 4999\r\nratelimit-reset: 4102444800\r\n\r\n"
)
FIRST = 100_000_001
"""The number in the first thing's id: all have nine digits."""
RECORD_SETS = 300
"""Route 53's record sets on a page."""


class Pages:
    """Lists of `count` things, each a recorded one with a number and an address of its own."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.droplet, self.server, self.reservation, self.regions, self.zones = (
            (RECORDED / name).read_text(encoding="utf-8").strip()
            for name in ("droplet.json", "server.json", "reservation.xml", "regions.json", "zones.json")
        )
        self.sets = (RECORDED / "recordsets.xml").read_text(encoding="utf-8").splitlines()
        self.of = lru_cache(maxsize=512)(self._of)

    def _of(self, path: str, query: str) -> bytes:
        """The response to a request; `query` is a form where it was sent as one."""
        fields = dict(parse_qsl(query))
        if "Action" in fields:
            return self._reservations(fields)
        if path.startswith("/v2/droplets"):
            return self._droplets(int(fields.get("page", 1)), int(fields.get("per_page", 200)))
        if "/hostedzone" in path:
            return self._record_sets(path, fields)
        if path.startswith("/server/cloud"):
            head = f'"success":true,"response":200,"total_count":{self.count}'
            return _response("application/json", f'{{{head},"data":[{self._things(self.server)}]}}')
        return _response("application/json", self.zones if "zone" in path else self.regions)

    def _things(self, thing: str, start: int = 0, size: int | None = None, between: str = ",") -> str:
        numbers = range(start, self.count if size is None else min(self.count, start + size))
        return between.join(
            thing.replace("%NUMBER%", str(FIRST + number)).replace("%ADDRESS%", _address(number))
            for number in numbers
        )

    def _droplets(self, page: int, size: int) -> bytes:
        last = -(-self.count // size)
        links = {"last": last, "next": page + 1} if page < last else {}
        pages = {
            name: f"https://api.digitalocean.com/v2/droplets?page={number}&per_page={size}"
            for name, number in links.items()
        }
        rest = json.dumps({"links": {"pages": pages} if pages else {}, "meta": {"total": self.count}})
        droplets = self._things(self.droplet, (page - 1) * size, size)
        return _response("application/json; charset=utf-8", f'{{"droplets":[{droplets}],{rest[1:]}')

    def _record_sets(self, path: str, fields: dict[str, str]) -> bytes:
        """A page of a zone's record sets, or the list of this one zone, in the version of the path."""
        namespace = f'xmlns="https://route53.amazonaws.com/doc/{path.split("/")[1]}/"'
        if not path.endswith("/rrset"):
            zone = (
                "<Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>1</CallerReference><Config>"
                "<Comment>zone</Comment><PrivateZone>false</PrivateZone></Config>"
                f"<ResourceRecordSetCount>{self.count}</ResourceRecordSetCount>"
            )
            inner = (
                f"<HostedZones><HostedZone>{zone}</HostedZone></HostedZones><IsTruncated>false</IsTruncated>"
            )
            return _response(
                "text/xml", f"<ListHostedZonesResponse {namespace}>{inner}</ListHostedZonesResponse>"
            )
        start = int(fields.get("name", f"n{FIRST}.").partition(".")[0][1:]) - FIRST
        end = min(self.count, start + int(fields.get("maxitems", RECORD_SETS)))
        kinds = self.sets
        found = "".join(
            kinds[at % len(kinds)].replace("%NUMBER%", str(FIRST + at)).replace("%ADDRESS%", _address(at))
            for at in range(start, end)
        )
        more = f"<IsTruncated>{str(end < self.count).lower()}</IsTruncated>"
        if end < self.count:
            kind = kinds[end % len(kinds)].partition("<Type>")[2].partition("<")[0]
            more += f"<NextRecordName>n{FIRST + end}.example.com.</NextRecordName>"
            more += f"<NextRecordType>{kind}</NextRecordType>"
        inner = f"<ResourceRecordSets>{found}</ResourceRecordSets>{more}<MaxItems>{RECORD_SETS}</MaxItems>"
        name = "ListResourceRecordSetsResponse"
        return _response("text/xml", f'<?xml version="1.0"?>\n<{name} {namespace}>{inner}</{name}>')

    def _reservations(self, fields: dict[str, str]) -> bytes:
        """A page of `MaxResults`; everything where none is asked for, as Amazon does."""
        start, size = int(fields.get("NextToken", 0)), int(fields.get("MaxResults", self.count))
        token = f"<nextToken>{start + size}</nextToken>" if start + size < self.count else ""
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<DescribeInstancesResponse'
            ' xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>8f7724cf-496f-496e-8fe3</requestId>'
            f"<reservationSet>{self._things(self.reservation, start, size, '')}</reservationSet>{token}"
            "</DescribeInstancesResponse>"
        )
        return _response("text/xml;charset=UTF-8", body)


def _address(number: int) -> str:
    return f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"


class Zone:
    """A PowerDNS with one zone, most of it addresses; changes are accepted, and not kept."""

    def __init__(self, count: int) -> None:
        zone: dict[str, Any] = {
            "id": f"{DOMAIN}.",
            "name": f"{DOMAIN}.",
            "kind": "Native",
            "serial": 1,
            "dnssec": False,
        }
        zone |= {"masters": [], "account": "", "notified_serial": 0, "last_check": 0}
        sets = [_set(*value) for value in zone_values(count)]
        self._server = _response("application/json", json.dumps({"version": "4.9.0", "id": "localhost"}))
        self._zones = _response("application/json", json.dumps([zone]))
        self._bare = _response("application/json", json.dumps(zone))
        self._zone = _response("application/json", json.dumps({**zone, "rrsets": sets}))

    def respond(self, path: str, text: str) -> bytes:
        """The response to a request; only changes have a body of JSON."""
        if text.startswith("{"):
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        if path.endswith("/zones"):
            return self._zones
        if "/zones/" not in path:
            return self._server
        return self._bare if "rrsets=false" in text else self._zone


def _set(name: str, type_: str, value: str) -> dict[str, Any]:
    records = [{"content": value, "disabled": False}]
    return {"name": f"{name}.{DOMAIN}.", "type": type_, "ttl": 300, "comments": [], "records": records}


def _response(kind: str, body: str) -> bytes:
    encoded = body.encode()
    return f"HTTP/1.1 200 OK\r\n{HEADERS.format(kind, len(encoded))}".encode() + encoded


class Exchange(asyncio.Protocol):
    """One connection: reads requests, and answers each after `latency` seconds."""

    def __init__(self, respond: Callable[[str, str], bytes], latency: float) -> None:
        self.respond, self.latency = respond, latency
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
            length = int(fields.get("content-length", 0))
            if len(self.received) < end + 4 + length:
                return
            form = self.received[end + 4 : end + 4 + length].decode()
            self.received = self.received[end + 4 + length :]
            path, _, query = head.split(" ", 2)[1].partition("?")
            response = self.respond(path, form or query)
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.transport.write, response)
            else:
                self.transport.write(response)


def serve_pages(count: str, latency: str) -> None:
    """Serve lists until standard input ends."""

    async def main() -> None:
        pages, loop = Pages(int(count)), asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Exchange(pages.of, float(latency)), "127.0.0.1", 0, backlog=2048
        )
        _print(*server.sockets[0].getsockname())
        await loop.run_in_executor(None, sys.stdin.read)

    asyncio.run(main())


def serve_zone(count: str) -> None:
    """Serve a zone until standard input ends."""

    async def main() -> None:
        zone, loop = Zone(int(count)), asyncio.get_running_loop()
        server = await loop.create_server(lambda: Exchange(zone.respond, 0), "127.0.0.1", 0, backlog=2048)
        _print(*server.sockets[0].getsockname())
        await loop.run_in_executor(None, sys.stdin.read)

    asyncio.run(main())


def serve_objects() -> None:
    """Serve objects until standard input ends."""
    from objectserver import Store

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Store, "127.0.0.1", 0, backlog=2048)
        _print(*server.sockets[0].getsockname())
        await loop.run_in_executor(None, sys.stdin.read)

    asyncio.run(main())


def serve_nodes() -> None:
    """Serve DigitalOcean; its nodes accept SSH."""
    from polycloud.sandbox import Sandbox

    with Sandbox("digitalocean", build=0.05, droplet_limit=1_000_000, no_isolation=True) as cloud:
        _print(cloud.options["host"], cloud.options["port"], cloud.credentials[0], cloud.ssh_port)
        sys.stdin.read()


def serve_faults(seed: str) -> None:
    """Serve DigitalOcean behind a proxy that follows a plan of faults; print the droplets at the end."""
    from polycloud.sandbox import Sandbox
    from polycloud.testing.faults import ALL, FaultPlan, FaultProxy

    plan = FaultPlan(int(seed), 0.3, [fault for fault in ALL if fault != "gzip bomb"])
    with (
        Sandbox("digitalocean", ssh="off", build=0.05, droplet_limit=1000, page_size=200) as cloud,
        FaultProxy("127.0.0.1", cloud.port, plan, pause=0.05) as proxy,
    ):
        _print("127.0.0.1", proxy.port, cloud.credentials[0])
        sys.stdin.read()
        _print(json.dumps([server["name"] for server in cloud.servers]))


def _print(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201


SERVERS: dict[str, Callable[..., None]] = {
    "pages": serve_pages,
    "zone": serve_zone,
    "objects": serve_objects,
    "nodes": serve_nodes,
    "faults": serve_faults,
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](*sys.argv[2:])

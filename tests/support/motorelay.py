"""moto for Libcloud's drivers of AWS, whose older signatures it does not take for those of a service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from support.web import Answer, Seen, Web, serve

EC2 = b"http://ec2.amazonaws.com/doc/2016-11-15"
"""What moto calls EC2's namespace; Amazon's has a slash at its end."""
ROUTE53, MOTOS = b"2012-02-29", b"2013-04-01"
"""The version of Route 53's API that Libcloud speaks, and that of moto."""


@contextmanager
def relayed(port: int, service: str) -> Iterator[Web]:
    """Serve one service of moto, whatever the signature of a request is."""
    scope = f"AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{service}/aws4_request, Signature=0"
    with urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=32, block=True) as pool:

        def answer(seen: Seen) -> Answer:
            kept = {name: seen.headers[name] for name in ("Content-Type",) if name in seen.headers}
            headers = {**kept, "Authorization": scope, "Host": f"{service}.us-east-1.amazonaws.com"}
            target = seen.target.replace(ROUTE53.decode(), MOTOS.decode()).replace("/2012-06-01/", "/")
            sent = seen.body.replace(ROUTE53, MOTOS) or None
            response = pool.request(seen.method, target, body=sent, headers=headers)
            body = response.data.replace(EC2 + b'"', EC2 + b'/"').replace(MOTOS, ROUTE53)
            found = {"Content-Type": response.headers.get("Content-Type", "text/xml")}
            return Answer(response.status, body, found)

        with serve(answer) as web:
            yield web

"""Name servers that nobody here wrote, from the kit beside this repository, and DNS queries to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import dns.query
import dns.rdatatype
import pytest

from support import kit
from support.kitopenstack import front_of
from support.web import serve

SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0"
"""The secret of the TSIG key "t" of BIND and Knot."""


def nameserver(name: str) -> int:
    """Return the port of a server on 127.0.0.1; skip unless `make nameservers` runs the test."""
    if os.environ.get("POLYCLOUD_NAMESERVERS") is None:
        pytest.skip("name servers of others: make nameservers")
    port: int = kit.started(name)["port"]
    return port


@contextmanager
def designate() -> Iterator[str]:
    """Yield the address of a Keystone with Designate, both behind one address."""
    ports = {name: nameserver(name) for name in ("designate", "keystone")}
    with serve(front_of(ports)) as web:
        yield f"{web.url}/keystone"


def served(port: int, name: str, type_: str) -> list[str]:
    """Return what a name server answers for a name, sorted, each value as in a zone file."""
    query = dns.message.make_query(name, type_)
    answer = dns.query.tcp(query, "127.0.0.1", port=port, timeout=10)
    kind = dns.rdatatype.from_text(type_)
    return sorted(one.to_text() for part in answer.answer if part.rdtype == kind for one in part)

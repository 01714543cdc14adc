"""A name server on 127.0.0.1 that answers what a test says, over UDP and TCP."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class NameServer:
    """Answers queries with `answers`, by name and type; NXDOMAIN for a name that is in none of them.

    `failing` is the code that it responds with instead, "" for none; `is_silent` whether it says nothing;
    `is_authoritative` whether it claims to have the zone. `asked` has the names and types of the queries.
    """

    def __init__(self, answers: dict[tuple[str, str], list[str]] | None = None) -> None:
        self.answers = answers or {}
        self.referrals: dict[tuple[str, str], list[str]] = {}
        self.failing = ""
        self.is_silent = False
        self.is_authoritative = True
        self.is_truncating = False
        self.asked: list[tuple[str, str]] = []

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve in threads until the block ends."""
        with socket.create_server(("127.0.0.1", 0)) as tcp:
            self.address: tuple[str, int] = tcp.getsockname()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.bind(self.address)
                threads = [
                    threading.Thread(target=self._serve_udp, args=(udp,), daemon=True),
                    threading.Thread(target=self._serve_tcp, args=(tcp,), daemon=True),
                ]
                for thread in threads:
                    thread.start()
                yield self
                self.is_silent = True
                udp.sendto(b"", self.address)
                socket.create_connection(self.address).close()
                for thread in threads:
                    thread.join()

    def _serve_udp(self, udp: socket.socket) -> None:
        while True:
            data, client = udp.recvfrom(4096)
            if not data:
                return
            if not self.is_silent:
                udp.sendto(self._response(data, truncated=self.is_truncating), client)

    def _serve_tcp(self, tcp: socket.socket) -> None:
        while True:
            connection, _ = tcp.accept()
            with connection, connection.makefile("rb") as stream:
                size = stream.read(2)
                if not size:
                    return
                response = self._response(stream.read(*struct.unpack("!H", size)))
                connection.sendall(struct.pack("!H", len(response)) + response)

    def _response(self, data: bytes, *, truncated: bool = False) -> bytes:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, type_ = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, type_))
        response = dns.message.make_response(query)
        if self.failing:
            response.set_rcode(dns.rcode.from_text(self.failing))
            return response.to_wire()
        if self.is_authoritative:
            response.flags |= dns.flags.AA
        if truncated:
            response.flags |= dns.flags.TC
            return response.to_wire()
        if name not in {known for known, _ in self.answers}:
            response.set_rcode(dns.rcode.NXDOMAIN)
        values = self.answers.get((name, type_))
        if values:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", type_, *values))
        for (owner, kind), texts in self.referrals.items():
            part = response.authority if kind == "NS" else response.additional
            part.append(dns.rrset.from_text(f"{owner}.", 60, "IN", kind, *texts))
        return response.to_wire()

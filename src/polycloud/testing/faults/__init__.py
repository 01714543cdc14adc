"""A proxy between a driver and a server, which injects faults: the same ones for the same seed.

    with FaultProxy(cloud.host, cloud.port, FaultPlan(seed=7, rate=0.3)) as proxy:
        driver = MyNodeDriver("key", **proxy.options)

It speaks HTTP/1.1, needs only Python, and stands in one of four places: as the server; as the server, in TLS
(``tls=``); as an HTTP proxy that forwards (``as_proxy=True``); as one that opens tunnels, with TLS within
(both). A CONNECT is a request, and meets faults, like any other; the server does not see it.

| fault                                    | does the server act? | what the caller gets                     |
|------------------------------------------|----------------------|------------------------------------------|
| `refuse`                                 | no                   | a reset; new connections are refused     |
|                                          |                      | for `outage` seconds                     |
| `reset before`, `close`                  | no                   | a reset, the end of the connection       |
| `reset after`, `close after`             | yes                  | a reset, the end of the connection       |
| `reset midway`, `truncate`               | yes                  | half the response, and a reset, the end  |
| `stall`                                  | no                   | nothing for ever                         |
| `stall after`                            | yes                  | nothing for ever                         |
| `delay`                                  | yes                  | the right response, `delay` seconds late |
| `429`                                    | no                   | status 429 with Retry-After              |
| `408`, `499`, `500`, `502`, `503`, `504` | no                   | that status                              |
| `52x`                                    | no                   | the statuses 520 to 530 in turn          |
| `408 after`, `429 after` and so on       | yes                  | that status                              |
| `garbage`                                | yes                  | bytes that are not HTTP                  |
| `garbage body`                           | yes                  | its status, with a body that is neither  |
|                                          |                      | text nor JSON                            |
| `html`                                   | no                   | 200 with a page, as from captive portals |
| `huge header`, `many headers`            | yes                  | a header of 100 KB, 5,000 headers more   |
| `length too small`, `length too large`   | yes                  | a wrong Content-Length                   |
| `no length`                              | yes                  | the right response, ended by a close     |
| `early hints`                            | yes                  | 103, then the right response             |
| `gzip bomb`                              | yes                  | 1 MB of gzip that becomes 1 GB           |
| `drip head`, `drip body`                 | yes                  | the response, `pause` seconds a byte     |
| `drip chunk line`, `drip trailer`,       | yes                  | the response; 1,000 bytes of a chunk's   |
| `drip gzip`                              |                      | line, a trailer, a gzip header drip      |
| `tls garbage`, `tls record`, `tls alert` | yes                  | bytes that are not TLS, a forged record, |
|                                          |                      | an alert, all past the connection's TLS  |
"""

from __future__ import annotations

from polycloud.testing.faults.plan import ALL, Fault, FaultList, FaultPlan, SeenRequest
from polycloud.testing.faults.proxy import FaultProxy

__all__ = ["ALL", "Fault", "FaultList", "FaultPlan", "FaultProxy", "SeenRequest"]

"""What can be set about the sandbox's Cloudflare."""

from __future__ import annotations

from dataclasses import dataclass

from polycloud.sandbox.clouds import Settings


@dataclass(frozen=True, kw_only=True)
class CloudflareSettings(Settings):
    """The settings of Cloudflare.

    Attributes:
        token: an API token that permits everything.
        read_only_token: an API token that permits reading only.
        email: the user's address, which goes with the key.
        api_key: the user's global API key, which permits everything.
        activation: seconds from a zone's create until it is active; until then it is pending.
        zone_page: zones on a page at most.
        record_page: records on a page at most.
        batch_limit: operations in a batch at most; the paid plans have 3500.
        shortest_ttl: the shortest TTL in seconds beside 1, which is automatic; Enterprise zones have 30.
        tag_limit: tags of a record at most; the free plan has 0.
        request_limit: requests in five minutes, and then 429 until they are over; Cloudflare has 1200, and 0
            refuses nothing.
    """

    token: str = "sandbox_token_0123456789abcdef0123456789"  # noqa: S105 - opens nothing but a sandbox
    read_only_token: str = "sandbox_read_only_0123456789abcdef012345"  # noqa: S105
    email: str = "user@example.com"
    api_key: str = "0123456789abcdef0123456789abcdef01234"
    activation: float = 0.0
    zone_page: int = 50
    record_page: int = 5000
    batch_limit: int = 200
    shortest_ttl: int = 60
    tag_limit: int = 20
    request_limit: int = 0

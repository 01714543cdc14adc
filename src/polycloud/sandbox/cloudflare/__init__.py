"""A sandbox that speaks the part of Cloudflare's API v4 that DNS needs: accounts, zones, records."""

from polycloud.sandbox.cloudflare.cloud import Cloudflare
from polycloud.sandbox.cloudflare.settings import CloudflareSettings

__all__ = ["Cloudflare", "CloudflareSettings"]

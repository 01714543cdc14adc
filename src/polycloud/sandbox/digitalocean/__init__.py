"""DigitalOcean's API, version 2, for servers and what belongs to them."""

from polycloud.sandbox.digitalocean.cloud import DigitalOcean
from polycloud.sandbox.digitalocean.settings import DigitalOceanSettings

__all__ = ["DigitalOcean", "DigitalOceanSettings"]

"""Public clouds that run OpenStack: names and identity services, and nothing more.

`profile: NAME` in clouds.yaml takes its identity URL and regions from here; `get_driver("ovh")` is the
driver with that URL. A URL with `{region}` is one of each region. Rackspace, which logs in by a way of its
own, has drivers.

Source: the providers' documentation, and the vendor profiles of openstacksdk 4.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class PublicCloud(msgspec.Struct, frozen=True):
    """A public cloud: `auth_url` is its identity service, `regions` are those that are known."""

    name: str
    auth_url: str
    regions: tuple[str, ...] = ()
    website: str = ""


PUBLIC_CLOUDS: Mapping[str, PublicCloud] = {
    "auro": PublicCloud("AURO", "https://api.van2.auro.io:5000/v3", ("RegionOne",)),
    "binero": PublicCloud("Binero", "https://auth.binero.cloud:5000/v3", ("europe-se-1",)),
    "catalyst": PublicCloud(
        "Catalyst Cloud", "https://api.nz-por-1.catalystcloud.io:5000/v3", ("nz-por-1", "nz-hlz-1")
    ),
    "citycloud": PublicCloud(
        "City Cloud",
        "https://{region}.citycloud.com:5000/v3",
        ("Buf1", "Fra1", "Sto2", "Kna1", "dx1", "tky1"),
    ),
    "dreamcompute": PublicCloud("DreamCompute", "https://iad2.dream.io:5000/v3", ("RegionOne",)),
    "elastx": PublicCloud("Elastx", "https://ops.elastx.cloud:5000/v3", ("se-sto",)),
    "entercloudsuite": PublicCloud(
        "Enter Cloud Suite", "https://api.entercloudsuite.com/v3", ("it-mil1", "nl-ams1", "de-fra1")
    ),
    "otc": PublicCloud("Open Telekom Cloud", "https://iam.{region}.otc.t-systems.com/v3", ("eu-de", "eu-nl")),
    "otc-swiss": PublicCloud(
        "Swiss Open Telekom Cloud", "https://iam-pub.eu-ch2.sc.otc.t-systems.com/v3", ("eu-ch2",)
    ),
    "ovh": PublicCloud("OVHcloud", "https://auth.cloud.ovh.net/v3", website="https://www.ovhcloud.com"),
    "ovh-us": PublicCloud(
        "OVHcloud US",
        "https://auth.cloud.ovh.us/v3",
        ("US-EAST-VA-1", "US-WEST-OR-1"),
        "https://us.ovhcloud.com",
    ),
    "switchcloud": PublicCloud("Switch Cloud", "https://identity.compute.cloud.switch.ch/v3", ("zhw", "zhc")),
    "switchengines": PublicCloud("SWITCHengines", "https://keystone.cloud.switch.ch:5000/v3", ("LS", "ZH")),
    "vexxhost": PublicCloud(
        "VEXXHOST", "https://auth.vexxhost.net/v3", ("ca-ymq-1", "sjc1"), "https://vexxhost.com"
    ),
    "zetta": PublicCloud("Zetta.IO", "https://identity.api.zetta.io/v3", ("no-osl1",)),
}
"""The clouds by the name of their profile."""

RACKSPACE = PublicCloud(
    "Rackspace",
    "https://identity.api.rackspacecloud.com/v2.0",
    ("DFW", "ORD", "IAD", "LON", "SYD", "HKG"),
    "https://www.rackspace.com",
)
RACKSPACE_UK = PublicCloud(
    RACKSPACE.name, "https://lon.identity.api.rackspacecloud.com/v2.0", ("LON",), RACKSPACE.website
)

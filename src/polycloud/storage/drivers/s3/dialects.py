"""What the stores that speak S3 do otherwise, as data.

Sources: each store's documentation of its S3 API.
"""

from __future__ import annotations

import msgspec

from polycloud.storage.types import Provider


class Dialect(msgspec.Struct, frozen=True):
    """A store that speaks S3.

    `host` is the name of its host, in which `{region}` is replaced, or "" where every user has another one;
    `region` is the default one. `md5` says that it verifies uploads by `Content-MD5`, the others by
    `x-amz-checksum-crc32`, which costs a third of the time. `location` says that a create of a container
    names its region, unless that is the default one; `bulk_delete` that one request deletes many objects;
    `conditions` that uploads keep `if_match` and `if_none_match`, which other stores would ignore.
    """

    title: str
    host: str
    region: str
    website: str
    md5: bool = True
    location: bool = False
    bulk_delete: bool = True
    conditions: bool = True


AMAZON = Dialect(
    "Amazon S3", "", "us-east-1", "https://aws.amazon.com/s3/", md5=False, location=True
)  # its hosts are those of `AWSBaseDriver`, since partitions have other domains

DIALECTS: dict[Provider, Dialect] = {
    Provider.BACKBLAZE_B2: Dialect(
        "Backblaze B2",
        "s3.{region}.backblazeb2.com",
        "us-west-004",
        "https://www.backblaze.com/cloud-storage",
    ),
    Provider.DIGITALOCEAN_SPACES: Dialect(
        "DigitalOcean Spaces",
        "{region}.digitaloceanspaces.com",
        "nyc3",
        "https://www.digitalocean.com/products/spaces",
    ),
    Provider.GOOGLE_STORAGE_HMAC: Dialect(
        "Google Cloud Storage (XML)",
        "storage.googleapis.com",
        "auto",
        "https://cloud.google.com/storage",
        location=True,
        conditions=False,
        bulk_delete=False,
    ),
    Provider.LINODE: Dialect(
        "Linode Object Storage",
        "{region}.linodeobjects.com",
        "us-east-1",
        "https://www.linode.com/products/object-storage/",
    ),
    Provider.MINIO: Dialect("MinIO", "", "us-east-1", "https://min.io", location=True),
    Provider.OVH: Dialect(
        "OVH", "s3.{region}.io.cloud.ovh.net", "gra", "https://www.ovhcloud.com", location=True
    ),
    Provider.R2: Dialect("Cloudflare R2", "", "auto", "https://www.cloudflare.com/developer-platform/r2/"),
    Provider.RGW: Dialect("Ceph RGW", "", "default", "https://ceph.io"),
    Provider.SCALEWAY: Dialect(
        "Scaleway", "s3.{region}.scw.cloud", "fr-par", "https://www.scaleway.com/en/object-storage/"
    ),
    Provider.WASABI: Dialect(
        "Wasabi", "s3.{region}.wasabisys.com", "us-east-1", "https://wasabi.com", location=True
    ),
}
"""The stores that have a constant."""

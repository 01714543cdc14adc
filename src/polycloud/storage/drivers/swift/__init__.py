"""OpenStack Swift's storage driver, and that of Rackspace's Cloud Files, which is Swift (`cloudfiles`).

One module a noun: `containers`, `objects`, `segments` (large objects), `uploads` with `multipart`,
`copies`, `deleting`, `versions`, `presigning`; `connection` has what they share.

Source: OpenStack's Object Storage API reference, version 1, and Swift's documentation of its middleware.
"""

from __future__ import annotations

from polycloud.storage.drivers.swift.connection import SwiftConnection
from polycloud.storage.drivers.swift.copies import SwiftCopies
from polycloud.storage.drivers.swift.deleting import SwiftDeletes
from polycloud.storage.drivers.swift.multipart import MultipartUpload
from polycloud.storage.drivers.swift.presigning import SwiftPresigning
from polycloud.storage.drivers.swift.versions import SwiftVersions
from polycloud.storage.types import Provider

__all__ = ["MultipartUpload", "OpenStackSwiftStorageDriver", "SwiftConnection"]


class OpenStackSwiftStorageDriver(SwiftCopies, SwiftDeletes, SwiftVersions, SwiftPresigning):
    """OpenStack Swift's storage driver; see `OpenStackBaseDriver` for its arguments.

    `ex_force_auth_version="1.0"` is the login of a Swift without Keystone. `ex_temp_url_key` is the key by
    which `ex_presigned_url` signs, instead of the one that is set at Swift.
    """

    type = Provider.OPENSTACK_SWIFT
    name = "OpenStack Swift"

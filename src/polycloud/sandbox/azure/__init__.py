"""A sandbox that speaks the API of Azure's Blob Storage.

There is one storage account, whose name begins every path. Signatures are checked: Shared Key, and those of
shared access signatures for a blob, a container or the account. There are block blobs only, without leases
and snapshots; what an uploaded block list names is there at once, and so is a copy.
"""

from polycloud.sandbox.azure.cloud import AzureBlobs, AzureSettings

__all__ = ["AzureBlobs", "AzureSettings"]

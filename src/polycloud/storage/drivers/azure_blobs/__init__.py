"""Azure Blob Storage's driver, one module a noun.

Source: Microsoft's reference of the Blob service REST API, version 2023-11-03.
"""

from __future__ import annotations

from polycloud.storage.drivers.azure_blobs.containers import AzureContainers
from polycloud.storage.drivers.azure_blobs.copies import AzureCopies
from polycloud.storage.drivers.azure_blobs.presigning import AzurePresigning
from polycloud.storage.drivers.azure_blobs.uploads import AzureUploads
from polycloud.storage.drivers.azure_blobs.versions import AzureVersions

__all__ = ["AzureBlobsStorageDriver"]


class AzureBlobsStorageDriver(AzureVersions, AzureUploads, AzureCopies, AzureContainers, AzurePresigning):
    """Azure Blob Storage's driver: `AzureBlobsStorageDriver("account", "key")`.

    The second argument is the account's key in base64, or a SAS token ("sv=...&sig=..."). With
    `auth_type="azureAd"` it is the secret of the application `identity` of the tenant `tenant_id`, which logs
    in with Microsoft Entra. `cloud_environment` is "AzureCloud", "AzureChinaCloud" or "AzureUSGovernment",
    `ex_authority` another address of logins, `ex_per_page` the page size of lists. Blobs are encrypted by
    Azure, or with `ex_customer_key`, 32 bytes or these as base64 text, by a key of yours: it comes with every
    request and is kept nowhere; without it, nobody reads what was written.

    At other hosts than Azure's, such as those of an emulator, the account is the first part of paths:
    `host="127.0.0.1", port=10000, secure=False`, or `url="http://127.0.0.1:10000/devstoreaccount1"`.
    """

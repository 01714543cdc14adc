"""What Azure's services share: accounts, signatures, logins with Microsoft Entra, and errors.

Source: Microsoft's reference of the Azure Storage REST API ("Authorize with Shared Key", "Create a service
SAS", "Status and error codes"), and of the Microsoft identity platform (client credentials).
"""

from polycloud.common.azure.connection import AzureStorageConnection, AzureStorageResponse
from polycloud.common.azure.environments import ENVIRONMENTS, Environment
from polycloud.common.azure.login import ClientLogin
from polycloud.common.azure.signing import decoded_key, signature, signed, string_to_sign

__all__ = [
    "ENVIRONMENTS",
    "AzureStorageConnection",
    "AzureStorageResponse",
    "ClientLogin",
    "Environment",
    "decoded_key",
    "signature",
    "signed",
    "string_to_sign",
]

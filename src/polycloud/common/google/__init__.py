"""Google's family: who asks, how that becomes a token, and what responses say.

`credentials` finds the account, `connection` exchanges it for tokens and sends them.
"""

from __future__ import annotations

from polycloud.common.google.connection import GoogleConnection, GoogleResponse
from polycloud.common.google.credentials import (
    Account,
    Machine,
    ServiceAccount,
    User,
    ambient,
    service_account,
)

__all__ = [
    "Account",
    "GoogleConnection",
    "GoogleResponse",
    "Machine",
    "ServiceAccount",
    "User",
    "ambient",
    "service_account",
]

"""A sandbox that speaks the JSON API of Google's Cloud Storage.

There is one project, and a service account whose key the sandbox makes. Its token endpoint checks the signed
assertions of that account; signed URLs (V4) lead to the XML API's `/bucket/object`. There are no HMAC keys
and no soft delete; of access lists and policies only counts whether everybody may read.
"""

from polycloud.sandbox.google.cloud import GoogleSettings, GoogleStorage

__all__ = ["GoogleSettings", "GoogleStorage"]

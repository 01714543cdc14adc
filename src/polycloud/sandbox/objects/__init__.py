"""What the sandbox's object stores share: bytes, listings, conditions and ranges, and requests over HTTP.

The words of a provider (its paths, headers, errors and signatures) stand in the package of that provider.
"""

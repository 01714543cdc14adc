"""Helpers under the names that programs written for Libcloud import; nothing else of polycloud is needed."""

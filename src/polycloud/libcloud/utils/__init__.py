"""Helpers that drivers and programs written for Libcloud import, and that polycloud itself does not need."""

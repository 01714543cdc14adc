"""The exit statuses of the command, apart from what prints: `polycloud --version` needs no more."""

from __future__ import annotations

__all__ = ["CHANGES", "FAILED", "INTERRUPTED", "NOT_FOUND", "TERMINATED", "WRONG_CALL"]

FAILED, WRONG_CALL, NOT_FOUND, CHANGES, INTERRUPTED, TERMINATED = 1, 2, 3, 4, 130, 143

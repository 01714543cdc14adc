"""Memory for very long bodies.

The first use of a page of memory costs the system more than receiving the page's bytes does. Linux has huge
pages, 512 times as large, for programs that ask for them; what Python allocates has none.
"""

from __future__ import annotations

__all__ = ["HUGE", "huge_memory"]

HUGE = 4 * 1024 * 1024
"""Bytes from which on huge pages pay."""


def huge_memory(size: int) -> memoryview:
    """Return `size` zero bytes, in huge pages if the system has them. The last view frees them."""
    import mmap

    try:
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        pages.madvise(mmap.MADV_HUGEPAGE)
    except (AttributeError, OSError):
        return memoryview(bytearray(size))
    return memoryview(pages)

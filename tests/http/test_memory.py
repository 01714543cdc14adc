from __future__ import annotations

import mmap

import pytest

from polycloud.http.memory import HUGE, huge_memory


@pytest.mark.parametrize("has_huge_pages", [True, False])
def test_huge_memory(has_huge_pages: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is zeros that can be written, of the length asked for, where there are no huge pages too."""
    if not has_huge_pages:
        monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    memory = huge_memory(HUGE + 1)
    assert memory.nbytes == HUGE + 1
    assert not any(memory)
    memory[-2:] = b"ab"
    assert bytes(memory[-3:]) == b"\0ab"

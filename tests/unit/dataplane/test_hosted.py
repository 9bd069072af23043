"""Whom a host blames for its memory."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelyard.dataplane.hosting import hosted
from modelyard.dataplane.hosting.hosted import HostedModel


def test_what_quick_batches_took_is_not_charged_to_the_slow_model_after_them(monkeypatch: pytest.MonkeyPatch):
    taken = 0

    def growth() -> int:
        nonlocal taken
        grown, taken = taken, 0
        return grown

    signs: Any = SimpleNamespace(begin_batch=lambda *_: False, end_batch=lambda: None, growth=growth, weigh_before=None)
    quick, slow = (HostedModel(Path("bundle"), "address", n, "title", signs, lambda: None) for n in range(2))
    for model, quick_seconds, size in ((quick, 60.0, 5), (quick, 60.0, 5), (slow, -1.0, 100), (quick, 60.0, 5)):
        monkeypatch.setattr(hosted, "_QUICK_SECONDS", quick_seconds)
        model.begin_batch(1.0)
        taken += size
        model.end_batch()
    slow.begin_batch(1.0)
    assert (quick.grown_bytes, slow.grown_bytes) == (15, 100)

from types import SimpleNamespace

import pytest
import torch

from selfplay.machine import best_batch


@pytest.mark.parametrize(("gigabytes", "rows"), [(1, 3072), (24, 21_504), (80, 49_152)])
def test_a_cuda_device_plays_as_many_rows_as_it_has_memory_for(monkeypatch, gigabytes, rows):
    found = SimpleNamespace(total_memory=gigabytes * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: found)
    assert best_batch(torch.device("cuda")) == (rows, 24)

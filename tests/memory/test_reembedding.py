from pathlib import Path

import numpy as np
import pytest

from memory import Encoder, Hippocampus
from tests.memory.make import KEY_SIZE, make_episode, make_frame, make_key


def eyes(width: int, version: str = "new") -> Encoder:
    """Keys that tell where a frame is bright, unlike those of `make_key`."""
    axes = np.random.default_rng(5).standard_normal((3 * 16 * 16, width))

    def encode(frames: np.ndarray) -> np.ndarray:
        keys = frames.reshape(len(frames), -1) @ axes
        return (keys / np.linalg.norm(keys, axis=1, keepdims=True)).astype(np.float32)

    return Encoder(version, encode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    memory = Hippocampus.open(tmp_path, KEY_SIZE)
    for start in range(0, 30, 3):
        memory.remember(make_episode([start, start + 1, start + 2], -1), "old")
    memory.store.close()
    return tmp_path


@pytest.mark.parametrize("width", [KEY_SIZE, KEY_SIZE + 4])
def test_with_another_encoder_old_traces_are_found_by_new_keys(folder: Path, width: int) -> None:
    new = eyes(width)
    memory = Hippocampus.open(folder, width, encoder=new)
    found = memory.recall(new.encode(np.stack([make_frame(i) for i in range(30)])), 1)
    assert found.ids[:, 0].tolist() == list(range(1, 31))
    assert found.distances.max() < 1e-4
    memory.check_valid()
    memory.store.check()
    assert memory.store.ids_of_other_encoders("new") == []
    memory.store.close()


def test_the_same_encoder_makes_nothing_anew(folder: Path) -> None:
    def never(frames: np.ndarray) -> np.ndarray:
        raise AssertionError("asked for keys")

    memory = Hippocampus.open(folder, KEY_SIZE, encoder=Encoder("old", never))
    assert memory.recall(make_key(4)[None], 1).ids.tolist() == [[5]]
    memory.store.close()


def test_an_interrupted_reembedding_is_taken_up_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.reembedding.BATCH", 8)
    new, asked = eyes(KEY_SIZE), []

    def encode(frames: np.ndarray) -> np.ndarray:
        asked.append(len(frames))
        if len(asked) == 3:
            raise ValueError("the power went")
        return new.encode(frames)

    with pytest.raises(ValueError, match="power"):
        Hippocampus.open(folder, KEY_SIZE, encoder=Encoder("new", encode))
    memory = Hippocampus.open(folder, KEY_SIZE, encoder=Encoder("new", encode))
    assert asked == [8, 8, 8, 8, 6]
    memory.store.check()
    memory.store.close()


def test_keys_that_are_none_are_refused_and_the_memory_stays_as_it_was(folder: Path) -> None:
    bad = Encoder("new", lambda frames: np.full((len(frames), KEY_SIZE), np.nan, np.float32))
    with pytest.raises(ValueError, match="8 finite numbers"):
        Hippocampus.open(folder, KEY_SIZE, encoder=bad)
    memory = Hippocampus.open(folder, KEY_SIZE)
    assert memory.recall(make_key(4)[None], 1).ids.tolist() == [[5]]
    memory.store.close()

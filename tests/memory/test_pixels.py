import zlib

import numpy as np
import pytest

from memory.pixels import compress, decompress, shape_of


def few_colours(channels: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    palette = rng.integers(256, size=(256, channels), dtype=np.uint8)
    return np.ascontiguousarray(palette[rng.integers(256, size=(20, 30))].transpose(2, 0, 1))


NOISE = np.random.default_rng(1).integers(256, size=(3, 40, 50), dtype=np.uint8)


@pytest.mark.parametrize(
    "frame",
    [
        few_colours(1), few_colours(3), few_colours(8), few_colours(9), NOISE,
        np.zeros((3, 5, 7), np.uint8), np.zeros((0, 4, 4), np.uint8), np.zeros((3, 0, 4), np.uint8),
    ],
)  # fmt: skip
def test_a_frame_comes_back_pixel_by_pixel(frame: np.ndarray) -> None:
    again = decompress(compress(frame))
    assert again.shape == frame.shape
    assert np.array_equal(again, frame)


def test_few_colours_take_a_byte_per_place_before_they_are_deflated() -> None:
    assert len(compress(few_colours(3))) < len(zlib.compress(few_colours(3).tobytes(), 6)) / 1.3


def test_what_was_packed_without_a_palette_is_still_read() -> None:
    frame = few_colours(3)
    old = np.array(frame.shape, "<u2").tobytes() + zlib.compress(frame.tobytes(), 6)
    assert np.array_equal(decompress(old), frame)


def packed(shape: tuple[int, int, int], body: bytes) -> bytes:
    return np.array(shape, "<u2").tobytes() + zlib.compress(body)


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (b"", "no shape"),
        (packed((3, 60_000, 60_000), b""), "too large"),
        (packed((0x8003, 60_000, 60_000), b""), "too large"),
        (packed((3, 4, 4), bytes(47)), "wrong length"),
        (packed((3, 4, 4), bytes(10_000_000)), "wrong length"),  # a bomb
        (packed((0x8003, 4, 4), bytes(10_000_000)), "wrong length"),
        (packed((0x8003, 4, 4), b""), "wrong length"),
        (packed((0x8001, 1, 2), bytes([0, 9, 0, 1])), "a colour that is not there"),
        (compress(NOISE)[:-700], "wrong length"),
        (compress(NOISE)[:9] + b"???", "damaged"),
    ],
)
def test_what_is_damaged_or_absurd_is_refused(blob: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decompress(blob)


@pytest.mark.parametrize("colours", [2, 2000])
def test_the_shape_is_told_by_the_first_six_bytes(colours: int) -> None:
    frame = np.random.default_rng(0).integers(0, colours, (3, 40, 50)).astype(np.uint8)
    assert shape_of(compress(frame)[:6]) == (3, 40, 50)
    with pytest.raises(ValueError, match="no shape"):
        shape_of(compress(frame)[:5])

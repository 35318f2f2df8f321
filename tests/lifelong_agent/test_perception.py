"""The eyes: a coarse glance, then a place that is looked at in full detail."""

import dataclasses

import pytest
import torch

from lifelong_agent.perception import Eyes, EyesConfig, crop_windows

CONFIG = EyesConfig(channels=8, blocks=1, grid=4, glance=8, crop=8, looks=1, reading=24)
SHAPE = (3, 32, 32)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def eyes_with(**changes):
    return Eyes(SHAPE, dataclasses.replace(CONFIG, **changes))


def noise(num, shape=SHAPE):
    return torch.randint(0, 256, (num, *shape), dtype=torch.uint8)


def plain_crop(frame, token, grid, crop):
    """The window around the token's middle, pushed inside the frame, pixel by pixel."""
    _, height, width = frame.shape
    row, column = token // grid, token % grid
    top = row * height // grid + height // grid // 2 - crop // 2
    left = column * width // grid + width // grid // 2 - crop // 2
    top, left = min(max(top, 0), height - crop), min(max(left, 0), width - crop)
    return [
        [[frame[c, top + y, left + x].item() for x in range(crop)] for y in range(crop)]
        for c in range(len(frame))
    ]


@pytest.mark.parametrize(
    ("shape", "grid", "crop"),
    [
        ((3, 64, 64), 8, 16),  # the agent's own
        ((3, 64, 64), 8, 8),
        ((3, 32, 32), 8, 16),
        ((1, 32, 48), 4, 8),  # not square
        ((3, 64, 64), 8, 12),  # half a window is no multiple of half a token
        ((3, 8, 8), 8, 4),  # tokens of one pixel
        ((1, 15, 21), 3, 7),  # odd everywhere
        ((2, 16, 16), 4, 16),  # the whole frame
    ],
)
def test_a_window_copies_exactly_the_right_pixels_at_every_token(shape, grid, crop):
    frames = noise(grid * grid, shape)
    windows = crop_windows(frames, torch.arange(grid * grid), grid, crop)
    assert windows.dtype == torch.uint8
    for token, window in enumerate(windows):
        assert window.tolist() == plain_crop(frames[token], token, grid, crop), f"token {token}"


def test_the_corners_of_the_frame_are_in_the_corner_windows():
    frame = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    frame[0, 0, 0, 0], frame[0, 0, 0, 63] = 1, 2
    frame[0, 0, 63, 0], frame[0, 0, 63, 63] = 3, 4
    windows = crop_windows(frame.expand(4, -1, -1, -1), torch.tensor([0, 7, 56, 63]), 8, 16)
    corners = [
        windows[0, 0, 0, 0],
        windows[1, 0, 0, -1],
        windows[2, 0, -1, 0],
        windows[3, 0, -1, -1],
    ]
    assert [int(c) for c in corners] == [1, 2, 3, 4]


def test_a_glance_is_the_rounded_mean_of_each_square():
    frames = noise(2)
    squares = frames.view(2, 3, 8, 4, 8, 4).float().mean((3, 5))
    glance = eyes_with().glance(frames)
    assert glance.dtype == torch.uint8
    assert glance.shape == (2, 3, 8, 8)
    assert torch.equal(glance, squares.round().to(torch.uint8))


def test_a_glance_at_hand_saves_making_one_and_changes_nothing():
    eyes, frames = eyes_with(), noise(4)
    first, second = eyes(frames), eyes(frames, eyes.glance(frames))
    assert torch.equal(first.reading, second.reading)
    blind = eyes(frames, torch.zeros(4, 3, 8, 8, dtype=torch.uint8))
    assert not torch.equal(first.reading, blind.reading)


def same_glance_other_detail(frames, token, grid=4):
    """Shuffle pixels within one square of the glance at the token's middle."""
    changed = frames.clone()
    cell = frames.shape[-1] // grid
    y, x = token // grid * cell + cell // 2 - 4, token % grid * cell + cell // 2 - 4
    square = changed[:, :, y : y + 4, x : x + 4]
    changed[:, :, y : y + 4, x : x + 4] = square.flip(2, 3)
    return changed


def test_detail_is_seen_where_the_eyes_look_and_nowhere_else():
    eyes, frames = eyes_with(), noise(1)
    percept = eyes(frames)
    looked_at = int(percept.saliency[0, 0].argmax())
    for token in range(16):
        changed = same_glance_other_detail(frames, token)
        assert torch.equal(eyes.glance(changed), eyes.glance(frames))
        is_seen = not torch.equal(eyes(changed).reading, percept.reading)
        assert is_seen == (token == looked_at)


def test_without_looks_only_the_glance_is_read():
    eyes, frames = eyes_with(looks=0), noise(1)
    changed = same_glance_other_detail(frames, 5)
    assert torch.equal(eyes(changed).reading, eyes(frames).reading)
    assert eyes(frames).fixations.shape == (1, 0, 2)
    assert eyes(frames).saliency.shape == (1, 0, 4, 4)


def test_saliency_gets_a_gradient_from_what_was_seen():
    eyes = eyes_with()
    eyes(noise(6)).reading.square().sum().backward()
    for name, parameter in eyes.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert eyes.salience.weight.grad.abs().sum() > 0


def test_the_gate_that_carries_the_gradient_does_not_change_the_reading():
    eyes, frames = eyes_with(), noise(4)
    before = eyes(frames).reading
    with torch.no_grad():
        eyes.salience.bias += 3  # the same place, another height of the map
    torch.testing.assert_close(eyes(frames).reading, before)


def test_no_place_is_looked_at_twice():
    percept = eyes_with(looks=16)(noise(5))
    assert percept.fixations.shape == (5, 16, 2)
    for row in percept.fixations.tolist():
        assert len({tuple(place) for place in row}) == 16


def test_each_look_goes_to_the_most_salient_place_not_yet_seen():
    eyes, frames = eyes_with(looks=4), noise(3)
    percept = eyes(frames)
    order = percept.saliency[:, 0].flatten(1).argsort(1, descending=True)[:, :4]
    centres = torch.stack([order // 4 * 8 + 4, order % 4 * 8 + 4], -1)
    assert torch.equal(percept.fixations, centres)


def test_the_map_of_saliency_is_a_distribution():
    percept = eyes_with(looks=2)(noise(3))
    assert percept.saliency.shape == (3, 2, 4, 4)
    total = percept.saliency.exp().sum((2, 3))
    torch.testing.assert_close(total, torch.ones(3, 2))


def test_every_look_adds_to_the_reading():
    readings = []
    for looks in range(3):
        torch.manual_seed(7)
        readings.append(eyes_with(looks=looks)(noise(4, SHAPE)).reading)
    assert not torch.equal(readings[0], readings[1])
    assert not torch.equal(readings[1], readings[2])


def test_the_place_itself_is_read_even_where_all_looks_alike():
    eyes = eyes_with()
    frames = torch.full((1, *SHAPE), 90, dtype=torch.uint8)
    before = eyes(frames).reading
    with torch.no_grad():
        eyes.place.weight += torch.randn_like(eyes.place.weight)
    assert not torch.equal(eyes(frames).reading, before)


def test_half_precision_sees_about_the_same():
    torch.manual_seed(1)
    full = eyes_with(looks=0)
    half = eyes_with(looks=0, precision="bfloat16")
    half.load_state_dict(full.state_dict())
    frames = noise(8)
    with torch.no_grad():
        exact, rough = full(frames).reading, half(frames).reading
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact), "the arithmetic was not reduced"
    assert (rough - exact).abs().max() < 0.1


@pytest.mark.parametrize(
    ("shape", "changes", "words"),
    [
        ((3, 4, 32), {}, "smaller than the crop"),
        ((3, 30, 32), {}, "multiples of the glance"),
        ((3, 32, 36), {}, "multiples of the glance"),
        ((3, 32, 32), {"grid": 3}, "multiples of the glance"),
        ((3, 32, 32), {"looks": 17}, "17 looks at 16 places"),
        ((3, 32, 32), {"looks": -1}, "-1 looks"),
        ((3, 32, 32), {"precision": "float33"}, "'float33': known are float32, bfloat16"),
    ],
)
def test_frames_that_do_not_fit_the_eyes_raise(shape, changes, words):
    with pytest.raises(ValueError, match=words):
        Eyes(shape, dataclasses.replace(CONFIG, **changes))

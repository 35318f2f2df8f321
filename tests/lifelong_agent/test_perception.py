"""The eyes: a coarse glance, then a place that is looked at in full detail."""

import dataclasses
import math

import pytest
import torch

from lifelong_agent.eye_parts import Associations, Fovea
from lifelong_agent.perception import Eyes, EyesConfig
from lifelong_agent.policy import NetworkConfig
from lifelong_agent.retina import cell_of, crop_around, focus, pool

CONFIG = EyesConfig(
    channels=8, blocks=1, grid=4, glance=8, crop=8, looks=1, reading=24, keys=6, associations=5
)
SHAPE = (3, 32, 32)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def eyes_with(**changes):
    return Eyes(SHAPE, dataclasses.replace(CONFIG, **changes))


def noise(num, shape=SHAPE):
    return torch.randint(0, 256, (num, *shape), dtype=torch.uint8)


def plain_crop(frame, centre, crop):
    """The window around a pixel, pushed inside the frame, pixel by pixel."""
    _, height, width = frame.shape
    top = min(max(int(centre[0]) - crop // 2, 0), height - crop)
    left = min(max(int(centre[1]) - crop // 2, 0), width - crop)
    return [
        [[frame[c, top + y, left + x].item() for x in range(crop)] for y in range(crop)]
        for c in range(len(frame))
    ]


@pytest.mark.parametrize(
    ("shape", "crop"),
    [
        ((3, 64, 64), 16),  # the agent's own
        ((1, 32, 48), 8),  # not square
        ((3, 20, 20), 12),
        ((1, 15, 21), 7),  # odd everywhere
        ((2, 16, 16), 16),  # the whole frame
        ((1, 5, 5), 1),
    ],
)
def test_a_window_copies_exactly_the_right_pixels_around_every_pixel(shape, crop):
    _, height, width = shape
    centres = torch.cartesian_prod(torch.arange(height), torch.arange(width))[::41]
    frames = noise(len(centres), shape)
    windows = crop_around(frames, centres, crop)
    assert windows.dtype == torch.uint8
    for frame, centre, window in zip(frames, centres, windows, strict=True):
        assert window.tolist() == plain_crop(frame, centre, crop), f"around {centre.tolist()}"


@pytest.mark.parametrize("pixel", [(0, 0), (13, 14), (31, 31), (8, 27)])
@pytest.mark.parametrize(("dark", "bright"), [(0, 200), (255, 30)])
def test_the_eyes_fix_the_pixel_that_differs_most_from_its_surroundings(pixel, dark, bright):
    row, column = pixel
    frames = torch.full((1, *SHAPE), dark, dtype=torch.uint8)
    frames[0, 1, row, column] = bright
    spot = torch.tensor([row // 4 * 8 + column // 4])
    corner, centre = focus(frames, spot, 8)
    assert corner.tolist() == [[row // 4 * 4, column // 4 * 4]]
    assert centre.tolist() == [[row, column]]


@pytest.mark.parametrize("shape", [(1, 84, 84), (2, 10, 10), (1, 40, 56), (1, 210, 160)])
def test_every_pixel_of_a_frame_of_any_shape_lies_in_some_place(shape):
    _, height, width = shape
    spots = torch.arange(256)
    corner, _ = focus(noise(1, shape).expand(256, -1, -1, -1), spots, 16)
    covered = torch.zeros(height, width, dtype=torch.bool)
    for top, left in corner.tolist():
        covered[top : top + cell_of(height, 16), left : left + cell_of(width, 16)] = True
    assert covered.all()


def test_a_thing_looks_the_same_wherever_it_lies_in_its_place():
    frames = torch.zeros(16, 1, 64, 64, dtype=torch.uint8)
    for i in range(16):
        frames[i, 0, 20 + i // 4, 32 + i % 4] = 250
        frames[i, 0, 21 + i // 4, 30 + i % 4] = 90
    _, centre = focus(frames, torch.full((16,), 5 * 16 + 8), 16)
    windows = crop_around(frames, centre, 16)
    assert (windows == windows[0]).all()
    assert windows[0, 0, 8, 8] == 250


def test_a_glance_is_mean_brightest_and_darkest_of_each_square():
    frames = noise(2)
    squares = frames.view(2, 3, 8, 4, 8, 4)
    glance = eyes_with().glance(frames)
    assert glance.dtype == torch.uint8
    assert glance.shape == (2, 9, 8, 8)
    mean = squares.float().mean((3, 5)).floor().to(torch.uint8)
    assert torch.equal(glance[:, :3], mean)
    assert torch.equal(glance[:, 3:6], squares.amax((3, 5)))
    assert torch.equal(glance[:, 6:], squares.amin((3, 5)))


def plain_pool(frame, side):
    """The three pools of (H, W) pixels, window by window."""
    height, width = frame.shape

    def ends(i, length):
        return i * length // side, -(-(i + 1) * length // side)

    pools = torch.zeros(3, side, side, dtype=torch.uint8)
    for i in range(side):
        for j in range(side):
            (top, bottom), (left, right) = ends(i, height), ends(j, width)
            window = frame[top:bottom, left:right]
            mean = int(window.sum()) // window.numel()
            pools[:, i, j] = torch.tensor([mean, int(window.max()), int(window.min())])
    return pools


@pytest.mark.parametrize(
    ("shape", "side"),
    [
        ((1, 64, 64), 16), ((1, 128, 128), 16), ((1, 84, 84), 16), ((1, 10, 10), 16),
        ((1, 8, 24), 8), ((1, 210, 160), 16), ((1, 512, 512), 16),
    ],
)  # fmt: skip
def test_frames_of_any_shape_are_pooled_alike(shape, side):
    frames = noise(2, shape)
    frames[1] = 255  # where sums are largest
    pooled = pool(frames, side)
    assert pooled.shape == (2, 3, side, side)
    for frame, found in zip(frames, pooled, strict=True):
        assert (found.int() - plain_pool(frame[0], side).int()).abs().max() <= 1
        assert torch.equal(found[1:], plain_pool(frame[0], side)[1:])
    assert (pooled[1] == 255).all()


def test_frames_stored_channels_last_or_as_whole_floats_are_pooled_and_cut_out_alike():
    frames = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    last = frames.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    centres = torch.tensor([[3, 60], [30, 31], [63, 0]])
    for other in (last, frames.float()):
        assert torch.equal(pool(other, 16), pool(frames, 16))
        assert torch.equal(crop_around(other, centres, 16), crop_around(frames, centres, 16))


def test_a_small_bright_thing_is_not_lost_in_the_glance():
    frame = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    frame[0, :, 9, 14] = 250
    mean, most, _ = eyes_with().glance(frame)[0].split(3)
    assert int(mean.max()) == 15
    assert int(most.max()) == 250


@pytest.mark.parametrize("shape", [(7, 10, 10), (4, 84, 84), (3, 128, 128), (1, 40, 56)])
def test_the_same_eyes_see_images_of_any_shape(shape):
    eyes = Eyes(shape, dataclasses.replace(CONFIG, looks=3))
    percept = eyes(noise(5, shape))
    assert percept.reading.shape == (5, 24)
    assert percept.fixations.shape == (5, 3, 2)
    assert (percept.fixations < torch.tensor(shape[1:])).all()


def test_recall_is_a_soft_choice_among_stored_patterns():
    memory = Associations(2, 3)
    with torch.no_grad():
        memory.keys.weight.copy_(torch.tensor([[9.0, 0], [0, 9], [-9, -9]]))
        memory.values.weight.copy_(torch.tensor([[1.0, 2, 3], [4, 5, 6]]))
    cue = torch.tensor([[2.0, 1.0]])
    weights = torch.tensor([18.0, 9.0, -27.0]).div(2**0.5).softmax(0)
    wanted = torch.tensor([[1.0, 2, 3], [4, 5, 6]]) @ weights
    torch.testing.assert_close(memory(cue)[0], wanted)
    assert wanted[0].item() == pytest.approx(1.0, abs=0.01), "nearly all of the first pattern"


def test_a_glance_at_hand_saves_making_one_and_changes_nothing():
    eyes, frames = eyes_with(), noise(4)
    first, second = eyes(frames), eyes(frames, eyes.glance(frames))
    assert torch.equal(first.reading, second.reading)
    blind = eyes(frames, torch.zeros(4, 9, 8, 8, dtype=torch.uint8))
    assert not torch.equal(first.reading, blind.reading)


def same_glance_other_detail(frames, place, side=8):
    """Turn the pixels of one square of the glance round."""
    changed = frames.clone()
    cell = frames.shape[-1] // side
    y, x = place // side * cell, place % side * cell
    square = changed[:, :, y : y + cell, x : x + cell]
    changed[:, :, y : y + cell, x : x + cell] = square.flip(2, 3)
    return changed


def test_detail_is_seen_where_the_eyes_look_and_nowhere_else():
    eyes, frames = eyes_with(), noise(1)
    percept = eyes(frames)
    for row in range(0, 32, 2):
        for column in range(0, 32, 3):
            changed = frames.clone()
            changed[0, :, row, column] ^= 4  # too little for another pixel to be more striking
            seen = eyes(changed, eyes.glance(frames))
            if not torch.equal(seen.fixations, percept.fixations):
                continue
            top, left = (percept.fixations[0, 0] - 4).clamp(0, 24).tolist()
            in_window = top <= row < top + 8 and left <= column < left + 8
            assert torch.equal(seen.reading, percept.reading) != in_window, (row, column)


def test_without_looks_only_the_glance_is_read():
    eyes, frames = eyes_with(looks=0), noise(1)
    changed = same_glance_other_detail(frames, 5)
    assert torch.equal(eyes(changed).reading, eyes(frames).reading)
    assert eyes(frames).fixations.shape == (1, 0, 2)
    assert eyes(frames).saliency.shape == (1, 0, 8, 8)


def test_saliency_gets_a_gradient_from_what_was_seen():
    eyes = eyes_with()
    eyes(noise(6)).reading.square().sum().backward()
    for name, parameter in eyes.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert eyes.dorsal.light.weight.grad.abs().sum() > 0
    assert eyes.dorsal.place.grad.abs().sum() > 0
    assert eyes.search.weight.grad.abs().sum() > 0


def test_the_gradient_of_where_to_look_is_that_of_what_the_look_brings():
    """No surrogate: it is the slope of the reading itself, as finite differences measure it."""
    eyes, frames = eyes_with(), noise(1)
    goal = torch.randn(24)
    (eyes(frames).reading @ goal).sum().backward()
    slopes, step, readings = eyes.conspicuous.grad.clone(), 0.02, []
    unit = int(slopes.abs().argmax())
    for sign in (1, -1):
        with torch.no_grad():
            eyes.conspicuous[unit] += sign * step
            readings.append((eyes(frames).reading @ goal).sum().item())
            eyes.conspicuous[unit] -= sign * step
    slope = (readings[0] - readings[1]) / (2 * step)
    assert slope == pytest.approx(slopes[unit].item(), rel=0.02)
    assert abs(slope) > 1e-3


def test_the_score_of_a_place_is_its_key_times_what_is_sought():
    eyes, light, sought = eyes_with(), torch.randn(5, 9, 8, 8), torch.randn(5, 6)
    spot = torch.tensor([0, 7, 20, 56, 63])
    scores = eyes.dorsal.scores(eyes.dorsal(light), sought)
    assert scores.shape == (5, 64)
    wanted = (eyes.dorsal.key(light, spot) * sought).sum(1)
    torch.testing.assert_close(scores[torch.arange(5), spot], wanted)


def test_only_places_that_were_looked_at_teach_the_dorsal_stream():
    eyes = eyes_with(looks=2)
    percept = eyes(noise(1))
    percept.reading.square().sum().backward()
    taught = eyes.dorsal.place.grad.abs().sum(1).nonzero()[:, 0]
    looked_at = percept.fixations[0] // 4  # a pixel lies in its place
    assert sorted(taught.tolist()) == sorted((looked_at[:, 0] * 8 + looked_at[:, 1]).tolist())
    assert not percept.scores.requires_grad


def test_the_fovea_reads_every_pixel_of_a_window_whose_side_is_no_multiple_of_a_patch():
    fovea = Fovea(2, 7, 5)
    crops = noise(1, (2, 7, 7))
    slope = torch.zeros(2, 7, 7)
    for place in range(slope.numel()):
        changed = crops.clone()
        changed.view(-1)[place] += 100
        difference = fovea(changed, torch.float32) - fovea(crops, torch.float32)
        slope.view(-1)[place] = difference.abs().sum()
    assert (slope > 0).float().mean() > 0.95, "only where all features are silent nothing is read"


def test_no_place_is_looked_at_twice():
    percept = eyes_with(looks=7)(noise(5))
    assert percept.fixations.shape == (5, 7, 2)
    for row in percept.fixations:
        apart = (row[:, None] // 4 - row[None] // 4).abs().amax(2)
        assert (apart + 9 * torch.eye(7) >= 2).all(), "nor the places beside it"


def test_each_look_goes_to_the_most_salient_place_not_yet_seen():
    percept = eyes_with(looks=4)(noise(3))
    order = percept.saliency.flatten(2).argmax(2)
    assert torch.equal(percept.fixations // 4, torch.stack([order // 8, order % 8], -1))


def test_what_was_seen_changes_where_to_look_next():
    eyes, frames = eyes_with(looks=2), noise(1)
    percept = eyes(frames)
    first = int(percept.saliency[0, 0].argmax())
    changed = same_glance_other_detail(frames, first)
    other = eyes(changed)
    assert torch.equal(other.saliency[0, 0], percept.saliency[0, 0])
    assert not torch.equal(other.saliency[0, 1], percept.saliency[0, 1])


def test_the_map_of_saliency_is_a_distribution_over_places_not_yet_seen():
    percept = eyes_with(looks=2)(noise(3))
    assert percept.saliency.shape == (3, 2, 8, 8)
    total = percept.saliency.exp().sum((2, 3))
    torch.testing.assert_close(total, torch.ones(3, 2))
    first = percept.saliency[:, 0].flatten(1).argmax(1)
    again = percept.saliency[:, 1].flatten(1).gather(1, first[:, None]).exp()
    assert (again < 1e-6).all()


def test_patient_eyes_take_all_their_looks_and_impatient_ones_stop_when_little_changes():
    frames = noise(2)
    for patience, looks in ((0.0, 3), (1e-9, 3), (1e9, 1)):
        eyes = eyes_with(looks=3, patience=patience)
        with torch.no_grad():
            assert eyes(frames).fixations.shape == (2, looks, 2)
        assert eyes(frames).fixations.shape == (2, 3, 2), "not while learning"


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
        ((3, 32, 32), {"grid": 3}, "no multiple of the grid 3"),
        ((3, 32, 32), {"looks": 8}, "8 looks at 8x8 places"),
        ((3, 32, 32), {"looks": -1}, "-1 looks"),
        ((3, 32, 32), {"precision": "float33"}, "'float33': known are float32, bfloat16"),
    ],
)
def test_frames_that_do_not_fit_the_eyes_raise(shape, changes, words):
    with pytest.raises(ValueError, match=words):
        Eyes(shape, dataclasses.replace(CONFIG, **changes))


def indifferent(**changes):
    """Eyes to which all places are alike."""
    eyes = eyes_with(**changes)
    for parameter in (eyes.conspicuous, eyes.search.weight, eyes.search.bias, eyes.dorsal.place):
        torch.nn.init.zeros_(parameter)
    return eyes


def moved(places, num=1):
    """Glances, and the same a moment later with 10 more in one channel of some places."""
    glances = torch.full((num, 9, 8, 8), 90, dtype=torch.uint8)
    later = glances.clone()
    later.view(num, 9, 64)[:, 4, places] += 10
    return glances, later


def test_what_eyes_that_know_nothing_foresee_is_the_logarithm_of_the_open_places():
    """The first look goes to the first place: a corner, which closes 4 of the 64 places."""
    frames = noise(2)
    loss = indifferent(looks=2).anticipation(frames, *moved([20, 40], 2))
    assert loss.item() == pytest.approx((math.log(64) + math.log(60)) / 2, abs=1e-5)
    seen_already = indifferent(looks=2).anticipation(frames, *moved([0, 40], 2))
    assert seen_already.item() == pytest.approx((math.log(64) + math.log(60)) / 2, abs=1e-5)
    nothing_left = indifferent(looks=2).anticipation(frames, *moved([0], 2))
    assert nothing_left.item() == pytest.approx(math.log(64) / 2, abs=1e-5)
    half = indifferent(looks=2).anticipation(
        frames, *moved([20, 40], 2), torch.tensor([True, False])
    )
    assert half.item() == pytest.approx(loss.item(), abs=1e-5), "the other frame does not count"
    assert indifferent(looks=2).anticipation(frames, *moved([], 2)).item() == 0
    assert indifferent(looks=0).anticipation(frames, *moved([20], 2)).item() == 0


def test_foreseeing_teaches_where_to_look_and_not_what_is_read():
    eyes = eyes_with(looks=2)
    eyes.anticipation(noise(3), *moved([20], 3)).backward()
    taught = {name for name, p in eyes.named_parameters() if p.grad is not None and p.grad.any()}
    where = ("dorsal.", "conspicuous", "search.", "recall.")
    assert {"dorsal.light.weight", "dorsal.place", "search.weight"} <= taught
    assert all(name.startswith(where) for name in taught), taught


def test_eyes_learn_to_look_at_what_moves_among_brighter_things_that_stand_still():
    generator = torch.Generator().manual_seed(0)
    eyes = eyes_with(looks=1)
    optimizer = torch.optim.Adam(eyes.parameters(), lr=0.03)

    def scene(num):
        """A grey dot somewhere that goes one place to the right, and a white square."""
        row = torch.randint(8, (num,), generator=generator)
        column = torch.randint(6, (num,), generator=generator)
        now, later = torch.zeros(2, num, *SHAPE, dtype=torch.uint8)
        for i in range(num):
            for frames, shift in ((now, 0), (later, 1)):
                frames[i, :, 28:, 28:] = 255
                frames[i, 0, 4 * row[i] + 1, 4 * (column[i] + shift) + 1] = 150
        return now, later, torch.stack([row, column], 1)

    for _ in range(80):
        now, later, _ = scene(32)
        loss = eyes.anticipation(now, eyes.glance(now), eyes.glance(later))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    now, _, spot = scene(200)
    away = (eyes(now).fixations[:, 0] // 4 - spot).abs()
    assert ((away[:, 0] == 0) & (away[:, 1] <= 1)).float().mean() > 0.9


def test_within_reach_the_eyes_settle_on_what_is_most_unlike_the_whole_frame():
    frames = torch.full((1, *SHAPE), 20, dtype=torch.uint8)
    frames[0, :, 8:12, 8:12] = 200  # fills the place that is looked at, so that nothing stands out
    frames[0, :, 13, 6] = 250  # below and left of it, in the next place each way
    spot, usual = torch.tensor([2 * 8 + 2]), frames.float().mean((2, 3))
    corner, centre = focus(frames, spot, 8, reach=1, usual=usual)
    assert (corner.tolist(), centre.tolist()) == ([[4, 4]], [[13, 6]])
    assert focus(frames, spot, 8)[1].tolist() == [[8, 8]]


@pytest.mark.parametrize("spot", [0, 7, 56, 63])
def test_what_is_in_reach_stays_inside_the_frame(spot):
    frames = noise(3)
    corner, centre = focus(frames, torch.full((3,), spot), 8, reach=1)
    last = SHAPE[1] - 12
    assert corner.tolist() == [[last if spot >= 56 else 0, last if spot % 8 else 0]] * 3
    assert ((centre >= corner) & (centre < corner + 12)).all()


def test_eyes_that_reach_are_recorded_as_such_and_see():
    eyes = eyes_with(reach=1)
    frames = noise(4)
    percept = eyes(frames)
    glances = eyes.glance(frames)
    assert eyes.offset.num_embeddings == 12 * 12
    assert torch.equal(percept.reading, eyes(frames, glances).reading)
    eyes.anticipation(frames, glances, eyes.glance(noise(4))).backward()
    assert (
        NetworkConfig.from_json(NetworkConfig(eyes=EyesConfig(reach=1)).to_json()).eyes.reach == 1
    )

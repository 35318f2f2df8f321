"""The encoders' sizes and costs by hand, and the whole command at tiny size."""

import functools
import json

import encoders
import pytest
import torch
from encoders import (
    ENCODERS,
    FIGURES,
    Cost,
    Enlarged,
    at_their_best,
    count_macs,
    make_reader,
    score,
    verdicts,
)
from perception import Frames, learn, measure

from lifelong_agent.retina import pool


def test_multiply_accumulates_of_the_nature_cnn_are_those_worked_by_hand():
    convolutions = 15**2 * 32 * (3 * 8 * 8) + 6**2 * 64 * (32 * 4 * 4) + 4**2 * 64 * (64 * 3 * 3)
    dense = 4 * 4 * 64 * 512
    encoder = ENCODERS["Nature-CNN"][1](64, "float32")
    assert count_macs(encoder, 64) == convolutions + dense


def test_multiply_accumulates_of_the_impala_cnn_are_those_worked_by_hand():
    macs, channels, side = 0, 3, 64
    for width in (16, 32, 32):
        macs += side**2 * channels * width * 9
        side //= 2
        macs += 4 * side**2 * width**2 * 9
        channels = width
    encoder = ENCODERS["IMPALA-CNN"][1](64, "float32")
    assert count_macs(encoder, 64) == macs + side**2 * channels * 256
    convolutions = [m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 15


def test_eyes_cost_as_much_at_128_pixels_as_at_64():
    make = ENCODERS["eyes, R = 2"][1]
    assert count_macs(make(128, "float32"), 128) == count_macs(make(64, "float32"), 64)
    without = ENCODERS["eyes, R = 0"][1]
    assert count_macs(without(64, "float32"), 64) < count_macs(make(64, "float32"), 64)


@pytest.mark.parametrize("name", list(ENCODERS))
def test_readings_are_as_wide_as_said_at_both_sides(name):
    width, make = ENCODERS[name]
    for side in (64, 128):
        percept = make(side, "float32")(torch.zeros(2, 3, side, side, dtype=torch.uint8))
        assert percept.reading.shape == (2, width)
        assert percept.reading.dtype == torch.float32


def test_enlarging_repeats_every_pixel():
    frames = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).expand(1, 3, 2, 2)
    seen = Enlarged(torch.nn.Identity(), 2)._enlarge(frames)
    assert seen[0, 2].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_enlarged_eyes_tell_where_they_look_in_pixels_of_the_small_frame():
    eyes = ENCODERS["eyes, R = 2"][1](128, "float32")
    frames = torch.randint(256, (5, 3, 64, 64), dtype=torch.uint8)
    seen = Enlarged(eyes, 2)(frames)
    large = frames.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(seen.fixations, eyes(large).fixations // 2)


def read_with(value):
    return dict.fromkeys(FIGURES, value) | {"loss": 9.0}


def test_a_score_is_the_mean_of_the_four_figures():
    runs = [read_with(0.5) | {FIGURES[0]: 0.9}, read_with(0.2)]
    assert score(runs) == pytest.approx((0.6 + 0.2) / 2)


def test_each_is_judged_by_its_best_rate_on_average():
    eyes = {1e-3: [read_with(0.9), read_with(0.1)], 4e-3: [read_with(0.6), read_with(0.6)]}
    other = {1e-3: [read_with(0.5)] * 2, 4e-3: [read_with(0.4)] * 2}
    rates, best = at_their_best({"eyes": eyes, "other": other})
    assert rates == {"eyes": 4e-3, "other": 1e-3}
    assert best == {"eyes": eyes[4e-3], "other": other[1e-3]}


def test_a_verdict_needs_both_the_time_and_the_score():
    paid = {name: Cost(1, 1, ms, 1.0) for name, ms in zip(ENCODERS, (0.5, 0.7, 1.0, 4.0))}  # noqa: B905
    read = {name: [read_with(x)] for name, x in zip(ENCODERS, (0.6, 0.9, 0.6, 0.7))}  # noqa: B905
    rows = {(row["name"], row["peer"]): row for row in verdicts(64, paid, read)}
    assert len(rows) == 4
    assert rows["eyes, R = 2", "Nature-CNN"]["time"] == 0.5
    assert rows["eyes, R = 2", "IMPALA-CNN"]["score"] == pytest.approx(-0.1)
    met = {pair for pair, row in rows.items() if row["met"]}
    assert met == {("eyes, R = 2", "Nature-CNN"), ("eyes, R = 0", "IMPALA-CNN")}
    assert not verdicts(128, paid, read)[0]["met"], "at 128 pixels less time is asked for"


def coloured(num_frames, seed):
    """Two games whose frames are of one brightness, which is all that is asked."""
    generator = torch.Generator().manual_seed(seed)
    light = torch.rand(num_frames, 1, generator=generator)
    screens = (light * 255).to(torch.uint8)[:, :, None, None].expand(-1, 3, 64, 64)
    many = (light - 0.5).expand(-1, 4) * 12**0.5
    yes = (light > 0.5).float().expand(-1, 4)
    spot = torch.full((num_frames, 2), 32.0)
    later = pool(screens, 16)
    worlds = [yes, yes[:, :0]]
    return [Frames(screens, asked, many, spot, later) for asked in worlds]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["eyes, R = 2", "Nature-CNN"])
def test_an_encoder_learns_to_read_brightness(name):
    make = functools.partial(make_reader, name, 64, coloured(64, 0))
    reader = learn(make, coloured(512, 0), 12, 0)
    untrained = make()
    held_out = coloured(64, 1)
    assert score([measure(reader, held_out, 0)]) > max(
        0.5, score([measure(untrained, held_out, 0)])
    )


@pytest.mark.slow
def test_the_command_measures_and_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "watch", lambda world, seed: coloured(256, seed)[world])
    monkeypatch.setattr(encoders, "WORLDS", (0, 1))
    path = tmp_path / "out.json"
    words = ["--steps", "1", "--seeds", "2", "--batch", "2", "--sides", "128", "--json", str(path)]
    words += ["--learning-rates", "1e-3", "2e-3"]
    encoders.main([*words, "--encoders", "eyes, R = 2", "Nature-CNN"])
    result = json.loads(path.read_text())["128"]
    assert result["costs"]["eyes, R = 2"]["macs"] == 2474272
    assert [len(runs) for runs in result["read"].values()] == [2, 2]
    assert [list(each) for each in result["scores"].values()] == [["0.001", "0.002"]] * 2
    assert result["verdicts"][0]["time"] > 0


def test_a_wrong_side_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        encoders.main(["--sides", "100"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: sides are multiples of 64, not (100,)\n"

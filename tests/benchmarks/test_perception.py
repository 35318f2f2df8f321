"""The measures of the perception benchmark, by hand."""

import pytest
import torch

import envs
from benchmarks.perception import (
    WORLDS,
    balanced_accuracy,
    explained,
    label_tron,
    near,
    rival_looks,
    watch,
)
from lifelong_agent.retina import pool


def test_balanced_accuracy_is_the_mean_of_hits_and_rejections():
    logits = torch.tensor([[2.0], [-1.0], [1.0], [-3.0], [-2.0]])
    truth = torch.tensor([[1.0], [1.0], [0.0], [0.0], [0.0]])
    assert balanced_accuracy(logits, truth) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_explained_is_one_less_the_error_in_variances():
    truth = torch.tensor([[1.0], [2.0], [3.0]])
    assert explained(truth, truth) == [1.0]
    assert explained(truth * 0 + 2, truth) == [pytest.approx(1 - (2 / 3) / 1)]


def test_a_look_is_near_within_six_pixels_each_way_and_the_best_look_counts():
    looks = torch.tensor([[[10, 10], [50, 50]], [[10, 10], [50, 50]]])
    spots = torch.tensor([[56.0, 44.0], [57.0, 44.0]])
    assert near(looks, spots) == 0.5


def test_contrast_is_looked_at_where_it_is_greatest():
    screens = torch.full((1, 3, 64, 64), 100, dtype=torch.uint8)
    screens[0, :, 21, 42] = 255
    looks = rival_looks(screens, 1, 0)
    assert looks["contrast"].tolist() == [[[22, 42]]]
    assert looks["the middle"].tolist() == [[[32, 32]]]


def test_what_is_seen_a_tick_later_is_like_what_was_seen_but_for_what_moved():
    frames = watch(WORLDS[0], 0, num_games=8, ticks=20)
    assert frames.later.shape == (32, 9, 16, 16)
    changed = (frames.later != pool(frames.screens, 16)).any(1).flatten(1).sum(1)
    assert (changed <= 8).all(), "two heads and their ghosts, or nothing where the game was over"
    assert (changed > 0).float().mean() > 0.8


def test_moves_into_the_fence_are_told_to_crash():
    game = envs.make("tron")
    state = game.start(torch.tensor([3]), game.fence[None], torch.tensor([0]))
    for _ in range(2):  # both go left, to the column beside the fence
        state = game.step(state, torch.tensor([[2, 2]]), torch.Generator())
    yes, _, spot = label_tron(game, state)
    assert yes.tolist() == [[0, 0, 1, 1]], "left is the fence, right is its own trail"
    assert spot.tolist() == [[57.0, 3.0]]

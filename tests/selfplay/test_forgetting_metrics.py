"""The metrics of forgetting, worked out by hand."""

import numpy as np
import pytest

from selfplay.forgetting import metrics
from selfplay.forgetting.results import Figure

# Rows are segments, columns tasks; trained in the order 0, 1, 2.
R = np.array(
    [
        [1.0, 0.2, 0.0],
        [0.6, 0.8, 0.4],
        [0.5, 0.9, 1.1],
    ]
)
ORDER = (0, 1, 2)

# Task 0 comes back in the third of four segments.
AGAIN = np.array([[0.8, 0.1], [0.2, 1.0], [0.9, 0.5], [0.7, 0.9]])
AGAIN_ORDER = (0, 1, 0, 1)


def test_a_random_player_is_0_and_training_alone_is_1():
    random, single = np.array([0.5, -5.0]), np.array([0.9, -1.0])
    raw = np.array([[0.5, -5.0], [0.9, -1.0], [0.6, -3.0], [0.3, 1.0]])
    expected = [[0, 0], [1, 1], [0.25, 0.5], [-0.5, 1.5]]
    assert metrics.normalise(raw, random, single) == pytest.approx(np.array(expected))


def test_a_task_that_nobody_learned_cannot_be_normalised():
    with pytest.raises(ValueError, match=r"task 1 was not learned alone \(0\.500"):
        metrics.normalise(np.zeros((1, 2)), np.array([0.1, 0.5]), np.array([0.2, 0.5]))


def test_average_performance_is_the_mean_of_the_last_row():
    assert metrics.average_performance(R) == pytest.approx((0.5 + 0.9 + 1.1) / 3)


def test_forgetting_compares_the_end_with_the_end_of_each_tasks_own_training():
    assert metrics.forgetting(R, ORDER) == pytest.approx(((1.0 - 0.5) + (0.8 - 0.9)) / 2)


def test_peak_forgetting_compares_it_with_the_best():
    peaked = R.copy()
    peaked[1, 0] = 1.3
    assert metrics.peak_forgetting(peaked, ORDER) == pytest.approx(((1.3 - 0.5) + (0.9 - 0.9)) / 2)


def test_a_peak_before_a_task_was_trained_is_luck():
    lucky = R.copy()
    lucky[0, 1] = 2.0
    assert metrics.peak_forgetting(lucky, ORDER) == pytest.approx(((1.0 - 0.5) + 0) / 2)


def test_backward_transfer_is_the_mean_change_in_all_later_segments():
    later = [0.6 - 1.0, 0.5 - 1.0, 0.9 - 0.8]
    assert metrics.backward_transfer(R, ORDER) == pytest.approx(sum(later) / 3)


def test_zero_shot_is_the_score_just_before_a_task_is_met():
    assert metrics.zero_shot(R, ORDER) == pytest.approx((0.2 + 0.4) / 2)


def test_worst_retention_is_the_smallest_share_that_is_left():
    assert metrics.worst_retention(R, ORDER) == pytest.approx(0.5 / 1.0)


def test_what_was_never_learned_cannot_be_retained():
    R_bad = R.copy()
    R_bad[0, 0] = 0.09
    assert metrics.worst_retention(R_bad, ORDER) == pytest.approx(0.9 / 0.8)
    assert np.isnan(metrics.worst_retention(np.zeros((3, 3)), ORDER))


def test_forward_transfer_is_the_area_gained_over_starting_from_scratch():
    areas, scratch = np.array([0.5, 0.7, 0.4]), np.array([0.5, 0.4, 0.6])
    assert metrics.forward_transfer(areas, scratch, ORDER) == pytest.approx((0.3 - 0.2) / 2)


def test_an_area_is_the_mean_of_the_points():
    assert metrics.area(np.array([0.0, 0.5, 1.0, 0.9])) == pytest.approx(0.6)


def test_a_task_that_comes_back_counts_from_its_last_and_its_first_segment():
    assert metrics.forgetting(AGAIN, AGAIN_ORDER) == pytest.approx(0.9 - 0.7)
    assert metrics.zero_shot(AGAIN, AGAIN_ORDER) == pytest.approx(0.1)
    assert metrics.backward_transfer(AGAIN, AGAIN_ORDER) == pytest.approx(0.7 - 0.9)
    areas, scratch = np.array([0.1, 0.6, 0.9, 0.9]), np.array([0.3, 0.4])
    assert metrics.forward_transfer(areas, scratch, AGAIN_ORDER) == pytest.approx(0.6 - 0.4)


def test_one_segment_defines_neither_forgetting_nor_transfer():
    one = np.ones((1, 1))
    for metric in (metrics.forgetting, metrics.peak_forgetting, metrics.backward_transfer):
        assert np.isnan(metric(one, (0,)))
    assert np.isnan(metrics.zero_shot(one, (0,)))
    assert np.isnan(metrics.forward_transfer(np.ones(1), np.ones(1), (0,)))


def test_the_order_reversed_reads_other_entries():
    assert metrics.forgetting(R[:, ::-1], ORDER) == pytest.approx(((0.0 - 1.1) + (0.8 - 0.9)) / 2)


def test_the_interval_holds_the_mean_and_narrows_with_seeds():
    few, many = np.array([0.1, 0.5, 0.9]), np.tile([0.1, 0.5, 0.9], 12)
    low, high = metrics.bootstrap_ci95(few)
    assert (low, high) == pytest.approx((0.1, 0.9))  # 1 of 27 samples is three times the same end
    low_many, high_many = metrics.bootstrap_ci95(many)
    spread = 1.96 * np.sqrt(np.var(many) / len(many))
    assert (low_many, high_many) == pytest.approx((0.5 - spread, 0.5 + spread), abs=0.01)


def test_one_seed_has_no_interval():
    assert np.isnan(metrics.bootstrap_ci95(np.array([0.3]))).all()


def test_no_metric_changes_what_it_is_given():
    before = R.copy()
    metrics.average_performance(R)
    for metric in (
        metrics.forgetting, metrics.peak_forgetting, metrics.backward_transfer, metrics.zero_shot,
        metrics.worst_retention,
    ):  # fmt: skip
        metric(R, ORDER)
    assert (before == R).all()


def test_a_seed_without_a_value_leaves_the_mean_of_the_others():
    assert Figure.of(np.array([0.9, np.nan, 0.7])).mean == pytest.approx(0.8)
    assert Figure.of(np.array([0.9, np.nan])).to_text() == "0.90"
    assert Figure.of(np.array([np.nan, np.nan])).to_text() == "-"

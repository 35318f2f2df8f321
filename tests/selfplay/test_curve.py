import numpy as np
import pytest
from stable_baselines3.common.logger import TensorBoardOutputFormat

from selfplay.curve import draw, read_scores, smooth


def write_log(folder, points) -> None:
    log = TensorBoardOutputFormat(str(folder))
    for step, score in points:
        values = {"score/connect/one_ply": score, "train/loss": 9.0}
        log.write(values, dict.fromkeys(values, ()), step)
    log.close()


def test_a_run_that_was_resumed_is_one_curve_per_opponent(tmp_path) -> None:
    write_log(tmp_path / "tensorboard" / "PPO_0", [(100, 0.25), (200, 0.5)])
    write_log(tmp_path / "tensorboard" / "PPO_1", [(300, 0.75)])
    curves = read_scores(tmp_path)
    assert list(curves) == ["connect/one_ply"]
    minutes, steps, scores = curves["connect/one_ply"]
    assert minutes[0] == 0
    assert steps == [100, 200, 300]
    assert scores == [0.25, 0.5, 0.75]
    draw(curves, "run").savefig(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000


def test_what_was_done_again_after_a_kill_counts_once(tmp_path) -> None:
    write_log(tmp_path / "tensorboard" / "PPO_0", [(100, 0.25), (200, 0.5), (300, 0.6)])
    write_log(tmp_path / "tensorboard" / "PPO_1", [(200, 0.75), (400, 1.0)])
    _, steps, scores = read_scores(tmp_path)["connect/one_ply"]
    assert (steps, scores) == ([100, 200, 400], [0.25, 0.75, 1.0])


def test_the_moving_mean_does_not_sag_at_the_ends() -> None:
    np.testing.assert_allclose(smooth([1.0] * 7), 1)
    np.testing.assert_allclose(smooth([0.0, 3.0, 6.0], 3), [1.5, 3, 4.5])


def test_a_folder_without_a_log_is_named(tmp_path) -> None:
    with pytest.raises(ValueError, match="has no TensorBoard log"):
        read_scores(tmp_path)

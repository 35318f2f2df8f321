"""The games' benchmark: what it counts, and that peers play whole legal games."""

import pytest
import torch

import envs
from selfplay.bench_games import Effort, _random_games, bench_games, our_plays, play_pettingzoo
from selfplay.measure import Row, turn_about

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch):
    """Compiling takes longer than all the rest."""
    monkeypatch.setattr("shutil.which", lambda name: None)


def test_a_row_says_how_many_times_faster_it_is_than_its_peer():
    row = Row("rules", 3_000_000.0, "steps/s", "pgx", 1_500_000.0)
    assert row.ratio == 2.0
    assert row.to_text() == ("rules", "3,000,000", "steps/s", "pgx", "1,500,000", "2.000")
    alone = Row("frames", 0.5, "frames/s")
    assert alone.to_json() == {
        "name": "frames", "value": 0.5, "unit": "frames/s", "peer": "", "peer_value": None,
        "ratio": None,
    }  # fmt: skip


def test_actions_are_timed_turn_about_after_one_turn_to_warm_up():
    calls = []
    times = turn_about([lambda: calls.append("a"), lambda: calls.append("b")], CPU, turns=3)
    assert calls == ["a", "b"] * 4
    assert all(t > 0 for t in times)


def test_every_game_is_measured_alone_compiled_or_not_and_with_frames():
    rows = bench_games(["tron:fog", "volley"], CPU, 0, Effort(batch=8, steps=3, turns=1))
    assert [row.name for row in rows] == [
        f"{game}: {what}" for game in ("tron:fog", "volley")
        for what in ("rules", "rules with frames", "frames")
    ]  # fmt: skip
    assert all(row.value > 0 for row in rows)


def test_the_number_of_steps_is_that_of_all_games():
    game = envs.make("connect")
    assert our_plays(game, 0, Effort(batch=8, steps=3))["rules"].steps == 24


def test_random_games_of_peers_are_whole_and_legal(monkeypatch):
    monkeypatch.setattr("selfplay.bench_games.SINGLE_STEPS", 50)
    nim = _random_games(
        0, lambda: [7], lambda s: list(range(1, min(3, s[0]) + 1)),
        lambda s, a: s.__setitem__(0, s[0] - a) or s[0] == 0,
    )  # fmt: skip
    assert all(sum(game) == 7 for game in nim)
    assert 50 <= sum(map(len, nim)) < 57


def test_pettingzoo_plays_its_games_to_the_end(monkeypatch):
    monkeypatch.setattr("selfplay.bench_games.SINGLE_STEPS", 20)
    timed = play_pettingzoo(0, Effort(batch=1))
    assert timed.steps >= 20
    timed.play()


def test_an_unknown_variant_cannot_be_measured():
    with pytest.raises(ValueError, match="unknown game 'chess'"):
        bench_games(["chess"], CPU, 0)

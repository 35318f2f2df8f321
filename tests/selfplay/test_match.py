import json
from pathlib import Path

import pytest
import torch

import envs
from selfplay.__main__ import main
from selfplay.adapt import OpponentRecord, summary
from selfplay.match import play_match
from selfplay.metrics import Score, losses_until_broken, relapsed
from selfplay.players import make_scripted
from selfplay.seats import Random


def test_a_score_counts_a_draw_as_half_and_its_interval_is_wilsons() -> None:
    score = Score(wins=7, draws=2, losses=1)
    assert score.score == pytest.approx(0.8)
    low, high = score.ci95
    # n = 10, p = 0.8: (0.8 + 0.19207 -+ 1.96 sqrt(0.016 + 0.0096)) / 1.38415
    assert low == pytest.approx(0.4902, abs=1e-3)
    assert high == pytest.approx(0.9433, abs=1e-3)


def test_losses_until_broken_and_relapses() -> None:
    assert losses_until_broken([-1, -1, 0, -1, 1]) == 2
    assert losses_until_broken([1, -1]) == 0
    assert losses_until_broken([-1] * 4) is None
    assert not relapsed([-1, 1, 1, 1, 1, 1], retest=1)
    assert relapsed([-1, 1, 1, 1, 1, 1], retest=-1)
    assert relapsed([-1, 1, 1, 1, -1, 1], retest=1)
    assert not relapsed([-1, 1, -1, 1, 1, 1, 1, 1], retest=0)
    assert not relapsed([-1] * 6, retest=-1)


def test_the_figures_of_adapt_follow_from_its_records() -> None:
    records = [
        OpponentRecord("a", 0, [-1, 1, 1], retest=1, frozen_losses=3),
        OpponentRecord("b", 1, [-1, -1, 0], retest=-1, frozen_losses=3),
        OpponentRecord("c", 0, [-1, -1, -1], retest=-1, frozen_losses=3),
    ]
    figures = summary(records, 3)
    assert figures["median_losses_until_broken"] == 2
    assert figures["broken"] == 2
    assert figures["unbroken"] == 1
    assert figures["opponents_that_won_first"] == 3
    assert figures["relapse_rate"] == pytest.approx(1 / 2)
    assert figures["frozen_losses_per_game"] == pytest.approx(1)
    assert figures["opponents"][2]["losses_until_broken"] is None


def test_a_match_of_equals_is_even_and_counts_every_game() -> None:
    game = envs.make("connect")
    result = play_match(game, (Random(), Random()), 2000, torch.Generator().manual_seed(0))
    assert result.total.games == 2000
    assert result.first_seat.games == 1000
    assert 0.45 < result.total.score < 0.55
    assert result.first_seat.score > 0.5  # the first seat is the better one


def test_the_stronger_player_wins_from_either_place() -> None:
    game = envs.make("connect")
    players = (make_scripted("connect/one_ply"), Random())
    score = play_match(game, players, 200, torch.Generator().manual_seed(0)).total.score
    other = play_match(game, players[::-1], 200, torch.Generator().manual_seed(0)).total.score
    assert score > 0.85
    assert other < 0.15


def test_match_writes_its_json(tmp_path: Path) -> None:
    path = tmp_path / "match.json"
    main(["match", "--seats", "connect/one_ply", "random", "--games", "40", "--json", str(path)])
    values = json.loads(path.read_text())
    assert values["wins"] + values["draws"] + values["losses"] == values["games"] == 40
    assert values["ci95"][0] < values["score"] < values["ci95"][1]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["match", "--game", "chess"], "unknown game 'chess': known are"),
        (["match", "--game", "connect:sideways"], "unknown modifier 'sideways'"),
        (["match", "--seats", "nobody", "random"], "unknown player 'nobody'"),
        (["match", "--seats", "random", "random", "--games", "3"], "must be even"),
        (["match", "--device", "abacus"], "unknown device 'abacus'"),
        (["match", "--device", "cuda:99"], "no device 'cuda:99'"),
        (["match", "--seats", "agent:/nowhere", "random"], "no agent at /nowhere"),
        (["match", "--json", "/nowhere/at/all.json"], "no folder /nowhere/at"),
        (["match", "--colour", "red"], "--colour"),
        (["juggle"], "juggle"),
        (["adapt", "--opponents", "0"], "at least 1 opponent"),
        (["train", "--steps", "0"], "at least 1"),
        (["train", "--opponents", "random"], "player=share"),
        (["train", "--opponents", "random=0.9"], "at most 0.8"),
        (["train", "--opponents", "nobody=0.1"], "unknown player 'nobody'"),
        (["practise", "--minutes", "0"], "minutes must be positive"),
        (["practise", "--start", "/nowhere"], "no agent at /nowhere"),
        (["train", "--resume", "/nowhere"], "cannot read /nowhere/run.json"),
    ],
)
def test_bad_input_ends_in_one_line_and_exit_code_two(
    args: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(args)
    assert stop.value.code == 2
    complaint = capsys.readouterr().err
    lines = [line for line in complaint.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert says in lines[0]
    assert "Traceback" not in complaint

"""Opponents that slip: every game from its own chance, the frozen agent's from the same."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import envs
from lifelong_agent import DualStreamNetwork, LifelongAgent, NetworkConfig
from selfplay.__main__ import main
from selfplay.adapt import AdaptConfig, alone, play_game, score_of
from selfplay.habits import Acquaintance, _compared, face_habits, seeds_of
from selfplay.players import Clumsy, Stubborn


def test_halves_are_compared_opponent_by_opponent() -> None:
    met = [
        Acquaintance("a", 0, [1, 1, 0, -1], [-1, 1, -1, -1]),
        Acquaintance("b", 1, [1, -1, 1, 1], [1, -1, -1, 1]),
    ]
    first, second = _compared(met, slice(2)), _compared(met, slice(2, None))
    assert (first["score"], first["frozen_score"]) == (0.75, 0.5)
    assert (second["score"], second["frozen_score"]) == (0.625, 0.25)
    # differences 0.25 and 0.5: mean 0.375, standard deviation 0.125 * sqrt(2)
    assert second["difference_ci95"] == pytest.approx([0.375 - 0.245, 0.375 + 0.245], abs=1e-3)
    assert _compared(met[:1], slice(2))["difference_ci95"] is None


def test_what_is_kept_and_compared_is_what_was_played() -> None:
    torch.manual_seed(0)
    agent = LifelongAgent(DualStreamNetwork(NetworkConfig()))
    kept: list[dict[str, Any]] = []
    config = AdaptConfig(num_opponents=2, num_games=6, sleep_s=0.0)
    result = face_habits(envs.make("connect"), agent, config, 30, keep=kept.append)
    one, other = result["opponents"]
    assert one["name"].startswith("clumsy-30:stubborn:")
    assert one["results"][0] == one["frozen"][0], "nothing is remembered before the first game"
    for met in (one, other):
        percent, _, character = met["name"].removeprefix("clumsy-").partition(":")
        opponent = Clumsy(Stubborn(int(character.removeprefix("stubborn:"))), int(percent))
        assert met["frozen"] == [
            alone(envs.make("connect"), agent.network, met["seat"], opponent, seed)
            for seed in seeds_of(met["name"], 6)
        ]
    assert len(set(one["frozen"] + other["frozen"])) > 1, "some games they lose by a slip"
    assert not set(seeds_of(one["name"], 6)) & set(seeds_of(other["name"], 6))
    assert kept[0]["opponents"] == [one]
    second = [score_of(each["results"][3:]) for each in (one, other)]
    assert result["second_half"]["score"] == pytest.approx(sum(second) / 2)


def test_games_differ_by_their_seed_and_the_frozen_agent_meets_the_same_chance() -> None:
    torch.manual_seed(0)
    agent = LifelongAgent(DualStreamNetwork(NetworkConfig()))
    game, opponent = envs.make("connect"), Clumsy(Stubborn(4), 40)
    ours = [play_game(game, agent, 0, opponent, seed) for seed in range(8)]
    theirs = [alone(game, agent.network, 0, opponent, seed) for seed in range(8)]
    assert ours == theirs
    assert len(set(ours)) > 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--clumsy", "100"], "--clumsy is 0 to 99 percent, not 100"),
        (["--clumsy", "10", "--games", "1"], "--clumsy needs at least 2 games"),
    ],
)
def test_nonsense_is_refused_in_one_line(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["adapt", *options])
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_writes_and_shows_both_halves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LifelongAgent(DualStreamNetwork(NetworkConfig())).save(tmp_path / "agent")
    few = ["--opponents", "1", "--games", "2", "--sleep-s", "0.5", "--clumsy", "10"]
    paths = ["--agent", str(tmp_path / "agent"), "--json", str(tmp_path / "out.json")]
    main(["adapt", *few, *paths])
    figures = json.loads((tmp_path / "out.json").read_text())
    assert len(figures["opponents"][0]["results"]) == 2
    assert "second half of the games: score" in capsys.readouterr().out

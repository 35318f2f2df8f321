import dataclasses
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

import envs
from envs import State
from lifelong_agent import DualStreamNetwork, LifelongAgent, NetworkConfig
from memory import SleepReport
from selfplay.__main__ import main
from selfplay.adapt import (
    AdaptConfig,
    OpponentRecord,
    adapt,
    alone,
    play_game,
    strangers,
    summary,
    survival,
    winning_opponents,
)
from selfplay.match import play_match
from selfplay.metrics import Mean, Score, losses_until_broken, relapsed
from selfplay.players import make_scripted
from selfplay.seats import AnyGame, Random, Stateless
from tests.lifelong_agent.probes import SMALL


def test_a_score_counts_a_draw_as_half_and_its_interval_is_wilsons() -> None:
    score = Score(wins=7, draws=2, losses=1)
    assert score.score == pytest.approx(0.8)
    low, high = score.ci95
    # n = 10, p = 0.8: (0.8 + 0.19207 -+ 1.96 sqrt(0.016 + 0.0096)) / 1.38415
    assert low == pytest.approx(0.4902, abs=1e-3)
    assert high == pytest.approx(0.9433, abs=1e-3)


@pytest.mark.parametrize("games", [2, 7, 60, 400, 1000])
def test_the_interval_of_a_score_stays_between_0_and_1(games: int) -> None:
    assert Score(games, 0, 0).ci95[1] == pytest.approx(1)
    assert Score(games, 0, 0).ci95[1] <= 1
    assert 0 <= Score(0, 0, games).ci95[0] == pytest.approx(0, abs=1e-12)


def test_a_mean_has_a_normal_interval() -> None:
    mean = Mean.of([5.0, 3.0, -1.0, 1.0])
    assert mean.mean == 2
    # squares of 3, 1, -3, -1: 20 / 3
    assert mean.std == pytest.approx((20 / 3) ** 0.5)
    low, high = mean.ci95
    assert low == pytest.approx(2 - 1.96 * (20 / 3 / 4) ** 0.5, abs=1e-4)
    assert high == pytest.approx(2 + 1.96 * (20 / 3 / 4) ** 0.5, abs=1e-4)


def test_those_that_are_tried_together_are_those_that_win_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the rules draw no lots: of the first 16, in two batches, in order."""
    monkeypatch.setattr("selfplay.adapt.TRIED_AT_ONCE", 8)
    torch.manual_seed(0)
    network = DualStreamNetwork(SMALL).eval()
    game = envs.make("connect")
    expected = [
        (number % 2, f"stubborn:{number}")
        for number in range(1, 17)
        if alone(game, network, number % 2, make_scripted(f"stubborn:{number}")) < 0
    ]
    assert 1 < len(expected) < 16
    found = islice(winning_opponents(game, network, 0), len(expected))
    assert [(seat, opponent.name) for seat, opponent in found] == expected


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


def test_what_survives_is_a_share_of_the_gain() -> None:
    records = [
        OpponentRecord("a", 0, [-1, 1], retest=1, alone=1, frozen=-1),
        OpponentRecord("b", 1, [-1, 0], retest=0, alone=-1, frozen=-1),
    ]
    assert survival(records) == pytest.approx(2 / 3)
    assert survival([OpponentRecord("c", 0, [1], retest=1, alone=1, frozen=1)]) is None
    assert summary(records, 2)["survives_without_hippocampus"] == pytest.approx(2 / 3)


def test_adapt_sleeps_between_games_and_meets_strangers_without_learning_from_them() -> None:
    network = DualStreamNetwork(NetworkConfig())
    agent = LifelongAgent(network)
    budgets: list[float] = []

    def nap(budget_s: float) -> SleepReport:
        budgets.append(budget_s)
        return SleepReport(True, "")

    agent.sleep = nap  # type: ignore[assignment, method-assign]
    config = AdaptConfig(num_opponents=1, num_games=2, num_strangers=3, sleep_s=0.5)
    kept: list[dict[str, Any]] = []
    figures = adapt(envs.make("connect"), agent, config, keep=kept.append)
    assert kept[-1]["partial"]
    assert kept[-1]["opponents"][0]["results"] == figures["opponents"][0]["results"]
    assert budgets == [0.5, 0.5]
    assert figures["strangers"]["games"] == 3
    assert 0 <= figures["strangers"]["score"] <= 1
    assert agent.hippocampus.store.count("games") == 3  # two, and the retest
    assert figures["opponents"][0]["name"] not in {one.name for _, one in strangers(0, 3)}


@pytest.mark.parametrize("stopped_after", [1, 6, 8, 9])
def test_a_resumed_adapt_goes_on_where_the_memory_ends(tmp_path: Path, stopped_after: int) -> None:
    """Stopped in the first of two opponents, in the second, before and amid the retests."""
    torch.manual_seed(0)
    network = DualStreamNetwork(SMALL)
    game = envs.make("connect")
    config = AdaptConfig(num_opponents=2, num_games=4, num_strangers=2, sleep_s=0)
    whole = adapt(game, LifelongAgent(network), config)
    told: list[str] = []

    def stop(word: str) -> None:
        told.append(word)
        if len(told) == stopped_after:
            raise KeyboardInterrupt

    agent = LifelongAgent(network, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        adapt(game, agent, config, stop)
    agent.close()
    told.clear()
    again = LifelongAgent(network, tmp_path)
    resumed = adapt(game, again, dataclasses.replace(config, resumed=True), told.append)
    assert resumed["opponents"] == whole["opponents"]
    assert len(told) == 10  # games of before, too, for the bar
    assert again.hippocampus.store.count("games") == 10
    again.close()


@pytest.mark.gpu
def test_adapt_plays_on_cuda(tmp_path: Path) -> None:
    LifelongAgent(DualStreamNetwork(NetworkConfig())).save(tmp_path / "agent")
    few = "--opponents 1 --games 1 --strangers 2 --sleep-s 0.5 --device cuda"
    paths = ["--agent", str(tmp_path / "agent"), "--json", str(tmp_path / "out.json")]
    main(["adapt", *few.split(), *paths])
    figures = json.loads((tmp_path / "out.json").read_text())
    assert len(figures["opponents"][0]["results"]) == 1
    assert figures["strangers"]["games"] == 2


@pytest.mark.gpu
def test_an_agent_on_cuda_sleeps_over_what_it_won() -> None:
    agent = LifelongAgent(DualStreamNetwork(NetworkConfig()).cuda())
    game = envs.make("connect", "cuda")
    for seed in range(3):
        play_game(game, agent, seed % 2, Random(), seed)
        agent.end_game(1.0)
    report = agent.sleep(10.0)
    assert "recent decisions off by" in report.reason or "rolled back" in report.reason


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


class Sleeper(Stateless):
    """Does nothing in volley: the launches alone decide. It may draw chance and not use it."""

    name = "sleeper"

    def __init__(self, draws: int) -> None:
        self.draws = draws

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        torch.rand(self.draws, generator=generator)
        return torch.zeros_like(seat)


def test_both_games_of_a_pair_have_the_same_chance() -> None:
    game = envs.make("volley:wind")
    result = play_match(game, (Sleeper(0), Sleeper(3)), 22, torch.Generator().manual_seed(0))
    assert result.total.wins == result.total.losses > 0
    assert result.points.mean == 0
    assert result.first_seat.games == 11, "an odd number: the launches were not even"


def test_a_volley_match_is_won_by_points_and_counts_them() -> None:
    game = envs.make("volley")
    heard: list[int] = []
    players = make_scripted("volley/tracker"), Sleeper(0)
    result = play_match(game, players, 8, torch.Generator().manual_seed(0), heard.append)
    assert result.total.wins == 8
    assert 3 < result.points.mean <= 5
    assert heard[-1] == 8
    assert heard == sorted(heard)


def match_variants(names: Iterable[str]) -> None:
    for name in names:
        game = envs.make(name, validate=True)
        result = play_match(game, (Random(), Random()), 2, torch.Generator().manual_seed(0))
        assert result.total.games == 2


def test_plain_games_and_those_with_most_modifiers_can_be_matched() -> None:
    for game in ("connect", "tron"):  # those of volley take longer
        names = envs.list_variants(game)
        match_variants([names[0], names[-1]])


@pytest.mark.slow
def test_every_variant_can_be_matched() -> None:
    match_variants(envs.list_variants("connect") + envs.list_variants("tron"))
    match_variants(envs.list_variants("volley")[::32])  # they take seconds each


def test_match_writes_its_json(tmp_path: Path) -> None:
    path = tmp_path / "match.json"
    main(["match", "--seats", "random", "random", "--games", "40", "--json", str(path)])
    values = json.loads(path.read_text())
    assert values["wins"] + values["draws"] + values["losses"] == values["games"] == 40
    assert values["ci95"][0] < values["score"] < values["ci95"][1]
    points = values["points_per_game"]
    assert points["mean"] == pytest.approx((values["wins"] - values["losses"]) / 40)
    assert points["ci95"][0] < points["mean"] < points["ci95"][1]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["match", "--game", "chess"], "unknown game 'chess': known are"),
        (["match", "--game", "connect:sideways"], "unknown modifier 'sideways'"),
        (["match", "--seats", "nobody", "random"], "unknown player 'nobody'"),
        (["match", "--game", "tron", "--seats", "connect/one_ply", "random"], "knows connect, not"),
        (["match", "--seats", "random", "volley/tracker"], "knows volley, not connect"),
        (["match", "--seats", "random", "random", "--games", "3"], "must be even"),
        (["match", "--device", "abacus"], "unknown device 'abacus'"),
        (["match", "--device", "cuda:99"], "no device 'cuda:99'"),
        (["match", "--seats", "agent:/nowhere", "random"], "no agent at /nowhere"),
        (["match", "--json", "/nowhere/at/all.json"], "no folder /nowhere/at"),
        (["match", "--colour", "red"], "--colour"),
        (["match", "--seed", "-1"], "the seed is a whole number from 0 to 2**32 - 1, not -1"),
        (["train", "--averaging", "1.5"], "averaging must be a number from 0 to below 1, not 1.5"),
        (["juggle"], "juggle"),
        (["adapt", "--opponents", "0"], "at least 1 opponent"),
        (["adapt", "--resume"], "where a --memory ends"),
        (["adapt", "--resume", "--memory", "/nowhere"], "no memory in /nowhere to go on with"),
        (["train", "--resume", "/nowhere", "--games", "tron"], "with --resume no --games"),
        (["adapt", "--resume", "--memory", "mine", "--clumsy", "10"], "with stubborn opponents"),
        (["train", "--steps", "0"], "steps must be a whole number from 1 on, not 0"),
        (["train", "--opponents", "random"], "player=share"),
        (["train", "--opponents", "random=0.9"], "at most 0.8"),
        (
            ["train", "--least-deviation", "-1"],
            "least_deviation must be a number from 0 on, not -1",
        ),
        (["train", "--batch", "0"], "at least 32 decisions, not 0"),
        (["train", "--opponents", "nobody=0.1"], "unknown player 'nobody'"),
        (["practise", "--batch", "63", "--games", "connect,tron"], "at least 64 decisions, not 63"),
        (["practise", "--minutes", "0"], "minutes must be positive"),
        (["practise", "--start", "/nowhere"], "no agent at /nowhere"),
        (["practise", "--device", "cuda:99"], "no device 'cuda:99'"),
        (["train", "--resume", "/nowhere"], "cannot read /nowhere/run.json"),
    ],
)
def test_bad_input_ends_in_one_line_and_exit_code_two(
    args: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # no run lies here that a command would be afraid to lose
    with pytest.raises(SystemExit) as stop:
        main(args)
    assert stop.value.code == 2
    complaint = capsys.readouterr().err
    lines = [line for line in complaint.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert says in lines[0]
    assert "Traceback" not in complaint


@pytest.mark.parametrize("held", ["network.json", "run.json", "run.safetensors"])
@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("train", "go on with --resume {out}, or choose another folder"),
        ("exploit", "go on with --resume {out}, or choose another folder"),
        ("practise", "choose another folder"),
    ],
)
def test_no_command_overwrites_a_network(
    command: str, advice: str, held: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / held).write_text("of days")
    with pytest.raises(SystemExit) as stop:
        main([command, "--out", str(tmp_path)])
    assert stop.value.code == 2
    complaint = f"error: {tmp_path} holds a network already: {advice.format(out=tmp_path)}\n"
    assert capsys.readouterr().err == complaint
    assert [path.name for path in tmp_path.iterdir()] == [held]
    assert (tmp_path / held).read_text() == "of days"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--games", "3"], "must be even"), (["--seats", "random", "tron/voronoi"], "knows tron")],
)
def test_a_match_that_cannot_be_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["match", "--seats", "random", "random", *arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert words in error
    assert error.count("\n") == 1

"""A training run: it plays, learns, freezes copies of itself, and resumes exactly."""

import dataclasses
import functools
import os
import shutil
import signal
from collections import Counter

import pytest
import torch

import envs
from lifelong_agent.exemplars import read_exemplars
from lifelong_agent.keys import KeyEncoder, encoder_version
from lifelong_agent.perception import EyesConfig
from lifelong_agent.policy import DualStreamNetwork, NetworkConfig
from lifelong_agent.ppo import LifelongPPO, PPOConfig
from lifelong_agent.weights import (
    load_network,
    load_network_and_keys,
    read_json,
    read_pair,
    read_tensors,
    save_network,
    trained_games,
    write_pair,
)
from selfplay import training
from selfplay.__main__ import main as selfplay_command
from selfplay.league import League
from selfplay.training import TrainConfig, Trainer
from tests.lifelong_agent.probes import SMALL

ROLLOUT = 16 * 4
CONFIG = TrainConfig(
    steps=8 * ROLLOUT,
    num_games=16,
    opponents=(("connect/one_ply", 0.125), ("random", 0.125)),
    snapshot_share=0.5,
    snapshot_steps=2 * ROLLOUT,
    checkpoint_s=0.0,
    learning_rate=3e-3,
)


class PlugPulled(Exception):
    """The run is killed."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """A small network, short rollouts, and a league that has to let snapshots go."""
    small = NetworkConfig(eyes=SMALL.eyes, circuits=SMALL.circuits)
    monkeypatch.setattr(training, "USUAL", small)
    monkeypatch.setattr(training, "PPOConfig", functools.partial(PPOConfig, num_steps=4))
    monkeypatch.setattr(training, "League", functools.partial(League, 3))


def trained(out, **changes):
    trainer = Trainer(dataclasses.replace(CONFIG, **changes), out)
    trainer.run()
    return trainer


def interrupted(out, rollouts, **changes):
    """Killed in the middle of the run; what is left is on disk."""

    def kill(steps):
        if steps >= rollouts * ROLLOUT:
            raise PlugPulled

    with pytest.raises(PlugPulled):
        Trainer(dataclasses.replace(CONFIG, **changes), out).run(kill)


def assert_same_runs(first, second):
    one, two = read_json(first / "run.json"), read_json(second / "run.json")
    assert one == two
    for name in ("run.safetensors", "network.safetensors"):
        a, b = read_tensors(first / name), read_tensors(second / name)
        assert a.keys() == b.keys()
        different = [key for key in a if not torch.equal(a[key], b[key])]
        assert different == [], f"{name} of the resumed run differs"
    assert (first / "network.json").read_bytes() == (second / "network.json").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    with pytest.MonkeyPatch.context() as patch:
        _small_parts.__wrapped__(patch)
        out = tmp_path_factory.mktemp("whole")
        return out, trained(out)


@pytest.mark.parametrize("rollouts", [3, pytest.param(7, marks=pytest.mark.slow)])
def test_a_run_that_was_killed_and_resumed_equals_one_that_was_not(whole, tmp_path, rollouts):
    interrupted(tmp_path, rollouts)
    stopped = read_json(tmp_path / "run.json")["steps"]
    assert stopped == (rollouts - 1) * ROLLOUT
    resumed = Trainer.resume(tmp_path)
    assert resumed.algorithm.num_timesteps == stopped
    resumed.run()
    assert_same_runs(whole[0], tmp_path)
    pairs = zip(whole[1].network.parameters(), resumed.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("request_", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_writes_where_it_is_and_goes_on_exactly(
    whole, tmp_path, request_
):
    def ask(steps):
        if steps == 3 * ROLLOUT:
            os.kill(os.getpid(), request_)

    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    trainer = Trainer(dataclasses.replace(CONFIG, checkpoint_s=1e9), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(ask)
    assert trainer.last_checkpoint().startswith(f"the last good checkpoint ({3 * ROLLOUT} steps)")
    assert handlers == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    Trainer.resume(tmp_path, checkpoint_s=CONFIG.checkpoint_s).run()
    assert_same_runs(whole[0], tmp_path)


def test_a_run_that_is_asked_twice_stops_at_once(tmp_path):
    def ask(_steps):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    trainer = Trainer(dataclasses.replace(CONFIG, checkpoint_s=1e9), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(ask)
    assert trainer.algorithm.num_timesteps == ROLLOUT
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"averaging": 1.0}, "averaging must be a number from 0 to below 1, not 1.0"),
        ({"averaging": float("nan")}, "averaging must be a number from 0 to below 1, not nan"),
        ({"snapshot_steps": 0}, "snapshot_steps must be a whole number from 1 on, not 0"),
        ({"lessons": -1}, "lessons must be a whole number from 0 on, not -1"),
        ({"lesson_floor": float("nan")}, "lesson_floor must be a number from 0 on, not nan"),
        ({"entropy_weight": float("inf")}, "entropy_weight must be a number from 0 on, not inf"),
        ({"learning_rate": 0.0}, "learning_rate must be a number from 1e-09 on, not 0.0"),
        ({"games": ("connect", "connect")}, "games must be different ones"),
        (
            {"opponents": (("random", float("nan")),)},
            "the share of random must be a number from 1e-09 on, not nan",
        ),
        ({"minibatches": 17}, "17 minibatches need as many decisions at a time, not 16"),
        ({"variants": 1.0}, "variants must be a number from 0 to below 1, not 1.0"),
    ],
)
def test_a_run_on_numbers_out_of_their_range_is_refused(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(CONFIG, **change)


@pytest.mark.slow
def test_a_run_over_several_games_is_resumed_exactly(tmp_path):
    games = {"games": ("connect", "tron:fog", "volley"), "num_games": 48, "steps": 8 * 3 * ROLLOUT}
    games["opponents"] = (("connect/one_ply", 0.125), ("tron/wall_hugger", 0.25), ("random", 0.125))
    trained(tmp_path / "whole", **games)
    interrupted(tmp_path / "killed", 15, **games)
    Trainer.resume(tmp_path / "killed").run()
    assert_same_runs(tmp_path / "whole", tmp_path / "killed")


def test_players_are_met_only_in_the_games_that_they_play(tmp_path):
    config = dataclasses.replace(CONFIG, games=("connect", "tron"), num_games=32)
    trainer = Trainer(config, tmp_path)
    met = [(a.game.name, a.opponent.name) for a in trainer.scripted_arenas]
    assert met == [("connect", "connect/one_ply"), ("connect", "random"), ("tron", "random")]
    assert [arena.num_rows for arena in trainer.arenas.arenas] == [4, 2, 2, 8, 6, 2, 8]


def test_scripted_players_may_not_take_a_whole_game(tmp_path):
    config = dataclasses.replace(CONFIG, opponents=(("random", 0.5), ("connect/one_ply", 0.4)))
    with pytest.raises(ValueError, match=r"at most 0\.8 of connect"):
        Trainer(config, tmp_path)


@pytest.mark.slow
def test_a_run_may_be_saved_and_resumed_in_between(whole, tmp_path):
    interrupted(tmp_path, 5)
    Trainer.resume(tmp_path).save()
    Trainer.resume(tmp_path).run()
    assert_same_runs(whole[0], tmp_path)


def test_a_finished_run_that_is_resumed_has_nothing_left_to_do(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "run")
    resumed = Trainer.resume(tmp_path / "run")
    resumed.run()
    assert resumed.algorithm.num_timesteps == CONFIG.steps
    pairs = zip(whole[1].network.parameters(), resumed.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    for name in ("network.safetensors", "exemplars.safetensors"):  # keys and situations, too
        assert (tmp_path / "run" / name).read_bytes() == (whole[0] / name).read_bytes()


def test_a_run_whose_device_is_not_there_is_refused(whole):
    with pytest.raises(ValueError, match="no device 'cuda:99'"):
        Trainer.resume(whole[0], device="cuda:99")


def test_opponents_play_their_game_under_any_name(tmp_path):
    opponents = (("clumsy-20:tron/wall_hugger", 0.1), ("clumsy-9:stubborn:1", 0.1))
    config = dataclasses.replace(
        CONFIG, games=("connect", "tron"), num_games=64, opponents=opponents
    )
    met = [(a.game.name, a.opponent.name) for a in Trainer(config, tmp_path).scripted_arenas]
    clumsy = "clumsy-20:tron/wall_hugger"
    assert met == [
        ("connect", "clumsy-9:stubborn:1"),
        ("tron", clumsy),
        ("tron", "clumsy-9:stubborn:1"),
    ]


def test_an_opponent_of_an_unknown_game_is_not_left_out_in_silence(tmp_path):
    config = dataclasses.replace(CONFIG, opponents=(("conect/one_ply", 0.25),))
    with pytest.raises(ValueError, match="unknown player 'conect/one_ply'"):
        Trainer(config, tmp_path)


def test_a_batch_too_small_for_everybody_is_refused(tmp_path):
    config = dataclasses.replace(CONFIG, games=("connect",), num_games=16, variants=0.8)
    with pytest.raises(ValueError, match="3 decisions of connect at a time are too few for 2 opp"):
        Trainer(config, tmp_path)


def test_an_opponent_that_has_left_the_league_is_still_met_after_resuming(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "run")
    trainer = Trainer.resume(tmp_path / "run")
    met = trainer.met[0]
    trainer.league.snapshots = [s for s in trainer.league.snapshots if s is not met]
    trainer.saved_steps = None  # there is something to save
    trainer.save()
    resumed = Trainer.resume(tmp_path / "run")
    assert resumed.met[0].name == met.name == resumed.snapshot_arenas[0].opponent.name
    assert [s.name for s in resumed.league.snapshots] == [s.name for s in trainer.league.snapshots]
    pairs = zip(met.network.parameters(), resumed.met[0].network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_run_learns_and_freezes_copies_as_it_goes(whole):
    out, trainer = whole
    assert trainer.algorithm.num_timesteps == CONFIG.steps
    fresh = Trainer(CONFIG, out / "fresh").network
    pairs = list(zip(fresh.parameters(), trainer.network.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in pairs)
    snapshots = trainer.league.snapshots
    assert len(snapshots) == 3
    assert snapshots[0].name == "snapshot-0"
    first = zip(fresh.parameters(), snapshots[0].network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in first), "the first network is kept as it was"
    assert any(s.score != 0.5 for s in snapshots), "games against them were counted"


@pytest.mark.slow
def test_equal_seeds_give_equal_runs_and_others_do_not(tmp_path):
    for name, seed in (("first", 0), ("second", 0), ("other", 1)):
        trained(tmp_path / name, seed=seed, steps=2 * ROLLOUT)
    assert_same_runs(tmp_path / "first", tmp_path / "second")
    weights = [read_tensors(tmp_path / x / "network.safetensors") for x in ("first", "other")]
    assert not all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_every_seat_of_the_batch_is_taken_and_shared_out_as_asked(tmp_path):
    trainer = Trainer(CONFIG, tmp_path)
    sizes = [arena.num_rows for arena in trainer.arenas.arenas]
    assert sizes == [4, 2, 2, 8]  # mirror, one_ply, random, former selves
    assert trainer.arenas.num_rows == CONFIG.num_games
    names = [arena.opponent.name for arena in trainer.scripted_arenas]
    assert names == ["connect/one_ply", "random"]


def test_a_run_that_set_no_least_deviation_goes_on_without_one(tmp_path):
    config = dataclasses.replace(CONFIG, steps=1, least_deviation=0.3)
    trainer = Trainer(config, tmp_path)
    trainer.run()
    assert Trainer.resume(tmp_path).algorithm.config.least_deviation == 0.3
    notes, tensors = read_pair(tmp_path, "run")
    del notes["config"]["least_deviation"]
    write_pair(tmp_path, "run", tensors, notes)
    assert Trainer.resume(tmp_path).algorithm.config.least_deviation == 0.0


def test_the_learning_rate_falls_to_a_tenth(tmp_path):
    trainer = Trainer(CONFIG, tmp_path)
    rates = [trainer._learning_rate(remaining) for remaining in (1.0, 0.5, 0.1, 0.0)]
    assert rates == pytest.approx([3e-3, 1.5e-3, 3e-4, 3e-4])


def test_a_run_leaves_an_agent_that_can_be_played(whole):
    network = load_network(whole[0])
    frames = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    thought = network(frames, torch.ones(1, 16).bool(), network.initial_state(1))
    assert torch.isfinite(thought.log_probs).all()
    averaged = zip(network.parameters(), whole[1].average.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in averaged)


def test_a_run_can_start_from_a_trained_network(tmp_path):
    trainer = Trainer(dataclasses.replace(CONFIG, seed=5), tmp_path)
    save_network(tmp_path / "agent", trainer.network)
    other = Trainer(CONFIG, tmp_path / "run", start=tmp_path / "agent")
    pairs = zip(trainer.network.parameters(), other.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_start_of_another_architecture_is_trained_as_it_is_built_and_resumed(tmp_path):
    agent, run = tmp_path / "agent", tmp_path / "run"
    far = NetworkConfig(eyes=EyesConfig(reach=1))
    save_network(agent, DualStreamNetwork(far))
    trainer = Trainer(dataclasses.replace(CONFIG, steps=ROLLOUT), run, start=agent)
    assert trainer.network.config.eyes.reach == 1
    trainer.run()
    again = Trainer.resume(run)
    assert again.network.config == load_network(run).config == trainer.network.config
    pairs = zip(trainer.network.parameters(), again.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_start_for_another_world_is_refused_in_one_line(tmp_path):
    save_network(tmp_path / "agent", DualStreamNetwork(NetworkConfig(num_actions=3)))
    with pytest.raises(ValueError, match=r"tensor policy.*shape") as caught:
        Trainer(CONFIG, tmp_path / "run", start=tmp_path / "agent")
    assert "\n" not in str(caught.value)


def test_variants_share_a_part_of_their_game(tmp_path):
    games = ("connect", "tron")
    trainer = Trainer(
        dataclasses.replace(CONFIG, games=games, num_games=560, variants=0.25), tmp_path
    )
    rows = Counter()
    for arena in trainer.arenas.arenas:
        rows[arena.game.variant] += arena.num_rows
        assert arena.opponent is None or not arena.game.modifiers
    assert (rows["connect"], rows["tron"]) == (210, 209), "an odd row cannot be a mirror game"
    single = {f"{g}:{m}" for g in games for m in envs.make(g).MODIFIERS}
    assert {name for name, num in rows.items() if num == 10} == single
    trainer.run()
    assert set(trained_games(tmp_path)) == {*games, *single}


def test_in_half_of_a_variants_decisions_the_first_scripted_opponent_plays(tmp_path):
    """14 rows of each: 7 against it, and 7 (6 where a mirror game takes two) among equals."""
    games, scripted = ("connect", "tron"), ("connect/one_ply", "tron/voronoi", "tron/wall_hugger")
    config = dataclasses.replace(
        CONFIG, games=games, num_games=560, variants=0.35, variants_scripted=0.5,
        opponents=tuple((name, 0.1) for name in scripted),
    )  # fmt: skip
    trainer = Trainer(config, tmp_path)
    rows = Counter()
    for arena in trainer.arenas.arenas:
        if arena.game.modifiers:
            name = arena.opponent and arena.opponent.name
            rows[arena.game.name, name, arena.num_rows] += 1
    assert rows == {
        ("connect", None, 7): 7, ("connect", "connect/one_ply", 7): 7,
        ("tron", None, 6): 7, ("tron", "tron/voronoi", 7): 7,
    }  # fmt: skip
    trainer.run()


@pytest.mark.parametrize(("given", "steps"), [([], 8), (["--steps", str(9 * ROLLOUT)], 9)])
def test_a_run_that_is_resumed_goes_on_to_its_own_steps_unless_told_otherwise(
    checkpoint, given, steps
):
    selfplay_command(["train", "--resume", str(checkpoint), *given])
    assert read_json(checkpoint / "run.json")["steps"] == steps * ROLLOUT
    assert read_json(checkpoint / "run.json")["config"]["steps"] == steps * ROLLOUT


def test_a_new_run_has_twelve_million_steps_unless_told_otherwise(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("selfplay.__main__.Trainer.run", lambda self, _: asked.append(self.config))
    selfplay_command(["train", "--out", str(tmp_path), "--batch", "32"])
    assert asked[0].steps == 12_000_000


def test_a_checkpoint_has_situations_out_of_its_last_rollout(tmp_path):
    trainer = trained(tmp_path, games=("connect", "tron"), num_games=48)
    network, keys = load_network_and_keys(tmp_path)
    found = read_exemplars(tmp_path, network, encoder_version(network.eyes, KeyEncoder(**keys)))
    rollout = trainer.algorithm.rollout
    assert len(found) == trainer.arenas.num_rows
    assert torch.equal(found.legal_actions, rollout.legal_actions[0])
    assert found.states[0].count_nonzero() > 0


def test_a_checkpoint_counts_only_once_its_network_is_written(tmp_path, monkeypatch):
    def no_room(*_args, **_kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("selfplay.training.save_network", no_room)
    with pytest.raises(OSError, match="No space left"):
        trained(tmp_path)
    assert not (tmp_path / "run.json").exists()


# On a CUDA device.


@pytest.mark.gpu
def test_what_is_recorded_on_cuda_gives_the_gradients_of_the_cpu(tmp_path):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    remote = trained(tmp_path, device="cuda", games=("connect", "tron", "volley"), num_games=48)
    torch.set_float32_matmul_precision("highest")
    algorithm, rows = remote.algorithm, torch.tensor([1, 40, 3, 22], device="cuda")
    algorithm._gradients.records.clear()
    with torch.no_grad():  # nothing may hang on what a record has read before
        algorithm.rollout.advantage.normal_()
    recorded, grads = algorithm._gradients(rows).clone(), gradients_of(algorithm)
    launched = algorithm._differentiate(rows)
    torch.testing.assert_close(recorded, launched, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(grads, gradients_of(algorithm), rtol=1e-2, atol=1e-5)
    with torch.no_grad():
        algorithm.rollout.advantage.normal_()
    assert not torch.allclose(algorithm._gradients(rows), launched), "it reads what is there now"


def gradients_of(algorithm):
    return torch.cat([p.grad.flatten().clone() for p in algorithm.policy.parameters()])


@pytest.mark.gpu
def test_a_cuda_run_learns_to_do_what_pays_and_is_resumed(tmp_path):
    trainer = trained(tmp_path, device="cuda", num_games=64, steps=64 * 4 * 30)
    assert all(p.is_cuda for p in trainer.network.parameters())
    resumed = Trainer.resume(tmp_path, steps=64 * 4 * 32)
    resumed.run()
    assert resumed.algorithm.num_timesteps == 64 * 4 * 32
    load_network(tmp_path, "cpu")


# A loss that is not finite.


@pytest.fixture
def poison(monkeypatch):
    """From the given step on every loss is NaN."""

    def pour(from_step):
        losses = LifelongPPO._losses

        def poisoned(self, *args):
            parts = losses(self, *args)
            if self.num_timesteps >= from_step:
                parts["loss"] = parts["loss"] * float("nan")
            return parts

        monkeypatch.setattr(LifelongPPO, "_losses", poisoned)

    return pour


def train_command(out, monkeypatch):
    """`python -m selfplay train` with a checkpoint before every rollout."""
    config = functools.partial(TrainConfig, checkpoint_s=0.0, snapshot_share=0.5)
    monkeypatch.setattr("selfplay.__main__.TrainConfig", config)
    command = ["train", "--steps", "4096", "--batch", "32", "--out", str(out)]
    with pytest.raises(SystemExit) as stop:
        selfplay_command([*command, "--opponents", "random=0.125", "--precision", "float32"])
    return stop.value.code


def test_a_loss_that_is_not_finite_ends_the_command_and_spoils_no_checkpoint(
    tmp_path, monkeypatch, capsys, poison
):
    rollout = 32 * 4
    poison(3 * rollout)
    assert train_command(tmp_path, monkeypatch) == 2
    complaint = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    assert complaint == [
        "error: the gradient is not finite: training stops; "
        f"the last good checkpoint ({2 * rollout} steps) is in {tmp_path}"
    ]
    assert read_json(tmp_path / "run.json")["steps"] == 2 * rollout
    _, tensors = read_pair(tmp_path, "run")
    assert all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point())
    assert all(torch.isfinite(p).all() for p in load_network(tmp_path).parameters())


def test_without_a_checkpoint_none_is_promised(tmp_path, poison):
    poison(0)
    with pytest.raises(FloatingPointError, match="no checkpoint was written before"):
        Trainer(dataclasses.replace(CONFIG, checkpoint_s=1e9), tmp_path).run()
    assert not (tmp_path / "run.json").exists()


# Damage.


@pytest.fixture
def checkpoint(whole, tmp_path):
    return shutil.copytree(whole[0], tmp_path / "run")


def error_of(directory):
    with pytest.raises(ValueError, match=r".") as caught:
        Trainer.resume(directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_directory_without_a_run_is_named(tmp_path):
    assert str(tmp_path) in error_of(tmp_path)


@pytest.mark.parametrize("name", ["run.json", "run.safetensors"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_named(checkpoint, name, part):
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(content[: int(part * len(content))])
    assert str(checkpoint / name) in error_of(checkpoint)


@pytest.mark.parametrize(
    "change",
    [
        lambda notes: notes.pop("config"),
        lambda notes: notes["config"].update(hope=1),
        lambda notes: notes["config"].pop("opponents"),
        lambda notes: notes["config"].update(num_games=8),
        lambda notes: notes.pop("steps"),
        lambda notes: notes.update(met=["snapshot-9", None]),
        lambda notes: notes.update(snapshots=[["snapshot-9", 0.5]]),
    ],
)
def test_a_checkpoint_whose_files_do_not_belong_together_is_named(checkpoint, change):
    notes, tensors = read_pair(checkpoint, "run")
    change(notes)
    write_pair(checkpoint, "run", tensors, notes)
    assert str(checkpoint) in error_of(checkpoint)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's own
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_compiled_eyes_see_the_same_and_copies_are_not_compiled(tmp_path):
    trainer = trained(tmp_path, compiled=True)
    eyes = trainer.network.eyes
    copied = trainer.league.snapshots[0].network.eyes
    assert copied._compiled_call_impl is None
    assert copied.anticipation.__self__ is copied
    frames = torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8)
    glances = eyes.glance(frames)
    with torch.no_grad():
        seen, should = eyes(frames, glances), eyes.forward(frames, glances)
    assert torch.equal(seen.fixations, should.fixations)
    torch.testing.assert_close(seen.reading, should.reading)

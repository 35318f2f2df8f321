"""The methods' formulas by hand, and what each keeps from task to task."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from lifelong_agent.circuits import Episode
from lifelong_agent.weights import PRETRAINED, load_network
from selfplay.forgetting.clear import Clear, Reservoir, v_trace
from selfplay.forgetting.ewc import spring_loss
from selfplay.forgetting.learners import FineTune, Scratch, TaskPPO
from selfplay.forgetting.methods import METHODS, find_method, make_learner, split_methods
from selfplay.forgetting.practice import RandomActor, score, seed_from, training_stream
from selfplay.forgetting.suites import Task
from selfplay.forgetting.unrolls import cloning_loss, run_through
from tests.selfplay.forgetting_suite import TINY

CPU = torch.device("cpu")


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def learner_of(name, seed=0):
    return make_learner(name, TINY, seed, CPU)


def weights(learner):
    return torch.cat([p.detach().flatten() for p in learner.network.parameters()])


def test_v_trace_on_policy_is_the_discounted_return():
    targets, advantages = v_trace(
        column(0, 0), column(0, 1), column(0.5, 0.2), torch.zeros(2, 1).bool(), column(2)[0], 0.9
    )
    second = 1 + 0.9 * 2
    assert targets[:, 0].tolist() == pytest.approx([0.9 * second, second])
    assert advantages[:, 0].tolist() == pytest.approx([0.9 * second - 0.5, second - 0.2])


def test_v_trace_trusts_unlikely_actions_less_and_likely_ones_no_more():
    log_ratio = torch.log(column(0.5, 3.0))
    targets, advantages = v_trace(
        log_ratio, column(0, 1), column(0.5, 0.2), torch.zeros(2, 1).bool(), column(2)[0], 0.9
    )
    second = 1 + 0.9 * 2
    delta = 0.5 * (0.9 * 0.2 - 0.5)
    first = 0.5 + delta + 0.9 * 0.5 * (second - 0.2)
    assert targets[:, 0].tolist() == pytest.approx([first, second])
    assert advantages[0, 0].item() == pytest.approx(0.5 * (0.9 * second - 0.5))


def test_v_trace_does_not_look_past_an_ending():
    ended = torch.tensor([[True], [False]])
    targets, _ = v_trace(column(0, 0), column(1, 0), column(0, 7), ended, column(9)[0], 0.9)
    assert targets[0, 0].item() == pytest.approx(1.0)


def test_cloning_loss_is_the_divergence_from_then_to_now():
    then, now = torch.tensor([[0.75, 0.25]]).log(), torch.tensor([[0.5, 0.5]]).log()
    by_hand = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    assert cloning_loss(then, now).item() == pytest.approx(by_hand)
    assert cloning_loss(then, then).item() == 0


def test_springs_pull_in_proportion_to_their_stiffness():
    now, anchor = {"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([0.0, 0.0])}
    stiffness = {"a": torch.tensor([3.0, 0.5])}
    assert spring_loss(now, anchor, stiffness).item() == pytest.approx(0.5 * (3 * 1 + 0.5 * 4))


def test_a_reservoir_keeps_every_unroll_with_equal_probability():
    kept = torch.zeros(8)
    for seed in range(600):
        reservoir = Reservoir(2, torch.Generator().manual_seed(seed))
        for first in (0, 4):
            for which, where in reservoir.places(4):
                reservoir.write(torch.tensor([where]), {"n": torch.tensor([[first + which]])})
        kept[reservoir.unrolls["n"][:, 0]] += 1
    assert kept.sum() == 1200
    assert (kept - 150).abs().max() < 4 * np.sqrt(600 * 0.25 * 0.75)


def test_a_reservoir_draws_only_what_was_written():
    reservoir = Reservoir(5, torch.Generator().manual_seed(0))
    for which, where in reservoir.places(2):
        reservoir.write(torch.tensor([where]), {"n": torch.tensor([[which + 1]])})
    assert set(reservoir.draw(50)["n"][:, 0].tolist()) == {1, 2}
    assert reservoir.num_bytes == 2 * 8


def test_the_fisher_diagonal_is_that_of_single_decisions():
    """Of the biases it is known: of the value 1 times its weight, of action k pi_k (1 - pi_k)."""
    learner = learner_of("ewc")
    learner.learn(0, 1)
    algorithm = learner.algorithm
    draws = [algorithm._fisher(algorithm.rollout) for _ in range(4)]
    value = sum(draw["value_head.bias"].item() for draw in draws) / 4
    policy = sum(draw["policy_head.bias"].sum().item() for draw in draws) / 4
    # The products of different decisions vanish in the mean only; a sum over all rows of a
    # rollout squared would be some 8 times as noisy, a square of the mean 64 times as small.
    assert value == pytest.approx(algorithm.config.value_weight, rel=0.5)
    assert policy == pytest.approx(policy_bias_fisher(algorithm), rel=0.5)


def policy_bias_fisher(algorithm):
    """The mean over decisions of sum_k pi_k (1 - pi_k)."""
    rollout = algorithm.rollout
    log_probs, _ = algorithm.policy.network.unroll(
        rollout.frames, rollout.glances, rollout.legal_actions, algorithm.start_states,
        Episode(rollout.seat, rollout.ended),
    )  # fmt: skip
    probs = log_probs.detach().exp()
    return (probs * (1 - probs)).sum(-1).mean().item()


def test_ewc_holds_the_weights_after_a_task_and_finetune_does_not():
    held, free = learner_of("ewc(weight=1e4)"), learner_of("finetune")
    for learner in (held, free):
        learner.learn(0, 1)
        learner.finish(0)
    assert torch.equal(weights(held), weights(free))  # there were no springs yet
    for learner in (held, free):
        learner.learn(1, 2)
    stretched = [
        spring_loss(dict(x.network.named_parameters()), held.algorithm.anchor, stiffness)
        for x, stiffness in ((held, held.algorithm.stiffness), (free, held.algorithm.stiffness))
    ]
    assert stretched[0] < 0.5 * stretched[1]


def test_online_ewc_adds_the_new_stiffness_to_a_share_of_the_old():
    learner = learner_of("ewc(decay=0.5)")
    learner.learn(0, 1)
    algorithm = learner.algorithm
    generator = algorithm.generator.get_state()
    new = algorithm._fisher(algorithm.rollout)
    algorithm.generator.set_state(generator)
    algorithm.stiffness = {name: torch.ones_like(part) for name, part in new.items()}
    algorithm.finish_task()
    for name, part in algorithm.stiffness.items():
        torch.testing.assert_close(part, new[name] + 0.5)


def test_clear_remembers_old_tasks_and_counts_the_bytes():
    learner = learner_of("clear(capacity=64)")
    algorithm = learner.algorithm
    assert isinstance(algorithm, Clear)
    learner.learn(0, 1)
    assert len(algorithm.reservoir) == 64 // TINY.rollout_steps
    assert learner.replay_bytes > 64 * 3 * 64 * 64
    kept = algorithm.reservoir.unrolls
    actions = kept["actions"][..., None]
    assert kept["legal_actions"].gather(-1, actions).all()
    torch.testing.assert_close(kept["log_probs"].exp().sum(-1), torch.ones(8, 8))


def test_clear_stores_the_policy_that_acted():
    learner = learner_of("clear")
    algorithm = learner.algorithm
    algorithm.train = lambda: None  # the first rollout is still the network's own
    learner.learn(0, 1)
    old = algorithm.reservoir.draw(4)
    now, values = run_through(learner.network, old)
    torch.testing.assert_close(now.transpose(0, 1), old["log_probs"], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(values.T, old["value"], atol=1e-5, rtol=1e-4)


def test_a_frozen_copy_plays_its_task_ever_after():
    learner = learner_of("frozen_copies")
    learner.learn(0, 1)
    learner.finish(0)
    then = weights(learner)
    learner.learn(1, 2)
    copied = torch.cat([p.flatten() for p in learner.actor(0).network.parameters()])
    assert torch.equal(copied, then)
    assert learner.actor(1).network is learner.network
    assert not torch.equal(weights(learner), then)


def test_joint_meets_all_tasks_in_equal_parts():
    stream = training_stream(TINY, TINY.tasks, 0, CPU)
    assert [arena.game.variant for arena in stream.arenas] == ["tron", "tron:wrap"]
    assert [arena.num_rows for arena in stream.arenas] == [4, 4]
    assert not learner_of("joint").in_sequence


def test_scratch_begins_anew_in_every_segment():
    learner = Scratch(TINY, 0, CPU)
    start = weights(learner)
    learner.learn(0, 1)
    learner.finish(0)
    learner.learn(1, 1)
    again = Scratch(TINY, 0, CPU)
    again.learn(1, 1)
    assert torch.equal(weights(learner), weights(again))
    assert not torch.equal(weights(learner), start)


def test_a_random_player_has_half_the_score_against_a_random_player():
    suite = dataclasses.replace(TINY, games=400)
    assert score(suite, TINY.tasks[0], RandomActor(), CPU) == pytest.approx(0.5, abs=0.07)


def test_seeds_differ_with_every_number():
    seeds = {seed_from(a, b) for a in range(20) for b in range(20)}
    assert len(seeds) == 400
    assert seed_from(3, 4) == seed_from(3, 4)


@pytest.mark.parametrize("name", ["clear(capacity=64)", "ewc", "stable_baselines3:PPO(n_epochs=1)"])
def test_methods_learn_gymnasium_environments_too(name):
    tasks = tuple(Task(f"{kind}-v1", "", "return", longest=30) for kind in ("CartPole", "Acrobot"))
    suite = dataclasses.replace(TINY, tasks=tasks)
    learner = make_learner(name, suite, 0, CPU)
    learner.learn(0, 1)
    learner.finish(0)
    learner.learn(1, 2)
    assert 8 <= score(suite, tasks[0], learner.actor(0), CPU) <= 30
    assert -30 <= score(suite, tasks[1], learner.actor(1), CPU) <= 0


def test_an_action_beyond_an_environments_own_is_scored_as_it_was_trained(monkeypatch):
    """Once it became one by chance: who held the pole by actions 1 and 2 scored like chance."""
    tasks = tuple(Task(f"{kind}-v1", "", "return", longest=99) for kind in ("CartPole", "Acrobot"))
    suite = dataclasses.replace(TINY, tasks=tasks)
    learner = make_learner("stable_baselines3:A2C", suite, 0, CPU)

    def held_by(left):
        def predict(obs, state=None, *_, **__):
            return np.where(obs[:, 2] + obs[:, 3] > 0, 1, left), state

        monkeypatch.setattr(learner.algorithm, "predict", predict)
        return score(suite, tasks[0], learner.actor(0), CPU)

    assert held_by(left=2) == held_by(left=0) == 99


def test_exploration_runs_once_over_the_whole_sequence_not_over_each_part():
    learner = learner_of(
        "stable_baselines3:DQN(policy='MlpPolicy',buffer_size=64,exploration_fraction=1.0)"
    )
    rates = []
    for part in range(4):
        learner.learn(part // 2, part)
        rates.append(learner.algorithm.exploration_rate)
    expected = [0.05 + 0.95 * left for left in (0.75, 0.5, 0.25, 0.0)]
    assert rates == pytest.approx(expected, abs=0.01)


def test_a_peers_replay_buffer_holds_as_much_as_the_other_memories_unless_told_otherwise():
    """SB3's own million frames would be 24 GB."""
    usual, told = (
        make_learner(f"stable_baselines3:DQN({knobs})", TINY, 0, CPU).algorithm.replay_buffer
        for knobs in ("", "buffer_size=64")
    )
    assert usual.buffer_size * TINY.num_rows == 16_384
    assert told.buffer_size * TINY.num_rows == 64


def test_the_projects_own_algorithm_can_be_a_peer():
    name = "lifelong_agent:LifelongPPO"
    tasks = tuple(Task(f"{kind}-v1", "", "return", longest=30) for kind in ("CartPole", "Acrobot"))
    learners = [
        make_learner(name, dataclasses.replace(TINY, tasks=tasks), seed, CPU) for seed in (0, 1)
    ]
    learners[0].learn(0, 1)
    learners[1].load_state_dict(learners[0].state_dict())
    for learner in learners:
        learner.learn(1, 2)
    first, second = (
        torch.cat([p.detach().flatten() for p in learner.algorithm.policy.parameters()])
        for learner in learners
    )
    assert torch.equal(first, second)
    assert learners[0].algorithm.num_timesteps == 2 * TINY.part_steps


class ShrinkingPPO(TaskPPO):
    """The example of docs/forgetting.md, with a stronger pull."""

    def _more_losses(self, log_probs, rows):
        weights = torch.cat([part.flatten() for part in self.policy.network.parameters()])
        return {"decay_loss": 10.0 * weights.square().sum()}


class Shrinking(FineTune):
    kind = ShrinkingPPO


def test_a_method_of_ones_own_is_a_loss_and_a_name(monkeypatch):
    monkeypatch.setitem(METHODS, "shrinking", Shrinking)
    norms = []
    for name in ("finetune", "shrinking"):
        learner = learner_of(name)
        learner.learn(0, 1)
        norms.append(weights(learner).norm())
    assert norms[1] < norms[0]


def test_what_a_method_keeps_is_taken_up_on_its_device(monkeypatch):
    """The host's tensors come from a file; no device is needed to see where they are sent."""
    learner, heard = learner_of("finetune"), {}
    monkeypatch.setattr(learner.algorithm, "load_extra_state", heard.update)
    learner.device = torch.device("meta")
    kept = {"springs": {"a.weight": torch.zeros(3)}, "pay": torch.zeros(2)}
    learner.load_state_dict(learner.state_dict() | {"extra": kept})
    assert heard["springs"]["a.weight"].is_meta
    assert heard["pay"].is_meta


def test_methods_are_split_at_commas_outside_brackets():
    text = "finetune, ewc(weight=5,decay=1),stable_baselines3:PPO(gamma=0.9,n_steps=8)"
    assert split_methods(text) == (
        "finetune",
        "ewc(weight=5,decay=1)",
        "stable_baselines3:PPO(gamma=0.9,n_steps=8)",
    )


def test_methods_are_not_split_inside_nested_brackets():
    assert split_methods("lifelong(a=(1,2)),ewc") == ("lifelong(a=(1,2))", "ewc")
    assert split_methods("ewc(d=5,b={'c':[3,4]},a=(1,2)),ewc") == (
        "ewc(d=5,b={'c':[3,4]},a=(1,2))",
        "ewc",
    )


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("rehearsal", "unknown method 'rehearsal': known are finetune, ewc, clear"),
        ("no_such_module:PPO", "unknown method 'no_such_module:PPO': No module"),
        (":PPO", "unknown method ':PPO'"),
        ("stable_baselines3:PPPO", "has no Stable-Baselines3 algorithm 'PPPO'"),
        ("collections:OrderedDict", "has no Stable-Baselines3 algorithm 'OrderedDict'"),
        ("ewc(5)", "written knob=value"),
        ("ewc(weight=1)+(2)", "written knob=value"),
        ("ewc(weight=500)(decay=0.5)", "written knob=value"),
        ("ewc(weight=open('x'))", "written knob=value"),
        ("ewc(weight=", "a method is written"),
    ],
)
def test_an_unknown_method_is_named(name, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        find_method(name)


@pytest.mark.parametrize("name", ["finetune(speed=2)", "ewc(wait=2)"])
def test_an_unknown_knob_is_named(name):
    with pytest.raises(ValueError, match=r"cannot be made: .*unexpected keyword"):
        learner_of(name)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("ewc(weight='x')", "weight must be a number from 0 on, not 'x'"),
        ("ewc(weight=1e999)", "weight must be a number from 0 on, not inf"),
        ("ewc(decay=2)", "decay must be a number from 0 to 1, not 2"),
        ("clear(capacity=0)", "capacity must be a whole number from 1 on, not 0"),
        ("clear(capacity=64.5)", "capacity must be a whole number from 1 on, not 64.5"),
        ("clear(value_cloning=None)", "value_cloning must be a number from 0 on, not None"),
        ("lifelong(unroll=0)", "unroll must be a whole number from 1 on, not 0"),
        ("lifelong(capacity=-100)", "capacity must be a whole number from 0 on, not -100"),
        ("lifelong-no-looks(capacity=-1)", "capacity must be a whole number from 0 on, not -1"),
        ("lifelong(policy_cloning=-1)", "policy_cloning must be a number from 0 on, not -1"),
        ("lifelong(span=0)", "span must be a number from 1e-06 to 1, not 0"),
        ("lifelong(reconsolidation=1.5)", "reconsolidation must be a number from 0 to 1, not 1.5"),
        ("lifelong(surprise='never')", "surprise must be a number from -inf to inf, not 'never'"),
        ("lifelong(control=1)", "control must be a number from 0 to 0.5, not 1"),
    ],
)
def test_a_knob_out_of_its_bounds_is_named_before_the_work(name, complaint):
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
        learner_of(name)


def test_knobs_at_their_bounds_are_taken():
    learner_of("lifelong(capacity=0,unroll=1,average=0,reconsolidation=1,surprise=1e999,span=1)")
    learner_of("ewc(weight=0,decay=1)")


def test_an_algorithm_that_cannot_take_the_spaces_says_so():
    with pytest.raises(ValueError, match="stable_baselines3:SAC cannot learn the tasks of tiny"):
        learner_of("stable_baselines3:SAC")
    with pytest.raises(ValueError, match=r"cannot learn the tasks of tiny: .*n_stops"):
        learner_of("stable_baselines3:PPO(n_stops=3)")


@pytest.mark.parametrize("steps", [3, 5, 16])
def test_an_algorithm_whose_rollouts_would_overrun_a_part_is_refused(steps):
    with pytest.raises(ValueError, match=f"must divide the 8 steps of a part, not be {steps}"):
        learner_of(f"stable_baselines3:A2C(n_steps={steps})")


@pytest.mark.parametrize(
    ("freq", "said"),
    [
        ("3", "train_freq must divide the 8 steps of a part, not be 3"),
        ("(1,'episode')", "train_freq must count steps"),
    ],
)
def test_an_off_policy_algorithm_that_would_overrun_a_part_is_refused(freq, said):
    with pytest.raises(ValueError, match=said):
        learner_of(f"stable_baselines3:DQN(policy='MlpPolicy',buffer_size=64,train_freq={freq})")


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_an_algorithm_with_rollouts_of_its_own_learns_from_as_many_decisions(steps):
    learner = learner_of(f"stable_baselines3:A2C(policy='MlpPolicy',n_steps={steps})")
    learner.learn(0, 1)
    learner.learn(1, 2)
    assert learner.algorithm.num_timesteps == 2 * TINY.part_steps


@pytest.mark.parametrize(
    "name", ["finetune", "lifelong", "stable_baselines3:A2C(policy='MlpPolicy')"]
)
def test_learners_leave_no_folders_behind(name, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    learner = learner_of(name)
    learner.learn(0, 1)
    again = learner_of(name)
    again.load_state_dict(learner.state_dict())
    again.learn(0, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_suite_can_begin_with_the_weights_of_an_agent():
    suite = TINY.starting_from("shipped")
    shipped = load_network(PRETRAINED).state_dict()
    learner = make_learner("lifelong", suite, 0, CPU)
    for network in (learner.network, learner.algorithm.slow):
        begun = network.state_dict()
        assert all(torch.equal(begun[name], shipped[name]) for name in shipped)
    assert suite.to_json()["start"].startswith("shipped ")
    assert suite.starting_from("new").to_json()["start"] == "new"


def test_a_network_of_another_shape_cannot_begin_with_them():
    with pytest.raises(ValueError, match="is not part of this network"):
        make_learner("lifelong-mlp", TINY.starting_from("shipped"), 0, CPU)
    with pytest.raises(ValueError, match="no agent at nowhere"):
        TINY.starting_from("nowhere")

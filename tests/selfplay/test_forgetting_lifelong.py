"""`lifelong` and its lesions: what is remembered, what it holds, from where segments start."""

import copy
import dataclasses

import pytest
import torch

from lifelong_agent.experience import Observation
from lifelong_agent.losses import mask_logits
from selfplay.forgetting.appraisal import belief_in, gain_of, surprise_of
from selfplay.forgetting.clear import Clear
from selfplay.forgetting.dormant import dormant_ratio, hidden_activity
from selfplay.forgetting.learners import TaskPPO
from selfplay.forgetting.lesions import Mlp, width_of_equal_size
from selfplay.forgetting.lifelong import average_decay, reconsolidated
from selfplay.forgetting.memories import Memories
from selfplay.forgetting.methods import make_learner
from selfplay.forgetting.unrolls import MET, cloning_loss, run_through
from tests.selfplay.forgetting_suite import TINY

CPU = torch.device("cpu")


def learner_of(name="lifelong(capacity=64)"):
    return make_learner(name, TINY, 0, CPU)


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def stored_of(learner):
    """What is remembered of the first segment."""
    memories = learner.algorithm.memories
    return {name: part[memories.places(0)] for name, part in memories.unrolls.items()}


def memories_of(capacity, seed=0):
    return Memories(capacity, torch.Generator().manual_seed(seed))


def remember(memories, *returns):
    """Offer unrolls that hold nothing but their own return."""
    returns = torch.tensor(returns)
    which, where = memories.offer(returns)
    memories.write(where, {"n": returns[which, None]})


def kept(memories, segment):
    return sorted(memories.unrolls["n"][memories.places(segment), 0].tolist())


def test_competent_unrolls_displace_the_others():
    memories = memories_of(3)
    remember(memories, 0.0, 0.0, 0.0, 4.0)  # mean 1
    remember(memories, 5.0)
    assert kept(memories, 0) == [0.0, 4.0, 5.0]
    remember(memories, 6.0)
    assert kept(memories, 0) == [4.0, 5.0, 6.0]


def test_what_was_competent_at_first_is_weighed_against_the_segments_mean():
    memories = memories_of(2)
    remember(memories, 0.0, 1.0)  # 1 is above the mean of 0.5
    remember(memories, 8.0, 9.0)  # and below that of 4.5
    assert kept(memories, 0) == [8.0, 9.0]


def test_among_equals_every_unroll_is_kept_with_equal_probability():
    counts = torch.zeros(8)
    for seed in range(600):
        memories = memories_of(2, seed)
        for first in (0, 4):
            which, where = memories.offer(torch.zeros(4))
            memories.write(where, {"n": which[:, None] + first})
        counts[memories.unrolls["n"][memories.places(0), 0]] += 1
    assert counts.sum() == 1200
    assert (counts - 150).abs().max() < 4 * (600 * 0.25 * 0.75) ** 0.5


def test_segments_share_the_room_in_equal_parts_and_only_earlier_ones_are_drawn():
    memories = memories_of(6)
    remember(memories, *[1.0] * 9)
    assert memories.draw(5) == {}
    memories.begin_segment()
    remember(memories, *[2.0] * 9)
    assert (kept(memories, 0), kept(memories, 1)) == ([1.0] * 3, [2.0] * 3)
    assert set(memories.draw(20)["n"][:, 0].tolist()) == {1.0}
    memories.begin_segment()
    remember(memories, *[3.0] * 9)
    assert [kept(memories, k) for k in range(3)] == [[1.0] * 2, [2.0] * 2, [3.0] * 2]
    assert set(memories.draw(40)["n"][:, 0].tolist()) == {1.0, 2.0}
    assert memories.num_bytes == 6 * 4


def test_a_segments_mean_is_its_own():
    memories = memories_of(4)
    remember(memories, 10.0, 10.0)
    memories.begin_segment()
    remember(memories, 0.0, 0.0, 1.0)  # above the mean of this segment, far below the last one's
    remember(memories, 1.0)
    assert kept(memories, 1) == [1.0, 1.0]


def test_memories_go_on_where_they_were_saved():
    memories, again = memories_of(4), memories_of(4)
    remember(memories, 1.0, 2.0, 3.0)
    memories.begin_segment()
    again.load_state_dict(memories.state_dict())
    for each in (memories, again):
        each.generator.manual_seed(1)
        remember(each, 4.0, 5.0, 6.0)
    assert (kept(again, 0), kept(again, 1)) == (kept(memories, 0), kept(memories, 1))
    assert torch.equal(again.draw(9)["n"], memories.draw(9)["n"])


def test_memories_without_room_can_be_saved():
    memories = memories_of(2)
    remember(memories, 1.0, 2.0)
    memories.begin_segment()
    memories.begin_segment()  # three segments share two places
    assert memories.state_dict()["unrolls"]["n"].shape == (0, 1)


def test_unrolls_are_cut_from_the_middle_of_a_rollout_with_the_state_that_they_start_from():
    learner = learner_of("lifelong(capacity=64,unroll=4)")
    algorithm = learner.algorithm
    learner.suite = dataclasses.replace(TINY, steps=1)  # one rollout
    algorithm.train = lambda: algorithm._remember(algorithm.rollout.value)  # nothing is learned
    learner.learn(0, 1)
    stored = stored_of(learner)
    assert len(stored["seat"]) == 16  # 8 rows of 8 decisions, in pieces of 4
    with torch.no_grad():
        _, values = run_through(learner.network, stored)
    pieces = algorithm.rollout.value.unfold(0, 4, 4).flatten(0, 1)  # (pieces * rows, 4)
    for value in values.T:
        assert (pieces - value).abs().amax(1).min() < 1e-5


def test_the_slow_network_says_what_is_to_be_remembered():
    learner = learner_of()
    learner.learn(0, 1)
    learner.finish(0)
    stored = stored_of(learner)
    log_probs, values = run_through(learner.algorithm.slow, stored)
    torch.testing.assert_close(log_probs.transpose(0, 1), stored["log_probs"])
    torch.testing.assert_close(values.T, stored["value"])
    assert not torch.equal(weights(learner.algorithm.slow), weights(learner.network))
    assert learner.actor(0).network is learner.algorithm.slow


def test_a_gain_is_students_t_of_what_the_last_part_paid_beyond_the_control_group():
    """Beyond the means (1, 2) of the group: 1 and 3, mean 2, deviation sqrt(2), two rollouts."""
    control = torch.tensor([[0.0, 4.0], [2.0, 0.0]])
    learners = torch.tensor([[9.0, 9.0], [2.0, 5.0]])
    assert gain_of(learners, control) == pytest.approx(2 / (2**0.5 / 2**0.5))
    assert gain_of(-learners, -control) == pytest.approx(-2)
    assert gain_of(control, control[-1:]) == 0, "nothing varies"


def test_a_belief_is_what_speaks_for_a_gain_less_what_speaks_against_it():
    """Of a normal distribution: 0.683 lie within one standard deviation, 0.954 within two."""
    assert [belief_in(t) for t in (-1.0, 0.0)] == [0, 0]
    assert [belief_in(t) for t in (1.0, 2.0)] == pytest.approx([0.683, 0.954], abs=1e-3)


def test_that_nothing_is_paid_at_a_parts_beginning_is_no_gain():
    """Rollouts are compared place by place: 0.1, 0.2 and 0.3 more, with a deviation of 0.1."""
    won = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    more = torch.tensor([0.1, 0.2, 0.3])
    assert gain_of(won, won) == 0
    assert gain_of(won + more, won) == pytest.approx(0.2 / (0.1 / 3**0.5), rel=1e-4)


def test_of_a_single_rollout_no_gain_is_known_and_all_is_accepted():
    algorithm = on_trial()
    assert [len(part) for part in algorithm.trial.pay] == [1, 1]
    assert algorithm.player is algorithm.slow


def test_what_is_only_promised_where_the_clock_stops_a_game_was_not_paid(monkeypatch):
    learner = learner_of("lifelong(capacity=64,control=0.25)")
    algorithm = learner.algorithm
    monkeypatch.setattr(TaskPPO, "_foregone", lambda self, outcome, value: torch.ones_like(value))
    learner.learn(0, 1)
    rewards = algorithm.rollout.reward - algorithm.config.discount
    expected = torch.stack([rewards[:, 4:6].mean(), rewards[:, 6:].mean()])
    torch.testing.assert_close(algorithm.trial.pay[-1][-1], expected)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_control_group_goes_on_as_before_and_from_the_second_part_on_there_is_a_trial(parts):
    """One row of eight is decided by the slow network of before, two by that of now."""
    learner = learner_of("lifelong(capacity=64,control=0.125)")
    algorithm = learner.algorithm
    for part in range(parts):
        learner.learn(0, part)
    obs = black_frames(8)
    states = algorithm.policy.network.initial_state(8)
    glances = algorithm.policy.network.eyes.glance(obs.frames)
    with torch.no_grad():
        thought = algorithm._think(obs, states, glances)
        now = algorithm.policy.network(obs.frames, obs.legal_actions, states, glances)
        slow = algorithm.slow(obs.frames, obs.legal_actions, states, glances)
        before = algorithm.before(obs.frames, obs.legal_actions, states, glances)
    for got, name in zip(thought, ("log_probs", "value", "state"), strict=True):
        new, tried, old = (getattr(each, name) for each in (now, slow, before))
        torch.testing.assert_close(got[:5], new[:5])
        torch.testing.assert_close(got[5:7], (tried if parts > 1 else new)[5:7])
        torch.testing.assert_close(got[7:], old[7:])
    assert not torch.equal(now.log_probs, before.log_probs)
    assert not torch.equal(now.log_probs, slow.log_probs)


def on_trial():
    """Four rows of the fast network, two of the slow one, two of the one before; two parts in."""
    learner = learner_of("lifelong(capacity=64,control=0.25)")
    for part in range(2):
        learner.learn(0, part)
    return learner.algorithm


def test_some_rows_are_thought_about_by_those_who_act_in_them():
    algorithm = on_trial()
    obs, rows = black_frames(8), torch.tensor([0, 3, 5, 7])
    states = algorithm.policy.network.initial_state(8)
    glances = algorithm.policy.network.eyes.glance(obs.frames)
    some = Observation(obs.frames[rows], obs.legal_actions[rows], obs.seat[rows])
    with torch.no_grad():
        of_all = algorithm._think(obs, states, glances)
        of_some = algorithm._think(some, states[rows], glances[rows], rows)
    for all_rows, some_rows in zip(of_all, of_some, strict=True):
        torch.testing.assert_close(some_rows, all_rows[rows])
    assert not torch.equal(of_some[0][0], of_some[0][3])


def test_what_is_expected_in_the_end_is_expected_by_whoever_acts():
    """The critic of before expects nothing and is paid nothing: no advantage."""
    algorithm = on_trial()
    for network, expected in ((algorithm.policy.network, 5.0), (algorithm.before, 0.0)):
        torch.nn.init.zeros_(network.value_head.weight)
        torch.nn.init.constant_(network.value_head.bias, expected)
    rollout = algorithm.rollout
    for part in (rollout.reward, rollout.value):
        part.zero_()
    rollout.ended.zero_()
    advantages = algorithm._advantages(rollout)
    assert advantages[:, 6:].eq(0).all()
    assert advantages[-1, :4].eq(5 * algorithm.config.discount).all()


def test_where_another_network_acted_the_policy_follows_v_traces_gradient():
    """d loss / d log pi = -min(1, pi / mu) A / n; beyond PPO's clip it would be 0."""
    ratio = torch.tensor([[3.0, 3.0, 0.5]])  # the last is below the clip, and A < 0
    log_prob = ratio.log().requires_grad_()
    advantages, rows = torch.tensor([[2.0, 2.0, -2.0]]), torch.tensor([0, 4, 5])
    on_trial()._policy_loss(log_prob, torch.zeros(1, 3), advantages, rows).backward()
    torch.testing.assert_close(log_prob.grad, torch.tensor([[0.0, -2.0, 1.0]]) / 3)


def test_a_trial_goes_on_where_it_was_saved():
    suite = dataclasses.replace(TINY, steps=256)  # two rollouts in a part
    learner, again = (
        make_learner("lifelong(capacity=64,control=0.25)", suite, 0, CPU) for _ in range(2)
    )
    learner.learn(0, 0)
    torch.nn.init.ones_(learner.algorithm.before.value_head.weight)  # not what it is at first
    again.load_state_dict(copy.deepcopy(learner.state_dict()))
    paid = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    for each in (learner, again):
        each.learn(0, 1)
        each.algorithm.trial.pay[1] = list(paid)
    assert 0 < learner.algorithm.trial.belief() < 1
    assert torch.equal(weights(again.actor(0).network), weights(learner.actor(0).network))
    assert torch.equal(again.algorithm.trial.by_parts(), learner.algorithm.trial.by_parts())


@pytest.mark.parametrize("control", [0.25, 0.1, 0.0])  # two of eight rows, and none
@pytest.mark.parametrize("gain", [9.0, 1.0, -1.0])
def test_the_slow_network_goes_as_far_as_its_gain_is_believed_unless_all_is_accepted(gain, control):
    learner = learner_of(f"lifelong(capacity=64,control={control})")
    algorithm = learner.algorithm
    before = weights(algorithm.slow)
    learner.learn(0, 1)
    learned = weights(algorithm.slow)
    assert not torch.equal(before, learned)
    paid = torch.tensor([[gain + 1, 0.0], [gain - 1, 0.0]])  # a mean of so many standard errors
    algorithm.trial.pay = [list(paid), list(paid)]
    belief = {9.0: 1.0, 1.0: 0.6827, -1.0: 0.0}[gain] if control == 0.25 else 1.0
    expected = torch.lerp(before, learned, belief)
    torch.testing.assert_close(weights(learner.actor(0).network), expected)
    learner.finish(0)
    torch.testing.assert_close(weights(learner.actor(0).network), expected)  # and no further
    if belief == 0:
        assert torch.equal(weights(learner.actor(0).network), before)
    log_probs, _ = run_through(algorithm.slow, stored_of(learner))
    torch.testing.assert_close(log_probs.transpose(0, 1), stored_of(learner)["log_probs"])
    algorithm.begin_segment()
    torch.testing.assert_close(weights(learner.network), expected)


def test_the_hippocampus_holds_what_was_learned():
    held, free = learner_of(), learner_of("lifelong-no-hippocampus")
    for learner in (held, free):
        learner.learn(0, 1)
        learner.finish(0)
    stored = stored_of(held)
    strayed = []
    for learner in (held, free):
        learner.algorithm.policy_cloning = 100.0
        learner.learn(1, 2)
        with torch.no_grad():
            now, _ = run_through(learner.network, stored)
        strayed.append(cloning_loss(stored["log_probs"].transpose(0, 1), now).item())
    assert strayed[0] < 0.5 * strayed[1]
    assert free.replay_bytes == 0


def test_memories_are_held_at_weight_1_unless_told_otherwise():
    names = ("lifelong", "lifelong(policy_cloning=0.5)")
    assert [learner_of(name).algorithm.policy_cloning for name in names] == [1.0, 0.5]


def test_a_full_hippocampus_is_as_large_as_the_reservoir_of_clear():
    sizes = []
    for name in ("lifelong(capacity=64)", "clear(capacity=64)"):
        learner = learner_of(name)
        learner.learn(0, 1)
        learner.finish(0)
        sizes.append(learner.replay_bytes)
    assert isinstance(learner.algorithm, Clear)
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


def test_the_average_spans_the_last_tenth_of_the_updates_until_it_is_slow_enough():
    assert average_decay(0, 0.999, 0.1) == pytest.approx(0.1)
    assert average_decay(90, 0.999, 0.1) == pytest.approx(91 / 100)
    assert average_decay(90, 0.999, 0.5) == pytest.approx(91 / 92)
    assert average_decay(10**6, 0.999, 0.1) == 0.999


def test_a_memory_moves_by_its_share_and_what_is_illegal_stays_so():
    """0.75 (1/2, 1/2) + 0.25 (9/10, 1/10) = (0.6, 0.4)."""
    then = mask_logits(torch.tensor([0.5, 0.5, 1.0]).log(), torch.tensor([True, True, False]))
    now = mask_logits(torch.tensor([0.9, 0.1, 1.0]).log(), torch.tensor([True, True, False]))
    moved = reconsolidated(then, now, 0.25)
    assert moved.isfinite().all()
    assert moved.exp().tolist() == pytest.approx([0.6, 0.4, 0.0])


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_older_memories_move_only_if_they_are_reconsolidated(share):
    learner = learner_of(f"lifelong(capacity=64,reconsolidation={share})")
    learner.learn(0, 1)
    learner.finish(0)
    learner.learn(1, 2)
    before = stored_of(learner)
    learner.finish(1)
    moved = not torch.equal(before["log_probs"], stored_of(learner)["log_probs"])
    assert moved == (share > 0)


def test_without_a_neocortex_the_fast_network_plays():
    learner = learner_of("lifelong-no-neocortex(capacity=64)")
    learner.learn(0, 1)
    assert torch.equal(weights(learner.algorithm.slow), weights(learner.network))


def test_a_new_segment_goes_on_from_the_slow_network_with_a_new_average():
    learner = learner_of()
    learner.learn(0, 1)
    learner.finish(0)
    algorithm = learner.algorithm
    algorithm.begin_segment()
    assert algorithm.updates == 0
    assert torch.equal(weights(algorithm.slow), weights(learner.network))


def test_surprise_is_what_returns_lack_in_their_standard_deviations():
    """Means of -1 and returns of 1 and -3, whose standard deviation is 2 sqrt(2)."""
    lacks, returns = torch.tensor([0.0, -2.0]), torch.tensor([1.0, -3.0])
    assert surprise_of(lacks, returns, torch.tensor(1.0)) == pytest.approx(1 / 8**0.5)
    assert surprise_of(torch.zeros(4), torch.zeros(4), torch.tensor(0.0)) == 0


def test_where_next_to_nothing_is_paid_a_trifle_is_no_surprise():
    """Expected 0.02 and got 0 in every decision, where returns of 1 and -1 are usual."""
    lacks, returns = torch.full((4,), -0.02), torch.tensor([0.0, 0.0, 0.01, 0.01])
    assert surprise_of(lacks, returns, torch.tensor(1.0)) == pytest.approx(0.02)
    assert surprise_of(lacks, returns, torch.tensor(0.0)) > 3


@pytest.mark.parametrize(("bias", "is_surprised"), [(9.0, True), (-9.0, False)])
def test_only_a_bad_surprise_at_the_start_of_a_segment_wakes_the_learner(bias, is_surprised):
    """A critic that expects far more, or far less, than there ever is.

    The policy is softened once, and after that it takes twice as many steps.
    """
    learner, again = (learner_of("lifelong(capacity=64,alert=2)") for _ in range(2))
    learner.learn(0, 1)
    usual = learner.algorithm.updates
    learner.finish(0)
    softenings = []
    learner.algorithm._soften = lambda: softenings.append(learner.algorithm.num_timesteps)
    torch.nn.init.constant_(learner.algorithm.slow.value_head.bias, bias)
    before = learner.algorithm.num_timesteps
    learner.learn(1, 2)  # a single rollout
    assert softenings == [before + TINY.part_steps] * is_surprised
    assert learner.algorithm.updates == usual
    again.load_state_dict(learner.state_dict())
    again.learn(1, 3)
    assert again.algorithm.updates == usual + usual * (2 if is_surprised else 1)
    again.algorithm.begin_segment()
    assert not again.algorithm.is_alert


@pytest.mark.parametrize(
    ("alert", "size", "passes"), [(1, 64, 1), (2, 32, 1), (3, 22, 1), (4, 16, 1), (5, 64, 5)]
)
def test_alert_means_smaller_minibatches_or_more_passes_where_they_are_small(alert, size, passes):
    """64 rows of 8 decisions in a minibatch, and at least 16 rows in a part of it."""
    algorithm = learner_of(f"lifelong(capacity=64,alert={alert})").algorithm
    algorithm.n_envs, algorithm.is_alert = 64 * TINY.minibatches, True
    minibatches = list(algorithm._minibatches())
    passes *= TINY.epochs
    assert len(minibatches) == TINY.epochs * TINY.minibatches * alert
    assert max(map(len, minibatches)) == size
    assert torch.cat(minibatches).bincount().tolist() == [passes] * algorithm.n_envs


def test_a_softened_policy_is_less_sure_of_what_to_do():
    """Logits times 0.3: p becomes p^0.3, made to add up to 1 again."""
    learner = learner_of("lifelong(soften=0.3)")
    obs, network = black_frames(), learner.network
    torch.nn.init.normal_(network.policy_head.weight, generator=torch.Generator().manual_seed(0))
    before = network(obs.frames, obs.legal_actions, network.initial_state(3))
    learner.algorithm._soften()
    after = network(obs.frames, obs.legal_actions, network.initial_state(3))
    flat = before.log_probs.exp() ** 0.3
    torch.testing.assert_close(after.log_probs.exp(), flat / flat.sum(1, keepdim=True))
    torch.testing.assert_close(after.value, before.value)


def test_without_replay_nothing_old_is_run_through_again():
    algorithm = learner_of("lifelong(capacity=64,replay=0)").algorithm
    remember(algorithm.memories, 1.0, 2.0)
    algorithm.memories.begin_segment()
    assert algorithm._beside(torch.arange(4)) == []


def black_frames(num=3):
    """Decisions in the dark."""
    legal = torch.ones(num, 16, dtype=torch.bool)
    frames = torch.zeros(num, 3, 64, 64, dtype=torch.uint8)
    return Observation(frames, legal, torch.zeros(num).long())


def test_the_mlp_has_the_size_of_the_circuits_and_no_memory():
    plain, bare = learner_of().network, learner_of("lifelong-mlp").network
    assert isinstance(bare.circuits, Mlp)
    assert bare.state_size == 0
    sizes = [sum(p.numel() for p in each.circuits.parameters()) for each in (plain, bare)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)
    assert width_of_equal_size(3, 3 * 5 + 5 + 5 * 5 + 5 + 5 * 3 + 3) == 5


def test_the_mlp_learns():
    learner = learner_of("lifelong-mlp(capacity=64)")
    before = learner.network.circuits.layers[0].weight.clone()
    learner.learn(0, 1)
    learner.finish(0)
    learner.learn(1, 2)
    assert not torch.equal(learner.network.circuits.layers[0].weight, before)


def test_without_looks_the_eyes_fix_on_nothing():
    network = learner_of("lifelong-no-looks").network
    obs = black_frames()
    thought = network(obs.frames, obs.legal_actions, network.initial_state(3))
    assert thought.percept.fixations.shape == (3, 0, 2)
    others = dataclasses.replace(learner_of().network.config.eyes, looks=0)
    assert network.config.eyes == others


def test_a_unit_is_dormant_if_it_hardly_ever_speaks_beside_the_others_of_its_layer():
    loud = torch.tensor([3.9, 0.1, 0.0, 4.0])  # mean 2, so that 0.05 is the limit
    quiet = torch.tensor([0.02, 0.02])
    assert dormant_ratio([loud]) == pytest.approx(1 / 4)
    assert dormant_ratio([loud, quiet]) == pytest.approx(1 / 6)
    assert dormant_ratio([torch.zeros(3)]) == 1


def test_activity_is_the_mean_of_absolute_activations():
    layer = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.ReLU(), torch.nn.Tanh())
    with torch.no_grad():
        layer[0].weight.copy_(torch.tensor([[1.0], [-1.0]]))
        layer[0].bias.zero_()
    rectified, _ = hidden_activity(layer, lambda: layer(torch.tensor([[2.0], [-1.0], [1.0]])))
    assert rectified.tolist() == pytest.approx([1.0, 1 / 3])
    assert not layer[1]._forward_hooks


def test_only_what_was_met_is_run_through_again():
    learner = learner_of()
    learner.learn(0, 1)
    assert set(learner.algorithm.memories.unrolls) == {*MET, "states"}

"""Pictures that call for an action each: some learned long ago, some today."""

import copy
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import envs
from envs import legal_of
from lifelong_agent import LifelongAgent
from lifelong_agent.lessons import Lessons, answer, dream, read_lessons, recollect
from lifelong_agent.neocortex import (
    Marks,
    Neocortex,
    NeocortexConfig,
    divergence,
    examine,
    teachable,
)
from lifelong_agent.policy import DualStreamNetwork
from memory import Hippocampus, Trace, fingerprint
from memory.pixels import decompress
from selfplay.adapt import alone, play_live, winning_opponents
from selfplay.rollout import random_positions
from tests.lifelong_agent.probes import SHAPE, SMALL
from tests.memory.make import KEY_SIZE, make_episode

ACTIONS, PICTURES, COPIES = 4, 8, 8
ALL = NeocortexConfig(
    batch=32, most_steps=200, fast_rate=5e-3, slow_rate=5e-3, dreams=0, enough=0.0, slack=0.08
)


def make_traces(network: DualStreamNetwork, seed: int) -> list[Trace]:
    """`PICTURES` pictures, each with its right action, each seen `COPIES` times with noise."""
    rng = np.random.default_rng(seed)
    traces = []
    for _ in range(PICTURES):
        picture = np.kron(rng.integers(30, 220, (3, 4, 4)), np.ones((1, 4, 4)))
        policy = np.full(ACTIONS, 0.02, np.float32)
        policy[rng.integers(ACTIONS)] = 0.94
        for _ in range(COPIES):
            frame = (picture + rng.integers(-8, 9, SHAPE)).astype(np.uint8)
            frame.setflags(write=False)  # as a store hands them out
            traces.append(
                Trace(
                    fingerprint(frame), np.zeros(8, np.float32), frame,
                    np.zeros(network.state_size, np.float32), np.zeros((1, 2), np.int64),
                    int(policy.argmax()), np.ones(ACTIONS, bool), policy,
                    float(rng.choice([-1, 1])),
                )
            )  # fmt: skip
    return traces


def make_lessons(network: DualStreamNetwork, seed: int) -> Lessons:
    return read_lessons(network, make_traces(network, seed), [0] * PICTURES * COPIES)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def network() -> DualStreamNetwork:
    torch.manual_seed(0)
    circuits = replace(SMALL.circuits, series=128, fast=128)
    config = replace(SMALL, obs_shape=SHAPE, num_actions=ACTIONS, circuits=circuits)
    return DualStreamNetwork(config).eval()


@pytest.fixture(scope="module")
def old(network: DualStreamNetwork) -> Lessons:
    return make_lessons(network, 1)


@pytest.fixture(scope="module")
def recent(network: DualStreamNetwork) -> Lessons:
    return make_lessons(network, 2)


@pytest.fixture(scope="module")
def nothing(old: Lessons) -> Lessons:
    return old.pick(torch.zeros(0, dtype=torch.int64))


@pytest.fixture(scope="module")
def grown(network: DualStreamNetwork, old: Lessons, nothing: Lessons) -> Neocortex:
    """It has learned the old pictures."""
    cortex = Neocortex(copy.deepcopy(network), ALL)
    assert cortex.consolidate(old, nothing, 60, chance()).accepted
    return cortex


def regard(log_probs: torch.Tensor, policy: torch.Tensor) -> torch.Tensor:
    """How well the greedy action is regarded by a policy: mean of policy[a] / max policy."""
    chosen = policy.gather(1, log_probs.argmax(1, keepdim=True))[:, 0]
    return (chosen / policy.max(1).values).mean()


def skill(network: DualStreamNetwork, lessons: Lessons) -> float:
    with torch.no_grad():
        return float(regard(answer(network, lessons)[0], lessons.policy))


def weights(cortex: Neocortex) -> list[torch.Tensor]:
    return [t.clone() for net in (cortex.fast, cortex.slow) for t in net.state_dict().values()]


def test_new_decisions_are_learned_and_old_ones_kept_and_without_replay_they_are_lost(
    grown: Neocortex, old: Lessons, recent: Lessons, nothing: Lessons
) -> None:
    assert skill(grown.fast, old) >= 0.98
    assert skill(grown.fast, recent) <= 0.5
    cortex, control = copy.deepcopy(grown), copy.deepcopy(grown)
    report = cortex.consolidate(recent, old, 60, chance())
    assert report.accepted, report.reason
    control.consolidate(recent, nothing, 60, chance())
    for network in (cortex.fast, cortex.slow):
        assert skill(network, old) >= 0.97
        assert skill(network, recent) >= 0.95
    assert skill(control.fast, recent) >= 0.95
    assert skill(control.fast, old) <= 0.8


def test_what_would_cost_old_skill_is_rolled_back_bit_for_bit(
    grown: Neocortex, old: Lessons
) -> None:
    cortex = copy.deepcopy(grown)
    cortex.config = replace(ALL, slack=0.02)
    contrary = replace(old, policy=old.policy.roll(1, 1))
    before = weights(cortex)
    seen = []

    def watch(_: float) -> None:
        seen.append(float(cortex.fast.policy_head.bias[0].detach()))

    report = cortex.consolidate(contrary, old, 60, chance(), watch)
    assert not report.accepted
    assert "old skill would fall" in report.reason
    assert seen[10] != float(cortex.fast.policy_head.bias[0].detach())
    assert all(torch.equal(a, b) for a, b in zip(weights(cortex), before, strict=True))


def test_what_teaches_nothing_is_rolled_back(grown: Neocortex, old: Lessons) -> None:
    cortex = copy.deepcopy(grown)
    with torch.no_grad():
        known = replace(old, policy=answer(cortex.fast, old)[0].exp())
    cortex.slow.load_state_dict(cortex.fast.state_dict())
    before = weights(cortex)
    report = cortex.consolidate(known, known, 60, chance())
    assert not report.accepted
    assert "nothing was learned" in report.reason
    assert all(torch.equal(a, b) for a, b in zip(weights(cortex), before, strict=True))


def test_the_eyes_stay_as_they_are(grown: Neocortex, network: DualStreamNetwork) -> None:
    for cortex in (grown.fast, grown.slow):
        for name, tensor in network.eyes.state_dict().items():
            assert torch.equal(cortex.eyes.state_dict()[name], tensor)
    assert not torch.equal(grown.fast.policy_head.weight, network.policy_head.weight)


def test_it_wakes_up_in_time_and_says_how_far_it_is(
    grown: Neocortex, recent: Lessons, old: Lessons
) -> None:
    cortex = Neocortex(copy.deepcopy(grown.fast), replace(ALL, most_steps=10**9))
    told: list[float] = []
    started = time.monotonic()
    cortex.consolidate(recent, old, 0.6, chance(), told.append)
    assert time.monotonic() - started < 0.9
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1] == 1


def test_the_same_night_twice_is_the_same(grown: Neocortex, recent: Lessons, old: Lessons) -> None:
    twins = [copy.deepcopy(grown), copy.deepcopy(grown)]
    for twin in twins:
        twin.config = replace(ALL, most_steps=20)
        twin.consolidate(recent, old, 60, chance(3))
    assert all(torch.equal(a, b) for a, b in zip(*map(weights, twins), strict=True))


def test_a_night_takes_no_momentum_from_the_one_before(grown, recent, old) -> None:
    cortex = copy.deepcopy(grown)
    before = [copy.deepcopy(network.state_dict()) for network in cortex.networks]
    after = []
    for _ in range(2):
        for network, kept in zip(cortex.networks, before, strict=True):
            network.load_state_dict(kept)
        cortex.consolidate(recent, old, 60, chance())
        after.append(weights(cortex))
    assert all(torch.equal(a, b) for a, b in zip(*after, strict=True))


def test_a_night_waits_for_no_imports(grown, recent, old, monkeypatch) -> None:
    """The first optimiser of a program takes a second of them."""
    monkeypatch.setattr("lifelong_agent.neocortex.Adam", None)
    assert copy.deepcopy(grown).consolidate(recent, old, 60, chance()).accepted


def test_every_variant_is_rehearsed_as_often_as_any_other(old: Lessons) -> None:
    uneven = replace(old, variant=(torch.arange(len(old)) < 9).long())
    drawn = uneven.draw(4000, chance())
    assert float(drawn.variant.float().mean()) == pytest.approx(0.5, abs=0.03)


def test_divergence_and_regard_by_hand() -> None:
    policy = torch.tensor([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0]])
    log_probs = torch.tensor([[0.25, 0.75, 0.0], [0.1, 0.9, 0.0]]).clamp_min(1e-9).log()
    by_hand = 0.5 * np.log(2) + 0.5 * np.log(0.5 / 0.75), 0.9 * np.log(9) + 0.1 * np.log(1 / 9)
    assert float(divergence(policy, log_probs)) == pytest.approx(sum(by_hand) / 2, abs=1e-6)
    assert float(regard(log_probs, policy)) == pytest.approx((1 + 1 / 9) / 2)


def test_a_forbidden_action_costs_nothing_and_is_never_chosen(network, old) -> None:
    legal = torch.ones_like(old.legal_actions)
    legal[:, 3] = False
    policy = old.policy * legal
    lessons = replace(old, legal_actions=legal, policy=policy / policy.sum(1, keepdim=True))
    marks = examine(network, lessons, lessons)
    assert -5 < marks.new < 0
    assert int(answer(network, lessons)[0].argmax(1).max()) < 3


def test_half_of_what_costs_too_much_is_kept_if_that_passes(grown, recent, old, nothing) -> None:
    full, part = copy.deepcopy(grown), copy.deepcopy(grown)
    full.config = replace(ALL, slack=1e9, limit=1e9)
    full.consolidate(recent, nothing, 60, chance())
    cost = -examine(full.slow, recent, old).old
    part.config = replace(ALL, slack=0.6 * cost, limit=1e9)
    night = part._prepare(recent, old, chance())
    before = [examine(network, recent, old) for network in part.networks]
    saved = [copy.deepcopy(network.state_dict()) for network in part.networks]
    part._mix(saved, [network.state_dict() for network in full.networks], 1.0)
    assert part._accept(night, before, saved).accepted
    assert -examine(part.slow, recent, old).old < 0.7 * cost
    halfway = [a.lerp(b, 0.5) for a, b in zip(weights(grown), weights(full), strict=True)]
    assert all(torch.allclose(a, b) for a, b in zip(weights(part), halfway, strict=True))


def test_drift_over_many_sleeps_has_a_limit(grown) -> None:
    grown = copy.deepcopy(grown)
    grown.config = replace(ALL, slack=0.04, limit=0.1)
    judge = grown._judge
    assert judge(Marks(-0.05, -1), Marks(-0.08, -0.5)).accepted
    assert not judge(Marks(-0.05, -1), Marks(-0.095, -0.5)).accepted  # too much at once
    assert not judge(Marks(-0.08, -1), Marks(-0.11, -0.5)).accepted  # too much in all
    assert judge(Marks(-0.2, -1), Marks(-0.19, -0.5)).accepted  # better than before
    assert not judge(Marks(-0.2, -1), Marks(-0.21, -0.5)).accepted


def test_neither_keys_nor_carried_states_are_touched_by_sleep(grown, network, old) -> None:
    with torch.no_grad():
        _, before = network.circuits(old.readings, old.states)
        for cortex in grown.networks:
            assert torch.equal(cortex.circuits(old.readings, old.states)[1], before)
    names = {id(p): name for name, p in network.named_parameters()}
    taught = {names[id(p)] for p in teachable(network)}
    assert {"policy_head.weight", "value_head.bias", "circuits.converging.roads.0.weight"} <= taught
    assert not any(n.startswith(("eyes", "circuits.series", "circuits.reverb")) for n in taught)


def test_a_sleep_that_is_cut_short_leaves_everything_as_it_was(grown, recent, old) -> None:
    cortex = copy.deepcopy(grown)
    before = weights(cortex)

    def wake_up(share: float) -> None:
        if share > 0.1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cortex.consolidate(recent, old, 60, chance(), wake_up)
    assert all(torch.equal(a, b) for a, b in zip(weights(cortex), before, strict=True))


def test_dreams_lie_between_memories_and_are_answered_as_ever(network, old) -> None:
    dreams = dream(network, old, 500, chance())
    assert bool((dreams.readings >= old.readings.min(0).values - 1e-6).all())
    assert bool((dreams.readings <= old.readings.max(0).values + 1e-6).all())
    assert not any(torch.equal(dreams.readings[0], reading) for reading in old.readings)
    with torch.no_grad():
        off = divergence(dreams.policy, answer(network, dreams)[0])
    assert float(off) == pytest.approx(0, abs=1e-6)


def test_dreams_protect_what_no_frame_is_left_of(network, recent, nothing) -> None:
    skills = []
    for dreams in (0, 512):
        config = replace(ALL, dreams=dreams, most_steps=60, slack=1e9)
        cortex = Neocortex(network, config)
        cortex.consolidate(recent.pick(torch.arange(8)), nothing, 60, chance())
        elsewhere = replace(recent, policy=answer(network, recent)[0].exp().detach())
        skills.append(-examine(cortex.fast, elsewhere.pick(torch.arange(8, 64)), nothing).new)
    assert skills[1] < 0.8 * skills[0]


def test_exemplars_protect_what_was_known_before_there_was_a_memory(network, recent, nothing):
    with torch.no_grad():
        log_probs, value = answer(network, recent)
    before = replace(recent, policy=log_probs.exp(), value=value).pick(torch.arange(8, 64))
    never_rehearsed = before.pick(torch.arange(1, len(before), 2))
    off = []
    for known in (None, before):
        cortex = Neocortex(network, replace(ALL, most_steps=60, slack=1e9), known)
        cortex.consolidate(recent.pick(torch.arange(8)), nothing, 60, chance())
        off.append(-examine(cortex.fast, never_rehearsed).new)
    assert off[1] < 0.5 * off[0]


def test_a_sleep_unpacks_the_frames_of_what_is_taught_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory, unpacked = Hippocampus.open(None, KEY_SIZE), []
    for number in range(20):
        memory.remember(make_episode([2 * number, 2 * number + 1], 1 - 2 * (number % 2)), "v")

    def count(blob: bytes) -> np.ndarray:
        unpacked.append(blob)
        return decompress(blob)

    monkeypatch.setattr("memory.rows.decompress", count)
    assert memory.rehearse("connect", "ana").games == 20
    assert not unpacked
    assert len(recollect(memory, "connect", "ana")) == len(unpacked) == 6


def test_only_the_best_games_are_taught_and_of_them_what_was_done() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    games = (make_episode([1, 2], r, actions=[0, a]) for r, a in ((0, 1), (-1, 2), (1, 3), (1, 3)))
    for game in games:
        memory.remember(game, "v")
    taught = recollect(memory, "connect", "ana")
    assert [int(t.policy.argmax()) for t in taught] == [0, 3]
    assert recollect(memory, "connect", "ben") == []
    memory.remember(make_episode([5], -1, "ben"), "v")
    assert recollect(memory, "connect", "ben") == []


def test_bad_wishes_are_refused_in_words(grown, recent, old, nothing) -> None:
    with pytest.raises(ValueError, match="positive budget"):
        grown.consolidate(recent, old, 0, chance())
    assert grown.consolidate(nothing, old, 1, chance()).reason == "nothing new to learn"


def make_practice(network: DualStreamNetwork, like: Trace, num: int, seed: int = 5) -> list[Trace]:
    """Random positions of four in a row with what the network makes of them."""
    game, generator = envs.make("connect"), chance(seed)
    state = random_positions(game, num, 30, 0.8, generator)
    frames, legal = game.frame(state, state.seat), legal_of(state, state.seat)
    with torch.no_grad():
        thought = network(frames, legal, network.initial_state(num))
    columns = (frames, network.initial_state(num), legal, thought.log_probs.exp(), thought.value)
    return [
        replace(like, code=fingerprint(f), frame=f, state=s, legal_actions=a, policy=p, value=v)
        for f, s, a, p, v in zip(*(c.numpy() for c in columns), strict=True)
    ]


def survive_without_hippocampus(seed: int) -> float:
    """Learn against a stubborn opponent that wins, sleep, and win alone; skill in other positions.

    Args:
        seed: from which on opponents are looked for.
    """
    game, agent = envs.make("connect"), LifelongAgent.pretrained()
    seat, opponent = next(winning_opponents(game, agent.network, seed))
    while play_live(game, agent, seat, opponent) < 0:
        pass
    recalled = recollect(agent.hippocampus, "connect", opponent.name)
    practice = make_practice(agent.network, recalled[0], 300)
    one_long_night = NeocortexConfig(most_steps=300)
    cortex = Neocortex(copy.deepcopy(agent.network), one_long_night)
    recent = read_lessons(cortex.fast, recalled, [0] * len(recalled))
    old = read_lessons(cortex.fast, practice, [0] * len(practice))
    report = cortex.consolidate(recent, old, 120, chance())
    assert report.accepted, report.reason
    assert skill(cortex.fast, old) >= 0.99
    assert alone(game, agent.network, seat, opponent) < 0
    assert alone(game, cortex.fast, seat, opponent) >= 0
    never_seen = make_practice(agent.network, recalled[0], 300, seed=6)
    return skill(cortex.fast, read_lessons(cortex.fast, never_seen, [0] * 300))


@pytest.mark.slow
def test_without_the_hippocampus_what_was_consolidated_survives_and_what_was_not_fails() -> None:
    skills = [survive_without_hippocampus(seed) for seed in range(3)]
    assert np.mean(skills) >= 0.985

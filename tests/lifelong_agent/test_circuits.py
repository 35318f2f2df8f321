"""Each of the five circuit types does what its name says, and a fake would be found out."""

import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian

from lifelong_agent.circuits import (
    AfterDischarge,
    CircuitConfig,
    Circuits,
    Converging,
    Diverging,
    Episode,
    Reverberating,
    Series,
    declare,
)

SMALL = CircuitConfig(series=12, fast=10, reverberating=8, after_discharge=6)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def pulse_response(circuit, num_ticks, strength=1.0):
    """The output after each tick: a pulse and then silence, less what silence alone gives."""
    pulse = strength * torch.randn(1, 5)
    outputs = []
    for first in (pulse, torch.zeros(1, 5)):
        state, run = torch.zeros(1, circuit.state_size), []
        for tick in range(num_ticks):
            x = first if tick == 0 else torch.zeros(1, 5)
            state = circuit.tick(circuit.prepare(x), state)
            run.append(circuit.read(state))
        outputs.append(torch.cat(run))
    return outputs[0] - outputs[1]


# Series: each stage hears only the stage before it.


def check_series(chain, inputs):
    """With one stage held still, nothing of what came before it arrives at the end."""
    x = torch.randn(inputs)
    assert jacobian(lambda y: chain(y[None])[0], x).abs().sum() > 0
    for stage in chain.stages:
        still = torch.randn(1, stage.out_features).abs()
        handle = stage.register_forward_hook(lambda *_, still=still: still)
        skipped = jacobian(lambda y: chain(y[None])[0], x, strict=False)
        handle.remove()
        assert torch.equal(skipped, torch.zeros_like(skipped))


class SeriesWithShortcut(Series):
    def forward(self, x):
        return super().forward(x) + 0.1 * self.stages[0](x).roll(1)


def test_in_a_series_the_jacobian_of_a_skipped_stage_is_zero():
    check_series(Series(5, 7, stages=3), 5)
    with pytest.raises(AssertionError):
        check_series(SeriesWithShortcut(5, 7, stages=3), 5)


# Diverging: one source, branches that do not hear each other.


def check_diverging(circuit):
    x = torch.randn(4, 5)
    before = circuit(x)
    for i, branch in enumerate(circuit.branches):
        handle = branch.register_forward_hook(lambda *args: torch.zeros_like(args[-1]))
        after = circuit(x)
        handle.remove()
        for j, (was, now) in enumerate(zip(before, after, strict=True)):
            assert torch.equal(was, now) == (i != j)


class DivergingWithCrosstalk(Diverging):
    def forward(self, x):
        first, *others = super().forward(x)
        return [first, *(other + 0.1 * first.sum(1, keepdim=True) for other in others)]


def test_a_lesioned_branch_leaves_the_other_branches_as_they_were():
    check_diverging(Diverging(5, (4, 3, 6)))
    with pytest.raises(AssertionError):
        check_diverging(DivergingWithCrosstalk(5, (4, 3, 6)))


# Converging: several sources onto one pool.


def check_converging(circuit, sizes):
    xs = [torch.randn(8, size) for size in sizes]
    before = circuit(xs)
    for i in range(len(sizes)):
        silent = [torch.zeros_like(x) if i == j else x for j, x in enumerate(xs)]
        assert not torch.equal(circuit(silent), before)


class ConvergingThatIsDeaf(Converging):
    def forward(self, xs):
        return super().forward([*xs[:-1], torch.zeros_like(xs[-1])])


def test_every_converging_source_is_heard():
    check_converging(Converging((4, 3, 6), 5), (4, 3, 6))
    with pytest.raises(AssertionError):
        check_converging(ConvergingThatIsDeaf((4, 3, 6), 5), (4, 3, 6))


# Reverberating: activity persists after its cause.


def check_reverberating(circuit):
    activity = pulse_response(circuit, 16).norm(dim=1)
    assert activity[0] > 0.5
    assert (activity[1:] > 0.1 * activity[0]).all()


class ReverberatingWithoutLoop(Reverberating):
    def tick(self, prepared, state):
        return torch.tanh(prepared)


class ReverberatingThatLeaksAway(Reverberating):
    def tick(self, prepared, state):
        return torch.lerp(state, torch.tanh(prepared), self.leak.sigmoid())


def test_reverberating_activity_persists_when_the_input_is_off():
    check_reverberating(Reverberating(5, 32))
    for fake in (ReverberatingWithoutLoop, ReverberatingThatLeaksAway):
        with pytest.raises(AssertionError):
            check_reverberating(fake(5, 32))


# Parallel after-discharge: an echo that outlasts its cause, and ends.


def check_after_discharge(circuit):
    longest = max(circuit.delays)
    activity = pulse_response(circuit, longest + 6).abs().sum(1)
    for tick, strength in enumerate(activity.tolist()):
        assert (strength > 0) == (tick in circuit.delays), f"tick {tick}"
    assert longest > 0
    assert not activity[longest + 1 :].any(), "exactly zero"


class AfterDischargeWithLoop(AfterDischarge):
    def tick(self, prepared, state):
        return super().tick(prepared + 1e-3 * self.read(state), state)


class AfterDischargeWithoutDelay(AfterDischarge):
    def read(self, state):
        return self.lines[0](state[:, : self.width])


@pytest.mark.parametrize("delays", [(0, 1, 2, 4), (0, 3), (1, 2)])
def test_an_after_discharge_outlasts_its_input_and_is_zero_after_the_longest_delay(delays):
    check_after_discharge(AfterDischarge(5, 6, delays))
    for fake in (AfterDischargeWithLoop, AfterDischargeWithoutDelay):
        with pytest.raises(AssertionError):
            check_after_discharge(fake(5, 6, delays))


# The graph of all five.


def circuits_with_all_biases_moved():
    circuits = Circuits(5, SMALL)
    with torch.no_grad():
        for parameter in circuits.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return circuits


def random_episode(num_steps, rows):
    generator = torch.Generator().manual_seed(3)
    seat = torch.randint(0, 2, (num_steps, rows), generator=generator)
    return Episode(seat, torch.rand(num_steps, rows, generator=generator) < 0.2)


def step_by_step(circuits, readings, states, episode):
    """What acting does: each seat's own state, both zeroed where the game ends."""
    states, rows, features = states.clone(), torch.arange(readings.shape[1]), []
    for reading, seat, ended in zip(readings, episode.seat, episode.ended, strict=True):
        feature, states[rows, seat] = circuits(reading, states[rows, seat])
        states[ended] = 0
        features.append(feature)
    return torch.stack(features)


def test_unrolling_equals_deciding_step_by_step_with_both_seats_and_endings():
    circuits = circuits_with_all_biases_moved()
    readings, states = torch.randn(20, 6, 5), torch.randn(6, 2, circuits.state_size)
    episode = random_episode(20, 6)
    assert episode.ended.any()
    with torch.no_grad():
        found = circuits.unroll(readings, states, episode)
        expected = step_by_step(circuits, readings, states, episode)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        endless = Episode(episode.seat, torch.zeros_like(episode.ended))
        one_seat = Episode(torch.zeros_like(episode.seat), episode.ended)
        for wrong in (endless, one_seat):
            assert (circuits.unroll(readings, states, wrong) - expected).abs().max() > 1e-3


def test_unrolling_leaves_the_states_it_was_given_alone():
    circuits = circuits_with_all_biases_moved()
    states = torch.randn(6, 2, circuits.state_size)
    copy = states.clone()
    circuits.unroll(torch.randn(20, 6, 5), states, random_episode(20, 6))
    assert torch.equal(states, copy)


def influence(seats, ended, on, of):
    """How strongly the features of decision `on` depend on the reading of decision `of`."""
    circuits = circuits_with_all_biases_moved()
    readings = torch.randn(len(seats), 1, 5, requires_grad=True)
    episode = Episode(torch.tensor(seats)[:, None], torch.tensor(ended)[:, None])
    features = circuits.unroll(readings, torch.zeros(1, 2, circuits.state_size), episode)
    features[on].sum().backward()
    return readings.grad[of].abs().sum().item()


def test_learning_reaches_back_through_time_within_a_seat_and_a_game():
    going, seats = [False] * 4, [0, 1, 0, 1]
    assert influence(seats, going, on=2, of=0) > 0
    assert influence(seats, going, on=2, of=1) == 0, "the other seat's thoughts are its own"
    assert influence(seats, going, on=0, of=2) == 0, "nothing comes from the future"
    assert influence([0] * 4, going, on=3, of=0) > 0
    assert influence([0] * 4, [False, True, False, False], on=3, of=1) == 0, "a new game"
    assert influence([0] * 4, [False, True, False, False], on=3, of=2) > 0


@pytest.mark.parametrize("part", ["reverberating", "after_discharge"])
def test_what_was_seen_before_is_still_in_the_features_through_each_remembering_part(part):
    circuits = circuits_with_all_biases_moved()
    other = {"reverberating": 2, "after_discharge": 1}[part]  # its road into the pool
    nn.init.zeros_(circuits.converging.roads[other].weight)
    state = torch.zeros(1, circuits.state_size)
    for reading in (torch.randn(1, 5), torch.zeros(1, 5), torch.zeros(1, 5)):
        features, state = circuits(reading, state)
    forgetful, _ = circuits(torch.zeros(1, 5), torch.zeros(1, circuits.state_size))
    assert (features - forgetful).abs().max() > 1e-3


def test_the_graph_keeps_the_sizes_it_was_given():
    circuits = Circuits(5, SMALL)
    features, state = circuits(torch.randn(3, 5), torch.zeros(3, circuits.state_size))
    assert features.shape == (3, circuits.output_size)
    assert state.shape == (3, circuits.state_size)
    assert circuits.state_size == SMALL.reverberating + SMALL.after_discharge * 5


# The graph is the declared one.


def test_the_graph_computes_what_is_drawn_in_its_docstring():
    circuits = circuits_with_all_biases_moved()
    reading, state = torch.randn(7, 5), torch.randn(7, circuits.state_size)
    fast, to_hold, to_echo = circuits.diverging(circuits.series(reading))
    hold, echo = circuits.reverberating, circuits.after_discharge
    held = hold.tick(hold.prepare(to_hold), state[:, : hold.state_size])
    line = echo.tick(echo.prepare(to_echo), state[:, hold.state_size :])
    joined = circuits.converging([fast, hold.read(held), echo.read(line)])
    features, following = circuits(reading, state)
    assert torch.equal(features, reading + joined)
    assert torch.equal(following, torch.cat([held, line], 1))


def all_signals(circuits, lesioned=None):
    """Every signal of one decision; what the lesioned block gives is halved."""

    def remember(name, block, x):
        found = block.read(block.tick(block.prepare(x), torch.ones(3, block.state_size)))
        return found / 2 if name == lesioned else found

    part = getattr(circuits, lesioned) if lesioned else nn.Identity()
    handle = part.register_forward_hook(
        lambda *args: [x / 2 for x in args[-1]] if isinstance(args[-1], list) else args[-1] / 2
    )
    signals = circuits.signals(torch.linspace(-1, 1, 15).view(3, 5), remember)
    handle.remove()
    return signals


def declared_after(circuits, name):
    """The signals of a block, and all that hear them through others."""
    reached = set()
    for block in circuits.blocks:
        if block.name == name or reached & set(block.sources):
            reached |= set(block.signals)
    return reached


@pytest.mark.parametrize("block", declare(5, SMALL), ids=lambda block: block.name)
def test_a_lesion_changes_exactly_what_is_declared_to_hear_the_block(block):
    circuits = circuits_with_all_biases_moved()
    before, after = all_signals(circuits), all_signals(circuits, block.name)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == declared_after(circuits, block.name)
    widths = {name: found.shape[1] for name, found in after.items() if name in block.signals}
    assert widths == block.signals


def test_all_five_types_are_declared_and_the_names_of_weights_stay():
    blocks = declare(5, SMALL)
    kinds = {Series, Diverging, Converging, Reverberating, AfterDischarge}
    assert kinds < {block.kind for block in blocks}
    names = {name.partition(".")[0] for name in Circuits(5, SMALL).state_dict()}
    assert names == {block.name for block in blocks} - {"features"}

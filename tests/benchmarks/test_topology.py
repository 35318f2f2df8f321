"""The tasks by hand, the rivals against torch's own, and equal sizes."""

import functools
import json

import pytest
import topology
import torch
from topology import (
    READING,
    RIVALS,
    STEPS,
    TASKS,
    Graph,
    Gru,
    Mlp,
    examine,
    learn,
    num_parameters,
    width_of_size,
    width_of_time,
)


def draw(name, generator, rows=64):
    return TASKS[name].draw(rows, generator)


@pytest.mark.parametrize("name", list(TASKS))
def test_lessons_have_their_shapes_and_are_not_answered_by_guessing_one_thing(name, generator):
    lesson, task = draw(name, generator), TASKS[name]
    assert lesson.inputs.shape == (STEPS, 64, topology.INPUTS)
    assert lesson.targets.shape == (STEPS, 64, task.num_answers)
    answers = lesson.targets[lesson.asked]
    if task.is_binary:
        assert set(answers.unique().tolist()) == {0, 1}
        assert 0.3 < answers.mean() < 0.7
    else:
        assert abs(answers.mean()) < 0.2


def test_now_is_the_parity_of_three_bits_of_the_moment(generator):
    lesson = draw("now (no memory)", generator)
    product = lesson.inputs[..., :3].prod(-1)
    assert torch.equal(lesson.targets[..., 0], (product > 0).float()), "odd ones: (+)(-)(-) = +"


def test_the_delayed_answer_is_the_first_symbol_and_is_asked_once_after_4_or_more(generator):
    lesson = draw("delayed answer", generator)
    assert lesson.asked.sum(0).eq(1).all()
    assert not lesson.asked[:4].any()
    symbol = lesson.inputs[0, :, :4].argmax(1)
    answers = lesson.targets.transpose(0, 1)[lesson.asked.T]
    assert torch.equal(answers[:, 0] + 2 * answers[:, 1], symbol.float())


def test_a_flip_flop_keeps_the_sign_of_the_last_pulse(generator):
    lesson = draw("flip-flop", generator, 4)
    sign = 0
    for pulse, held in zip(lesson.inputs[:, 2, 1], lesson.targets[:, 2, 1], strict=True):
        sign = pulse.item() or sign
        assert held == (sign > 0)


def test_parity_changes_with_every_pulse_and_only_then(generator):
    lesson = draw("parity", generator)
    changed = lesson.targets[1:, :, 0] != lesson.targets[:-1, :, 0]
    assert torch.equal(changed, lesson.inputs[1:, :, 0] != 0)
    assert lesson.targets[0].eq(1).all()


def test_an_echo_is_what_was_2_and_4_decisions_ago(generator):
    lesson = draw("echo of 2 and 4 ago", generator)
    bits = (lesson.inputs[..., 0] > 0).float()
    assert torch.equal(lesson.targets[4:, :, 0], bits[2:-2])
    assert torch.equal(lesson.targets[4:, :, 1], bits[:-4])
    assert torch.equal(lesson.asked.any(1), torch.arange(STEPS) >= 4)


def test_the_leaky_sum_of_a_row_worked_by_hand(generator):
    lesson = draw("leaky sum, R2", generator)
    x = lesson.inputs[:3, 0, 0].tolist()
    wanted = (0.81 * x[0] + 0.9 * x[1] + x[2]) * 0.19**0.5
    assert float(lesson.targets[2, 0, 0]) == pytest.approx(wanted, abs=1e-6)


def test_the_gru_is_that_of_torch():
    torch.manual_seed(0)
    ours, theirs = Gru(8), torch.nn.GRU(READING, 8)
    theirs.weight_ih_l0.data, theirs.bias_ih_l0.data = ours.enter.weight.data, ours.enter.bias.data
    theirs.weight_hh_l0.data, theirs.bias_hh_l0.data = ours.loop.weight.data, ours.loop.bias.data
    readings = torch.randn(6, 3, READING)
    wanted = readings + torch.relu(ours.road(theirs(readings)[0]))
    torch.testing.assert_close(ours(readings), wanted)


@pytest.mark.parametrize("name", list(RIVALS))
def test_rivals_have_as_many_parameters_within_three_percent(name):
    size = num_parameters(Graph())
    width = width_of_size(RIVALS[name], size)
    assert num_parameters(RIVALS[name](width)) == pytest.approx(size, rel=0.03)
    for other in (width - 1, width + 1):
        worse = abs(num_parameters(RIVALS[name](other)) - size)
        assert worse >= abs(num_parameters(RIVALS[name](width)) - size)


def test_the_width_of_equal_time_is_the_last_that_is_no_slower(monkeypatch):
    def by_width(actions, device):
        return [core_of(action).layers[0].out_features / 200 for action in actions[:1]] + [1.0]

    def core_of(action):
        return action.__closure__[0].cell_contents

    monkeypatch.setattr(topology, "turn_about", by_width)
    assert width_of_time(Mlp, Graph()) == 200


@pytest.mark.parametrize("part", ["reverberating", "after_discharge"])
def test_a_part_that_is_cut_out_is_not_heard_and_does_not_come_back(part):
    torch.manual_seed(0)
    graph, readings = Graph(part), torch.randn(5, 2, READING)
    before = graph(readings)
    cut = getattr(graph.circuits, part)
    for weights in cut.parameters():
        weights.data.normal_()
    assert torch.equal(graph(readings), before)
    graph(readings).sum().backward()
    assert all(weights.grad is None for weights in cut.parameters())
    assert num_parameters(graph) < num_parameters(Graph())


def test_without_both_memories_the_past_is_forgotten():
    """Each memory alone carries the first reading to the second decision; an MLP does not."""
    torch.manual_seed(0)
    for core, remembers in ((Graph("reverberating"), True), (Graph(), True), (Mlp(16), False)):
        readings = torch.randn(2, 1, READING)
        other = readings.clone()
        other[0] += 1
        assert torch.equal(core(readings)[1], core(other)[1]) != remembers


@pytest.mark.slow
def test_who_remembers_learns_the_flip_flop_and_who_does_not_cannot():
    task = TASKS["flip-flop"]
    _, graph = examine(learn(Graph, task, 60, 0), task)
    _, mlp = examine(learn(functools.partial(Mlp, 64), task, 60, 0), task)
    assert graph > 0.8
    assert mlp < 0.7, "it knows only when a pulse is there: 0.1 + 0.9 / 2, and the beginning"


@pytest.mark.slow
def test_the_command_measures_and_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(topology, "width_of_time", lambda make, peer: 16)
    path = tmp_path / "out.json"
    topology.main(["--steps", "1", "--seeds", "2", "--tasks", "parity", "--json", str(path)])
    result = json.loads(path.read_text())
    assert list(result["cores"])[:3] == [
        "circuits", "without reverberating", "without after_discharge",
    ]  # fmt: skip
    assert len(result["cores"]) == 7
    assert all(0 <= run["parity"] <= 1 for runs in result["score"].values() for run in runs)
    assert all(cost["learning_ms"] > 0 for cost in result["cores"].values())


def test_an_unknown_task_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        topology.main(["--tasks", "chess"])
    assert stop.value.code == 2
    assert "unknown tasks ['chess']" in capsys.readouterr().err

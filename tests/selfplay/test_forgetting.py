"""The evaluation from end to end: exact resumption, one folder for a suite, results, report."""

import dataclasses
import json
import sys
import types

import numpy as np
import pytest
import torch

from lifelong_agent.weights import flatten
from selfplay.__main__ import main
from selfplay.forgetting import Evaluation, evaluate, find_suite
from selfplay.forgetting import constants as constants_module
from selfplay.forgetting import suites as suites_module
from selfplay.forgetting.constants import constants_of, read_constants, write_constants
from selfplay.forgetting.evaluation import VERSION
from selfplay.forgetting.methods import METHODS
from selfplay.forgetting.report import text_table, write_report
from selfplay.forgetting.results import METRICS
from selfplay.forgetting.runner import Record, Run
from tests.selfplay.forgetting_suite import TINY, publish

SHORT = dataclasses.replace(TINY, steps=32, games=2, num_rows=4, rollout_steps=4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with two methods on two seeds, and the results."""
    out = tmp_path_factory.mktemp("forgetting") / "out"
    return out, evaluated(out, "finetune", "joint", seeds=2)


class PlugPulled(Exception):
    """The run is killed."""


def evaluated(out, *methods, suite=SHORT, seeds=1, device="cpu"):
    if not (out / "suite.json").exists():
        Evaluation(suite, (), seeds, out)
        publish(out, suite)
    return evaluate(suite, methods, seeds, out, device)


def interrupted(out, method, parts, device="cpu"):
    """Killed after so many parts; what is left is on disk."""
    Evaluation(SHORT, (), 1, out)
    publish(out, SHORT)
    step = SHORT.part_steps

    def kill(done, _word):
        if done >= parts * step:
            raise PlugPulled

    with pytest.raises(PlugPulled):
        Evaluation(SHORT, (method,), 1, out, device).run(kill)


def outcome(results, method):
    values = results.to_json()["methods"][method]
    return {key: value for key, value in values.items() if key not in ("wall_s", "learning_s")}


@pytest.mark.slow
@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize(
    "method",
    [
        *("finetune", "frozen_copies", "joint", "ewc", "clear(capacity=64)"),
        *("lifelong(capacity=64)", "lifelong-no-hippocampus", "lifelong-no-neocortex(capacity=64)"),
        *("lifelong-no-looks(capacity=64)", "lifelong-mlp(capacity=64)"),
        "stable_baselines3:PPO(policy='MlpPolicy',n_epochs=1,batch_size=16)",
        "stable_baselines3:DQN(policy='MlpPolicy',buffer_size=64,learning_starts=8)",
        "sb3_contrib:MaskablePPO(policy='MlpPolicy',n_epochs=1)",
    ],
)
def test_any_method_is_resumed_exactly_wherever_it_was_killed(method, parts, tmp_path):
    whole = evaluated(tmp_path / "whole", method)
    interrupted(tmp_path / "killed", method, parts)
    assert outcome(evaluated(tmp_path / "killed", method), method) == outcome(whole, method)


def test_an_interrupted_run_gives_the_same_numbers_and_weights(tmp_path, monkeypatch):
    """Scores of few games could be equal by luck; weights cannot."""
    seen, method = [], "lifelong(capacity=32)"
    save = Run._save

    def save_and_note(self, learner, record):
        networks = (learner.network, learner.algorithm.slow)
        seen.append(torch.cat([p.detach().flatten() for n in networks for p in n.parameters()]))
        save(self, learner, record)

    monkeypatch.setattr(Run, "_save", save_and_note)
    whole = evaluated(tmp_path / "whole", method)
    last, seen = seen[-1], []
    interrupted(tmp_path / "killed", method, 2)
    again = evaluated(tmp_path / "killed", method)
    assert torch.equal(seen[-1], last)
    assert outcome(again, method) == outcome(whole, method)


@pytest.mark.gpu
@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize(
    "method", ["finetune", "frozen_copies", "ewc", "clear(capacity=64)", "lifelong(capacity=64)"]
)
def test_a_run_on_cuda_goes_on_where_it_was_killed(method, parts, tmp_path, monkeypatch):
    """What it takes up is what was saved; what it learns from there may differ in the last bit."""
    interrupted(tmp_path, method, parts, "cuda")
    read, learn, saved = Run._saved_learner, Run._learn_part, []

    def read_and_note(self):
        saved.append(read(self))
        return saved[-1]

    def compare_and_learn(self, part, learner, record):
        for name, tensor in flatten(saved.pop() if saved else {}).items():
            taken_up = flatten(learner.state_dict())[name]
            assert torch.equal(taken_up.cpu(), tensor)
            is_host = not tensor.is_floating_point() or not tensor.numel()  # counts, chance
            assert taken_up.is_cuda or is_host
        learn(self, part, learner, record)

    monkeypatch.setattr(Run, "_saved_learner", read_and_note)
    monkeypatch.setattr(Run, "_learn_part", compare_and_learn)
    matrix = outcome(evaluated(tmp_path, method, device="cuda"), method)["matrix"]
    assert np.isfinite(matrix).all()


def test_what_is_done_is_not_done_again(finished, monkeypatch):
    out, results = finished
    monkeypatch.setattr(Run, "_learn_part", None)
    again = evaluated(out, "joint", "finetune", seeds=2)
    assert outcome(again, "joint") == outcome(results, "joint")


def test_results_have_the_published_shape(finished):
    out, _ = finished
    values = json.loads((out / "results.json").read_text())
    assert values["suite"] == "tiny"
    assert values["tasks"] == ["tron", "tron:wrap"]
    assert values["normalisation"]["tasks"]["tron"]["random"] == 0.1
    method = values["methods"]["finetune"]
    raw = np.array(method["raw_matrix"])
    scores = (raw - 0.1) / 0.8
    assert raw.shape == (2, 2, 2)  # seed, segment, task
    assert np.array(method["matrix"]) == pytest.approx(scores)
    for name in METRICS:
        assert set(method[name]) == {"mean", "ci95"}
    assert method["average_performance"]["mean"] == pytest.approx(scores[:, -1].mean())
    assert method["forgetting"]["mean"] == pytest.approx((scores[:, 0, 0] - scores[:, 1, 0]).mean())
    assert method["replay_bytes"] == 0
    dormant = np.array(method["dormant"])
    assert dormant.shape == (2, 2)  # seed, segment
    assert method["dormant_units"]["mean"] == pytest.approx(dormant[:, -1].mean())
    assert 0 <= dormant.min() <= dormant.max() < 1
    assert method["wall_s"] > method["learning_s"] > 0


def test_what_depends_on_the_order_is_not_defined_for_joint_training(finished):
    values = finished[1].to_json()["methods"]["joint"]
    assert values["forgetting"] == {"mean": None, "ci95": [None, None]}
    assert values["average_performance"]["mean"] is not None


def test_the_last_point_of_a_curve_is_the_entry_of_the_matrix(finished):
    method = finished[1].methods["finetune"]
    assert (method.curves[:, 0, -1] == method.matrix[:, 0, 0]).all()
    assert (method.curves[:, 1, -1] == method.matrix[:, 1, 1]).all()


def test_rows_hold_every_entry_of_the_matrix(finished):
    results = finished[1]
    rows = results.to_rows()
    assert len(rows) == 2 * 2 * 2 * 2
    assert {**rows[1], "score": 0, "raw": 0} == {
        "method": "finetune", "seed": 0, "segment": 0, "trained": "tron",
        "task": "tron:wrap", "score": 0, "raw": 0,
    }  # fmt: skip
    assert rows[1]["score"] == results.methods["finetune"].matrix[0, 0, 1]


def test_a_frame_needs_pandas(finished, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ValueError, match="to_frame needs the package pandas"):
        finished[1].to_frame()


def test_a_frame_is_made_of_the_rows(finished, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=list))
    assert finished[1].to_frame() == finished[1].to_rows()


def test_constants_are_means_over_seeds_and_the_last_point_is_1(tmp_path):
    records = [Record(curves=[[0.2, 0.6], [0.4, 0.9]]), Record(curves=[[0.4, 0.8], [0.4, 0.7]])]
    constants = constants_of(TINY, (0.3, 0.5), records, (0, 1))
    assert constants.single == pytest.approx((0.7, 0.8))
    assert constants.normalise(np.array([[0.3, 0.65]])) == pytest.approx(np.array([[0, 0.5]]))
    first = ((0.3 - 0.3) / 0.4 + 1) / 2
    second = ((0.4 - 0.5) / 0.3 + 1) / 2
    assert constants.scratch_areas() == pytest.approx([first, second])
    write_constants(constants, TINY, tmp_path)
    kept = read_constants(TINY, tmp_path)
    assert dataclasses.replace(kept, source="") == constants
    assert kept.source == "normalisation.json"
    assert read_constants(TINY.reversed(), tmp_path) == kept
    assert read_constants(dataclasses.replace(TINY, steps=64), tmp_path) is None


@pytest.mark.slow
def test_constants_are_measured_where_none_are_published(tmp_path):
    suite = dataclasses.replace(TINY, games=100, steps=8192, num_rows=32, rollout_steps=32)
    constants = evaluate(suite, (), 1, tmp_path / "out").constants
    assert constants.random == pytest.approx((0.5, 0.5), abs=0.1)
    assert min(constants.single) > 0.55
    assert np.array(constants.curves).shape == (2, 2)
    assert constants.source == "normalisation.json"


def test_constants_of_other_seeds_are_measured_when_they_are_what_is_asked_for(tmp_path):
    out = tmp_path / "out"
    Evaluation(TINY, (), 1, out)
    publish(out)
    assert Evaluation(TINY, (), 1, out).constants is not None
    assert Evaluation(TINY, ("finetune",), 2, out).constants is not None
    assert [run.seed for run in Evaluation(TINY, (), 2, out).scratch_runs] == [0, 1]


def test_without_methods_the_table_shows_the_constants(tmp_path):
    out = tmp_path / "out"
    Evaluation(TINY, (), 1, out)
    publish(out)
    table = text_table(evaluate(TINY, (), 1, out))
    cells = [list(column.cells) for column in table.columns]
    assert cells == [["tron", "tron:wrap"], ["0.10", "0.10"], ["0.90", "0.90"]]


def test_a_task_that_nobody_learned_stops_the_evaluation_before_the_work(tmp_path):
    out = tmp_path / "out"
    Evaluation(TINY, (), 1, out)
    publish(out)
    path = out / "normalisation.json"
    values = json.loads(path.read_text())
    values["constants"]["curves"][1][-1] = 0.1
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="tron:wrap was not learned alone"):
        evaluate(TINY, ("finetune",), 1, out)
    assert not (out / "finetune").exists()


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("random", ["a", "b"], "could not convert"),
        ("random", [0.1], "not those of tron, tron:wrap"),
        ("random", [float("nan"), 0.1], "a number is not finite"),
        ("random", [None, 0.1], "a number is not finite"),
        ("curves", [[], []], "a curve has 2 points"),
        ("tasks", ["tron", "tron:fog"], "not those of tron, tron:wrap"),
    ],
)
def test_damaged_constants_are_named(name, value, complaint, tmp_path):
    publish(tmp_path)
    path = tmp_path / "normalisation.json"
    values = json.loads(path.read_text())
    values["constants"][name] = value
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=rf"normalisation\.json holds no constants: .*{complaint}"):
        read_constants(TINY, tmp_path)


def test_constants_that_a_folder_measured_go_before_published_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(constants_module, "PUBLISHED", tmp_path)
    publish(tmp_path / "out")
    (tmp_path / "forgetting-tiny.json").write_bytes(
        (tmp_path / "out" / "normalisation.json").read_bytes()
    )
    assert read_constants(TINY, tmp_path / "out").source == "normalisation.json"
    assert read_constants(TINY, tmp_path / "new").source == "forgetting-tiny.json"


def test_a_later_call_keeps_the_methods_of_the_results(tmp_path):
    out = tmp_path / "out"
    first = evaluated(out, "finetune", "ewc")
    again = evaluated(out, "clear")
    assert list(again.methods) == ["clear", "finetune", "ewc"]
    assert outcome(again, "ewc") == outcome(first, "ewc")
    written = (out / "results.json").read_bytes()
    evaluated(out)
    assert (out / "results.json").read_bytes() == written, "constants alone leave results alone"
    evaluation = Evaluation(SHORT, ("ewc",), 2, out)
    assert list(evaluation.run().methods) == ["ewc"]
    assert evaluation.left_out == ["clear", "finetune"]


def test_a_method_of_a_script_that_is_not_known_here_is_left_out(tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setitem(METHODS, "shrinking", METHODS["finetune"])
    evaluated(out, "shrinking")
    monkeypatch.delitem(METHODS, "shrinking")
    evaluation = Evaluation(SHORT, ("finetune",), 1, out)
    assert list(evaluation.run().methods) == ["finetune"]
    assert evaluation.left_out == ["shrinking"]


def test_methods_may_be_of_any_sequence_but_no_text_and_the_folder_may_be_a_text(tmp_path):
    with pytest.raises(ValueError, match="not the text 'finetune'"):
        Evaluation(TINY, "finetune", 1, tmp_path / "out")
    assert Evaluation(TINY, ["ewc", "ewc"], 1, str(tmp_path / "out")).methods == ("ewc",)


def test_a_claim_that_was_killed_while_it_was_written_is_made_again(tmp_path):
    (tmp_path / "suite.json.partial").write_text('{"versi')
    Evaluation(TINY, (), 1, tmp_path)
    assert (tmp_path / "suite.json").exists()


def test_a_record_without_its_tensors_is_not_written_over(tmp_path):
    evaluated(tmp_path / "out", "finetune")
    folder = tmp_path / "out" / "finetune" / "seed-0"
    (folder / "run.safetensors").unlink()
    record = (folder / "run.json").read_bytes()
    with pytest.raises(ValueError, match=r"run\.safetensors"):
        evaluated(tmp_path / "out", "finetune")
    assert (folder / "run.json").read_bytes() == record


def test_a_folder_belongs_to_one_suite_on_one_set_of_terms(tmp_path):
    out = tmp_path / "out"
    Evaluation(TINY, (), 1, out)
    other = dataclasses.replace(TINY, name="other")
    with pytest.raises(ValueError, match="holds results of the suite 'tiny', not 'other'"):
        Evaluation(other, (), 1, out)
    with pytest.raises(ValueError, match=r"'tiny' on other terms \(order\)"):
        Evaluation(TINY.reversed(), (), 1, out)
    claim = json.loads((out / "suite.json").read_text())
    (out / "suite.json").write_text(json.dumps(claim | {"version": 0}))
    with pytest.raises(ValueError, match=f"version 0, this program makes version {VERSION}"):
        Evaluation(TINY, (), 1, out)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="holds something else than results"):
        Evaluation(TINY, (), 1, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_damaged_record_is_named(tmp_path):
    interrupted(tmp_path / "out", "finetune", 1)
    path = tmp_path / "out" / "finetune" / "seed-0" / "run.json"
    path.write_text(path.read_text().replace('"matrix"', '"matrax"'))
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        evaluated(tmp_path / "out", "finetune")


def test_the_command_writes_a_report_of_one_piece(finished, tmp_path, monkeypatch, capsys):
    out, _ = finished
    monkeypatch.setitem(suites_module.SUITES, "tiny", SHORT)
    arguments = [
        "--suite",
        "tiny",
        "--methods",
        "finetune,joint",
        "--seeds",
        "2",
        "--out",
        str(out),
    ]
    main(["forgetting", *arguments, "--json", str(tmp_path / "copy.json")])
    printed = capsys.readouterr().out
    assert "average" in printed
    assert "finetune" in printed
    html = (out / "report.html").read_text()
    assert html.count("data:image/svg+xml;base64,") == 4
    assert "http" not in html
    assert "width=device-width" in html
    assert "tron:wrap" in html
    assert "weights that are\nnew" in html
    assert json.loads((tmp_path / "copy.json").read_text())["suite"] == "tiny"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--suite", "slow"], "unknown suite 'slow': known are quick, connect"),
        (["--methods", "rehearsal"], "unknown method 'rehearsal'"),
        (["--methods", "stable_baselines3:PPPO"], "no Stable-Baselines3 algorithm 'PPPO'"),
        (["--suite", "gym:NoSuch-v0"], "cannot make the environment 'NoSuch-v0'"),
        (["--suite", "gym:NoSuch-v0", "--methods", "none"], "cannot make the environment"),
        (["--suite", "gym:"], "must name Gymnasium environments"),
        (["--suite", "gym:Pendulum-v1"], "needs Discrete actions"),
        (["--methods", "lifelong(unroll=0)"], "unroll must be a whole number from 1 on, not 0"),
        (["--seeds", "0"], "the number of seeds must be at least 1, not 0"),
        (["--seed", "-3"], "from 0 to 2**32 - 1"),
        (["--seed", "5000000000"], "from 0 to 2**32 - 1"),
        (["--methods", ","], "name at least one method, or none"),
        (["--steps", "0"], "steps must be a whole number from 1 on, not 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, complaint, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["forgetting", "--out", str(tmp_path / "out"), *arguments])
    assert stop.value.code == 2
    said = capsys.readouterr().err.strip()
    assert complaint in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["minatar", "minigrid"])
def test_a_suite_without_its_package_says_so(name, monkeypatch):
    monkeypatch.setattr(suites_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=f"the suite {name} needs the package {name}"):
        find_suite(name)


def test_a_report_says_how_published_figures_were_made(finished, tmp_path):
    _, results = finished
    published = (("another", 0.5, "3 seeds"),)
    suite = dataclasses.replace(SHORT, published=published, differs="Theirs: longer games.")
    write_report(dataclasses.replace(results, suite=suite), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert "Published, with a protocol much like this one" in html
    assert "Theirs: longer games." in html

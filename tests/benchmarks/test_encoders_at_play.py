"""Other eyes in the network's place: what they hand on, and the whole command at tiny size."""

import json

import encoders_at_play
import pytest
import torch
from encoders import ENCODERS
from encoders_at_play import PLAYERS, Pupil, Worn

from selfplay.forgetting.suites import Suite


def test_a_worn_encoder_reads_as_wide_as_the_circuits_expect_and_never_looks():
    width, make = ENCODERS["Nature-CNN"]
    worn = Worn(make(64, "float32"), width, 128)
    frames = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    percept = worn(frames, worn.glance(frames))
    assert percept.reading.shape == (2, 128)
    assert percept.fixations.shape == (2, 0, 2)
    assert float(worn.anticipation(frames, frames, frames)) == 0


def test_only_the_eyes_differ_and_all_that_they_are_made_of_is_learned():
    suite = Suite("one", (encoders_at_play.TASKS["tron"],))
    networks = {}
    for name in PLAYERS:
        algorithm = Pupil(name, suite, 0, torch.device("cpu")).algorithm
        networks[name] = algorithm.policy.network
        learned = sum(len(group["params"]) for group in algorithm.policy.optimizer.param_groups)
        assert learned == len(list(networks[name].parameters()))
    shapes = [
        {k: v.shape for k, v in network.state_dict().items() if not k.startswith("eyes")}
        for network in networks.values()
    ]
    assert shapes[0] == shapes[1] == shapes[2]
    assert not isinstance(networks["eyes, R = 2"].eyes, Worn)
    assert isinstance(networks["IMPALA-CNN"].eyes, Worn)


@pytest.mark.slow
def test_the_command_plays_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(encoders_at_play, "NUM_ROWS", 8)
    monkeypatch.setattr(encoders_at_play, "GAMES", 4)
    path = tmp_path / "play.json"
    words = ["--games", "tron", "--steps", "512", "--parts", "2", "--seeds", "1", "--seed", "3"]
    encoders_at_play.main([*words, "--json", str(path)])
    result = json.loads(path.read_text())
    assert [run["encoder"] for run in result["runs"]] == list(PLAYERS)
    assert all(run["seed"] == 3 and len(run["curve"]) == 2 for run in result["runs"])
    assert "IMPALA-CNN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--games", "chess"],
            "unknown ['chess']: known are ['tron', 'tron:rocks', ",
        ),
        (["--encoders", "owl"], "unknown ['owl']"),
        (["--parts", "0"], "steps, parts and seeds are at least 1"),
        (["--learning-rate", "0"], "a learning rate is above 0"),
    ],
)
def test_bad_input_is_one_line(words, says, capsys):
    with pytest.raises(SystemExit) as stop:
        encoders_at_play.main(words)
    assert stop.value.code == 2
    assert says in capsys.readouterr().err

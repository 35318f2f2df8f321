"""The proofs of the memory: their lesions lesion, their figures add up, small runs go through."""

import json

import memory_proofs
import numpy as np
import parts
import pytest
import torch
from fast_memory import false_strategies, is_heedless, is_silent, reversal, spacing, talks_nonsense
from memory_proofs import gather, main
from slow_memory import score, teaches_nonsense

from lifelong_agent import LifelongAgent
from lifelong_agent.lessons import no_lessons
from selfplay.metrics import Mean
from tests.lifelong_agent.test_consolidation import make_agent, play


def test_a_mean_is_taken_over_seeds_arm_by_arm() -> None:
    means = gather([{"a": 1.0, "b": 0.0}, {"a": 3.0, "b": 0.0}])
    assert means == {"a": Mean.of([1.0, 3.0]), "b": Mean.of([0.0, 0.0])}


def test_a_draw_counts_half() -> None:
    assert score([1, 0, -1, -1]) == pytest.approx(3 / 8)


def ask(agent: LifelongAgent) -> np.ndarray:
    play(agent, "ana", -1)
    (episode,) = agent.hippocampus.store.read_episodes("a", "ana")
    trace = episode.traces[0]
    return agent.hippocampus.advise("a", "ana", trace.code, trace.key, 0.0, 3).advantage


def test_the_lesions_lesion_what_they_say() -> None:
    sound, nonsense = ask(make_agent(None)), ask(talks_nonsense(make_agent(None), 1))
    assert sorted(nonsense) == sorted(sound)
    assert any(not np.array_equal(ask(talks_nonsense(make_agent(None), s)), sound) for s in (1, 2))
    assert not ask(is_silent(make_agent(None))).any()
    heedless = is_heedless(make_agent(None))
    assert not heedless.tactician.consult("a", "ana", 1, None, 3).strategies


def test_a_sleep_that_teaches_nonsense_teaches_other_actions() -> None:
    agent = make_agent(None)
    heard = []
    cortex = agent.consolidation.cortex
    cortex.consolidate = lambda recent, *_: heard.append(recent)  # type: ignore[assignment]
    teaches_nonsense(agent)
    empty = no_lessons(agent.network)
    policy = torch.tensor([[0.8, 0.1, 0.1]])
    lesson = type(empty)(
        torch.zeros(1, 32), torch.zeros(1, agent.network.state_size), torch.ones(1, 3).bool(),
        policy, torch.zeros(1), torch.zeros(1).long(),
    )  # fmt: skip
    cortex.consolidate(lesson, empty, 1.0, torch.Generator())
    assert heard[0].policy[0].tolist() == pytest.approx([0.1, 0.8, 0.1])


def test_proofs_without_games_come_out_as_asked() -> None:
    spaced = spacing(0)
    assert spaced["spaced"] > spaced["massed"] >= spaced["never recalled"]
    losses = reversal(0)
    assert losses["memory"] < losses["no memory"]
    assert losses["memory that learns no more"] == 20
    assert false_strategies(0)["random rewards"] <= 0.05


def test_probes_by_hand() -> None:
    truth = np.array([[True, False], [True, True], [False, False], [False, True]])
    sets = np.zeros((4, 128), bool)
    sets[:, :2] = truth
    weights = parts.train_probe(np.tile(sets, (50, 1)), np.tile(truth, (50, 1)))
    assert parts.accuracy(weights, sets, truth) == [1.0, 1.0]
    own, others = parts.lesion(weights, sets, truth)
    assert (own, others) == (0.5, 0.0)


def test_a_run_is_written_as_json(tmp_path, monkeypatch) -> None:
    path = tmp_path / "proofs.json"
    name = "reversal is learned (losses of 20)"
    main(["--only", name, "--seeds", "2", "--json", str(path)])
    (proof,) = json.loads(path.read_text())["proofs"].values()
    assert len(proof["arms"]["memory"]["values"]) == 2
    low, high = proof["arms"]["memory"]["ci95"]
    assert low <= proof["arms"]["memory"]["mean"] <= high
    with pytest.raises(SystemExit):
        main(["--only", "levitation"])
    assert memory_proofs.MemoryProofs().seeds == 3

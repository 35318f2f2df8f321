"""What sleep teaches is kept beside the memory, whole or not at all."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lifelong_agent import DualStreamNetwork, LifelongAgent
from lifelong_agent.consolidation import FILE
from lifelong_agent.lessons import recollect, undisputed
from lifelong_agent.neocortex import NeocortexConfig, examine
from lifelong_agent.sealed import read_sealed, set_aside, write_sealed
from memory import Hippocampus, SleepReport, Trace, Woken
from memory.inspection import inspect
from tests.lifelong_agent.probes import SHAPE, SMALL
from tests.memory.make import make_episode, make_trace

QUICK = NeocortexConfig(batch=32, most_steps=40, fast_rate=5e-3, slow_rate=5e-3, slack=1.0)


def make_network(seed: int = 0) -> DualStreamNetwork:
    torch.manual_seed(seed)
    return DualStreamNetwork(replace(SMALL, obs_shape=SHAPE, num_actions=3)).eval()


def make_agent(folder: Path | None, network: DualStreamNetwork | None = None) -> LifelongAgent:
    agent = LifelongAgent(network or make_network(), folder)
    agent.consolidation.cortex.config = QUICK
    return agent


def play(agent: LifelongAgent, opponent: str, result: float, seed: int = 0) -> list[int]:
    """A game of four pictures; the agent's actions."""
    rng = np.random.default_rng(seed)
    agent.begin_game("a", opponent)
    actions = []
    for _ in range(4):
        picture = np.kron(rng.integers(30, 220, (3, 4, 4)), np.ones((1, 4, 4))).astype(np.uint8)
        decision = agent.act({"observation": picture, "action_mask": np.ones(3, bool)})
        actions.append(int(decision.actions[0]))
    agent.end_game(result)
    return actions


def until_it_wins(agent: LifelongAgent, opponent: str) -> list[int]:
    """Lose to a sly opponent until the actions are others than at first, then win."""
    first = play(agent, opponent, -1)
    while play(agent, opponent, -1) == first:
        pass
    return play(agent, opponent, 1)


def weights(network: DualStreamNetwork) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in network.state_dict().values()]


def taught_file(folder: Path) -> Path:
    """Where sleep has left what it taught."""
    return next(folder.glob(f"*.{FILE}"))


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def slept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory folder whose agent has slept over a game that it won."""
    folder = tmp_path_factory.mktemp("memory")
    agent = make_agent(folder)
    until_it_wins(agent, "ana")
    report = agent.sleep(30)
    assert "recent decisions off" in report.reason
    agent.close()
    return folder


@pytest.fixture
def folder(slept: Path, tmp_path: Path) -> Path:
    for file in slept.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_what_was_learned_asleep_is_played_without_the_hippocampus() -> None:
    agent = make_agent(None)
    winning = until_it_wins(agent, "ana")
    amnesiac = make_agent(None)
    assert play(amnesiac, "ana", 0) != winning
    agent.consolidation.cortex.config = replace(QUICK, most_steps=150)
    assert agent.sleep(30).accepted
    amnesiac = make_agent(None)
    amnesiac.consolidation = agent.consolidation
    assert play(amnesiac, "ana", 0) == winning


def test_the_shipped_network_is_never_changed() -> None:
    network = make_network()
    agent = make_agent(None, network)
    until_it_wins(agent, "ana")
    agent.sleep(30)
    assert equal(weights(network), weights(make_network()))
    assert not equal(weights(agent.awake), weights(network))


def test_a_reopened_memory_has_the_weights_that_sleep_left(folder: Path) -> None:
    agent, shipped = make_agent(folder), make_network()
    assert not equal(weights(agent.awake), weights(shipped))
    assert equal(weights(agent.awake.eyes), weights(shipped.eyes))
    lessons = agent.consolidation._gather(lambda _: None)
    assert examine(agent.awake, lessons).new > examine(shipped, lessons).new
    agent.close()


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "text"])
def test_a_damaged_file_is_named_and_set_aside_and_the_shipped_network_plays(
    folder: Path, harm: str
) -> None:
    path = taught_file(folder)
    content = bytearray(path.read_bytes())
    flipped = content.copy()
    flipped[len(content) // 2] ^= 1
    harmed = {"cut": content[:-9], "flip": flipped, "empty": b"", "text": b"weights" * 99}[harm]
    path.write_bytes(harmed)
    with pytest.warns(UserWarning, match=rf"{FILE}.*neocortex\.damaged\.safetensors"):
        agent = make_agent(folder)
    assert equal(weights(agent.awake), weights(make_network()))
    aside = path.with_name(path.name.replace(".safetensors", ".damaged.safetensors"))
    assert aside.read_bytes() == harmed
    assert not path.exists()
    assert "recent decisions off" in agent.sleep(30).reason  # and memory teaches it again
    agent.close()


def test_agents_with_other_eyes_leave_each_others_lessons_alone(folder: Path) -> None:
    agent = make_agent(folder)
    taught, path = weights(agent.awake), taught_file(folder)
    agent.close()
    assert inspect(folder) == []
    stranger = make_network(1)
    agent = make_agent(folder, stranger)
    assert equal(weights(agent.awake), weights(stranger))
    until_it_wins(agent, "ben")
    assert agent.sleep(30).accepted
    agent.close()
    assert len(list(folder.glob(f"*.{FILE}"))) == 2
    assert path.exists()
    agent = make_agent(folder)
    assert equal(weights(agent.awake), taught)
    agent.close()


def test_what_was_learned_before_files_named_the_eyes_is_taken_up(folder: Path) -> None:
    agent = make_agent(folder)
    taught = weights(agent.awake)
    agent.close()
    taught_file(folder).rename(folder / FILE)
    agent = make_agent(folder, make_network(1))
    agent.close()
    assert (folder / FILE).exists(), "they were other eyes"
    agent = make_agent(folder)
    assert equal(weights(agent.awake), taught)
    agent.close()


def test_numbers_of_any_shape_and_type_come_back_sealed(tmp_path: Path) -> None:
    tensors = {
        "one": torch.tensor(3), "none": torch.zeros(0, 2), "flags": torch.tensor([True, False]),
        "bytes": torch.arange(9, dtype=torch.uint8), "turned": torch.randn(3, 2).T,
    }  # fmt: skip
    write_sealed(tmp_path / "file", tensors, {"format": "f"})
    notes, found = read_sealed(tmp_path / "file", "f")
    assert notes == {"format": "f"}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert all(found[name].dtype == tensors[name].dtype for name in tensors)


def test_a_second_damaged_file_does_not_overwrite_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.b.safetensors"
    names = []
    for content in (b"one", b"two", b"three"):
        path.write_bytes(content)
        names.append(set_aside(path).name)
    assert names == [f"a.b.damaged{n}.safetensors" for n in ("", "-2", "-3")]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("woken_at", [0.0, 1.0])
def test_a_sleep_woken_up_leaves_the_network_and_the_file_as_they_were(
    folder: Path, woken_at: float
) -> None:
    agent = make_agent(folder)
    path = taught_file(folder)
    before, content = weights(agent.awake), path.read_bytes()
    play(agent, "ben", 1, seed=9)

    def wake(share: float) -> None:
        if share >= woken_at:
            raise Woken

    assert agent.sleep(30, wake).reason.endswith("woken up, the network is as it was")
    assert equal(weights(agent.awake), before)
    assert path.read_bytes() == content
    assert agent.sleep(30).accepted
    agent.close()


def test_readings_of_what_is_taught_no_longer_are_not_kept() -> None:
    agent = make_agent(None)
    for first in (0, 3):
        for seed in range(first, first + 3):
            play(agent, "ana", 1, seed)
        agent.sleep(1)
        taught = {trace.code for trace in recollect(agent.hippocampus, "a", "ana")}
        assert len(taught) == 12
        assert agent.consolidation._readings.keys() == taught


def test_where_opponents_call_for_different_actions_most_votes_count_then_the_latest() -> None:
    def make(situation: int, action: int) -> tuple[str, Trace]:
        trace = make_trace(situation, action)
        trace.policy = np.eye(4, dtype=np.float32)[action]
        return "a", trace

    taught = [make(1, 0), make(1, 2), make(1, 2), make(2, 3), make(2, 1)]
    kept = [(trace.code, trace.action) for _, trace in undisputed(taught)]
    one, two = taught[0][1].code, taught[3][1].code
    assert kept == [(one, 2), (one, 2), (two, 3)]


def test_what_was_rolled_back_is_taught_again_the_next_time() -> None:
    agent = make_agent(None)
    until_it_wins(agent, "ana")
    agent.consolidation.cortex.config = replace(QUICK, slack=-10.0)
    assert "rolled back" in agent.sleep(30).reason
    agent.consolidation.cortex.config = QUICK
    assert "recent decisions off" in agent.sleep(30).reason


def test_what_does_not_fit_in_is_tried_again_more_and_more_rarely_until_there_is_news() -> None:
    agent = make_agent(None)
    until_it_wins(agent, "ana")
    cortex, nights = agent.consolidation.cortex, list[bool]()
    cortex.config = replace(QUICK, slack=-10.0, most_steps=1)
    sound = cortex.consolidate

    def count(*args: object) -> SleepReport:
        nights[-1] = True
        return sound(*args)  # type: ignore[arg-type]

    cortex.consolidate = count  # type: ignore[method-assign]
    for _ in range(12):
        nights.append(False)
        agent.sleep(30)
    tried = [number for number, was_tried in enumerate(nights) if was_tried]
    assert tried == [0, 1, 4, 11]
    until_it_wins(agent, "ben")
    nights.append(False)
    agent.sleep(30)
    assert nights[-1]


def test_no_line_is_lost_twice_and_one_that_won_is_played_again() -> None:
    agent = make_agent(None)
    lost = [play(agent, "ana", -1) for _ in range(2)]
    won = play(agent, "ana", 1)
    assert len({tuple(actions) for actions in (*lost, won)}) == 3
    agent.sleep(5)
    assert [play(agent, "ana", 1) for _ in range(2)] == [won] * 2


def test_memories_of_a_network_of_other_sizes_are_left_alone(folder: Path) -> None:
    taught_file(folder).unlink()
    circuits = replace(SMALL.circuits, reverberating=24)
    torch.manual_seed(0)
    config = replace(SMALL, obs_shape=SHAPE, num_actions=3, circuits=circuits)
    agent = make_agent(folder, DualStreamNetwork(config).eval())
    assert agent.sleep(30).reason.endswith("nothing new to learn")
    agent.close()


def test_known_mistakes_are_not_taught_even_if_one_was_lucky_once() -> None:
    memory = Hippocampus.open(None, 8)
    for result, action in [(0, 3)] + [(-1, 2)] * 6 + [(1, 2)]:
        memory.remember(make_episode([1], result, actions=[action]), "v")
    believed = memory.answers("connect", "ana", make_trace(1).code)
    assert believed[2].value > believed[3].value
    assert [s.actions for s in memory.book.read("connect", "ana") if s.verdict == "bad"] == [(2,)]
    (lesson,) = recollect(memory, "connect", "ana")
    assert int(lesson.policy.argmax()) == 3


def test_a_sleep_keeps_its_budget() -> None:
    agent = make_agent(None)
    until_it_wins(agent, "ana")
    agent.consolidation.cortex.config = replace(QUICK, most_steps=10**9)
    started = time.monotonic()
    agent.sleep(0.4)
    assert time.monotonic() - started < 0.7


def test_a_disk_that_refuses_is_a_value_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"where a folder should be")
    with pytest.raises(ValueError, match="cannot be written"):
        write_sealed(tmp_path / "file" / "weights", {}, {})


KILLED = """
import sys, torch
from pathlib import Path
from lifelong_agent.sealed import write_sealed
number = 0
while True:
    number += 1
    tensors = {"a": torch.full((40_000,), float(number))}
    write_sealed(Path(sys.argv[1]), tensors, {"format": "f", "number": str(number)})
    print(number, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_instant_the_file_is_the_old_one_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for pause_s in np.random.default_rng(0).uniform(0, 0.05, 6):
        writer = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline()
        time.sleep(pause_s)
        os.kill(writer.pid, signal.SIGKILL)
        told = writer.communicate()[0].split()
        notes, tensors = read_sealed(path, "f")
        assert int(notes["number"]) - int(told[-1] if told else 1) in (0, 1)
        assert bool((tensors["a"] == float(notes["number"])).all())

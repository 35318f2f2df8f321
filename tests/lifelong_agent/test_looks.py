"""What the looks show becomes numbers, and numbers become names that last."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lifelong_agent import LifelongAgent
from lifelong_agent.keys import KeyEncoder
from lifelong_agent.looks import GIST, Describer, tokens
from memory.attributes import AttributeConfig
from tests.lifelong_agent.test_consolidation import make_network, play

QUICK = AttributeConfig(warm_up=120, settle=40)


def make_looks(num: int, seed: int = 0) -> np.ndarray:
    """Looks of a few kinds, with noise."""
    rng = np.random.default_rng(seed)
    kinds = np.random.default_rng(9).standard_normal((6, 64))
    noise = 0.05 * rng.standard_normal((num, 64))
    return (kinds[rng.integers(6, size=num)] + noise).astype(np.float32)


def make_describer(folder: Path | None = None) -> Describer:
    return Describer(3, "eyes", folder, QUICK)


def test_a_token_is_the_light_of_its_crop_and_the_gist_of_the_frame() -> None:
    frames = torch.full((2, 3, 32, 32), 128, dtype=torch.uint8)
    frames[1, 0, 8:16, 8:16] = 255
    fixations = torch.tensor([[[4, 4], [12, 12]], [[31, 31], [12, 12]]])
    keys = KeyEncoder.unfitted(20)
    readings = torch.randn(2, 20, generator=torch.Generator().manual_seed(0))
    found = tokens(frames, fixations, readings, keys, 8)
    assert found.shape == (2, 2, 48 + GIST)
    light = found[..., :48].reshape(2, 2, 3, 4, 4)
    assert light[0] == pytest.approx(0)
    assert light[1, 0] == pytest.approx(0)  # shifted inside the frame
    assert light[1, 1, 0] == pytest.approx(127 / 128)
    assert light[1, 1, 1:] == pytest.approx(0)
    assert np.linalg.norm(found[..., 48:], axis=-1) == pytest.approx(2, abs=1e-5)


def test_nothing_is_named_before_enough_was_seen_and_then_alike_looks_are_named_alike() -> None:
    describer = make_describer()
    assert describer.see(make_looks(2)) == ((), None)
    for seed in range(30):
        describer.see(make_looks(8, seed))
    assert describer.see(make_looks(2)) == ((), None)  # it learns in sleep only
    describer.sleep()
    kind, other = make_looks(40)[:1], make_looks(40, 3)
    names, bits = describer.see(kind)
    assert names
    assert bits is not None
    assert len(bits) == 16
    assert describer.see(kind + 1e-4) == (names, bits)
    assert any(describer.see(one[None])[0] != names for one in other)
    assert all(name[0] in "ABCDEFGH" and 1 <= int(name[1:]) <= 16 for name in names)


def test_names_last_over_a_restart_and_belong_to_the_eyes(tmp_path: Path) -> None:
    describer = make_describer(tmp_path)
    describer.see(make_looks(200))
    describer.sleep()
    before = describer.see(make_looks(2, 7))
    assert make_describer(tmp_path).see(make_looks(2, 7)) == before
    assert Describer(3, "other eyes", tmp_path, QUICK).see(make_looks(2, 7)) == ((), None)


def test_a_damaged_dictionary_is_named_and_set_aside(tmp_path: Path) -> None:
    describer = make_describer(tmp_path)
    describer.see(make_looks(200))
    describer.sleep()
    assert describer.path is not None
    describer.path.write_bytes(describer.path.read_bytes()[:-5])
    with pytest.warns(UserWarning, match=r"eyes\.attributes\.safetensors .*set aside"):
        again = make_describer(tmp_path)
    assert again.see(make_looks(2)) == ((), None)
    assert (tmp_path / "eyes.attributes.damaged.safetensors").exists()


def test_an_agent_that_never_sleeps_keeps_no_more_than_the_latest_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lifelong_agent.looks.MOST_UNLEARNED", 3)
    describer, looks = make_describer(), [make_looks(2, seed) for seed in range(5)]
    for some in looks:
        describer.see(some)
    assert all(a is b for a, b in zip(describer._unlearned, looks[2:], strict=True))


def test_nothing_is_learned_from_the_looks_of_a_game_that_was_not_finished() -> None:
    agent = LifelongAgent(make_network())
    play(agent, "ana", 1)
    finished = list(agent.describer._unlearned)
    agent.begin_game("a", "ben")
    for light in (90, 120):
        picture = np.full((3, 16, 16), light, np.uint8)
        agent.act({"observation": picture, "action_mask": np.ones(3, bool)})
    assert len(agent.describer._unlearned) == len(finished) + 2
    agent.begin_game("a", "cem")
    assert all(a is b for a, b in zip(agent.describer._unlearned, finished, strict=True))
    agent.begin_game("a", "cem")
    assert len(agent.describer._unlearned) == len(finished)


def test_the_agent_names_attributes_and_files_strategies_under_them(tmp_path: Path) -> None:
    agent = LifelongAgent(make_network(), tmp_path)
    agent.describer = Describer(3, agent.encoder, tmp_path, AttributeConfig(warm_up=160))
    for seed in range(40):
        play(agent, "ana", -1, seed)
    started_s = time.process_time()
    agent.describer.sleep()
    assert time.process_time() - started_s < 3  # of a core, however busy the machine is
    agent.begin_game("a", "ben")
    picture = np.full((3, 16, 16), 90, np.uint8)
    decision = agent.act({"observation": picture, "action_mask": np.ones(3, bool)})
    assert decision.attributes
    strategy = agent.end_game(-1).undetermined[0]
    assert strategy.attributes == agent.describer.see(agent.describer._unlearned[-1])[1]
    near = agent.hippocampus.book.scenes.nearest(strategy.attributes, 1)
    assert near == [(strategy.code, 0)]
    agent.close()


def test_scenes_are_gone_with_the_dictionary_that_described_them(tmp_path: Path) -> None:
    agent = LifelongAgent(make_network(), tmp_path)
    agent.describer = Describer(3, agent.encoder, tmp_path)
    agent.describer.see(make_looks(800))
    agent.describer.sleep()
    agent.hippocampus.book.note_scenes({7: bytes(16)})
    path = agent.describer.path
    agent.close()
    agent = LifelongAgent(make_network(), tmp_path)
    assert agent.hippocampus.book.scenes.attributes(7) == bytes(16)
    agent.close()
    assert path is not None
    path.unlink()
    agent = LifelongAgent(make_network(), tmp_path)
    assert agent.hippocampus.book.scenes.attributes(7) is None
    assert agent.hippocampus.book.scenes.nearest(bytes(16), 1) == []
    assert agent.hippocampus.store.count("scenes") == 0
    agent.close()

"""What lies beside a network of the time before it had a memory."""

import pytest
import torch

from lifelong_agent import DualStreamNetwork, LifelongAgent
from lifelong_agent.exemplars import FILE, FORMAT, read_exemplars, write_exemplars
from lifelong_agent.lessons import answer
from lifelong_agent.sealed import read_sealed, write_sealed
from tests.lifelong_agent.probes import SMALL

ROWS = 6


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DualStreamNetwork(SMALL).eval()


@pytest.fixture
def folder(tmp_path, network):
    legal_actions = torch.ones(ROWS, SMALL.num_actions, dtype=torch.bool)
    legal_actions[:, 0] = False
    readings, states = torch.rand(ROWS, SMALL.eyes.reading), torch.rand(ROWS, network.state_size)
    write_exemplars(tmp_path, readings, states, legal_actions, "eyes")
    return tmp_path


def test_they_come_with_the_networks_own_answers(folder, network):
    found = read_exemplars(folder, network)
    assert len(found) == ROWS
    log_probs, value = answer(network, found)
    torch.testing.assert_close(found.policy, log_probs.exp())
    torch.testing.assert_close(found.value, value)
    assert not found.policy[:, 0].any()


def test_a_network_without_any_has_none(tmp_path, network):
    assert read_exemplars(tmp_path, network) is None


def test_damage_and_another_networks_are_named(folder, network):
    torch.manual_seed(0)
    other = DualStreamNetwork(type(SMALL)(SMALL.obs_shape, SMALL.num_actions + 1, SMALL.eyes))
    with pytest.raises(ValueError, match=r"exemplars\.safetensors belongs to another network"):
        read_exemplars(folder, other)
    whole = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match="does not match its seal"):
        read_exemplars(folder, network)


@pytest.mark.parametrize(("rows", "number"), [(0, 1.0), (1, 1.0), (ROWS, float("nan"))])
def test_too_few_to_teach_and_to_ask_or_no_numbers_are_refused(rows, number, tmp_path, network):
    """Else every examination would be NaN, and no sleep would teach anything."""
    readings = torch.full((rows, SMALL.eyes.reading), number)
    legal_actions = torch.ones(rows, SMALL.num_actions, dtype=torch.bool)
    states = torch.zeros(rows, network.state_size)
    write_exemplars(tmp_path, readings, states, legal_actions, "eyes")
    with pytest.raises(ValueError, match=r"exemplars\.safetensors must hold at least 2"):
        read_exemplars(tmp_path, network)


def test_an_agent_takes_them_along(folder, tmp_path, network):
    agent = LifelongAgent(network, exemplars=read_exemplars(folder, network))
    agent.save(tmp_path / "copy")
    again = LifelongAgent.load(tmp_path / "copy")
    assert torch.equal(again.exemplars.readings, agent.exemplars.readings)
    assert torch.equal(again.consolidation.cortex.before.policy, agent.exemplars.policy)


def test_the_shipped_network_has_some():
    assert len(LifelongAgent.pretrained().exemplars) >= 1000


def test_an_agent_without_any_leaves_none_of_another_network_behind(folder, network):
    LifelongAgent(network).save(folder)
    assert not (folder / FILE).exists()
    assert LifelongAgent.load(folder).exemplars is None


def test_those_of_other_eyes_are_not_rehearsed_and_older_files_say_nothing_of_eyes(
    folder, tmp_path, network
):
    own, copy = LifelongAgent(network, exemplars=read_exemplars(folder, network)), tmp_path / "copy"
    own.save(copy)
    assert len(LifelongAgent.load(copy).exemplars) == ROWS
    noted = (copy / FILE).read_bytes()
    torch.manual_seed(1)
    LifelongAgent(DualStreamNetwork(SMALL)).save(copy)
    (copy / FILE).write_bytes(noted)
    with pytest.warns(UserWarning, match=r"exemplars\.safetensors belongs to other eyes"):
        assert LifelongAgent.load(copy).exemplars is None
    _, tensors = read_sealed(copy / FILE, FORMAT)
    write_sealed(copy / FILE, tensors, {"format": FORMAT})
    assert len(LifelongAgent.load(copy).exemplars) == ROWS

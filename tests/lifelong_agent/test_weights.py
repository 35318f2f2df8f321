"""Networks on disk come back exactly, and what is damaged is named and not believed."""

import contextlib
import json
from pathlib import Path

import pytest
import torch

from lifelong_agent.circuits import CircuitConfig
from lifelong_agent.perception import EyesConfig
from lifelong_agent.policy import DualStreamNetwork, NetworkConfig
from lifelong_agent.weights import (
    load_network,
    read_json,
    read_pair,
    read_tensors,
    save_network,
    write_atomically,
    write_pair,
)

TINY = NetworkConfig(
    (3, 16, 16),
    4,
    EyesConfig(channels=4, blocks=1, grid=4, glance=8, crop=4, reading=8),
    CircuitConfig(series=8, fast=8, reverberating=4, after_discharge=2),
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DualStreamNetwork(TINY)


@pytest.fixture
def saved(tmp_path, network):
    save_network(tmp_path / "agent", network, steps=7)
    return tmp_path / "agent"


def error_of(directory):
    """The message with which loading fails: one line."""
    with pytest.raises(ValueError, match=r".") as caught:
        load_network(directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


def change(directory, tensors=lambda tensors: None, values=lambda values: None):
    """Change the content and seal it anew, so that only what it says is wrong."""
    notes, weights = read_pair(directory, "network")
    tensors(weights)
    values(notes)
    write_pair(directory, "network", weights, notes)


def test_a_network_comes_back_exactly(saved, network):
    again = load_network(saved)
    assert again.config == network.config
    assert not again.training
    wanted, found = network.state_dict(), again.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    frames = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    legal, state = torch.ones(5, 4).bool(), torch.randn(5, network.state_size)
    first, second = network(frames, legal, state), again(frames, legal, state)
    assert torch.equal(first.log_probs, second.log_probs)
    assert torch.equal(first.value, second.value)


def test_the_notes_stand_beside_the_description(saved):
    assert read_json(saved / "network.json")["steps"] == 7


def test_a_directory_holds_only_the_two_files(saved):
    assert sorted(f.name for f in saved.iterdir()) == ["network.json", "network.safetensors"]


def test_a_missing_directory_is_named(tmp_path):
    assert str(tmp_path / "nowhere") in error_of(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["network.json", "network.safetensors"])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    assert str(saved / name) in error_of(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_named_with_its_file(saved, value):
    change(saved, lambda t: t["circuits.reverberating.leak"].view(-1)[2:3].fill_(value))
    message = error_of(saved)
    assert "circuits.reverberating.leak" in message
    assert str(saved / "network.safetensors") in message


def test_a_missing_tensor_is_named_with_its_file(saved):
    change(saved, lambda t: t.pop("value_head.bias"))
    message = error_of(saved)
    assert "value_head.bias is missing" in message
    assert str(saved / "network.safetensors") in message


def test_a_tensor_too_many_is_named_with_its_file(saved):
    change(saved, lambda t: t.update(stranger=torch.zeros(1)))
    message = error_of(saved)
    assert "stranger" in message
    assert str(saved / "network.safetensors") in message


def test_a_tensor_of_another_shape_is_named_with_both_shapes(saved):
    change(saved, lambda t: t.update({"value_head.weight": torch.zeros(1, 9)}))
    message = error_of(saved)
    assert "value_head.weight has shape (1, 9), wanted (1, 8)" in message
    assert str(saved / "network.safetensors") in message


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_weights_file_is_named(saved, part):
    path = saved / "network.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert str(path) in error_of(saved)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_description_is_named(saved, part):
    path = saved / "network.json"
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert str(path) in error_of(saved)


@pytest.mark.parametrize("content", [b"[]", b"3", b"null", b"\xff\xfe", b'"network"'])
def test_a_description_that_is_no_json_object_is_named(saved, content):
    (saved / "network.json").write_bytes(content)
    assert str(saved / "network.json") in error_of(saved)


@pytest.mark.parametrize("number", [0, 3, 5, None, "4"])
def test_another_format_is_named(saved, number):
    path = saved / "network.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": number}))
    message = error_of(saved)
    assert str(saved / "network.json") in message
    assert repr(number) in message


@pytest.mark.parametrize(
    "values",
    [
        lambda v: v.pop("network"),
        lambda v: v.update(network=3),
        lambda v: v["network"].pop("eyes"),
        lambda v: v["network"].update(eyes=None),
        lambda v: v["network"]["eyes"].update(wings=2),
        lambda v: v["network"]["eyes"].update(grid="four"),
        lambda v: v["network"]["eyes"].update(grid=0),
        lambda v: v["network"]["eyes"].update(grid=3),
        lambda v: v["network"]["eyes"].update(crop=17),
        lambda v: v["network"]["eyes"].update(channels=-4),
        lambda v: v["network"]["eyes"].update(channels=4.5),
        lambda v: v["network"]["eyes"].update(looks=-1),
        lambda v: v["network"]["eyes"].update(looks=17),
        lambda v: v["network"]["eyes"].update(precision="float33"),
        lambda v: v["network"].update(obs_shape=[3, 16]),
        lambda v: v["network"].update(obs_shape=7),
        lambda v: v["network"].update(num_actions="many"),
        lambda v: v["network"]["circuits"].update(series=None),
        lambda v: v["network"]["circuits"].update(series=10**12),
    ],
)
def test_a_description_that_describes_no_network_is_named(saved, values):
    change(saved, values=values)
    assert str(saved / "network.json") in error_of(saved)


def flips(content, step=1):
    """Copies of the content with one bit flipped, moving through it."""
    for position in range(0, len(content), step):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 7
        yield bytes(flipped)


def load_or_message(directory):
    try:
        return load_network(directory)
    except ValueError as error:
        return str(error)


def outcomes_of_flips(saved):
    path, found = saved / "network.json", []
    for flipped in flips(path.read_bytes()):
        path.write_bytes(flipped)
        found.append(load_or_message(saved))
    return found


def test_a_flipped_bit_of_the_description_gives_one_line_that_names_the_file_or_a_network(saved):
    found = outcomes_of_flips(saved)
    messages = [x for x in found if isinstance(x, str)]
    assert all(str(saved) in message and "\n" not in message for message in messages)
    assert len(messages) > 0.7 * len(found)


def test_a_flipped_bit_of_the_description_never_gives_another_network(saved):
    before = load_network(saved).config
    networks = [x for x in outcomes_of_flips(saved) if not isinstance(x, str)]
    assert all(network.config == before for network in networks)


def test_a_flipped_bit_of_the_weights_is_named(saved):
    path = saved / "network.safetensors"
    content = path.read_bytes()
    for flipped in flips(content, step=len(content) // 100):
        path.write_bytes(flipped)
        assert str(path) in error_of(saved)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"before")

    def crash(descriptor):
        raise OSError("the plug was pulled")

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(OSError, match="plug"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize("num_replaced", [0, 1, 2])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_pair_is_whole_whenever_its_writer_is_killed(
    tmp_path, monkeypatch, num_replaced, is_first
):
    if not is_first:
        write_pair(tmp_path, "run", {"a": torch.zeros(3)}, {"number": 0})
    replace, replaced = Path.replace, []

    def killed(path, target):
        if len(replaced) == num_replaced:
            raise KeyboardInterrupt
        replaced.append(target)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with contextlib.suppress(KeyboardInterrupt):
        write_pair(tmp_path, "run", {"a": torch.ones(3)}, {"number": 1})
    assert len(replaced) == num_replaced
    if is_first and num_replaced == 0:
        with pytest.raises(ValueError, match=r"run\.json"):
            read_pair(tmp_path, "run")
        return
    notes, tensors = read_pair(tmp_path, "run")
    assert notes["number"] == (num_replaced > 0)
    assert tensors["a"].tolist() == [notes["number"]] * 3
    monkeypatch.undo()
    write_pair(tmp_path, "run", {"a": torch.full((3,), 2.0)}, {"number": 2})
    assert read_pair(tmp_path, "run")[0]["number"] == 2


def test_tensors_of_every_kind_come_back(tmp_path):
    tensors = {
        "a": torch.randn(3, 4).t(),
        "b": torch.arange(5),
        "c": torch.tensor([True, False]),
        "d": torch.randint(0, 256, (7,), dtype=torch.uint8),
        "e": torch.tensor(2.5),
    }
    write_pair(tmp_path, "x", tensors, {})
    again = read_tensors(tmp_path / "x.safetensors")
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[k], tensors[k]) for k in tensors)


def test_a_network_trained_in_bfloat16_acts_in_float32_whatever_the_batch(tmp_path):
    torch.manual_seed(0)
    config = NetworkConfig(eyes=EyesConfig(precision="bfloat16"))
    save_network(tmp_path, DualStreamNetwork(config))
    network = load_network(tmp_path)
    frames = torch.randint(0, 255, (9, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        together = network.eyes(frames).reading
        alone = network.eyes(frames[4:5]).reading
    assert torch.allclose(together[4:5], alone, atol=1e-5)

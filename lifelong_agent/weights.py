"""Networks on disk: `network.safetensors` beside `network.json`, checked before they are believed.

No pickle is ever read. A file is replaced whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from lifelong_agent.policy import DualStreamNetwork, NetworkConfig

FORMAT = 4
KEYS = "keys."
PRETRAINED = Path(__file__).parent / "pretrained"  # the network that is shipped


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` so that a crash leaves the old content or the new, never a mixture."""
    _write_partial(path, content).replace(path)


def _write_partial(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return partial


def write_pair(
    directory: Path, stem: str, tensors: Mapping[str, Tensor], values: dict[str, Any]
) -> None:
    """Write `stem.safetensors` beside `stem.json`, which holds the digests of both."""
    content = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    sealed = {**values, "format": FORMAT, "tensors_sha256": hashlib.sha256(content).hexdigest()}
    sealed["seal"] = _digest(sealed)
    paths = directory / f"{stem}.safetensors", directory / f"{stem}.json"
    partials = [
        _write_partial(path, part)
        for path, part in zip(paths, (content, json.dumps(sealed, indent=2).encode()), strict=True)
    ]
    for partial, path in zip(partials, paths, strict=True):
        partial.replace(path)


def read_pair(directory: Path, stem: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `write_pair` wrote.

    Raises:
        ValueError: in one line that names the file, if one is missing, damaged, of another
            format, or not the other's.
    """
    weights = directory / f"{stem}.safetensors"
    path = _description_of(weights, directory / f"{stem}.json")
    values = read_json(path)
    if values.get("format") != FORMAT:
        raise ValueError(f"{path} has format {values.get('format')!r}, this program reads {FORMAT}")
    if values.pop("seal", None) != _digest(values):
        raise ValueError(f"{path} is damaged: its content does not match its seal")
    tensors = read_tensors(weights)
    if _sha256(weights) != values["tensors_sha256"]:
        raise ValueError(f"{weights} is damaged, or not the one that {path.name} describes")
    return values, tensors


def _description_of(weights: Path, path: Path) -> Path:
    """`path`, or what a writer left that was killed after it had put the weights in place."""
    unfinished = path.with_name(path.name + ".partial")
    try:
        belongs = read_json(unfinished).get("tensors_sha256") == _sha256(weights)
    except (ValueError, OSError):
        return path
    return unfinished if belongs else path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors.

    Raises:
        ValueError: if the file is missing or damaged; its name is in the message.
    """
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: if the file is missing, damaged, or no object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged or no JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds no JSON object")
    return values


def save_network(
    directory: Path,
    network: DualStreamNetwork,
    keys: Mapping[str, Tensor] | None = None,
    **notes: Any,
) -> None:
    """Write a network and its description.

    Args:
        directory: where to.
        network: its weights are stored under their own names.
        keys: tensors of the key encoder, stored as `keys.NAME`.
        **notes: stand beside the description (steps, games, ...).
    """
    tensors = {KEYS + name: tensor for name, tensor in (keys or {}).items()}
    description = network.config.to_json()
    description["eyes"]["precision"] = "float32"  # it may have learned in another
    values = {"network": description, **notes}
    write_pair(directory, "network", {**network.state_dict(), **tensors}, values)


def load_network(directory: Path, device: torch.device | str = "cpu") -> DualStreamNetwork:
    """Read a network to act with; see `load_network_and_keys`."""
    return load_network_and_keys(directory, device)[0]


def load_network_and_keys(
    directory: Path, device: torch.device | str = "cpu"
) -> tuple[DualStreamNetwork, dict[str, Tensor]]:
    """Read a network to act with, in float32, and the tensors of its key encoder.

    Low precision pays in large batches only, and its results depend on the batch's size.

    Raises:
        ValueError: in one line, for a missing or damaged file, another format, a missing,
            unknown, or misshapen tensor, or a number that is not finite.
    """
    if not directory.is_dir():
        raise ValueError(f"no agent at {directory}: not a directory")
    values, tensors = read_pair(directory, "network")
    network = build_network(values.get("network"), directory / "network.json")
    network.eyes.set_precision("float32")
    keys = {n.removeprefix(KEYS): t for n, t in tensors.items() if n.startswith(KEYS)}
    weights = {n: t for n, t in tensors.items() if not n.startswith(KEYS)}
    check_tensors(network, weights, directory / "network.safetensors")
    network.load_state_dict(weights)
    return network.to(device).eval(), keys


def network_digest(directory: Path) -> str:
    """What tells a saved network from all others: the start of its tensors' SHA-256.

    Raises:
        ValueError: in one line, if the notes beside it cannot be read.
    """
    return str(_notes_of(directory).get("tensors_sha256"))[:12]


def trained_games(directory: Path) -> tuple[str, ...]:
    """The variants that a saved network was trained on, as the notes beside it say.

    Raises:
        ValueError: if the notes cannot be read.
    """
    return tuple(str(name) for name in _notes_of(directory).get("games", ()))


def _notes_of(directory: Path) -> dict[str, Any]:
    stem = directory / "network.safetensors", directory / "network.json"
    return read_json(_description_of(*stem))


def build_network(description: Any, path: Path) -> DualStreamNetwork:
    """Build what `NetworkConfig.to_json` described; `ValueError` names `path` if it cannot be."""
    try:
        return DualStreamNetwork(NetworkConfig.from_json(description))
    except Exception as error:  # sizes out of a damaged file make torch raise all sorts
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} describes no network: {reason}") from None


def check_tensors(network: DualStreamNetwork, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise `ValueError` unless the tensors are exactly those of the network, and finite."""
    wanted = network.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        if name not in tensors:
            raise ValueError(f"{path}: tensor {name} is missing")
        if name not in wanted:
            raise ValueError(f"{path}: tensor {name} is not part of this network")
        if tensors[name].shape != wanted[name].shape:
            raise ValueError(
                f"{path}: tensor {name} has shape {tuple(tensors[name].shape)}, "
                f"wanted {tuple(wanted[name].shape)}"
            )
        if not torch.isfinite(tensors[name]).all():
            raise ValueError(f"{path}: tensor {name} holds NaN or infinity")


def take_weights(network: DualStreamNetwork, trained: DualStreamNetwork, directory: Path) -> None:
    """Let a network begin with the weights of one that was read out of `directory`.

    Raises:
        ValueError: in one line, if that has another architecture.
    """
    weights = trained.state_dict()
    check_tensors(network, weights, directory / "network.safetensors")
    network.load_state_dict(weights)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """Moments and step counts, by the parameter's number and their name."""
    entries = optimizer.state_dict()["state"]
    return {f"{i}": dict(part) for i, part in entries.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Any]) -> None:
    """Take up what `optimizer_tensors` gave."""
    state = {int(i): dict(part) for i, part in tensors.items()}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Tensor]:
    """A tree of tensors as one level, named `folder/folder/leaf`."""
    flat: dict[str, Tensor] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}/")
        else:
            flat[prefix + name.replace(".", "~")] = value
    return flat


def unflatten(flat: dict[str, Tensor]) -> dict[str, Any]:
    """The tree that `flatten` flattened."""
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *folders, leaf = path.split("/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[leaf.replace("~", ".")] = value
    return tree

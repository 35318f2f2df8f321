"""Networks on disk: `network.safetensors` beside `network.json`, checked before they are believed.

No pickle is ever read. A file is replaced whole or not at all.
"""

from __future__ import annotations

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

FORMAT = 1
WEIGHTS, DESCRIPTION = "network.safetensors", "network.json"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` so that a crash leaves the old content or the new, never a mixture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors."""
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(ready))


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


def save_network(directory: Path, network: DualStreamNetwork, **notes: Any) -> None:
    """Write a network and its description; `notes` (steps, command, ...) stand beside it."""
    write_tensors(directory / WEIGHTS, network.state_dict())
    values = {"format": FORMAT, "network": network.config.to_json(), **notes}
    write_atomically(directory / DESCRIPTION, json.dumps(values, indent=2).encode())


def load_network(directory: Path, device: torch.device | str = "cpu") -> DualStreamNetwork:
    """Read a network to act with: in float32, whatever it was trained in.

    Low precision pays in large batches only, and its results depend on the batch's size.

    Raises:
        ValueError: in one line, for a missing or damaged file, another format, a missing,
            unknown, or misshapen tensor, or a weight that is not finite.
    """
    if not directory.is_dir():
        raise ValueError(f"no agent at {directory}: not a directory")
    values = read_json(directory / DESCRIPTION)
    if values.get("format") != FORMAT:
        raise ValueError(
            f"{directory / DESCRIPTION} has format {values.get('format')!r}, this program reads "
            f"{FORMAT}"
        )
    network = build_network(values.get("network"), directory / DESCRIPTION)
    network.eyes.set_precision("float32")
    tensors = read_tensors(directory / WEIGHTS)
    check_tensors(network, tensors, directory / WEIGHTS)
    network.load_state_dict(tensors)
    return network.to(device).eval()


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

"""A learning algorithm in one file: a zip of safetensors and JSON, never a pickle."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from lifelong_agent.weights import write_atomically

MAX_BYTES = 1 << 30
NOTES = "algorithm.json"


def write_archive(
    path: Path, notes: Mapping[str, Any], parts: Mapping[str, dict[str, Tensor]]
) -> None:
    """Write notes and named groups of tensors; the file is replaced whole or not at all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(NOTES, json.dumps(notes, indent=2))
        for name, tensors in parts.items():
            ready = {key: t.detach().cpu().contiguous() for key, t in tensors.items()}
            archive.writestr(f"{name}.safetensors", save(ready))
    write_atomically(path, buffer.getvalue())


def read_archive(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Read what `write_archive` wrote.

    Raises:
        ValueError: in one line, for a missing, damaged, or absurdly large file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES} bytes")
            notes = json.loads(archive.read(NOTES))
            parts = {
                name.removesuffix(".safetensors"): load(archive.read(name))
                for name in archive.namelist()
                if name.endswith(".safetensors")
            }
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except Exception as error:  # `zipfile` answers damage with errors of a dozen kinds
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} is damaged or not a saved algorithm: {reason}") from None
    if not isinstance(notes, dict) or not parts.keys() >= {"network", "optimizer", "generator"}:
        raise ValueError(f"{path} is damaged or not a saved algorithm: a part is missing")
    return notes, parts

"""What fits the machine at hand: arithmetic and memory."""

from __future__ import annotations

import ctypes
import sys

import torch

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
TOP_PAD_BYTES = 64 << 20
NEVER_TRIM = 2**31 - 1
MOST_ROWS, ROWS_TOGETHER, MINIBATCHES = 49_152, 3072, 24
BYTES_PER_ROW = 1_000_000  # of a rollout on CUDA, and what learning from it takes


def best_precision(device: torch.device | None = None) -> str:
    """`bfloat16` where the processor multiplies it natively, else `float32`."""
    if device is not None and device.type == "cuda":
        return "bfloat16"
    native = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
    return "bfloat16" if native else "float32"


def best_batch(device: torch.device) -> tuple[int, int]:
    """Decisions at a time, and minibatches of each pass, that keep a device busy.

    On CUDA a step of the games takes nearly as long for one row as for some ten thousand; as many
    as there is memory for.
    """
    if device.type != "cuda":
        return 256, 4
    memory = torch.cuda.get_device_properties(device).total_memory
    whole = max(1, memory // BYTES_PER_ROW // ROWS_TOGETHER) * ROWS_TOGETHER
    return min(MOST_ROWS, whole), MINIBATCHES


def keep_freed_memory() -> bool:
    """Have the process keep the memory that it frees, to use it again; True if that was possible.

    Learning allocates the same tens of megabytes in every minibatch. By default glibc hands them
    back to the system each time and takes them anew page by page, which cost 16% of the time on
    two cores. For long work only: the process stays as large as it ever was.

    Source: mallopt(3).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: NEVER_TRIM, M_TOP_PAD: TOP_PAD_BYTES}
    return all(mallopt(name, value) == 1 for name, value in settings.items())

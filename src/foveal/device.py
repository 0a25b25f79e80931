"""Where the arithmetic runs: the device, its threads, its random generators. The one place that says cuda."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import torch

from foveal.environment import processor_flags
from foveal.errors import ConfigError, MemoryRanOut, is_out_of_memory
from foveal.launch import place

DeviceName = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]
FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16"}  # flags of processors that multiply in 16 bits (Linux)


def choose_device(name: DeviceName) -> torch.device:
    """The device asked for; `auto` is the GPU when there is one. Raises ConfigError when there is no such device."""
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise ConfigError(f"no GPU was found by torch {torch.__version__}. Leave --device out, or say --device cpu.")
    if not has_gpu or name == "cpu":
        return torch.device("cpu")
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # else its sums may change from run to run: cuBLAS, 2.1.4
    torch.cuda.set_device(place().local_rank)  # under torchrun, a GPU for each worker
    return torch.device("cuda", place().local_rank)


def free_memory(device: torch.device) -> int | None:
    """The bytes of a GPU's memory that nobody uses at this moment; None for the CPU."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def device_name(name: DeviceName) -> str:
    """What the arithmetic runs on, as its maker calls it: "cpu", or the GPU."""
    device = choose_device(name)
    return "cpu" if device.type == "cpu" else str(torch.cuda.get_device_name(device))


def choose_precision(name: Precision, device: torch.device, *, is_own: bool = False) -> Precision:
    """The precision asked for; `auto` is bfloat16 where this device has arithmetic for it, and float32 elsewhere.

    A network of the user's own, which may do what 16 bits cannot, gets them only when they are asked for.
    """
    if name != "auto":
        return name
    if is_own:
        return "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if FAST_BFLOAT16 & processor_flags() else "float32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Within it, convolutions and matrix products are computed in this precision, from weights in 32 bits."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def set_threads(threads: int | None) -> int:
    """Use this many threads (default: the cores this process may use, divided among torchrun's workers); their number.

    The number belongs to the result: sums are split over threads, and floating-point addition is not associative.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = threads or max(1, cores // place().local_workers)
    torch.set_num_threads(count)
    return count


def seed_everything(seed: int) -> None:
    """Seed torch's global generators, from which the initial weights are drawn, and ask for deterministic algorithms."""
    torch.manual_seed(seed)
    # The same as use_deterministic_algorithms(True, warn_only=True), which loads torch's compiler: a second or two.
    torch.set_deterministic_debug_mode("warn")
    # Deterministic mode also fills every new tensor with NaN to find reads of unset memory: time we need not pay.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def seed_network(seed: int) -> None:
    """Seed what networks draw from (dropout), on the CPU and on the GPUs that are in use; a microsecond or two."""
    # torch.manual_seed asks every kind of device it knows: 200 microseconds.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


SMALLER = "Use a smaller batch (--set training.batch_size=32) or smaller images (--size 32)."


@contextmanager
def out_of_memory_said(what: str, advice: str = SMALLER) -> Iterator[None]:
    """Turn the several errors for want of memory into one MemoryRanOut that says what can be done."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryRanOut(
            f"memory ran out {what}: {str(error).splitlines()[0] if str(error) else 'the system gave no more'}. {advice}"
        ) from error

"""Devices, threads, seeds, and memory that runs out."""

import os
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from foveal.device import (
    Precision,
    autocast,
    choose_device,
    choose_precision,
    out_of_memory_said,
    seed_everything,
    seed_network,
    set_threads,
)
from foveal.errors import ConfigError, TrainingError

HAS_GPU = torch.cuda.is_available()


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    """Threads and deterministic mode are torch's own globals: put them back."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def test_auto_is_the_gpu_where_there_is_one_and_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto") == torch.device("cuda" if HAS_GPU else "cpu")


@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"no GPU was found by torch [\d.+a-z]+. Leave --device out, or say --device cpu"
    ):
        choose_device("cuda")


def test_threads_are_the_number_asked_for_or_the_cores_that_this_process_may_use() -> None:
    assert set_threads(1) == torch.get_num_threads() == 1
    assert set_threads(None) == torch.get_num_threads() == len(os.sched_getaffinity(0))


def test_a_process_that_may_use_one_core_gets_one_thread() -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert set_threads(None) == 1
    finally:
        os.sched_setaffinity(0, cores)


@pytest.mark.parametrize("settle", [seed_everything, seed_network])
def test_a_seed_settles_what_networks_draw(settle: Callable[[int], None]) -> None:
    draws = []
    for seed in (1, 1, 2):
        settle(seed)
        draws.append((torch.rand(3).tolist(), nn.Dropout()(torch.ones(9)).tolist()))
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


def test_the_precision_asked_for_is_the_one_chosen() -> None:
    device = torch.device("cpu")
    assert [choose_precision(name, device) for name in ("float32", "bfloat16")] == ["float32", "bfloat16"]


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu sse avx512_bf16", "bfloat16"), ("amx_bf16", "bfloat16"), ("avx512f", "float32")]
)
def test_auto_is_16_bits_where_the_processor_has_them(
    flags: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveal.device.processor_flags", lambda: frozenset(flags.split()))
    assert choose_precision("auto", torch.device("cpu")) == expected


def test_a_network_of_ones_own_gets_16_bits_only_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foveal.device.processor_flags", lambda: frozenset({"amx_bf16"}))
    device = torch.device("cpu")
    assert choose_precision("auto", device, is_own=True) == "float32"
    assert choose_precision("bfloat16", device, is_own=True) == "bfloat16"


@pytest.mark.parametrize(("name", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_within_autocast_convolutions_are_computed_in_that_precision(name: Precision, dtype: torch.dtype) -> None:
    conv = nn.Conv2d(1, 2, 3)
    with autocast(name, torch.device("cpu")):
        assert conv(torch.ones(1, 1, 5, 5)).dtype == dtype
    assert conv(torch.ones(1, 1, 5, 5)).dtype == torch.float32


def test_a_seed_settles_the_algorithms_without_paying_for_filled_memory() -> None:
    seed_everything(0)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]


def test_the_system_that_has_no_more_memory_is_quoted_with_what_to_make_smaller() -> None:
    advice = r"memory ran out while training: .*can't allocate memory.* Use a smaller batch .* or smaller images"
    with pytest.raises(TrainingError, match=advice), out_of_memory_said("while training"):
        torch.empty(1 << 60, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("error", "quoted"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "CUDA out of memory"),
        (torch.OutOfMemoryError("Allocation on device"), "Allocation on device"),
        (MemoryError(), "the system gave no more"),
        (MemoryError("Unable to allocate 9 GiB"), "Unable to allocate 9 GiB"),
    ],
)
def test_every_kind_of_memory_error_becomes_one_sentence(error: Exception, quoted: str) -> None:
    with pytest.raises(TrainingError, match=f"memory ran out here: {quoted}") as caught, out_of_memory_said("here"):
        raise error
    assert caught.value.__cause__ is error


def test_other_errors_go_on_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), out_of_memory_said("here"):
        raise RuntimeError("shapes cannot be multiplied")

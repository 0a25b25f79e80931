"""Shares of batches, and what several workers come to, by arithmetic; real processes are in tests/cli/test_workers.py."""

from itertools import islice

import pytest
import torch
from torch import nn

from foveal.data.batches import endless_batches, updates_per_epoch
from foveal.errors import ConfigError
from foveal.launch import Place, place
from foveal.training.distributed import ALONE, Workers, joined_workers
from foveal.training.optim import make_loss


def workers(count: int) -> list[Workers]:
    return [Workers(Place(rank, count, rank, count)) for rank in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(("n", "batch_size"), [(100, 16), (101, 16), (102, 16), (7, 3), (50, 50)])
def test_each_image_counts_once_an_epoch_in_the_same_order_for_any_number_of_workers(
    count: int, n: int, batch_size: int
) -> None:
    batches = list(islice(endless_batches(n, batch_size, 5), 2 * updates_per_epoch(n, batch_size)))
    for chosen in batches:
        shares = [worker.share(chosen) for worker in workers(count)]
        counted = [own[:counts].tolist() for own, counts in shares]
        in_order = [counted[place % count][place // count] for place in range(len(chosen))]
        assert in_order == chosen.tolist()
        assert sum(map(len, counted)) == len(chosen)
        assert all(len(own) >= 2 for own, _ in shares) or count == 1


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("batch", [3, 5, 16])
def test_the_mean_of_the_workers_gradients_is_the_gradient_of_the_whole_batch(count: int, batch: int) -> None:
    torch.manual_seed(0)
    net, loss = nn.Linear(6, 3), make_loss("cross_entropy", label_smoothing=0.1)
    images, labels = torch.randn(batch, 6), torch.arange(batch) % 3
    loss(net(images), labels).backward()
    whole, value = net.weight.grad, float(loss(net(images), labels).detach())
    assert whole is not None
    gradients, parts = [], []
    for worker in workers(count):
        own, counts = worker.share(torch.arange(batch))
        part = worker.part_of_mean(loss, counts, batch)(net(images[own]), labels[own])
        net.weight.grad = None
        part.backward()
        gradients.append(net.weight.grad)
        parts.append(float(part.detach()))
    torch.testing.assert_close(torch.stack([each for each in gradients if each is not None]).mean(dim=0), whole)
    assert sum(parts) / count == pytest.approx(value)


def test_a_piece_of_work_belongs_to_one_worker() -> None:
    for number in range(9):
        assert sum(worker.is_mine(number) for worker in workers(4)) == 1


def test_without_torchrun_a_worker_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert place() == Place()
    with joined_workers(torch.device("cpu")) as found:
        assert found is ALONE
        assert found.total(1.5, 2) == [1.5, 2]
        assert found.agree(True)
        assert not found.agree(False)
        assert found.broadcast(b"whole") == b"whole"


def test_the_place_is_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "RANK": "5",
        "WORLD_SIZE": "8",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "4",
        "TORCHELASTIC_MAX_RESTARTS": "2",
        "TORCHELASTIC_RUN_ID": "june",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert place() == Place(rank=5, workers=8, local_rank=1, local_workers=4, may_restart=True, launch="june")
    assert not place().is_first


def test_a_rank_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "first")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        ConfigError, match=r"does not say which worker this is: .*'first'.* Start workers with torchrun"
    ):
        place()

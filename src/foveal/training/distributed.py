"""Training on several processes and machines, under torchrun. The one file that knows of ranks and of torch.distributed.

Each worker works on its share of every batch; gradients are averaged, so that an update is that of the whole batch. The order
of the images is the same for any number of workers, and each epoch visits each of them once.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed
from jaxtyping import Int64
from torch import Tensor, nn

from foveal.errors import WorkerError
from foveal.launch import Place, place
from foveal.training.meeting import choose_interface, name_of_start
from foveal.training.optim import Loss

MEETING = timedelta(seconds=60)  # for all workers to be there: whoever gives up is started once more
TIMEOUT = timedelta(minutes=30)  # that a worker may be behind in an update, or with a checkpoint
DECODING = timedelta(days=2)  # that the first worker of a machine may take before the others begin: it decodes the data
EXCHANGE = ("gloo", "nccl", "connection closed", "connection reset")  # in what torch says of an exchange that failed
MIN_SHARE = 2  # images a worker looks at in any batch: BatchNorm has no variance of a single value


@dataclass(frozen=True)
class Workers:
    """The workers of a training, seen from one of them."""

    place: Place = Place()  # noqa: RUF009 -- frozen

    @property
    def is_alone(self) -> bool:
        """Whether there is only one."""
        return self.place.workers == 1

    def share(self, chosen: Int64[Tensor, " B"]) -> tuple[Int64[Tensor, " b"], int]:
        """This worker's images of a batch, and how many of them count: a worker gets two in any case, be it only to keep step."""
        own = chosen[self.place.rank :: self.place.workers]
        missing = max(0, MIN_SHARE - len(own)) if not self.is_alone else 0
        return torch.cat([own, chosen[:1].expand(missing)]) if missing else own, len(own)

    @property
    def number(self) -> tuple[int, ...]:
        """What sets this worker's draws apart from the others', nothing where there are none."""
        return () if self.is_alone else (self.place.rank,)

    def is_mine(self, number: int) -> bool:
        """Whether a numbered piece of work is for this worker."""
        return number % self.place.workers == self.place.rank

    def part_of_mean(self, loss: Loss, count: int, batch: int) -> Loss:
        """The loss whose gradients, averaged over the workers, are those of the mean over the whole batch.

        `count` of its images are this worker's. Where classes have weights, each worker's images are weighed among
        themselves.
        """
        if self.is_alone:
            return loss
        share = count * self.place.workers / batch
        # Without an image of its own a worker still has to take part in the average.
        return lambda logits, targets: share * loss(logits[:count], targets[:count]) if count else 0 * logits.sum()

    def mean_and_total(self, loss: float, correct: int) -> tuple[float, int]:
        """The loss of the whole batch, from the parts of its mean, and the number of images answered rightly in it."""
        loss, all_correct = self.total(loss, correct)
        return loss / self.place.workers, int(all_correct)

    @torch.no_grad()
    def average_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Give every worker the mean of all gradients, in one exchange and always in the same order.

        DistributedDataParallel lays its buckets anew after the first backward pass, so that with three workers or more sums
        are rounded otherwise after a restart, and a resume is not exact.
        """
        if self.is_alone:
            return
        gradients = [weight.grad if weight.grad is not None else torch.zeros_like(weight) for weight in weights]
        flat = torch.cat([each.reshape(-1) for each in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.place.workers
        parts = torch.split(flat, [each.numel() for each in gradients])
        for weight, gradient, part in zip(weights, gradients, parts, strict=True):
            # Copied back into the memory layout of the weights: the fused optimizers walk over both at once.
            weight.grad = gradient.copy_(part.view(weight.shape))

    def average_statistics(self, model: nn.Module) -> None:
        """Give every worker the mean of all running statistics."""
        if self.is_alone:
            return
        for buffer in model.buffers():
            if buffer.is_floating_point():
                torch.distributed.all_reduce(buffer)
                buffer /= self.place.workers

    def total(self, *values: float) -> list[float]:
        """The sums of these numbers over all workers."""
        if self.is_alone:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self._device)
        torch.distributed.all_reduce(sums)
        return [float(each) for each in sums]

    def agree(self, is_wanted: bool) -> bool:
        """Whether any worker wants something; all get the same answer."""
        return self.total(float(is_wanted))[0] > 0

    def broadcast(self, content: bytes) -> bytes:
        """Rank 0's bytes, for everyone."""
        if self.is_alone:
            return content
        size = torch.tensor([len(content)], device=self._device)
        torch.distributed.broadcast(size, src=0)
        held = torch.zeros(int(size), dtype=torch.uint8, device=self._device)
        if self.place.is_first and content:
            held.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        torch.distributed.broadcast(held, src=0)
        return held.cpu().numpy().tobytes()

    def in_turn(self, own: Iterable[bytes]) -> Iterator[bytes]:
        """For rank 0 a piece of each worker in turn, until all have given theirs; the others send, and get none.

        Whoever does not iterate does not take part.
        """
        if self.place.is_first:
            yield from _one_of_each([iter(own), *(self._received(rank) for rank in range(1, self.place.workers))])
            return
        for piece in own:
            torch.distributed.send(torch.tensor([len(piece)]), dst=0)
            torch.distributed.send(torch.frombuffer(bytearray(piece), dtype=torch.uint8), dst=0)
        torch.distributed.send(torch.tensor([0]), dst=0)

    def _received(self, rank: int) -> Iterator[bytes]:
        """The pieces that a worker sends, none of which is empty."""
        size = torch.zeros(1, dtype=torch.int64)
        while True:
            torch.distributed.recv(size, src=rank)
            if not size:
                return
            held = torch.empty(int(size), dtype=torch.uint8)
            torch.distributed.recv(held, src=rank)
            yield held.numpy().tobytes()

    @property
    def _device(self) -> torch.device:
        is_gpu = torch.distributed.get_backend() == "nccl"
        return torch.device("cuda", torch.cuda.current_device()) if is_gpu else torch.device("cpu")


ALONE = Workers()


def _one_of_each(sources: list[Iterator[bytes]]) -> Iterator[bytes]:
    while sources:
        for source in list(sources):
            try:
                yield next(source)
            except StopIteration:
                sources.remove(source)


@contextmanager
def joined_workers(device: torch.device, patience: timedelta = TIMEOUT) -> Iterator[Workers]:
    """Meet the other workers that torchrun started, if it did; part from them at the end.

    `patience` is how far one may be behind. Raises WorkerError where they cannot meet, and where another one is gone.
    """
    here = place()
    if here.workers == 1:
        yield ALONE
        return
    try:
        found, rank, size = next(torch.distributed.rendezvous("env://", timeout=MEETING))  # type: ignore[attr-defined]
        # torchrun keeps one store for all starts, with the addresses of workers that are dead by now.
        name = name_of_start(found, here, MEETING)
        store = torch.distributed.PrefixStore(name, found)  # type: ignore[attr-defined]
        backend = "nccl" if device.type == "cuda" else "gloo"
        if backend == "gloo":
            choose_interface(store, here)
        torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=MEETING)
        _be_patient(patience)
    except (RuntimeError, ValueError) as error:
        raise WorkerError(
            f"worker {here.rank} of {here.workers} could not meet the others: {str(error).splitlines()[0]} Start all of them "
            "with torchrun, and let the machines reach each other at its --rdzv-endpoint; where a machine is in several "
            "networks, name the one to use, as in GLOO_SOCKET_IFNAME=eth0 (on GPUs NCCL_SOCKET_IFNAME)."
        ) from error
    try:
        yield Workers(here)
    except RuntimeError as error:
        if not any(word in str(error).lower() for word in EXCHANGE):
            raise
        reason = str(error).splitlines()[0].partition("This is typically")[0].rstrip(". ")
        raise WorkerError(
            f"worker {here.rank} of {here.workers} lost another one ({reason}): it has ended, or the network between the "
            "machines has. What torchrun says of it is below; start them again."
        ) from error
    finally:
        torch.distributed.destroy_process_group()


def _be_patient(patience: timedelta) -> None:
    """From now on, wait this long for whoever is behind."""
    torch.distributed.distributed_c10d._set_pg_timeout(patience)


@contextmanager
def first_one_first(workers: Workers) -> Iterator[None]:
    """Rank 0 of each machine goes through before the others: what it puts into a cache, they find there."""
    if workers.is_alone:
        yield
        return
    is_first = workers.place.local_rank == 0
    _be_patient(DECODING)
    if not is_first:
        torch.distributed.barrier()
        _be_patient(TIMEOUT)
    yield
    if is_first:
        torch.distributed.barrier()
        _be_patient(TIMEOUT)

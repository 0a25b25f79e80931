"""Batches: every image of an epoch once, in an order that only the seed decides."""

from itertools import islice

import numpy as np
import pytest
import torch
from data_helpers import noise

from foveal.data.batches import endless_batches, updates_per_epoch
from foveal.data.mapped import numpy_batches


@pytest.mark.parametrize(
    ("n", "batch_size", "updates"),
    [
        (60_000, 64, 938),
        (60_000, 100, 600),
        (1, 1, 1),
        (1, 5, 1),
        (11, 3, 4),
        (10, 3, 3),
        (9, 3, 3),
        (2, 5, 1),
        (0, 5, 0),
    ],
)
def test_updates_per_epoch_counts_the_short_last_batch(n: int, batch_size: int, updates: int) -> None:
    assert updates_per_epoch(n, batch_size) == updates


@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (11, 3), (9, 3), (5, 1), (4, 10), (1000, 64)])
def test_each_epoch_visits_every_image_exactly_once(n: int, batch_size: int) -> None:
    batches = endless_batches(n, batch_size, 0)
    orders = []
    for _ in range(4):
        epoch = list(islice(batches, updates_per_epoch(n, batch_size)))
        assert [len(batch) for batch in epoch[:-1]] == [batch_size] * (len(epoch) - 1)
        assert len(epoch[-1]) == {0: batch_size, 1: batch_size + 1}.get(n % batch_size, n % batch_size)
        orders.append(torch.cat(epoch))
        assert orders[-1].sort().values.tolist() == list(range(n))
    assert len({tuple(order.tolist()) for order in orders}) > 1


@pytest.mark.parametrize("update", [1, 3, 4, 7, 100])
def test_batches_go_on_from_any_update_as_if_they_had_never_stopped(update: int) -> None:
    whole = [batch.tolist() for batch in islice(endless_batches(11, 3, 5), update + 9)]
    assert [batch.tolist() for batch in islice(endless_batches(11, 3, 5, update), 9)] == whole[update:]


def test_the_order_is_that_of_the_seed_and_of_nothing_else() -> None:
    def order(seed: int) -> list[list[int]]:
        return [batch.tolist() for batch in islice(endless_batches(100, 7, seed), 30)]

    torch.manual_seed(1)
    first = order(5)
    torch.manual_seed(2)
    assert order(5) == first != order(6)


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(7, 3, [3, 3, 1]), (6, 3, [3, 3]), (2, 500, [2])])
@pytest.mark.parametrize("channels", [1, 3])
def test_numpy_batches_are_the_images_in_order_with_channels_last(
    channels: int, n: int, batch_size: int, sizes: list[int]
) -> None:
    images = noise(n, 4, 5, channels)
    batches = list(numpy_batches(torch.from_numpy(images).permute(0, 3, 1, 2), batch_size))
    assert [len(batch) for batch in batches] == sizes
    assert all(batch.flags.c_contiguous and batch.dtype == np.uint8 for batch in batches)
    np.testing.assert_array_equal(np.concatenate(batches), images)

"""One side of benchmarks/peers.py, run in the peer's own environment: prints the seconds of each epoch as JSON.

    python benchmarks/peer_sides.py lightning images.npz 2

Each side trains document 004's network (two convolutions) as its documentation shows it: batches of 64, Adam at .001,
32 bits, images shuffled, normalised and in memory, no validation, no progress bar, no files where they can be left out.
Nothing of foveal is imported except by its own side.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH, RATE = 64, 0.001
MEAN, STD = 0.1307, 0.3081
Arrays = tuple[np.ndarray, np.ndarray]  # uint8 (N, 28, 28), int64 (N,)


class Timer:
    """Seconds between `begin` and `end`, epoch after epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._at = 0.0

    def begin(self) -> None:
        self._at = time.perf_counter()

    def end(self) -> None:
        self.seconds.append(time.perf_counter() - self._at)


def normalised(images: np.ndarray) -> np.ndarray:
    """float32 (N, 28, 28)."""
    return (images.astype(np.float32) / 255 - MEAN) / STD


def torch_network() -> Any:
    """Document 004's network, with log-softmax at its end as there."""
    from torch import nn

    first = [nn.Conv2d(1, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
    second = [nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
    head = [nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10), nn.LogSoftmax(dim=1)]
    return nn.Sequential(*first, *second, *head)


def tensors(arrays: Arrays) -> Any:
    """The images as tensors of (N, 1, 28, 28) and (N,)."""
    import torch

    return torch.from_numpy(normalised(arrays[0]))[:, None], torch.from_numpy(arrays[1])


def published(arrays: Arrays, epochs: int) -> list[float]:
    """Document 004's loop: one PIL image after another through a DataLoader."""
    import published as document  # benchmarks/published.py
    import torch

    data = document.MNIST("train", len(arrays[0]))
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True)
    model, timer = document.network(), Timer()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(epochs):
        timer.begin()
        document.train_epoch(model, torch.device("cpu"), loader, optimizer)
        timer.end()
    return timer.seconds


def bare(arrays: Arrays, epochs: int, layout: str = "contiguous_format") -> list[float]:
    """Forward, backward and update alone, on batches cut from tensors in memory."""
    import torch
    from torch.nn import functional as F

    memory_format = getattr(torch, layout)
    images, labels = tensors(arrays)
    images = images.contiguous(memory_format=memory_format)
    model, timer = torch_network().to(memory_format=memory_format), Timer()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    for _ in range(epochs):
        timer.begin()
        order = torch.randperm(len(labels))
        for chosen in order.split(BATCH):
            optimizer.zero_grad()
            F.nll_loss(model(images[chosen]), labels[chosen]).backward()
            optimizer.step()
        timer.end()
    return timer.seconds


def lightning(arrays: Arrays, epochs: int) -> list[float]:
    """Lightning's Trainer with a LightningModule."""
    import lightning as L
    import torch
    from torch.nn import functional as F

    class Module(L.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.network = torch_network()

        def training_step(self, batch: Any, _: int) -> Any:
            return F.nll_loss(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    class Watch(L.Callback):  # type: ignore[misc, name-defined]
        def on_train_epoch_start(self, *_: Any) -> None:
            timer.begin()

        def on_train_epoch_end(self, *_: Any) -> None:
            timer.end()

    timer = Timer()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*tensors(arrays)), BATCH, shuffle=True)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    L.Trainer(max_epochs=epochs, accelerator="cpu", callbacks=[Watch()], **quiet).fit(Module(), loader)
    return timer.seconds


def skorch(arrays: Arrays, epochs: int) -> list[float]:
    """skorch's NeuralNetClassifier, whose history has the duration of each epoch."""
    import torch
    from skorch import NeuralNetClassifier

    net = NeuralNetClassifier(
        torch_network,
        criterion=torch.nn.NLLLoss,
        optimizer=torch.optim.Adam,
        lr=RATE,
        batch_size=BATCH,
        max_epochs=epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    # It takes the logarithm of what a network gives to NLLLoss: this one's has to give probabilities.
    net.set_params(module=lambda: torch.nn.Sequential(*list(torch_network())[:-1], torch.nn.Softmax(dim=1)))
    net.fit(*tensors(arrays))
    return [float(seconds) for seconds in net.history[:, "dur"]]


def fastai(arrays: Arrays, epochs: int) -> list[float]:
    """fastai's Learner."""
    import torch
    from fastai.callback.core import Callback
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import Adam
    from torch.nn import functional as F

    class Watch(Callback):  # type: ignore[misc]
        def before_train(self) -> None:
            timer.begin()

        def after_train(self) -> None:
            timer.end()

    timer = Timer()
    images, labels = tensors(arrays)
    train = torch.utils.data.TensorDataset(images, labels)
    valid = torch.utils.data.TensorDataset(images[:BATCH], labels[:BATCH])  # a Learner wants one; it is not timed
    loaders = DataLoaders.from_dsets(train, valid, bs=BATCH, num_workers=0, device="cpu")
    learner = Learner(loaders, torch_network(), loss_func=F.nll_loss, opt_func=Adam, lr=RATE, cbs=[Watch()])
    with learner.no_bar(), learner.no_logging():
        learner.fit(epochs, RATE)
    return timer.seconds


def keras(arrays: Arrays, epochs: int) -> list[float]:
    """Keras's `fit`, with the backend that KERAS_BACKEND names."""
    import keras as k

    class Watch(k.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_begin(self, *_: Any) -> None:
            timer.begin()

        def on_epoch_end(self, *_: Any) -> None:
            timer.end()

    timer = Timer()
    layers = k.layers
    model = k.Sequential(
        [
            k.Input((28, 28, 1)),
            *(layers.Conv2D(32, 3, padding="same"), layers.MaxPooling2D(), layers.ReLU()),
            *(layers.Conv2D(64, 3, padding="same"), layers.MaxPooling2D(), layers.ReLU()),
            *(layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10)),
        ]
    )
    model.compile(optimizer=k.optimizers.Adam(RATE), loss=k.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = normalised(arrays[0])[..., None]
    model.fit(images, arrays[1], batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[Watch()])
    return timer.seconds


def foveal(arrays: Arrays, epochs: int) -> list[float]:
    """`foveal.train` with the settings of the published form, into a run folder, checkpoints and all."""
    import foveal as f

    settings = {"data": {"validation": 0, "calibration": 0, "test": 0}, "training": {"report_every": 100}}
    with tempfile.TemporaryDirectory() as folder:
        run = f.train(
            arrays,
            model="twoconv-same",
            as_published=True,
            epochs=float(epochs),
            out=f"{folder}/run",
            settings=settings,
        )
        records = [json.loads(line) for line in (Path(run.folder) / "history.jsonl").read_text().splitlines()]
    ends = [max(each["seconds"] for each in records if each["epoch"] <= epoch + 1e-9) for epoch in range(1, epochs + 1)]
    return [end - begin for begin, end in zip([0.0, *ends], ends, strict=False)]


SIDES: dict[str, Callable[[Arrays, int], list[float]]] = {
    "foveal": foveal,
    "bare NCHW": bare,
    "bare channels_last": lambda arrays, epochs: bare(arrays, epochs, "channels_last"),
    "published": published,
    "lightning": lightning,
    "skorch": skorch,
    "fastai": fastai,
    "keras-tensorflow": keras,
    "keras-jax": keras,
    "keras-torch": keras,
}


if __name__ == "__main__":
    side, file, count = sys.argv[1:]
    with np.load(file) as kept:
        data = kept["images"], kept["labels"]
    print(json.dumps({"side": side, "epochs": SIDES[side](data, int(count))}))

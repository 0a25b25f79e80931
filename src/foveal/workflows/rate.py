"""`foveal rate`: a short training with a climbing rate, on training images only, that says which rates to train with."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

import torch

from foveal.config import Config
from foveal.data.sources import Source
from foveal.device import choose_device, out_of_memory_said, set_threads
from foveal.errors import ConfigError
from foveal.models.own import Own
from foveal.report.rate_plot import draw_rates
from foveal.run import plain_name
from foveal.training.feed import on_device
from foveal.training.fit import Record, fit
from foveal.training.optim import balanced_weights, make_loss
from foveal.training.rates import RateTest, climbing, judge, losses_by_rate
from foveal.workflows.augmenting import make_augmentation, make_mix
from foveal.workflows.prepare import Prepared, prepare
from foveal.workflows.train import make_state


@dataclass(frozen=True)
class FoundRate:
    """What a rate test came to. `notes` are those of the data and the network."""

    data: str
    model: str
    optimizer: str
    batch_size: int
    seed: int
    threads: int
    seconds: float
    test: RateTest
    notes: tuple[str, ...]
    picture: Path
    schedule: str

    @property
    def learning_rate(self) -> float | None:
        """The rate for `training.learning_rate`: one to hold, or the highest of a schedule that falls (docs/log.md)."""
        return self.test.steepest if self.schedule in ("constant", "step") else self.test.lowest

    def as_dict(self) -> dict[str, Any]:
        """What `foveal rate --json` prints."""
        facts = {name: value for name, value in asdict(self).items() if name not in ("test", "picture")}
        test = asdict(self.test)
        suggestion = {name: test.pop(name) for name in ("steepest", "lowest", "diverges")}
        suggestion["learning_rate"] = self.learning_rate
        return {**facts, **test, "suggestion": suggestion, "picture": str(self.picture)}


def find_rate(
    config: Config,
    source: Source | None = None,
    own: Own | None = None,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    updates: int = 200,
    out: Path | None = None,
) -> FoundRate:
    """Train for so many updates while the rate climbs, ending where the loss runs away, and draw the losses by rate.

    What is trained is thrown away; `training.learning_rate` and the schedule have no part in it. Raises ConfigError for
    bounds that do not climb and for a picture that is no PNG file.
    """
    if not 0 < lowest < highest < inf:
        raise ConfigError(
            f"the rate cannot climb from {lowest:g} to {highest:g}. Give --lowest above 0, and --highest above that."
        )
    _require_picture(out)
    begin = time.perf_counter()
    threads, device = set_threads(config.threads), choose_device(config.device)
    # Without its floor of updates, which is of another training and would only be told of.
    short = config.model_copy(update={"training": config.training.model_copy(update={"min_updates": 0})})
    prepared = prepare(short, source, own)
    with out_of_memory_said("while looking for a rate"):
        rates, losses, has_run_away = losses_by_rate(_climb(prepared, device, lowest, highest, updates))
    found = FoundRate(
        data=prepared.data.name,
        model=Path(config.model.name).name,
        optimizer=config.training.optimizer,
        batch_size=prepared.plan.batch_size,
        seed=config.seed,
        threads=threads,
        seconds=time.perf_counter() - begin,
        test=judge(rates, losses, has_run_away=has_run_away),
        notes=prepared.notes,
        picture=out or Path(f"rate-{plain_name(prepared.data.name)}-{plain_name(Path(config.model.name).stem)}.png"),
        schedule=config.training.schedule,
    )
    draw_rates(found.test, found.picture, title=f"{found.model} on {found.data}, {found.optimizer}")
    return found


def _require_picture(out: Path | None) -> None:
    if out is not None and (out.suffix.lower() != ".png" or out.is_dir()):
        raise ConfigError(f"the picture cannot be {out}: it is a PNG file. Give --out a file name that ends in .png.")


def _climb(prepared: Prepared, device: torch.device, lowest: float, highest: float, updates: int) -> Iterator[Record]:
    """A training as the config says, but for its length and its rate; nothing is validated."""
    training = prepared.config.training
    pixels, labels = on_device(prepared.train, device)
    class_weights = balanced_weights(labels, len(prepared.classes)) if training.balance else None
    return fit(
        make_state(prepared, device),
        (pixels, labels),
        None,
        loss=make_loss(training.loss, label_smoothing=training.label_smoothing, class_weights=class_weights),
        schedule=climbing(lowest, highest, updates),
        augment=make_augmentation(prepared.config.augment, prepared.config.seed),
        mix=make_mix(prepared.config.augment, len(prepared.classes)),
        batch_size=prepared.plan.batch_size,
        updates=updates,
        report_every=1,
        validate_every=updates,
        clip_norm=training.clip_norm,
        precision=training.precision,
    )

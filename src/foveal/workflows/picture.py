"""The pictures that a training and an evaluation leave in the run's report folder."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from foveal.classifier import logits_of, probabilities
from foveal.data.images import ImageSet
from foveal.data.pixels import Pixels
from foveal.evaluation.inference import Evaluation
from foveal.evaluation.metrics import Scores
from foveal.explain.feature_maps import feature_maps
from foveal.explain.filters import first_filters
from foveal.report.plots import draw_confusion, draw_curves, draw_feature_maps, draw_filters, draw_images
from foveal.run import Run
from foveal.workflows.prepare import Prepared

SHOWN = 32  # images in a grid


def draw_training(run: Run, model: nn.Module, prepared: Prepared) -> None:
    """Curves, a grid of validation images with true and predicted label, first-layer filters, feature maps."""
    draw_curves(run.history, run.report / "curves.png")
    part, kind = (prepared.validation, "validation") if len(prepared.validation) else (prepared.train, "training")
    _draw_predictions(run, model, part, prepared.classes, kind)
    filters = first_filters(model)
    if filters is not None:
        draw_filters(filters.numpy(), run.report / "filters.png")
    image = part.pixels[:1]
    maps = {name: values.numpy() for name, values in feature_maps(model, image).items()}
    title = f"one {kind} image ({prepared.classes[part.labels[0]]}) through every layer"
    draw_feature_maps(image[0].permute(1, 2, 0).numpy(), maps, run.report / "feature_maps.png", title=title)


def _draw_predictions(run: Run, model: nn.Module, part: Pixels, classes: tuple[str, ...], kind: str) -> None:
    images = part.pixels[:SHOWN].permute(0, 2, 3, 1).contiguous().numpy()  # (N, H, W, C)
    labels = part.labels[:SHOWN].numpy()
    predicted = logits_of(model, images).argmax(axis=1)
    captions = [
        f"true: {classes[label]}\npredicted: {classes[guess]}" for label, guess in zip(labels, predicted, strict=True)
    ]
    wrong = (labels != predicted).tolist()
    title = f"{kind} images ({sum(wrong)} of {len(wrong)} wrong, in red)"
    draw_images(images, captions, run.report / "predictions.png", title=title, wrong=wrong)


def draw_evaluation(
    folder: Path, evaluation: Evaluation, *, scores: Scores, pixels: Pixels, images: ImageSet, temperature: float
) -> None:
    """The confusion matrix and the worst mistakes: the wrong answers that were given with the most confidence."""
    low, high = scores.accuracy_interval
    title = f"{scores.accuracy:.2%} of {scores.n:,} test images right (95 % interval {low:.2%} to {high:.2%})"
    draw_confusion(np.array(scores.confusion), evaluation.classes, folder / "confusion.png", title=title)
    chances = probabilities(evaluation.logits, temperature)
    predicted = chances.argmax(axis=1)
    wrong = np.flatnonzero(predicted != evaluation.labels)
    worst = wrong[np.argsort(-chances[wrong, predicted[wrong]], kind="stable")][:SHOWN]
    captions = [
        f"{evaluation.classes[evaluation.labels[i]]},\ntaken for {evaluation.classes[predicted[i]]}\n"
        f"{chances[i, predicted[i]]:.0%}  {_short(images.name(int(pixels.kept[i])))}"
        for i in worst
    ]
    shown = pixels.pixels[torch.from_numpy(worst)].permute(0, 2, 3, 1).contiguous().numpy()
    title = f"the worst of {len(wrong)} mistakes on the test images: true label, answer, confidence, image"
    title = title if len(wrong) else f"no mistake on the {scores.n:,} test images"
    draw_images(shown, captions, folder / "mistakes.png", title=title)


def _short(name: str) -> str:
    """The end of an image's name: its number, or its file's name."""
    return f"#{name.rpartition('#')[2]}" if "#" in name else name.rpartition("/")[2][-18:]

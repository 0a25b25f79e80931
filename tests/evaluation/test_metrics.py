"""Every score against scikit-learn's."""

import json

import numpy as np
import pytest
from numpy import ndarray
from scipy.special import log_softmax
from sklearn import metrics as sklearn_metrics

from foveal.classifier import Classifier
from foveal.evaluation.inference import Evaluation
from foveal.evaluation.intervals import wilson_interval
from foveal.evaluation.metrics import class_scores, confusion_matrix, mean_loss, score


def evaluation(n: int, k: int, seed: int = 0) -> Evaluation:
    """Answers that are right about half the time."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, k, n)
    logits = random.normal(size=(n, k)).astype(np.float32)
    logits[np.arange(n), labels] += 1.0
    return Evaluation(logits, labels, tuple(map(str, range(n))), tuple(f"class {i}" for i in range(k)))


# Labels and answers, among them a class that is never true (3), one that is never answered (2), and both at once.
CASES = {
    "a few": (np.array([0, 1, 1, 2, 2, 2]), np.array([0, 1, 0, 1, 1, 3])),
    "all right": (np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3])),
    "all wrong": (np.array([0, 1, 2, 3]), np.array([1, 0, 3, 2])),
    "one image": (np.array([2]), np.array([2])),
    "many": (np.random.default_rng(1).integers(0, 4, 999), np.random.default_rng(2).integers(0, 4, 999)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_confusion_matrix_has_true_classes_as_rows(case: str) -> None:
    labels, predicted = CASES[case]
    theirs = sklearn_metrics.confusion_matrix(labels, predicted, labels=range(4))
    np.testing.assert_array_equal(confusion_matrix(labels, predicted, 4), theirs)


@pytest.mark.parametrize("case", CASES)
def test_precision_recall_and_f1_of_each_class_are_scikit_learns(case: str) -> None:
    labels, predicted = CASES[case]
    ours = class_scores(confusion_matrix(labels, predicted, 4))
    theirs = sklearn_metrics.precision_recall_fscore_support(labels, predicted, labels=range(4), zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "support"), theirs, strict=True):
        assert [getattr(one, name) for one in ours] == pytest.approx(values.tolist())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_loss_is_scikit_learns_log_loss_of_the_tempered_probabilities(temperature: float) -> None:
    answers = evaluation(500, 6)
    chances = np.exp(log_softmax(answers.logits.astype(np.float64) / temperature, axis=1))
    theirs = sklearn_metrics.log_loss(answers.labels, chances, labels=range(6))
    assert mean_loss(answers.logits, answers.labels, temperature) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_large_logits_do_not_overflow(offset: float) -> None:
    logits = np.array([[offset, offset - 3]], dtype=np.float32)
    assert mean_loss(logits, np.array([1])) == pytest.approx(3 + np.log1p(np.exp(-3)))
    assert mean_loss(np.array([[0, 2e4]], dtype=np.float32), np.array([0])) == pytest.approx(2e4)


def test_the_scores_of_an_evaluation_hang_together() -> None:
    answers = evaluation(400, 5)
    predicted = answers.logits.argmax(axis=1)
    scores = score(answers, temperature=2.0)
    assert scores.n == 400
    assert scores.accuracy == sklearn_metrics.accuracy_score(answers.labels, predicted)
    assert scores.accuracy_interval == wilson_interval(round(400 * scores.accuracy), 400)
    assert scores.loss == mean_loss(answers.logits, answers.labels, 2.0)
    assert list(scores.per_class) == list(answers.classes)
    np.testing.assert_array_equal(scores.confusion, confusion_matrix(answers.labels, predicted, 5))
    assert sum(one.support for one in scores.per_class.values()) == 400


def test_no_temperature_changes_the_accuracy() -> None:
    answers = evaluation(200, 5)
    assert len({score(answers, temperature).accuracy for temperature in (0.05, 1.0, 20.0)}) == 1


def test_scores_become_the_json_of_the_command_line() -> None:
    printed = json.loads(json.dumps(score(evaluation(50, 3)).as_dict()))
    assert set(printed) == {"accuracy", "accuracy_interval", "n", "loss", "per_class", "confusion"}
    assert set(printed["per_class"]["class 0"]) == {"precision", "recall", "f1", "support"}
    assert len(printed["accuracy_interval"]) == 2
    assert np.shape(printed["confusion"]) == (3, 3)


def test_real_logits_are_scored_as_scikit_learn_scores_them(
    classifier: Classifier, digits: tuple[ndarray, ndarray]
) -> None:
    images, labels = digits[0][:200], digits[1][:200].astype(np.int64)
    logits = classifier.logits(images[..., None])
    scores = score(Evaluation(logits, labels, tuple(map(str, range(200))), classifier.classes))
    report = sklearn_metrics.classification_report(labels, logits.argmax(axis=1), output_dict=True, zero_division=0)
    assert scores.accuracy == pytest.approx(report["accuracy"])
    assert {name: one.f1 for name, one in scores.per_class.items()} == pytest.approx(
        {name: report[name]["f1-score"] for name in map(str, range(10))}
    )

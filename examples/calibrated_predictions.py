"""How far a probability can be trusted: confidence and accuracy side by side, before and after temperature scaling.

Training holds some images out to fit one number, the temperature, that the logits are divided by. It changes no
answer, only how sure the answers are. Here both are compared on the test images.

    python examples/calibrated_predictions.py
"""

import numpy as np

import foveal
from foveal.classifier import probabilities

run = foveal.train("mnist", epochs=0.05)
classifier = foveal.load(run.classifier)
temperature = classifier.card.temperature
report = foveal.evaluate(run)
logits, labels = report.evaluation.logits, report.evaluation.labels

print(f"accuracy on {len(labels):,} test images: {report.scores.accuracy:.2%}")
for name, value in (("as the network gave them", 1.0), (f"divided by temperature {temperature:.2f}", temperature)):
    confidence = probabilities(logits, value).max(axis=1)
    print(f"mean confidence, logits {name}: {confidence.mean():.2%}")

confidence = probabilities(logits, temperature).max(axis=1)
is_right = logits.argmax(axis=1) == labels
print("confidence   images   right")
for low in np.arange(0.5, 1.0, 0.1):
    inside = (confidence > low) & (confidence <= low + 0.1)
    if inside.any():
        print(f"{low:.0%} to {low + 0.1:.0%}   {inside.sum():6}   {is_right[inside].mean():.0%}")

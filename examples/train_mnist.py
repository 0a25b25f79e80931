"""Train on the MNIST digits that come with foveal, then test once on the 10,000 images that training never saw.

python examples/train_mnist.py               # a quarter of an epoch: seconds
python examples/train_mnist.py --epochs 2    # what `foveal train` does
"""

import argparse

import foveal

parser = argparse.ArgumentParser(description="Train and test a small network on MNIST.")
parser.add_argument("--epochs", type=float, default=0.25, help="passes over the training images (default: 0.25)")
epochs = parser.parse_args().epochs

run = foveal.train("mnist", epochs=epochs)
report = foveal.evaluate(run)
low, high = report.scores.accuracy_interval
print(f"{run.summary['updates']} updates in {run.summary['train_seconds']:.1f} s; the run is in {run.folder}")
print(f"accuracy {report.scores.accuracy:.2%} of {report.scores.n:,} test images ({low:.2%} to {high:.2%})")
print(f"this test split has been opened {report.test_opened} times on this machine")

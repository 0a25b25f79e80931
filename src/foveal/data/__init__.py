"""From what a person calls "my images" to uint8 pixels: sources, splits, decoding, batches, augmentation.

Only pixels.py, augment.py and batches.py import torch; this package knows no network and opens no test split.
"""

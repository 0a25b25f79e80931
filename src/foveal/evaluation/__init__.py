"""Honest numbers: what a LogitsFn answers, scores with their intervals, calibration, and who opened the test split.

NumPy only: this package runs on the logits of any backend and never imports torch.
"""

"""Networks: what they are made of, the catalog of those that come with foveal, and the ledger of their shapes.

Every network takes pixels 0-255, float or uint8, (N, C, H, W), and returns logits (N, K).
This package knows nothing of data, training or files on disk (but for a network file of the user's own).
"""

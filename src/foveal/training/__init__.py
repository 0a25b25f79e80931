"""The training loop and what it is made of. It knows tensors and networks; it knows no files and no run folder."""

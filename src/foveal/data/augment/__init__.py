"""Changes to a batch of training images that leave the label true: batched tensor work by the generator that is given.

pipeline.py puts them together; safety.py names those that would make one class out of two.
"""

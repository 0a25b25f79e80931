"""Readers of each kind of data: from a tree of files to image sets. None knows another but through `Tree`."""

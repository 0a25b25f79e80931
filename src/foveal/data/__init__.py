"""From what a person calls "my images" to uint8 pixels: sources, splits, decoding, batches, augmentation, the doctor.

`sources` is the way in, `readers/` know the kinds of files, `pixels` decodes; this package knows no network and opens no
test split.
"""

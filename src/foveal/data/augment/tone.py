"""Batch changed by what they are and not by where: light, colour, sharpness. Nothing here is left to chance.

What Pillow's ImageEnhance and ImageOps do to one picture, for a batch and an amount for each of its images.
"""

import torch
from jaxtyping import Float, Int32, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from foveal.data.augment.layout import as_it_lies, rounded

Batch = UInt8[Tensor, "N C H W"]
Factors = Float[Tensor, " N"]  # 1 leaves an image as it is
LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue look: ITU-R BT.601, as in Pillow's mode L


def brightened(pixels: Batch, factors: Factors) -> Batch:
    """Each image's light times its factor; 0 is black."""
    return rounded(pixels.float() * factors[:, None, None, None])


def contrasted(pixels: Batch, factors: Factors) -> Batch:
    """Each image drawn away from its own mean grey; 0 is that grey everywhere."""
    means = pixels.float().mean(dim=(2, 3))  # (N, C)
    greys = means @ means.new_tensor(LUMA) if pixels.shape[1] == 3 else means.mean(dim=1)
    return _blended(greys[:, None, None, None], pixels, factors)


def coloured(pixels: Batch, factors: Factors) -> Batch:
    """Each image drawn away from its grey copy: 0 is without colour, and a grey image stays as it is."""
    same = torch.eye(3, device=pixels.device)
    grey = same.new_tensor(LUMA)[:, None].expand(3, 3)
    return _with_colours(pixels, torch.lerp(grey, same, factors[:, None, None]))


def turned(pixels: Batch, degrees: Float[Tensor, " N"]) -> Batch:
    """Each image's colours turned about the grey axis of the colour cube: by 120, red is green and green is blue.

    The sum of the channels is kept, and a grey image stays as it is. Source: Haeberli 1993, Matrix Operations for Image
    Processing, without the correction for luminance.
    """
    cos, sin = torch.deg2rad(degrees).cos(), torch.deg2rad(degrees).sin() / 3**0.5
    same, next_one, last_one = (1 + 2 * cos) / 3, (1 - cos) / 3 + sin, (1 - cos) / 3 - sin
    entries = [same, next_one, last_one, last_one, same, next_one, next_one, last_one, same]
    return _with_colours(pixels, torch.stack(entries, dim=1).view(-1, 3, 3))


def _with_colours(pixels: Batch, matrices: Float[Tensor, "N 3 3"]) -> Batch:
    """Red, green and blue (the rows) made into red, green and blue (the columns); images without colour stay."""
    n, channels, height, width = pixels.shape
    if channels != 3:
        return pixels
    values = as_it_lies(pixels).reshape(n, height * width, 3).float() @ matrices
    return rounded(values.view(n, height, width, 3).permute(0, 3, 1, 2))


def _blended(base: Float[Tensor, "..."], pixels: Batch, factors: Factors) -> Batch:
    """From `base`, which is factor 0, through the image, which is 1, and on in the same direction."""
    return rounded(torch.lerp(base, pixels.float(), factors[:, None, None, None]))


def sharpened(pixels: Batch, factors: Factors) -> Batch:
    """Each image drawn away from a smoothed copy; 0 is smooth. The outermost pixels have too few neighbours: they stay."""
    if min(pixels.shape[2:]) < 3 or len(pixels) == 0:
        return pixels
    smooth = pixels.float()
    # Pillow's SMOOTH counts the middle five times and its eight neighbours once.
    inner = (9 * F.avg_pool2d(smooth, 3, stride=1) + 4 * smooth[:, :, 1:-1, 1:-1]) / 13
    smooth[:, :, 1:-1, 1:-1] = inner.round()
    return _blended(smooth, pixels, factors)


def solarized(pixels: Batch, thresholds: Float[Tensor, " N"]) -> Batch:
    """What is as bright as the image's threshold or brighter, inverted; 256 leaves it as it is."""
    return torch.where(pixels >= thresholds[:, None, None, None], 255 - pixels, pixels)


def posterized(pixels: Batch, bits: Int32[Tensor, " N"]) -> Batch:
    """Each image in so many bits a channel; 8 leaves it as it is."""
    masks = (256 - 2 ** (8 - bits)).to(torch.uint8)
    return pixels & masks[:, None, None, None]


def stretched(pixels: Batch) -> Batch:
    """Each channel's darkest pixel made black and its brightest made white; a channel of one value stays."""
    if pixels.numel() == 0:
        return pixels
    low, high = pixels.amin(dim=(2, 3), keepdim=True).float(), pixels.amax(dim=(2, 3), keepdim=True).float()
    return torch.where(high > low, rounded((pixels.float() - low) * (255 / (high - low).clamp(min=1))), pixels)


def equalized(pixels: Batch) -> Batch:
    """Each channel's values spread so that every brightness is about as frequent; a channel of one value stays."""
    n, channels, _, _ = pixels.shape
    if pixels.numel() == 0:
        return pixels
    first = 256 * torch.arange(n * channels, device=pixels.device).view(n, channels, 1, 1)
    places = first + pixels  # (N, C, H, W): one of 256 for each value of each channel of each image
    counts = torch.bincount(places.flatten(), minlength=256 * n * channels).view(-1, 256)
    tables = _equalizing(counts).to(torch.uint8)
    return tables.view(-1)[places]


def _equalizing(counts: Int64[Tensor, "M 256"]) -> Int64[Tensor, "M 256"]:
    """What becomes of each value, from how often each occurs, in whole numbers as Pillow's ImageOps.equalize counts."""
    values = torch.arange(256, device=counts.device)
    brightest = (values * (counts > 0)).amax(dim=1, keepdim=True)
    steps = (counts.sum(dim=1, keepdim=True) - counts.gather(1, brightest)) // 255
    below = counts.cumsum(dim=1) - counts
    tables = (steps // 2 + below) // steps.clamp(min=1)
    return torch.where(steps > 0, tables.clamp(max=255), values)

"""Two images made into one, and their targets likewise: a target is a share for each class, (N, K), and sums to one."""

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from foveal.data.augment.draws import beta
from foveal.data.augment.erasing import rectangles
from foveal.data.augment.layout import rounded, take

Mixed = tuple[UInt8[Tensor, "N C H W"], Float[Tensor, "N K"]]


def mixup(pixels: UInt8[Tensor, "N C H W"], targets: Float[Tensor, "N K"], generator: Generator, alpha: float) -> Mixed:
    """Each image laid over another of the batch, each with its own share from Beta(alpha, alpha).

    The authors draw one share for a batch; their equation has one for each pair, as here. The mixed pixels are rounded
    to whole levels. Source: Zhang et al. 2018, arXiv:1710.09412, section 2.
    """
    shares = beta(len(pixels), alpha, generator, pixels.device)
    partners = _partners(pixels, generator)
    others = take(pixels, partners)
    mixed = torch.lerp(others.float(), pixels.float(), shares[:, None, None, None])
    return rounded(mixed), torch.lerp(targets[partners], targets, shares[:, None])


def cutmix(
    pixels: UInt8[Tensor, "N C H W"], targets: Float[Tensor, "N K"], generator: Generator, alpha: float
) -> Mixed:
    """Each image with a rectangle of another in it; the targets are mixed by the share of the area that was pasted.

    The rectangle's middle is anywhere, and what would stick out of the image is cut off: the share is worked out from
    what is left. Source: Yun et al. 2019, arXiv:1905.04899, section 3.1 and appendix A.
    """
    n, _, height, width = pixels.shape
    shares = beta(n, alpha, generator, pixels.device)
    partners = _partners(pixels, generator)
    centres = torch.stack([torch.randint(side, (n,), generator=generator) for side in (height, width)])
    sides = torch.tensor([[height], [width]], device=pixels.device)
    sizes = (sides * (1 - shares).sqrt()).round().long()  # (2, N)
    mask = rectangles(pixels, centres.to(pixels.device) - sizes // 2, sizes)
    kept = 1 - mask.float().mean(dim=(1, 2, 3))
    mixed = torch.where(mask, take(pixels, partners), pixels)
    return mixed, torch.lerp(targets[partners], targets, kept[:, None])


def _partners(pixels: UInt8[Tensor, "N C H W"], generator: Generator) -> Tensor:
    """Another image for each, by chance; it may be the same."""
    return torch.randperm(len(pixels), generator=generator).to(pixels.device)

"""How sure a score is."""

from math import sqrt

Z_95 = 1.959963984540054  # the 97.5 % quantile of the standard normal distribution


def wilson_interval(correct: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """The interval that holds the true accuracy with 95 % confidence, given `correct` of `n` images.

    Stays within 0 and 1, also at the ends, where accuracy ± 2 standard errors does not. Source: Wilson 1927, JASA 22.

    >>> tuple(round(bound, 4) for bound in wilson_interval(9901, 10_000))
    (0.988, 0.9919)
    """
    if not 0 <= correct <= n or n == 0:
        raise ValueError(f"{correct} correct of {n} images is impossible.")
    share = correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At the ends the bound is the end itself, which rounding would miss by 1e-18.
    return 0.0 if correct == 0 else centre - half, 1.0 if correct == n else centre + half

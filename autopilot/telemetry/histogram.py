"""A quantile of a classic histogram, reckoned as Prometheus reckons it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def quantile_of(quantile: float, buckets: Mapping[float, float]) -> float:
    """Estimate a quantile by linear interpolation within its bucket.

    The rules are those of PromQL's `histogram_quantile`: the first bucket begins at 0 (unless its
    bound is negative), and what lies in the last one is told as the last finite bound. A count
    below its predecessor's (a sum over series scraped at different moments) is raised to it.
    Source: https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile

    Args:
        quantile: Between 0 and 1.
        buckets: Upper bound → how many lie at or under it; the bounds' unit is the answer's.

    Returns:
        NaN without a bucket for infinity, without a finite one, or without any observation.
    """
    bounds = sorted(buckets)
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    counts: list[float] = []
    for bound in bounds:
        counts.append(max(buckets[bound], counts[-1] if counts else 0.0))
    if counts[-1] == 0:
        return math.nan
    rank = quantile * counts[-1]
    index = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if index == len(counts) - 1:
        return bounds[-2]
    if index == 0:
        start, below = 0.0, 0.0
        if bounds[0] <= 0:
            return bounds[0]
    else:
        start, below = bounds[index - 1], counts[index - 1]
    within = counts[index] - below
    return start + (bounds[index] - start) * ((rank - below) / within) if within else bounds[index]

#!/usr/bin/env python3
"""Writes tests/fixtures/metrics/significance.json: pairs of systems and what two peers make of them.

    .venv/bin/python tests/oracles/make_significance_fixture.py

Needs scipy and, for the correction, statsmodels. p is scipy.stats.permutation_test's: of all sign patterns
where there are at most 2^14 of them, else of 400,000 drawn ones. The interval is scipy.stats.bootstrap's
(percentile, 100,000 resamples). Queries with equal values are left in for scipy, where ours leaves them out.
"""

import importlib.metadata
import json
import pathlib
import random

import numpy
import scipy.stats
from statsmodels.stats.multitest import multipletests

OUTPUT = pathlib.Path(__file__).parent.parent / "fixtures" / "metrics" / "significance.json"
EXACT = 2**14


def reciprocal(rng, count, shift):
    """Reciprocal ranks of two systems, the second a little better: many ties and zeros."""
    base = [rng.choice([1, 1 / 2, 1 / 3, 1 / 4, 1 / 7, 0]) for _ in range(count)]
    candidate = [1.0 if rng.random() < shift else rng.choice([value, value, 1 / 2, 1 / 5, 0]) for value in base]
    return base, candidate


def hits(rng, count, before, after):
    return ([float(rng.random() < before) for _ in range(count)],
            [float(rng.random() < after) for _ in range(count)])


def gains(rng, count, shift):
    return ([rng.random() for _ in range(count)], [rng.random() + shift for _ in range(count)])


def mean_difference(base, candidate, axis=-1):
    return numpy.mean(candidate, axis=axis) - numpy.mean(base, axis=axis)


def case(name, base, candidate):
    exact = 2 ** len(base) <= EXACT
    test = scipy.stats.permutation_test(
        (base, candidate), mean_difference, permutation_type="samples", vectorized=True, batch=4000,
        n_resamples=EXACT if exact else 400_000, alternative="two-sided", rng=numpy.random.default_rng(1))
    interval = scipy.stats.bootstrap(
        (base, candidate), mean_difference, paired=True, vectorized=True, batch=4000, n_resamples=100_000,
        method="percentile", rng=numpy.random.default_rng(2)).confidence_interval
    return {"name": name, "exact": exact, "base": base, "candidate": candidate, "p": test.pvalue,
            "low": interval.low, "high": interval.high}


def main():
    rng = random.Random(7)
    cases = [
        case("a few gains", *gains(rng, 9, 0.25)),
        case("all better", [0.1, 0.2, 0.3, 0.4, 0.5], [0.2, 0.4, 0.4, 0.6, 0.9]),
        case("reciprocal ranks with ties", *reciprocal(rng, 13, 0.5)),
        case("many gains", *gains(rng, 80, 0.1)),
        case("no difference", *gains(rng, 120, 0.0)),
        case("many reciprocal ranks", *reciprocal(rng, 150, 0.2)),
        case("hits", *hits(rng, 200, 0.5, 0.62)),
    ]
    corrections = []
    for p in [[0.01], [0.01, 0.04, 0.03], [0.2, 0.2, 0.001, 0.9], [0.012, 0.013, 0.014, 0.049, 1.0, 0.0002]]:
        corrections.append({"p": p, "corrected": multipletests(p, method="holm")[1].tolist()})
    versions = {name: importlib.metadata.version(name) for name in ("scipy", "statsmodels", "numpy")}
    OUTPUT.write_text(json.dumps({"versions": versions, "cases": cases, "holm": corrections}, indent=1) + "\n",
                      encoding="utf-8")


if __name__ == "__main__":
    main()

"""Does the deviation predicted from the gradient match the measured one? (rodner2016, Section 4)

We correlate, over images, the predicted with the empirical standard deviation of the probability of
each clean image's top class, by Pearson's r. The page gives the reasons for these choices and their
alternatives, one of which is Spearman's rank correlation. Intervals come from jackknife
pseudo-values, one for each image, averaged over the networks.

Everywhere in here, preset is as in `helpers.verdicts`; name is a key of `GROUPS`; kind is a key of
`robustness.PREDICTED`, and level one of its levels; draws is FEW or MANY; predicted and empirical
are deviations, float64 (n,).
"""

from functools import lru_cache, partial
from math import exp, lgamma

import numpy as np
from scipy import stats

from helpers import claims, degrade, evidence, robustness, sensitivity
from helpers.verdicts.rodner2016 import noise, records

HIGH = 0.8  # our reading of "a high correlation"
ROWS = {"rod-fig6-left": "rgb", "rod-fig6-mid": "translation", "rod-fig6-right": "pepper_pixels"}
OUTPUT, FEW, MANY = "probability", robustness.DRAWS, robustness.MANY
GROUPS = {"birds": "predicted", "colour": "foretold"}  # the experiments


@lru_cache(maxsize=8)
def seen(preset, name="birds"):
    """Return ({(seed, kind): what `robustness.predicted` saw}, scale); (None, why) without any.

    preset, name: see the module.
    """
    found = evidence.of("rodner2016", GROUPS[name], preset)
    if found.frame.empty:
        return None, records.BIRDS_NEEDED
    values = {
        (row.seed, records.plain(observer).removeprefix("predicted_")): what
        for row in found.last().itertuples()
        for observer, what in row.observed.items()
        if records.plain(observer).startswith("predicted_")
    }
    scale = found.preset if name == "birds" else found.scale("cifar10")
    return values, scale


def values(preset, kind, level, draws=FEW, name="birds", output=OUTPUT, what="variance", seed=0):
    """Return (predicted, empirical) deviations of each image, float64 (n,) each, of one network.

    preset, kind, level, draws, name: see the module. output: a name in `sensitivity.OUTPUTS`. what:
    variance, for the deviation about the outputs' own mean, or moment, about the clean output.
    seed: of the network.
    """
    found = seen(preset, name)[0][seed, kind]["outputs"][output][f"{level:g}"]
    return tuple(robustness.read(found[key]).astype(float) for key in (what, f"{what} {draws}"))


def correlation(predicted, empirical):
    """Return Pearson's correlation of two arrays (n,), predicted and empirical."""
    return float(np.corrcoef(predicted, empirical)[0, 1])


def ranked(predicted, empirical):
    """Return Spearman's correlation of two arrays (n,), predicted and empirical."""
    return correlation(stats.rankdata(predicted), stats.rankdata(empirical))


def pseudo_values(statistic, *columns):
    """Return the jackknife's pseudo-values of a statistic, float64 (n,).

    statistic: a function of the columns. columns: arrays (n,). The mean of the values is the
    estimate without its first-order bias, and they vary like independent values of it (Efron and
    Tibshirani 1993, Chapter 11).
    """
    whole, n = statistic(*columns), len(columns[0])
    without = [statistic(*(np.delete(column, k) for column in columns)) for k in range(n)]
    return n * whole - (n - 1) * np.array(without)


def over_networks(preset, kind, name, measure):
    """Return the `Measurement` of pseudo-values (n,), averaged over networks, which are its parts.

    preset, kind, name: see the module. measure: from a seed to the pseudo-values of that network.
    """
    found, scale = seen(preset, name)
    if found is None:
        return claims.Measurement(None, scale)
    own = {f"seed {seed}": measure(seed) for seed, other in sorted(found) if other == kind}
    parts = own if len(own) > 1 else {}
    return claims.Measurement(np.mean(list(own.values()), axis=0), scale, parts=parts)


def high(preset, kind, name="birds", statistic=correlation):
    """Measure how far the correlation at the smaller level is above HIGH, over images (n,).

    preset, kind, name: see the module. statistic: `correlation` or `ranked`.
    """
    small, _ = robustness.PREDICTED[kind]

    def above(seed):
        return pseudo_values(statistic, *values(preset, kind, small, name=name, seed=seed)) - HIGH

    return over_networks(preset, kind, name, above)


def all_high(preset):
    """Measure `high` for every kind of perturbation at a preset, one comparison each."""
    each = {kind: high(preset, kind) for kind in ROWS.values()}
    scale = next(iter(each.values())).scale
    if any(found.values is None for found in each.values()):
        return claims.Measurement(None, scale)
    names = tuple(degrade.KINDS[kind].title for kind in each)
    return claims.Measurement(np.stack([own.values for own in each.values()], 1), scale,
                              names=names)  # fmt: skip


def smaller_at_large(preset, kind, draws=FEW, name="birds"):
    """Measure how much larger the correlation is at the smaller level, over images (n,).

    preset, kind, draws, name: see the module.
    """

    def larger(seed):
        columns = [column for level in robustness.PREDICTED[kind]
                   for column in values(preset, kind, level, draws, name, seed=seed)]  # fmt: skip
        return pseudo_values(lambda a, b, c, d: correlation(a, b) - correlation(c, d), *columns)

    return over_networks(preset, kind, name, larger)


def more_draws(preset, kind, which=1, name="birds"):
    """Measure how much MANY draws raise the correlation, over images (n,).

    preset, kind, name: see the module. which: 0 for the smaller level, 1 for the larger.
    """
    level = robustness.PREDICTED[kind][which]

    def raised(seed):
        predicted, few = values(preset, kind, level, FEW, name, seed=seed)
        _, many = values(preset, kind, level, MANY, name, seed=seed)
        return pseudo_values(
            lambda a, b, c: correlation(a, c) - correlation(a, b), predicted, few, many
        )

    return over_networks(preset, kind, name, raised)


def shrinkage(draws):
    """Return c4, the mean standard deviation of normal draws as a share of the true one.

    draws: how many.
    """
    return (2 / (draws - 1)) ** 0.5 * exp(lgamma(draws / 2) - lgamma((draws - 1) / 2))


def attenuation(spread, draws, shrunk=None):
    """Return the factor by which few draws reduce the correlation with the true deviations.

    spread: standard deviation over mean of the true deviations, c. draws: how many. shrunk: the
    mean of an estimate as a share of the true deviation, None for c4 of normal draws. Squared
    estimates have the true mean, so the variance of the estimates is E[s^2] - c4^2 E[s]^2; the
    factor is c4 c / sqrt(c^2 + 1 - c4^2).
    """
    shrunk = shrinkage(draws) if shrunk is None else shrunk
    return shrunk * spread / (spread**2 + 1 - shrunk**2) ** 0.5


def spread(deviations, draws):
    """Return standard deviation over mean of the true deviations, from estimates of normal draws.

    deviations: estimates (n,). draws: behind each estimate. The result is 0 where they differ no
    more than estimates do.
    """
    found = np.asarray(deviations, float)
    squared = shrinkage(draws) ** 2 * (found**2).mean() / found.mean() ** 2 - 1
    return max(squared, 0.0) ** 0.5


def density(x, y, width=0.25):
    """Return how dense the points around each point are, as a share of the most, float64 (n,).

    x, y: (n,). width: of the Gaussian kernel, in standard deviations of each column.
    """
    columns = np.stack([x, y])
    scales = columns.std(1, keepdims=True)
    columns = columns / np.where(scales > 0, scales, 1)
    apart = ((columns[:, :, None] - columns[:, None, :]) ** 2).sum(0)
    found = np.exp(-apart / (2 * width**2)).sum(1)
    return found / found.max()


def table(preset, name="birds"):
    """Return dicts for each kind, level, output and definition: r with few and with many draws.

    preset, name: see the module. The correlations r are means over the networks.
    """
    rows = []
    for kind, level, seeds in _settings(preset, name):
        for output in sensitivity.OUTPUTS:
            for what in ("variance", "moment"):
                how = {"name": name, "output": output, "what": what}
                rows.append({"kind": kind, "level": level, "output": output, "about": what} | {
                    draws: np.mean([correlation(*values(preset, kind, level, draws, seed=seed,
                                                        **how)) for seed in seeds])
                    for draws in (FEW, MANY)
                })  # fmt: skip
    return rows


def costs(preset, name="birds"):
    """Return a dict for each kind and level: what few draws should cost the correlation, and do.

    preset, name: see the module. spread: of the true deviations. The other two numbers are the
    correlation with few draws as a share of that with many: predicted for normal draws, and
    measured. All are means over the networks.
    """
    rows = []
    for kind, level, seeds in _settings(preset, name):
        found = []
        for seed in seeds:
            how = {"name": name, "seed": seed}
            predicted, few = values(preset, kind, level, FEW, **how)
            _, many = values(preset, kind, level, MANY, **how)
            wide = spread(many, MANY)
            expected = attenuation(wide, FEW) / attenuation(wide, MANY)
            found.append(
                [wide, expected, correlation(predicted, few) / correlation(predicted, many)]
            )
        means = dict(zip(("spread", "predicted", "measured"), np.mean(found, axis=0), strict=True))
        rows.append({"kind": kind, "level": level} | means)
    return rows


def _settings(preset, name):
    """Yield (kind, level, seeds) of the observations."""
    found = seen(preset, name)[0] or {}
    for kind, levels in robustness.PREDICTED.items():
        seeds = sorted(seed for seed, other in found if other == kind)
        for level in levels if seeds else ():
            yield kind, level, seeds


MEASURES = {
    **{
        row: {
            "printed": noise.not_run(row),
            "high": partial(high, kind=kind),
            "ranks": partial(high, kind=kind, statistic=ranked),
            "larger": partial(smaller_at_large, kind=kind),
        }
        for row, kind in ROWS.items()
    },
    "rod-few-samples": {
        "printed": noise.not_run("rod-few-samples"),
        "rgb": partial(more_draws, kind="rgb"),
        "pepper": partial(more_draws, kind="pepper_pixels"),
        "small": partial(more_draws, kind="rgb", which=0),
        "linear": partial(smaller_at_large, kind="rgb", draws=MANY),
    },
}

"""Section 4.2.1 and Supplements B and E of ghosh2019: orderness of feature maps in training.

The peak is the look after the first at which the mean over layers is largest, in the other seeds: a
seed's own largest value would lie above its first one by chance alone. Where orderness only falls,
the peak is the look after the first, and the rise is negative.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from helpers.experiments.ghosh2019 import DATA, INITS, OPTIMISERS
from helpers.verdicts.ghosh2019.records import evidence

EARLY = 0.1  # share of the accuracy's gain that still counts as no steady improvement


@dataclass(frozen=True)
class Progress:
    """Hold what was seen while the seeds of one setting trained.

    steps: (T,). orderness: (seeds, T, layers), of both geometries. accuracy: (seeds, T), on a
    thousand test images. maps: per look, the last layer's single maps of the first seed.
    """

    steps: np.ndarray
    orderness: np.ndarray
    accuracy: np.ndarray
    maps: list
    scale: str


@lru_cache(maxsize=32)
def progress(preset, name, optimiser="adam", init="he_normal"):
    """Return the `Progress` of an experiment's runs with one optimiser and initialisation."""
    found = evidence(name, preset)
    rows = found.frame[(found.frame.optimiser == optimiser) & (found.frame.init == init)]
    looks = list(rows.drop_duplicates("seed").sort_values("seed").watched)
    so = [[[layer["both"] for layer in look["map_orderness"]] for look in w] for w in looks]
    data = rows.data.iloc[0]
    return Progress(
        np.array([look["step"] for look in looks[0]]),
        np.array(so, float),
        np.array([[look["accuracy"] for look in w] for w in looks]),
        [[v for v in look["map_orderness"][-1]["maps"] if v is not None] for look in looks[0]],
        found.scale("cifar10" if data == "photo_patches" else data),
    )


def peaks(seen, layer=None):
    """Return the look at which the other seeds peak, of a layer or of their mean, per seed."""
    curves = seen.orderness.mean(axis=2) if layer is None else seen.orderness[..., layer]
    others = [np.delete(curves, k, axis=0).mean(axis=0) for k in range(len(curves))]
    return np.array([1 + curve[1:].argmax() for curve in others])


def _at(values, looks):
    return values[np.arange(len(looks)), looks]


def rises(seen):
    """Return the smallest rise of any layer from the start to the common peak, per seed."""
    return (_at(seen.orderness, peaks(seen)) - seen.orderness[:, 0]).min(axis=1)


def falls(seen):
    """Return the smallest fall of any layer from the common peak to the end, per seed."""
    return (_at(seen.orderness, peaks(seen)) - seen.orderness[:, -1]).min(axis=1)


def last_most(seen):
    """Return the last layer's fall minus the largest of the other layers', per seed."""
    fall = _at(seen.orderness, peaks(seen)) - seen.orderness[:, -1]
    return fall[:, -1] - fall[:, :-1].max(axis=1)


def before(seen, layer=None):
    """Return the share of the accuracy's gain that is reached at the peak, per seed."""
    start, end = seen.accuracy[:, 0], seen.accuracy[:, -1]
    gained = _at(seen.accuracy, peaks(seen, layer)) - start
    return np.divide(gained, end - start, out=np.zeros_like(gained), where=end != start)


def figure3(preset, data, measure):
    """Return one of the measures above on a data set of Figure 3, and its scale."""
    seen = progress(preset, f"figure3-{data}")
    return measure(seen), seen.scale


def flat_at_peak(seen):
    """Return a tenth minus the share of the accuracy's gain reached at the peak, per seed."""
    return EARLY - before(seen)


def figure5(preset, measure):
    """Return one of the measures on Figure 5's network, and its scale."""
    seen = progress(preset, "figure5")
    return measure(seen), seen.scale


def flat_at_last_peak(seen):
    """Return the same at the peak of the last layer, which Figure 5 speaks of."""
    return EARLY - before(seen, layer=-1)


def last_rises(seen):
    """Return the last layer's rise from the start to its peak, per seed."""
    last = seen.orderness[..., -1]
    return _at(last, peaks(seen, layer=-1)) - last[:, 0]


def everywhere(preset):
    """Return the smallest rise over the data sets of Figure 3, per seed, at the weakest's scale."""
    found = [figure3(preset, data, rises) for data in DATA]
    seeds = min(len(values) for values, _ in found)
    _, scale = min(found, key=lambda one: len(one[0]))
    return np.min([values[:seeds] for values, _ in found], axis=0), scale


def setting(preset, optimiser, init):
    """Return the `Progress` of three layers on MNIST with one optimiser and initialisation."""
    usual = (optimiser, init) == (OPTIMISERS[0], INITS[0])
    return progress(preset, "figure3-mnist" if usual else "dependence", optimiser, init)


def control(preset, optimiser, init):
    """Return the smallest rise of any layer in such a setting, per seed."""
    seen = setting(preset, optimiser, init)
    return rises(seen), seen.scale


def transition(preset, looks=4):
    """Return the last layer's mean orderness at evenly spread looks from the peak on, (seeds, 4).

    The peak is that of all seeds together.
    """
    seen = progress(preset, "figure3-mnist")
    last = seen.orderness[..., -1]
    chosen = np.linspace(last.mean(axis=0).argmax(), last.shape[1] - 1, looks).round().astype(int)
    return last[:, chosen], seen.scale


def smooth(preset):
    """Return one half minus the largest fall between two looks over the whole fall, per seed."""
    seen = progress(preset, "figure3-mnist")
    last = seen.orderness[..., -1]
    peak = last.mean(axis=0).argmax()
    steps = -np.diff(last[:, peak:], axis=1)
    return 0.5 - steps.max(axis=1) / (last[:, peak] - last[:, -1]), seen.scale

"""Section 4.2.1 and Supplements B and E of ghosh2019: orderness of feature maps in training.

The peak is the look after the first at which the mean over layers is largest, in the other seeds: a
seed's own largest value would lie above its first one by chance alone. Where orderness only falls,
the peak is the look after the first, and the rise is negative.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from helpers import observers, presets
from helpers.claims import Measurement
from helpers.experiments.ghosh2019 import DATA, INITS, OPTIMISERS
from helpers.verdicts.ghosh2019.records import evidence

EARLY = 0.1  # share of the accuracy's gain that still counts as no steady improvement


@dataclass(frozen=True)
class Progress:
    """Hold what was seen while the seeds of one setting trained.

    steps: (T,). orderness: (seeds, T, layers), of both geometries. accuracy: (seeds, T), share of a
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
    """Return the rise of each layer's orderness from start to common peak, (seeds, layers)."""
    return _at(seen.orderness, peaks(seen)) - seen.orderness[:, 0]


def falls(seen):
    """Return the fall of each layer's orderness from common peak to end, (seeds, layers)."""
    return _at(seen.orderness, peaks(seen)) - seen.orderness[:, -1]


def last_most(seen):
    """Return the last layer's fall minus that of each other layer, (seeds, layers - 1)."""
    fall = falls(seen)
    return fall[:, -1:] - fall[:, :-1]


def before(seen, layer=None):
    """Return the share of the accuracy's gain that is reached at the peak, per seed."""
    start, end = seen.accuracy[:, 0], seen.accuracy[:, -1]
    gained = _at(seen.accuracy, peaks(seen, layer)) - start
    return np.divide(gained, end - start, out=np.zeros_like(gained), where=end != start)


def flat_at_peaks(seen, layers):
    """Return a tenth minus the share of the accuracy's gain at each layer's peak.

    As a `Measurement` of points (seeds, layers). Its floor is the error of that share from the
    test images: that of the accuracy at the peak, over the whole gain.
    """
    values = EARLY - np.stack([before(seen, layer) for layer in layers], axis=1)
    right = np.stack([_at(seen.accuracy, peaks(seen, layer)) for layer in layers], axis=1)
    error = np.sqrt(right * (1 - right) / observers.LOOKED_AT["accuracy"])
    gain = abs(seen.accuracy[:, -1:] - seen.accuracy[:, :1])
    error = np.divide(error, gain, out=np.zeros_like(error), where=gain > 0)
    names = tuple(f"layer {layer + 1}" for layer in layers)
    return Measurement(values, seen.scale, float(error.mean(axis=0).max()), names)


def _by_layer(seen, measure):
    """Return a measure of orderness by layer, (seeds, layers), as a `Measurement`."""
    values = measure(seen)
    names = tuple(f"layer {k + 1}" for k in range(values.shape[1]))
    return Measurement(values, seen.scale, 0.0, names)


def figure3(preset, data, measure):
    """Return `rises`, `falls` or `last_most` on a data set of Figure 3."""
    return _by_layer(progress(preset, f"figure3-{data}"), measure)


def flat(preset, data):
    """Return `flat_at_peaks` of all layers on a data set of Figure 3."""
    seen = progress(preset, f"figure3-{data}")
    return flat_at_peaks(seen, range(seen.orderness.shape[2]))


def flat_before_last_peak(preset):
    """Return `flat_at_peaks` of the last layer of Figure 5's network, (seeds, 1)."""
    seen = progress(preset, "figure5")
    return flat_at_peaks(seen, [seen.orderness.shape[2] - 1])


def last_rises(preset):
    """Return the rise of the last layer of Figure 5's network from start to its peak, (seeds,)."""
    seen = progress(preset, "figure5")
    last = seen.orderness[..., -1]
    return Measurement(_at(last, peaks(seen, layer=-1)) - last[:, 0], seen.scale, floor=0.0)


def everywhere(preset):
    """Return the rise of every layer on every data set of Figure 3, at the weakest's scale.

    (seeds, layers of all data sets), for the seeds that all of them have.
    """
    found = {data: progress(preset, f"figure3-{data}") for data in DATA}
    seeds = min(len(seen.orderness) for seen in found.values())
    values = [rises(seen)[:seeds] for seen in found.values()]
    names = tuple(
        f"{evidence(f'figure3-{data}', preset).title(data)}, layer {k + 1}"
        for data, own in zip(found, values, strict=True)
        for k in range(own.shape[1])
    )
    scales = sorted((seen.scale for seen in found.values()), key=_strength)
    return Measurement(np.concatenate(values, axis=1), scales[0], 0.0, names)


def _strength(scale):
    """Return how strong evidence of a scale is; a stand-in for missing data makes it weaker."""
    name, *stand_in = scale.split(",")
    return list(presets.PRESETS).index(name), not stand_in


def setting(preset, optimiser, init):
    """Return the `Progress` of three layers on MNIST with one optimiser and initialisation."""
    usual = (optimiser, init) == (OPTIMISERS[0], INITS[0])
    return progress(preset, "figure3-mnist" if usual else "dependence", optimiser, init)


def control(preset, optimiser, init):
    """Return the rise of each layer in such a setting, (seeds, layers)."""
    return _by_layer(setting(preset, optimiser, init), rises)


def transition(preset, looks=4):
    """Return the last layer's mean orderness at evenly spread looks from the peak on, (seeds, 4).

    The peak of a seed is the last layer's in the other seeds.
    """
    seen = progress(preset, "figure3-mnist")
    last, end = seen.orderness[..., -1], len(seen.steps) - 1
    chosen = np.linspace(peaks(seen, layer=-1), end, looks, axis=1).round().astype(int)
    names = ("peak", "a third on", "two thirds on", "end")
    return Measurement(np.take_along_axis(last, chosen, axis=1), seen.scale, 0.0, names)


def smooth(preset):
    """Return half of the whole fall minus each step's fall, so (seeds, looks after the peak).

    Of the last layer's orderness, from its peak in the mean over seeds, which all seeds share.
    """
    seen = progress(preset, "figure3-mnist")
    last = seen.orderness[..., -1]
    peak = last.mean(axis=0).argmax()
    whole, steps = last[:, peak] - last[:, -1], -np.diff(last[:, peak:], axis=1)
    spans = zip(seen.steps[peak:-1], seen.steps[peak + 1 :], strict=True)
    names = tuple(f"steps {start} to {end}" for start, end in spans)
    return Measurement(whole[:, None] / 2 - steps, seen.scale, 0.0, names)

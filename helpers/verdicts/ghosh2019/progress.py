"""Orderness of feature maps during training (ghosh2019, Section 4.2.1, Supplements B and E).

The peak of a seed is the observation after the first at which the mean over layers is largest in
the other seeds: the seed's own largest value would exceed its first one by chance alone. Where
orderness only falls, the peak is the observation after the first, and the rise is negative.

The paper observes at the ends of epochs. We judge its statements on accuracy there, on all test
images, where a record has these observations. Where every layer only falls from the first of them
on, there is no phase before a peak, and nothing to judge.

Everywhere in here, preset is as in `helpers.verdicts`, name is that of an experiment, init that of
the initial weights, and seen is a `Progress`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from helpers import observers, presets
from helpers.claims import Measurement
from helpers.experiments.ghosh2019 import DATA, INITS, OPTIMISERS
from helpers.verdicts.ghosh2019.records import LATER, evidence, named

EARLY = 0.1  # up to this share of the accuracy's gain, there is no steady improvement yet


@dataclass(frozen=True)
class Progress:
    """What we observed while the seeds of one setting trained.

    steps: (T,), optimiser steps of the observations. orderness: (seeds, T, layers), of both
    geometries. accuracy: (seeds, T), share of a thousand test images. maps: for each observation,
    the last layer's single maps in the first seed. scale: of the evidence. images: test images
    behind an accuracy. ends: indices of the observations at the ends of epochs (E,), empty where
    one is missing. tested: (seeds, E), accuracy then on all of `whole` test images.
    """

    steps: np.ndarray
    orderness: np.ndarray
    accuracy: np.ndarray
    maps: list
    scale: str
    images: int = observers.LOOKED_AT["accuracy"]
    ends: tuple = ()
    tested: np.ndarray | None = None
    whole: int = 0

    def by_epoch(self):
        """Return the observations at the ends of epochs, None where there are fewer than three."""
        if len(self.ends) < 3:
            return None
        looks = list(self.ends)
        return replace(
            self, steps=self.steps[looks], orderness=self.orderness[:, looks],
            accuracy=self.tested, maps=[], images=self.whole,
        )  # fmt: skip


@lru_cache(maxsize=32)
def progress(preset, name):
    """Return the `Progress` of an experiment's runs, None where the preset has none.

    preset, name: see the module.
    """
    found = evidence(name, preset)
    rows = found.frame
    if rows.empty:
        return None
    looks = list(rows.drop_duplicates("seed").sort_values("seed").watched)
    so = [[[layer["both"] for layer in look["map_orderness"]] for look in w] for w in looks]
    data = rows.data.iloc[0]
    steps = np.array([look["step"] for look in looks[0]])
    epochs = int(rows.epoch.max())
    closing = steps[-1] // epochs * np.arange(1, epochs + 1)
    tested = rows.pivot_table(index="seed", columns="epoch", values="test_accuracy")
    return Progress(
        steps,
        np.array(so, float),
        np.array([[look["accuracy"] for look in w] for w in looks]),
        [[v for v in look["map_orderness"][-1]["maps"] if v is not None] for look in looks[0]],
        found.scale("cifar10" if data == "photo_patches" else data),
        ends=tuple(np.searchsorted(steps, closing)) if np.isin(closing, steps).all() else (),
        tested=tested.to_numpy(),
        whole=int(rows.test.iloc[0]),
    )


def peaks(seen, layer=None):
    """Return the observation at which the other seeds peak, int (seeds,).

    seen: see the module. layer: its number from 0, None for the mean over layers.
    """
    curves = seen.orderness.mean(axis=2) if layer is None else seen.orderness[..., layer]
    others = [np.delete(curves, k, axis=0).mean(axis=0) for k in range(len(curves))]
    return np.array([1 + curve[1:].argmax() for curve in others])


def _at(values, looks):
    return values[np.arange(len(looks)), looks]


def rises(seen):
    """Return the rise of each layer's orderness from start to common peak, (seeds, layers).

    seen: see the module.
    """
    return _at(seen.orderness, peaks(seen)) - seen.orderness[:, 0]


def falls(seen):
    """Return the fall of each layer's orderness from common peak to end, (seeds, layers).

    seen: see the module.
    """
    return _at(seen.orderness, peaks(seen)) - seen.orderness[:, -1]


def last_most(seen):
    """Return the last layer's fall minus that of each other layer, (seeds, layers - 1).

    seen: see the module.
    """
    fall = falls(seen)
    return fall[:, -1:] - fall[:, :-1]


def before(seen, layer=None):
    """Return the share of the accuracy's gain that is reached at the peak, (seeds,).

    seen: see the module. layer: as for `peaks`.
    """
    start, end = seen.accuracy[:, 0], seen.accuracy[:, -1]
    gained = _at(seen.accuracy, peaks(seen, layer)) - start
    return np.divide(gained, end - start, out=np.zeros_like(gained), where=end != start)


def phases(seen):
    """Return the rise and the fall of each layer, (seeds, twice the layers).

    seen: see the module.
    """
    return np.concatenate([rises(seen), falls(seen)], axis=1)


def flat_at_peaks(seen, layers):
    """Return a tenth minus the share of the accuracy's gain at each layer's peak, (seeds, layers).

    seen: see the module. layers: their numbers from 0. The floor of the `Measurement` is the error
    of that share from the test images: that of the accuracy at the peak, over the whole gain.
    """
    values = EARLY - np.stack([before(seen, layer) for layer in layers], axis=1)
    right = np.stack([_at(seen.accuracy, peaks(seen, layer)) for layer in layers], axis=1)
    error = np.sqrt(right * (1 - right) / seen.images)
    gain = abs(seen.accuracy[:, -1:] - seen.accuracy[:, :1])
    error = np.divide(error, gain, out=np.zeros_like(error), where=gain > 0)
    names = tuple(f"layer {layer + 1}" for layer in layers)
    return Measurement(values, seen.scale, float(error.mean(axis=0).max()), names)


def rising(seen, layers):
    """Return the layers that rise from the first observation to their peak, averaged over seeds.

    seen: see the module. layers: their numbers from 0.
    """
    starts = seen.orderness[:, 0]
    found = []
    for layer in layers:
        top = _at(seen.orderness[..., layer], peaks(seen, layer))
        if (top - starts[:, layer]).mean() > 0:
            found.append(layer)
    return found


def flat_by_epoch(seen, layers):
    """Return `flat_at_peaks` at the ends of epochs, for the layers that rise after the first end.

    seen: see the module. layers: their numbers from 0. The gain is that from the end of the first
    epoch to that of the last. If no layer rises there is nothing to judge, and the values are
    empty.
    """
    looked = seen and seen.by_epoch()
    if looked is None:
        return LATER
    own = rising(looked, layers)
    if not own:
        return Measurement(np.empty((len(looked.orderness), 0)), looked.scale, floor=0.0)
    return flat_at_peaks(looked, own)


def _by_layer(seen, measure, names=("layer {}",)):
    """Return a measure of orderness by layer, (seeds, layers), as a `Measurement`.

    names: of the measure's comparisons of a layer, one after the other.
    """
    if seen is None:
        return LATER
    values = measure(seen)
    layers = range(1, values.shape[1] // len(names) + 1)
    own = tuple(name.format(k) for name in names for k in layers)
    return Measurement(values, seen.scale, 0.0, own)


def figure3(preset, data, measure, init="he_normal"):
    """Return `rises`, `falls` or `last_most` of Figure 3's network.

    preset, init: see the module. data: a name in `experiments.ghosh2019.DATA`. measure: one of
    these functions.
    """
    return _by_layer(progress(preset, named(data, init)), measure)


def rises_by_epoch(preset, name):
    """Return `rises` of an experiment at the ends of epochs.

    preset, name: see the module.
    """
    seen = progress(preset, name)
    return _by_layer(seen and seen.by_epoch(), rises)


def flat(preset, data, init="he_normal"):
    """Return `flat_by_epoch` of all layers of Figure 3's network.

    preset, init: see the module. data: a name in `experiments.ghosh2019.DATA`.
    """
    seen = progress(preset, named(data, init))
    return flat_by_epoch(seen, range(seen.orderness.shape[2]) if seen else ())


def within(preset, name):
    """Return `flat_at_peaks` of all layers of an experiment, from step 0 on.

    preset, name: see the module.
    """
    seen = progress(preset, name)
    return flat_at_peaks(seen, range(seen.orderness.shape[2])) if seen else LATER


def flat_before_last_peak(preset, name="figure5"):
    """Return `flat_by_epoch` of the last layer of Figure 5's network, (seeds, 1).

    preset, name: see the module.
    """
    seen = progress(preset, name)
    return flat_by_epoch(seen, [seen.orderness.shape[2] - 1] if seen else ())


def within_last(preset, name="figure5"):
    """Return `flat_at_peaks` of the last layer of Figure 5's network from step 0 on, (seeds, 1).

    preset, name: see the module.
    """
    seen = progress(preset, name)
    return flat_at_peaks(seen, [seen.orderness.shape[2] - 1]) if seen else LATER


def last_rises(preset, name="figure5"):
    """Return the rise of the last layer of Figure 5's network from start to its peak, (seeds,).

    preset, name: see the module.
    """
    seen = progress(preset, name)
    if seen is None:
        return LATER
    last = seen.orderness[..., -1]
    return Measurement(_at(last, peaks(seen, layer=-1)) - last[:, 0], seen.scale, floor=0.0)


def everywhere(preset, init="he_normal"):
    """Return rise and fall of every layer on every data set of Figure 3, at the weakest scale.

    preset, init: see the module. The values are (seeds, twice the layers of all data sets), for the
    seeds that all of them have.
    """
    found = {data: progress(preset, named(data, init)) for data in DATA}
    if None in found.values():
        return LATER
    seeds = min(len(seen.orderness) for seen in found.values())
    values = [phases(seen)[:seeds] for seen in found.values()]
    names = tuple(
        f"{evidence(named(data, init), preset).title(data)}, layer {k + 1} {how}"
        for data, own in zip(found, values, strict=True)
        for how in ("rises", "falls")
        for k in range(own.shape[1] // 2)
    )
    scales = sorted((seen.scale for seen in found.values()), key=_strength)
    return Measurement(np.concatenate(values, axis=1), scales[0], 0.0, names)


def _strength(scale):
    """Return how strong evidence of a scale is; a stand-in for missing data makes it weaker."""
    name, *stand_in = scale.split(",")
    return list(presets.PRESETS).index(name), not stand_in


def setting(preset, optimiser, init):
    """Return the `Progress` of three layers on MNIST with one optimiser and initialisation.

    preset, init: see the module. optimiser: a name in `experiments.ghosh2019.OPTIMISERS`.
    """
    usual = (optimiser, init) == (OPTIMISERS[0], INITS[0])
    return progress(preset, "figure3-mnist" if usual else f"{optimiser}-{init}")


def control(preset, optimiser, init):
    """Return rise and fall of each layer in such a setting, (seeds, twice the layers).

    preset, optimiser, init: as for `setting`.
    """
    return _by_layer(setting(preset, optimiser, init), phases, ("layer {} rises", "layer {} falls"))


def transition(preset, looks=4, name="figure3-mnist"):
    """Return the last layer's mean orderness at evenly spaced observations from the peak on.

    preset, name: see the module. looks: how many observations. The values are (seeds, looks). The
    peak of a seed is the last layer's in the other seeds.
    """
    seen = progress(preset, name)
    if seen is None:
        return LATER
    last, end = seen.orderness[..., -1], len(seen.steps) - 1
    chosen = np.linspace(peaks(seen, layer=-1), end, looks, axis=1).round().astype(int)
    names = ("peak", "a third of the way", "two thirds of the way", "end")
    return Measurement(np.take_along_axis(last, chosen, axis=1), seen.scale, 0.0, names)


def smooth(preset, name="figure3-mnist"):
    """Return half of the whole fall minus each step's fall, (seeds, observations after the peak).

    preset, name: see the module. It is the fall of the last layer's orderness from its peak after
    the first observation. All seeds share this peak, that of the mean over seeds. Where orderness
    only falls, it is the observation after the first, as everywhere in here.
    """
    seen = progress(preset, name)
    if seen is None:
        return LATER
    last = seen.orderness[..., -1]
    peak = 1 + last.mean(axis=0)[1:].argmax()
    whole, steps = last[:, peak] - last[:, -1], -np.diff(last[:, peak:], axis=1)
    spans = zip(seen.steps[peak:-1], seen.steps[peak + 1 :], strict=True)
    names = tuple(f"steps {start} to {end}" for start, end in spans)
    return Measurement(whole[:, None] / 2 - steps, seen.scale, 0.0, names)

"""Figures 3 and 4 of azulay2019: maps of a network while its picture moves, and read-outs of them.

A response is the map of a picture on black minus the map of the black frame alone, so that what a
channel says of black does not count. A map's factor is how many pixels of the frame its neighbours
are apart.
"""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch

from helpers import evidence, invariance, paths, photos, runs, shift
from helpers.experiments import azulay2019 as experiments
from helpers.models import layers
from helpers.natural import CHUNK
from helpers.pictures import read
from helpers.presets import preset as get
from helpers.verdicts import repeats

TITLES = {"efficientnet_lite0": "EfficientNet-Lite0", "squeezenet1_1": "SqueezeNet 1.1"}
DEPTHS = {  # the name of a depth, and the module that puts out its maps
    "efficientnet_lite0": {
        "stem": "bn1",
        **{f"stage {k + 1}": f"blocks.{k}" for k in range(7)},
        "last": "bn2",
    },
    "squeezenet1_1": {
        "stem": "features.1",
        **{f"fire {k}": f"features.{at}" for k, at in enumerate((3, 4, 6, 7, 9, 10, 11, 12), 2)},
        "last": "classifier.2",
    },
}
SHOWN = {  # depths with factors of 2, 4, then 16 or 8, and the last
    "efficientnet_lite0": ("stem", "stage 2", "stage 4", "last"),
    "squeezenet1_1": ("stem", "fire 3", "fire 5", "last"),
}
FRAME = 224  # px, what both networks expect
PERIOD = 32  # px, the largest factor: after so many every map is sampled as before
RESPONDS = 0.01  # of the strongest channel's response
FEW = ("cat", "astronaut")  # photographs that are shown, and all there are at smoke
READ = ("accuracy", "top probability", "P(top-1 change)", "mean absolute change")
EARLY = 0.05  # azulay2019, Section 3


@dataclass(frozen=True)
class Maps:
    """Hold the responses of one depth to a picture moved down by 0 to `PERIOD` px.

    factor: px. sums: float64 (PERIOD + 1, C), of each channel's response over its map. size:
    float64 (C,), the mean over one period of the sum of its absolute values. missed: float64, a
    value for each channel that responds, see `missed`. top: float32 (PERIOD + 1, H, W), the
    strongest channel's absolute response.
    """

    factor: int
    sums: np.ndarray
    size: np.ndarray
    missed: np.ndarray
    top: np.ndarray

    @property
    def responds(self):
        """Return which channels respond, bool (C,)."""
        return _responds(self.size)

    def spread(self):
        """Return the standard deviation of a sum over one period, relative to the response's size.

        The mean over the channels that respond; 0 where the global sum is kept.
        """
        return self._mean(self.sums[:PERIOD].std(axis=0))

    def apart(self, steps):
        """Return how far sums differ that are so many px apart, relative to the response's size.

        One factor apart the grid lies on the picture as before, and only the border does not.
        """
        return self._mean(abs(self.sums[steps:] - self.sums[:-steps]).mean(axis=0))

    def shares(self):
        """Return what is drawn against depth, by name."""
        return {
            "spread of the sum": self.spread(),
            "half a factor apart": self.apart(self.factor // 2),
            "one factor apart": self.apart(self.factor),
            "missed by interpolation": float(self.missed.mean()),
        }

    def _mean(self, values):
        return float((values[self.responds] / self.size[self.responds]).mean())


def networks():
    """Return the networks at hand: SqueezeNet's weights may not lie in the data folder."""
    there = (paths.data() / "weights" / "squeezenet1_1.pth").is_file()
    return tuple(TITLES) if there else ("efficientnet_lite0",)


def frames(photograph):
    """Return a photograph's middle on black and moved down, uint8 (PERIOD + 1, 3, FRAME, FRAME).

    It is a square of `shift.EMBEDDED` px, in the middle of the frame when half of the way is done.
    """
    picture, size = read(photograph), shift.EMBEDDED
    edge = min(picture.shape[1:])
    top, left = ((length - edge) // 2 for length in picture.shape[1:])
    small = shift.resize(picture[:, top : top + edge, left : left + edge], (size, size))
    made = torch.zeros(PERIOD + 1, 3, FRAME, FRAME, dtype=torch.uint8)
    top, left = (FRAME - size - PERIOD) // 2, (FRAME - size) // 2
    for down, frame in enumerate(made):
        frame[:, top + down : top + down + size, left : left + size] = small
    return made


def responses(network, pixels, modules):
    """Yield the response of each module, float32 (N, C, H, W), to frames uint8 (N, 3, side, side).

    network: a `pretrained.Network`. modules: names of its modules.
    """
    parts = {network.model.get_submodule(name): [] for name in modules}
    with layers.watched(parts, lambda part, made: parts[part].append(made.float().cpu().clone())):
        for chunk in (torch.zeros_like(pixels[:1]), *pixels.split(CHUNK)):
            network.logits(chunk)
    for part in list(parts):
        black, *found = parts.pop(part)
        yield (torch.cat(found) - black).numpy()


@lru_cache(maxsize=64)
def travel(name, photograph):
    """Return {depth: `Maps`} of a network while a photograph moves down."""
    from helpers.models import pretrained

    made = responses(pretrained.load(name), frames(photograph), DEPTHS[name].values())
    named = zip(DEPTHS[name], made, strict=True)
    return {depth: moved(maps) for depth, maps in named}


def moved(maps):
    """Return the `Maps` of responses (PERIOD + 1, C, H, W) to frames of `FRAME` px."""
    factor = 2 ** round(np.log2(FRAME / maps.shape[2]))  # borders take a pixel or two of some maps
    size = abs(maps[:PERIOD]).sum(axis=(2, 3), dtype=float).mean(axis=0)
    sums, lost = maps.sum(axis=(2, 3), dtype=float), missed(maps[:factor, _responds(size)])
    return Maps(factor, sums, size, lost, abs(maps[:, size.argmax()]))


def dense(maps):
    """Return responses at every pixel down the frame, (C, factor * H, W).

    maps: (factor, C, H, W), of a picture moved down by 0 to factor - 1 px. Row i of the map after
    p px is what the picture left where it was would give at pixel factor * i - p.
    """
    factor, channels, height, width = maps.shape
    rows = [maps[0], *(np.roll(maps[p], -1, axis=1) for p in range(factor - 1, 0, -1))]
    return np.stack(rows, axis=2).reshape(channels, factor * height, width)


def missed(maps):
    """Return the share of energy that no interpolation from one of the maps restores, (C,).

    maps: as in `dense`. Of all B the best for each channel, one for all columns and translations
    (azulay2019, Section 3, Definition); the frame counts as periodic. `sampling.missed` has the
    formula and its reason.
    """
    power = (abs(np.fft.fft(dense(maps), axis=1)) ** 2).sum(axis=2)
    groups = power.reshape(len(power), len(maps), -1)  # alike on the grid: along the middle axis
    alike = groups.sum(axis=1)
    kept = np.divide((groups**2).sum(axis=1), alike, out=np.zeros_like(alike), where=alike > 0)
    return 1 - kept.sum(axis=1) / power.sum(axis=1)


def photographs(preset):
    """Return the photographs that move."""
    return FEW if get(preset).name == "smoke" else photos.PHOTOGRAPHS


def by_depth(name, preset):
    """Return {measure: shares (photographs, depths)} of a network, from the first depth on."""
    found = [[maps.shares() for maps in travel(name, p).values()] for p in photographs(preset)]
    return {
        measure: np.array([[depth[measure] for depth in row] for row in found])
        for measure in found[0][0]
    }


def shown(name, photograph):
    """Return the picture and the strongest channel at four depths, for three shifts.

    A list of uint8 (3, H, W). The shifts are none, half of the last map's factor, and the factor.
    """
    found = travel(name, photograph)
    shifts = [0, found["last"].factor // 2, found["last"].factor]
    stages = [frames(photograph)[shifts].float().mean(dim=1).numpy()]
    stages += [found[depth].top[shifts] for depth in SHOWN[name]]
    return [np.uint8(np.rint(255 * maps / maps.max())) for maps in stages]


# Figure 4.


def plain(preset):
    """Return the `Evidence` of the networks that are trained here."""
    return evidence.of("azulay2019", "plain", preset)


def readouts(preset):
    """Return {measure: shares (seeds, depths)} of the networks trained here, and the scale."""
    found = plain(preset)
    seen = found.last().sort_values("seed").observed
    rows = [by_measure(invariance.seen(own, "readouts")) for own in seen]
    shares = {measure: np.array([row[measure] for row in rows]) for measure in READ}
    return shares, found.scale("cifar10")


def by_measure(depths):
    """Return {measure: a list over depths} of what `invariance.readouts` recorded.

    The measures are `READ`, standard errors of the last two over pictures, and n, the pictures.
    """
    unpacked = [invariance.unpack(depth) for depth in depths]
    return {
        "accuracy": [depth["accuracy"] for depth in depths],
        "top probability": [top.mean() for _, top, _ in unpacked],
        "P(top-1 change)": [changed.mean() for changed, _, _ in unpacked],
        "mean absolute change": [change.mean() for _, _, change in unpacked],
        "s.e. of P(top-1 change)": [shift.error(changed) for changed, _, _ in unpacked],
        "s.e. of mean absolute change": [shift.error(change) for _, _, change in unpacked],
        "n": [len(changed) for changed, _, _ in unpacked],
    }


def birds():
    """Return {network: {measure: a list over depths}} on bird species, see `by_measure`.

    Only what is published at study counts: {} as long as one of its records lacks.
    """
    wanted = experiments.birds("study")
    found = [runs.find_published(run) for run in wanted]
    if not all(found):
        return {}
    return {
        TITLES[run.model_args["name"]]: by_measure(record["observations"]["readouts"])
        for run, record in zip(wanted, found, strict=True)
    }


def each(preset, measure):
    """Return a measure of every picture at every depth, (seeds, pictures, depths), and the scale.

    measure: one of the last two of `READ`.
    """
    found, index = plain(preset), {READ[2]: 0, READ[3]: 2}[measure]
    seen = found.last().sort_values("seed").observed
    read = [invariance.seen(own, "readouts") for own in seen]
    values = [[invariance.unpack(depth)[index] for depth in depths] for depths in read]
    return np.array(values, float).transpose(0, 2, 1), found.scale("cifar10")


def deepest_first(preset, measure):
    """Return a measure (seeds, depths) from the deepest read-out to the first."""
    found, scale = each(preset, measure)
    names = tuple(f"depth {k}" for k in range(found.shape[2], 0, -1))
    return repeats.trend(found[..., ::-1], scale, names)


def below_early(preset):
    """Return 5 % minus the share of predictions that change at the first depth, (seeds,)."""
    found, scale = each(preset, "P(top-1 change)")
    return repeats.over_trainings(EARLY - found[..., 0], scale)


def _responds(size):
    return size > RESPONDS * size.max()


MEASURES = {
    "aw-fig3": {},
    "aw-fig4": {
        "depth": partial(deepest_first, measure="P(top-1 change)"),
        "mac": partial(deepest_first, measure="mean absolute change"),
        "early": below_early,
    },
}

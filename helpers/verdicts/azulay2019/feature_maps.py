"""Maps of a network while its image moves, and read-outs of them (azulay2019, Figures 3 and 4).

A response is the map of an image on black minus the map of a black frame, so that a channel's
answer to black does not count. A map's factor is the distance of its neighbours in pixels of the
frame.

Everywhere in here, name is a key of `TITLES`, the network, and preset is as in `helpers.verdicts`.
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
DEPTHS = {  # the name of a depth, and the module whose output its maps are
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
FRAME = 224  # px, the input side of both networks
PERIOD = 32  # px, the largest factor: after so many px, every map is sampled as before
RESPONDS = 0.01  # of the strongest channel's response, the least that counts
FEW = ("cat", "astronaut")  # photographs in figures, and the only ones at `smoke`
READ = ("accuracy", "top probability", "P(top-1 change)", "mean absolute change")
EARLY = 0.05  # azulay2019, Section 3


@dataclass(frozen=True)
class Maps:
    """Responses at one depth to an image moved down by 0 to `PERIOD` px.

    factor: px. sums: float64 (PERIOD + 1, C), of each channel's response over its map. size:
    float64 (C,), the mean over one period of the sum of its absolute values. missed: float64, one
    value for each channel that responds, see the function. top: float32 (PERIOD + 1, H, W), the
    strongest channel's absolute response.
    """

    factor: int
    sums: np.ndarray
    size: np.ndarray
    missed: np.ndarray
    top: np.ndarray

    @property
    def responds(self):
        """Which channels respond, bool (C,)."""
        return _responds(self.size)

    def spread(self):
        """Return the standard deviation of a sum over one period, relative to the response's size.

        It is the mean over the channels that respond; 0 means that the global sum is kept.
        """
        return self._mean(self.sums[:PERIOD].std(axis=0))

    def apart(self, steps):
        """Return how far two sums differ, relative to the response's size.

        steps: px from one to the other. One factor apart, the grid lies on the image as before, and
        only the border does not.
        """
        return self._mean(abs(self.sums[steps:] - self.sums[:-steps]).mean(axis=0))

    def shares(self):
        """Return what figures show against depth, by name."""
        return {
            "spread of the sum": self.spread(),
            "half a factor apart": self.apart(self.factor // 2),
            "one factor apart": self.apart(self.factor),
            "missed by interpolation": float(self.missed.mean()),
        }

    def _mean(self, values):
        return float((values[self.responds] / self.size[self.responds]).mean())


def networks():
    """Return the networks at hand: SqueezeNet's weights may be missing from the data folder."""
    there = (paths.data() / "weights" / "squeezenet1_1.pth").is_file()
    return tuple(TITLES) if there else ("efficientnet_lite0",)


def frames(photograph):
    """Return a photograph's middle on black, moved down, uint8 (PERIOD + 1, 3, FRAME, FRAME).

    photograph: its name. The middle is a square of `shift.EMBEDDED` px, and half-way it is in the
    middle of the frame.
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
    """Yield the response of each module, float32 (N, C, H, W).

    network: a `pretrained.Network`. pixels: frames uint8 (N, 3, side, side). modules: names of
    modules in the network.
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
    """Return {depth: `Maps`} of a network while a photograph moves down.

    name: see the module. photograph: its name.
    """
    from helpers.models import pretrained

    made = responses(pretrained.load(name), frames(photograph), DEPTHS[name].values())
    named = zip(DEPTHS[name], made, strict=True)
    return {depth: moved(maps) for depth, maps in named}


def moved(maps):
    """Return the `Maps` of responses.

    maps: (PERIOD + 1, C, H, W), to frames of `FRAME` px.
    """
    factor = 2 ** round(np.log2(FRAME / maps.shape[2]))  # some maps lose a pixel or two at borders
    size = abs(maps[:PERIOD]).sum(axis=(2, 3), dtype=float).mean(axis=0)
    sums, lost = maps.sum(axis=(2, 3), dtype=float), missed(maps[:factor, _responds(size)])
    return Maps(factor, sums, size, lost, abs(maps[:, size.argmax()]))


def dense(maps):
    """Return responses at every pixel down the frame, (C, factor * H, W).

    maps: (factor, C, H, W), of an image moved down by 0 to factor - 1 px. Row i of the map after p
    px is what the unmoved image would give at pixel factor * i - p.
    """
    factor, channels, height, width = maps.shape
    rows = [maps[0], *(np.roll(maps[p], -1, axis=1) for p in range(factor - 1, 0, -1))]
    return np.stack(rows, axis=2).reshape(channels, factor * height, width)


def missed(maps):
    """Return the share of energy that no interpolation from one of the maps restores, (C,).

    maps: as in `dense`. We take the best B for each channel, one for all columns and translations
    (azulay2019, Section 3, Definition), and treat the frame as periodic. `sampling.missed` has the
    formula and its reason.
    """
    power = (abs(np.fft.fft(dense(maps), axis=1)) ** 2).sum(axis=2)
    groups = power.reshape(len(power), len(maps), -1)  # alike on the grid: along the middle axis
    alike = groups.sum(axis=1)
    kept = np.divide((groups**2).sum(axis=1), alike, out=np.zeros_like(alike), where=alike > 0)
    return 1 - kept.sum(axis=1) / power.sum(axis=1)


def photographs(preset):
    """Return the names of the photographs that move, at a preset."""
    return FEW if get(preset).name == "smoke" else photos.PHOTOGRAPHS


def by_depth(name, preset):
    """Return {measure: shares (photographs, depths)} of a network, from the first depth on.

    name, preset: see the module.
    """
    found = [[maps.shares() for maps in travel(name, p).values()] for p in photographs(preset)]
    return {
        measure: np.array([[depth[measure] for depth in row] for row in found])
        for measure in found[0][0]
    }


def shown(name, photograph):
    """Return the image and the strongest channel at four depths, for three shifts.

    name: see the module. photograph: its name. The result is a list of uint8 (3, H, W). The shifts
    are none, half of the last map's factor, and the factor.
    """
    found = travel(name, photograph)
    shifts = [0, found["last"].factor // 2, found["last"].factor]
    stages = [frames(photograph)[shifts].float().mean(dim=1).numpy()]
    stages += [found[depth].top[shifts] for depth in SHOWN[name]]
    return [np.uint8(np.rint(255 * maps / maps.max())) for maps in stages]


# Figure 4.


def plain(preset):
    """Return the `Evidence` of our own networks at a preset."""
    return evidence.of("azulay2019", "plain", preset)


def readouts(preset):
    """Return {measure: shares (seeds, depths)} of our own networks at a preset, and the scale."""
    found = plain(preset)
    seen = found.last().sort_values("seed").observed
    rows = [by_measure(invariance.seen(own, "readouts")) for own in seen]
    shares = {measure: np.array([row[measure] for row in rows]) for measure in READ}
    return shares, found.scale("cifar10")


def by_measure(depths):
    """Return {measure: a list over depths}: `READ`, and standard errors of the last two.

    depths: a list, as `invariance.readouts` recorded it. The errors are over images, and n is their
    number.
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

    Only records published at `study` count; the result is {} if one of them is missing.
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
    """Return a measure of every image at every depth, (seeds, images, depths), and the scale.

    preset: see the module. measure: one of the last two of `READ`.
    """
    found, index = plain(preset), {READ[2]: 0, READ[3]: 2}[measure]
    seen = found.last().sort_values("seed").observed
    read = [invariance.seen(own, "readouts") for own in seen]
    values = [[invariance.unpack(depth)[index] for depth in depths] for depths in read]
    return np.array(values, float).transpose(0, 2, 1), found.scale("cifar10")


def deepest_first(preset, measure):
    """Return a measure from the deepest read-out to the first, (seeds, depths).

    preset: see the module. measure: as for `each`.
    """
    found, scale = each(preset, measure)
    names = tuple(f"depth {k}" for k in range(found.shape[2], 0, -1))
    return repeats.trend(found[..., ::-1], scale, names)


def below_early(preset):
    """Return 5 % minus the share that changes at the first depth, at a preset, (seeds,)."""
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

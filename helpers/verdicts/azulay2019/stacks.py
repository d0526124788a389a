"""What strides and ReLUs do to the maps of stacked layers (azulay2019, Section 3).

Stacks have random weights, fixed by a seed, in float64. Images are periodic unless said otherwise:
(1, 1, N, N), moved by `numpy.roll`. A map after strides that multiply to S contains every S-th
place of a dense map, the values for all translations: we test that with the tools of `sampling`.

Everywhere in here, seed is that of weights and image, n the side of the image in px, and step a
stride.
"""

import warnings
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from torch.nn import functional

from helpers.claims import Measurement
from helpers.errors import one_of
from helpers.verdicts.azulay2019 import sampling
from helpers.verdicts.azulay2019.sampling import FLOAT, missed, spread
from helpers.verdicts.ivan2019.untrained import ANY

SEEDS, CHANNELS = 10, 4
STRIDES = (2, 2, 2)


@lru_cache(maxsize=64)
def weights(depth, seed, bias=True):
    """Return [(filters (C, in, 3, 3), biases (C,))] of a stack, for one grey image.

    depth: layers. seed: see the module. bias: whether biases differ from 0.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for layer in range(depth):
        fan_in = 9 * (CHANNELS if layer else 1)
        shape = (CHANNELS, fan_in // 9, 3, 3)
        filters = torch.randn(shape, generator=generator, dtype=torch.float64)
        offsets = torch.randn(CHANNELS, generator=generator, dtype=torch.float64)
        layers.append((filters * (2 / fan_in) ** 0.5, 0.3 * bias * offsets))
    return layers


def _padded(x, before, after, padding):
    one_of("padding", padding, ("circular", "zero", "valid"))
    if padding == "valid":
        return x
    mode = "circular" if padding == "circular" else "constant"
    return functional.pad(x, (before, after, before, after), mode=mode)


def maps(x, layers, strides=None, nonlinear=True, padding="circular", dilation=1, pool=0):
    """Return the map after each layer, a list of float64 (B, C, n, n).

    x: images (B, 1, N, N). layers: as from `weights`. strides: of each layer, None for all one.
    nonlinear: whether there are ReLUs. padding: circular, zero or valid, which is none. dilation:
    of the kernels. pool: the dilation of a 2x2 max pooling after each layer, 0 for none. A layer is
    a convolution, the ReLU, the pooling, and only then the stride. Raises `InputError` for another
    padding.
    """
    found = []
    for (filters, bias), stride in zip(layers, strides or [1] * len(layers), strict=True):
        x = functional.conv2d(
            _padded(x, dilation, dilation, padding), filters, bias, dilation=dilation
        )
        x = x.relu() if nonlinear else x
        if pool:
            x = functional.max_pool2d(_padded(x, 0, pool, padding), 2, 1, dilation=pool)
        x = x[..., ::stride, ::stride]
        found.append(x)
    return found


def picture(seed, n=32, step=None):
    """Return a random image, float64 (n, n), of standard deviation 1 if it is low-pass.

    seed, n: see the module. step: cut all that is at or above the Nyquist limit of this step, None
    for nothing.
    """
    image = np.random.default_rng(seed).normal(size=(n, n))
    if step is None:
        return image
    blurred = sampling.low_pass(image, step)
    return blurred / blurred.std()


def translated(image, shifts):
    """Return an image moved by each of some translations, (B, 1, n, n).

    image: (n, n). shifts: pairs (down, right), px.
    """
    moved = np.stack([np.roll(image, shift, (0, 1)) for shift in shifts])
    return torch.from_numpy(moved)[:, None]


def change(pooled):
    """Return the largest relative change of pooled features from the first, (B,).

    pooled: (B, C).
    """
    pooled = np.asarray(pooled)
    return abs(pooled - pooled[0]).max(axis=1) / abs(pooled[0]).max()


def pooled(image, shifts, layers, **how):
    """Return the global means of the last map for each translation of an image, (B, C).

    image, shifts: as for `translated`. layers, how: arguments of `maps`.
    """
    return maps(translated(image, shifts), layers, **how)[-1].mean(dim=(2, 3)).numpy()


def dense(image, layers, strides, nonlinear=True):
    """Return the dense version of each layer's map, float64 (C, N, N), and its stride, as a list.

    image: (N, N). layers, strides, nonlinear: as for `maps`.
    """
    found = []
    for depth in range(1, len(layers) + 1):
        step = int(np.prod(strides[:depth]))
        back = [(-a, -b) for a, b in product(range(step), repeat=2)]
        batch = translated(image, back)
        last = maps(batch, layers[:depth], strides[:depth], nonlinear)[-1].numpy()
        n = last.shape[-1]
        places = last.reshape(step, step, CHANNELS, n, n).transpose(2, 3, 0, 4, 1)
        found.append((places.reshape(CHANNELS, n * step, n * step), step))
    return found


def squares(step, n):
    """Return all translations (down, right) by multiples of `step` below n."""
    return list(product(range(0, n, step), repeat=2))


# Observation.


def circular(_, n=12):
    """Return the largest relative change of the global mean, without stride, over all translations.

    n: see the module.
    """
    found = [change(pooled(picture(k, n), squares(1, n), weights(6, k))) for k in range(SEEDS)]
    return float(np.max(found)), ANY


DEPTH, CANVAS, THING = 3, 24, 4  # layers of 3x3, so a reach of 3 px; pixels of image and object


def embedded(seed, shifts, padding):
    """Return the change of the global mean as an object on black moves, (B,).

    seed: see the module. shifts: places (row, column) of the object's corner, of which the first is
    the reference. padding: zero or valid.
    """
    object_ = 1 + picture(seed, THING)
    canvases = np.zeros((len(shifts), 1, CANVAS, CANVAS))
    for canvas, (row, column) in zip(canvases, shifts, strict=True):
        canvas[0, row : row + THING, column : column + THING] = object_
    last = maps(torch.from_numpy(canvases), weights(DEPTH, seed), padding=padding)[-1]
    return change(last.mean(dim=(2, 3)))


def by_distance(padding):
    """Return the change for an object d px from the left edge, d = 0 ... 9, (seeds, 10).

    padding: zero or valid.
    """
    middle = (CANVAS - THING) // 2
    places = [(middle, middle), *[(middle, d) for d in range(middle)]]
    return np.array([embedded(seed, places, padding)[1:] for seed in range(SEEDS)])


def far_inside(_):
    """Return the largest change, for both paddings, of objects twice the reach from all edges."""
    free = range(2 * DEPTH, CANVAS - THING - 2 * DEPTH + 1)
    places = list(product(free, free))
    paddings = ("zero", "valid")
    return float(max(embedded(0, places, padding).max() for padding in paddings)), ANY


def at_edge(_, padding):
    """Return the change of an object that touches the edge, (seeds,).

    padding: zero or valid.
    """
    return by_distance(padding)[:, 0], ANY


# Translations by multiples of the strides.


def whole_strides(_, n=32):
    """Return the largest change under translations by multiples of eight, strides 2, 2, 2.

    n: see the module.
    """
    found = [
        change(pooled(picture(k, n), squares(8, n), weights(3, k), strides=STRIDES))
        for k in range(SEEDS)
    ]
    return float(np.max(found)), ANY


def other_shifts(_):
    """Return how many of the 63 other translations keep the global mean, over all seeds."""
    kept = 0
    for k in range(SEEDS):
        found = pooled(picture(k), squares(1, 8), weights(3, k), strides=STRIDES)
        kept += int((change(found)[1:] < 1e-9).sum())
    return kept, ANY


def padded_strides(_, n=32):
    """Return the change under translations by multiples of eight, with zero padding, (seeds, 15).

    n: see the module.
    """
    how = {"strides": STRIDES, "padding": "zero"}
    shifts = squares(8, n)
    changes = [change(pooled(picture(k, n), shifts, weights(3, k), **how)) for k in range(SEEDS)]
    names = tuple(f"{down} px down, {right} px right" for down, right in shifts[1:])
    return Measurement(np.array(changes)[:, 1:], ANY, names=names)


@lru_cache(maxsize=1)
def inception():
    """Return timm's InceptionResNetV2 without memory for its weights: for shapes only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a widget library that its progress bars want
        import timm  # here, because the import takes seconds
    with torch.device("meta"):
        return timm.create_model("inception_resnet_v2", pretrained=False).eval()


def last_side(side):
    """Return the side of InceptionResNetV2's last map, px.

    side: of the square image, px.
    """
    image = torch.empty(1, 3, side, side, device="meta")
    return inception().forward_features(image).shape[-1]


def subsampling(_, more=1920):
    """Return how many px of the image one px of the last map stands for: more / growth of the map.

    more: px by which we enlarge the image.
    """
    return more / (last_side(299 + more) - last_side(299)), ANY


def share(_):
    """Return n where one in n translations is a multiple of the subsampling factor both ways."""
    return subsampling(_)[0] ** 2, ANY


# Observation 2 and its corollary.


def against_dilated(seed, step, pool=0, pool_dilation=0, n=24):
    """Return how far the two sides of Observation 2 are apart, relative to the larger map.

    seed, step, n: see the module. pool: 1 for a max pooling after each layer; pool_dilation: its
    dilation in the dilated stack.
    """
    image, layers = translated(picture(seed, n), [(0, 0)]), weights(3, seed)
    first = maps(image[..., ::step, ::step], layers, pool=pool)[-1]
    second = maps(image, layers, dilation=step, pool=pool_dilation)[-1][..., ::step, ::step]
    return float((first - second).abs().max() / first.abs().max())


def observation2(_):
    """Return the largest difference of the two sides, for s of 2, 3 and 4."""
    return max(against_dilated(k, step) for k in range(SEEDS) for step in (2, 3, 4)), ANY


def pools_dilated(_):
    """Return the largest difference with pooling, dilated as the kernels are."""
    return max(against_dilated(k, s, 1, s) for k in range(SEEDS) for s in (2, 3, 4)), ANY


def pools_as_they_were(_):
    """Return the difference with pooling windows left undilated, s = 2, (seeds,)."""
    return np.array([against_dilated(seed, 2, 1, 1) for seed in range(SEEDS)]), ANY


def dilated(seed, nonlinear=True, blurred=False, step=2):
    """Return r2 of Observation 2, float64 (C, N, N), for a random image.

    seed, step: see the module. nonlinear: whether there are ReLUs. blurred: whether the image is
    low-pass for this step.
    """
    image = translated(picture(seed, step=step if blurred else None), [(0, 0)])
    return maps(image, weights(3, seed), nonlinear=nonlinear, dilation=step)[-1][0].numpy()


def corollary2(_):
    """Return how many maps with frequencies above the limit some B still rebuilds."""
    found = [r for seed in range(SEEDS) for r in dilated(seed)]
    above = [r for r in found if abs(r - sampling.low_pass(r, 2)).max() > FLOAT]
    return sum(missed(r, 2) < FLOAT for r in above), ANY


def blurred_linear(_):
    """Return the largest share that is missed where r2 has nothing above the limit."""
    found = [r for k in range(SEEDS) for r in dilated(k, nonlinear=False, blurred=True)]
    return max(missed(r, 2) for r in found), ANY


# Blurring the input, and one stride at the end.


def layered(seed, nonlinear, measure, n=64):
    """Return the largest measure(r, s) over the maps of each layer, a list over layers.

    seed, n: see the module. nonlinear: whether there are ReLUs. measure: `missed` or `spread`. The
    input is below the last limit.
    """
    image = picture(seed, n, step=int(np.prod(STRIDES)))
    found = dense(image, weights(3, seed), STRIDES, nonlinear)
    return [max(measure(r, step) for r in channels) for channels, step in found]


def linear(_, measure):
    """Return the largest measure over layers and seeds, without ReLUs.

    measure: as for `layered`.
    """
    return max(max(layered(seed, False, measure)) for seed in range(SEEDS)), ANY


def nonlinear(_, measure):
    """Return the measure of the last layer with ReLUs, (seeds,).

    measure: as for `layered`.
    """
    return np.array([layered(seed, True, measure)[-1] for seed in range(SEEDS)]), ANY


POOLS = ("none", "box", "bin-5", "ideal")


def deep(seed, pool, step=2, depth=10, n=32):
    """Return a map of layers with stride one, after a pooling, float64 (C, N, N).

    seed, n: see the module. pool: a name in `POOLS`; box is a mean over step x step px, for a
    stride of `step`. depth: layers. Raises `InputError` for another pool.
    """
    one_of("pool", pool, POOLS)
    last = maps(translated(picture(seed, n), [(0, 0)]), weights(depth, seed))[-1][0].numpy()
    if pool == "ideal":
        return np.stack([sampling.low_pass(r, step) for r in last])
    taps = {"none": np.ones(1), "box": np.ones(step) / step, "bin-5": sampling.BIN5 / 16}[pool]
    for axis in (1, 2):
        last = sum(tap * np.roll(last, k, axis) for k, tap in enumerate(taps))
    return last


def one_stride(seed, pool, measure, step=2):
    """Return the largest measure(r, s) over the channels of `deep`.

    seed, step: see the module. pool: a name in `POOLS`. measure: as for `layered`.
    """
    return max(measure(r, step) for r in deep(seed, pool, step))


def ideal_pool(_):
    """Return the largest share missed and change of grid sums, for strides 2 and 4."""
    cases = product(range(SEEDS), (missed, spread), (2, 4))
    return max(one_stride(seed, "ideal", measure, step) for seed, measure, step in cases), ANY


def finite_pool(_, pool):
    """Return the share missed after a finite window, (seeds,).

    pool: a name in `POOLS`.
    """
    return np.array([one_stride(seed, pool, missed) for seed in range(SEEDS)]), ANY


def finite_sums(_):
    """Return the largest change of grid sums after a box and after bin-5, stride 2."""
    cases = product(range(SEEDS), ("box", "bin-5"))
    return max(one_stride(seed, pool, spread) for seed, pool in cases), ANY

"""The two layers of juefei2018: Figures 1 to 3, Eqs. 1 and 2 (Sections 3.1 and 3.2)."""

import numpy as np
import torch
from scipy.signal import convolve2d
from torch import nn
from torch.nn import functional

from helpers.models.local_binary import LocalBinary
from helpers.models.perturbative import Perturbation
from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.juefei2018.macro import BINARY, largest


def moved(_, learnt, side=6):
    """Return how far a step moves the fixed part of both layers, or how many weights it leaves.

    learnt: false for the masks and binary filters, true for the linear weights (Figure 1). side: of
    the input, px.
    """
    torch.manual_seed(0)
    worst = 0.0
    for layer in (Perturbation(3, 4, side, norm=False, bias=False), LocalBinary(3, 4)):
        before = {name: value.clone() for name, value in layer.state_dict().items()}
        optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
        layer(torch.randn(8, 3, side, side)).square().mean().backward()
        optimiser.step()
        for name, value in layer.state_dict().items():
            step = (value - before[name]).abs()
            if name.startswith("combine") == learnt:
                worst = max(worst, (step == 0).sum().item() if learnt else step.max().item())
    return worst, ANY


def fed_by(_, kernel, side=5):
    """Return how many pixels feed the middle one of a layer's output (Figure 3).

    kernel: size of the convolution, px; None for a fully connected layer. side: of the input, px.
    """
    torch.manual_seed(0)
    x = torch.randn(1, 1, side, side, requires_grad=True)
    y = (
        nn.Linear(side**2, side**2)(x.flatten(1)).reshape(x.shape)
        if kernel is None
        else nn.Conv2d(1, 1, kernel, padding=kernel // 2)(x)
    )
    y[0, 0, side // 2, side // 2].backward()
    return float((x.grad != 0).sum()), ANY


def binary_patch(_, count=20):
    """Return the largest error of Figure 2's sum of nine pixels, over `count` random patches."""
    worst = 0.0
    for patch in np.random.default_rng(0).normal(size=(count, 3, 3)):
        x = dict(enumerate(patch.ravel(), start=1))
        y = x[1] + x[3] + x[5] + x[7] + x[9] - x[2] - x[4] - x[6] - x[8]
        worst = max(worst, abs(y - convolve2d(patch, BINARY, "valid").item()))
    return float(worst), ANY


def real_patch(_, count=20):
    """Return the largest difference of sum(w_i x_i), the filter rotated by 180°, and a convolution.

    count: random patches and filters (Figure 2).
    """
    rng = np.random.default_rng(1)
    patches, filters = rng.normal(size=(2, count, 3, 3))
    pairs = zip(patches, filters, strict=True)
    found = [convolve2d(p, w, "valid").item() - (p * w[::-1, ::-1]).sum() for p, w in pairs]
    return largest(found), ANY


def channel_of(masks, channels):
    """Return c(i), the channel that mask i is added to, int (masks,).

    masks, channels: how many there are. Each channel gets masks / channels of them.
    """
    return np.arange(masks) * channels // masks


def perturb(x, masks, weights, relu=True):
    """Return sum_i relu(N_i + x_c(i)) V_i^t, float64 (q, H, W) (Eq. 2).

    x: (p, H, W). masks: N (m, H, W). weights: V (q, m). relu: false leaves the ReLU out.
    """
    maps = x[channel_of(len(masks), len(x))] + masks
    return np.einsum("tm,mhw->thw", weights, np.maximum(maps, 0) if relu else maps)


def layers(p=4, m=8, q=5, side=6, seed=0):
    """Return random x (p, H, W), binary filters (m, p, 3, 3), masks (m, H, W) and weights (q, m).

    p, m, q: input channels, masks, output channels. side: H and W, px. seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    filters = rng.choice([-1.0, 0, 1], (m, p, 3, 3), p=[0.25, 0.5, 0.25])
    masks = rng.uniform(-1, 1, (m, side, side))
    return rng.normal(size=(p, side, side)), filters, masks, rng.normal(size=(q, m))


def _one_by_one(maps, weights):
    """Return relu, then a 1 x 1 convolution, of torch maps (m, H, W), as numpy (q, H, W)."""
    return functional.conv2d(maps.relu()[None], torch.from_numpy(weights)[..., None, None])[
        0
    ].numpy()


def local_binary(_):
    """Return the largest difference between Eq. 1, term by term, and three standard layers."""
    x, filters, _, weights = layers()
    summed = 0
    for b, w in zip(filters, weights.T, strict=True):
        inner = sum(convolve2d(c, s, "same") for c, s in zip(x, b, strict=True))
        summed = summed + w[:, None, None] * np.maximum(inner, 0)
    turned = torch.from_numpy(np.ascontiguousarray(filters[..., ::-1, ::-1]))  # torch correlates
    stock = _one_by_one(functional.conv2d(torch.from_numpy(x)[None], turned, padding=1)[0], weights)
    return largest(summed - stock), ANY


def binary_span(_, filters=32):
    """Return how many of the 9 dimensions of 3 x 3 filters random binary ones do not span.

    filters: how many binary ones (Section 3.1).
    """
    _, binary, _, _ = layers(p=1, m=filters)
    return 9 - int(np.linalg.matrix_rank(binary.reshape(filters, 9))), ANY


def perturbation(_):
    """Return the largest difference between Eq. 2, term by term for m = p, and standard layers."""
    x, _, masks, weights = layers(p=6, m=6)
    summed = 0
    for n, channel, v in zip(masks, x, weights.T, strict=True):
        summed = summed + v[:, None, None] * np.maximum(n + channel, 0)
    stock = _one_by_one(torch.from_numpy(x + masks), weights)
    return max(largest(summed - stock), largest(summed - perturb(x, masks, weights))), ANY


def channels_read(_, p=4, m=8):
    """Return how many of the channels x_1 ... x_m that Eq. 2 reads exist.

    p: channels. m: masks.
    """
    return len(set(range(m)) & set(range(p))), ANY


def masks_per_channel(_, shapes=((4, 4), (4, 8), (3, 12), (64, 256))):
    """Return how far c(i) = ceil(i p / m) is from m / p masks a channel, over shapes (p, m)."""
    worst = 0.0
    for p, m in shapes:
        printed = (
            np.array([-(-i * p // m) for i in range(1, m + 1)]) - 1
        )  # the formula counts channels from 1
        counts = np.bincount(channel_of(m, p), minlength=p)
        worst = max(worst, largest(counts - m / p), largest(printed - channel_of(m, p)))
    return worst, ANY

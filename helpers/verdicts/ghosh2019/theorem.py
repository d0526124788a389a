"""Theorem 1 and its corollaries on real gradients (ghosh2019, Section 5 and Supplement A).

Everywhere in here, kernel is the side of the kernels and block that of the blocks, in px.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional

from helpers import datasets, orderness
from helpers.verdicts.ghosh2019.theory import block_means, triples
from helpers.verdicts.ivan2019.untrained import ANY

IMAGES, FILTERS, STEPS, RATE = 64, 8, 30, 0.1


@dataclass(frozen=True)
class Trained:
    """A first layer trained by plain gradient descent, and what its kernels are made of.

    inputs: (N, S, S). before, after: kernels (F, K, K). updates: C (F, N, M), the sum over steps of
    -rate * gradient at each of the M output places. patches: (N, M, K * K), the inputs that each
    output place sees, so that after - before = sum of updates * patches.
    """

    inputs: np.ndarray
    before: np.ndarray
    after: np.ndarray
    updates: np.ndarray
    patches: np.ndarray

    @property
    def change(self):
        """What training added to the kernels, (F, K, K)."""
        return self.after - self.before

    def alpha(self):
        """Return N_total times the sum of squared updates, (F,) (Eq. 10)."""
        total = self.updates[0].size
        return total * (self.updates**2).sum(axis=(1, 2))


@lru_cache(maxsize=8)
def trained(kernel=3, side=28, seed=0):
    """Train one unpadded convolution and a linear layer on MNIST, and return the `Trained` layer.

    kernel: see the module. side: of the images, px. seed: of the weights. Training is in float64,
    with all images in every step.
    """
    images = datasets.load("mnist", "train", IMAGES)
    x = torch.from_numpy(images.pixels[..., :side, :side] / 255.0)
    y = torch.from_numpy(images.labels)
    generator = torch.Generator().manual_seed(seed)
    places = (side - kernel + 1) ** 2
    w = torch.randn(FILTERS, 1, kernel, kernel, dtype=torch.float64, generator=generator)
    w = (w / kernel).requires_grad_()
    head = torch.randn(10, FILTERS * places, dtype=torch.float64, generator=generator)
    head = (head / head.shape[1] ** 0.5).requires_grad_()
    before, updates = w.detach().clone(), 0
    for _ in range(STEPS):
        out = functional.conv2d(x, w)
        out.retain_grad()
        loss = functional.cross_entropy(functional.relu(out).flatten(1) @ head.T, y)
        gradients = torch.autograd.grad(loss, (w, head, out))
        with torch.no_grad():
            for parameter, gradient in zip((w, head), gradients[:2], strict=True):
                parameter -= RATE * gradient
        updates = updates - RATE * gradients[2]
    patches = functional.unfold(x, kernel).transpose(1, 2)  # (N, M, K * K)
    arrays = (x[:, 0], before[:, 0], w.detach()[:, 0], updates.flatten(2).swapaxes(0, 1), patches)
    return Trained(*(array.numpy() for array in arrays))


def sum_of_inputs(_):
    """Return the largest difference between a kernel's change and the sum of Eq. 8."""
    net = trained()
    summed = np.einsum("fnm,nmk->fk", net.updates, net.patches).reshape(net.change.shape)
    return float(abs(summed - net.change).max()), ANY


def left_out(_):
    """Return the largest difference between Eq. 8's sum and the kernel itself, as printed."""
    return float(abs(trained().before).max()), ANY


def bounds(kernel=3, block=1):
    """Return (left, right) of Theorem 1's two inequalities for each filter, float64 (2, 2, F).

    kernel, block: see the module. The expectations run over all triples of kernel places and over
    all images and output places. A block above 1 px replaces places by means of block x block
    (Corollary 1.2).
    """
    net = trained(kernel)
    side = kernel // block
    means = block_means(kernel, block)
    weights = net.change.reshape(len(net.change), -1) @ means.T
    patches = net.patches @ means.T
    p, q, r = triples(side).T
    left = [((weights[:, p] - weights[:, o]) ** 2).mean(axis=1) for o in (q, r)]
    right = [net.alpha() * ((patches[..., p] - patches[..., o]) ** 2).mean() for o in (q, r)]
    return np.array([left, right]).swapaxes(0, 1)


def violation(_, kernel=3, block=1, which=0):
    """Return by how much a bound is exceeded at most, 0 if it holds for every filter.

    kernel, block: see the module. which: 0 or 1, the inequality.
    """
    left, right = bounds(kernel, block)[which]
    return float(np.maximum(left - right, 0).max()), ANY


def printed_mean(_, kernel=6, block=2):
    """Return the largest difference between the two sides of Equation 21 as printed.

    kernel, block: see the module. The left side is a mean over p of w(q), which does not depend on
    p: the weight itself. The right one is the sum of block means of the inputs. Here q is the place
    next to the first block.
    """
    net = trained(kernel)
    means = block_means(kernel, block)
    right = np.einsum("fnm,nmk->fk", net.updates, net.patches @ means.T)[:, 0]
    left = net.change[:, 0, block]
    return float(abs(left - right).max()), ANY


def printed_case(_, kernel=6, block=2):
    """Return the largest relative difference between the bounds in d x d blocks and Theorem 1's.

    kernel, block: see the module. The paper prints the special case as c = 1. But c is a place of
    the inputs: moving it leaves d unchanged, and the bounds with it.
    """
    blocks_of, single = bounds(kernel, block)[:, 1], bounds(kernel)[:, 1]
    return float(abs(blocks_of / single - 1).max()), ANY


def slack(kernel=3, block=1):
    """Return right over left of both inequalities for each filter, (2, F).

    kernel, block: see the module.
    """
    return np.array([right / left for left, right in bounds(kernel, block)])


def place_violation(_, kernels=(3, 9, 15, 21, 27)):
    """Return by how much Corollary 1.1's bound for single places is exceeded at most.

    kernels: sides of the kernels, px.
    """
    worst = 0.0
    for kernel in kernels:
        net = trained(kernel)
        weights = net.change.reshape(len(net.change), -1)
        for p, o in triples(kernel)[:, :2]:
            mean = ((net.patches[..., p] - net.patches[..., o]) ** 2).mean()
            left = (weights[:, p] - weights[:, o]) ** 2
            worst = max(worst, float((left - net.alpha() * mean).max()))
    return max(worst, 0.0), ANY


def outputs(side=28, kernel=3, padding="valid"):
    """Return how many outputs a stride-1 convolution has, by counting them.

    side: of the input, px. kernel: see the module. padding: as in PyTorch, valid for none.
    """
    found = functional.conv2d(torch.zeros(1, 1, side, side), torch.zeros(1, 1, kernel, kernel),
                              padding=padding)  # fmt: skip
    return found.numel()


def unpadded_outputs(_, side=28, kernel=3):
    """Return the number of outputs without padding minus (S - K + 1)^2.

    side: S, px. kernel: K, px.
    """
    return outputs(side, kernel) - (side - kernel + 1) ** 2, ANY


def any_orderness(kernel=3):
    """Return (orderness of the inputs, that of two kernels) that one set of inputs allows.

    kernel: see the module. Both kernels are sums of the same input patches, as in Eq. 8, so both
    obey the bounds. We solve for the factors C that make one kernel a ramp and the other a
    checkerboard.
    """
    net = trained(kernel)
    rows, columns = np.divmod(np.arange(kernel * kernel), kernel)
    patches = net.patches.reshape(-1, kernel * kernel)
    found = []
    for target in ((rows + columns) * 1.0, (rows + columns) % 2.0):
        factors = np.linalg.lstsq(patches.T, target, rcond=None)[0]
        made = (factors @ patches).reshape(1, 1, kernel, kernel)
        found.append(orderness.orderness(made, geometry="straight"))
    return orderness.orderness(net.inputs[:, None], geometry="straight"), found


def variance_inflation(kernels=(3, 9, 15, 21, 27), groups=16):
    """Return how much more D_ab varies than with independent places, {kernel: ratio} (Eq. 13).

    kernels: sides of the kernels, px. groups: of images. In each group we average (X(a) - X(b))^2
    over output places and images, and compare the variance of these means with that of single
    values over their number. p and q are the centre of the kernel and the place beside it.
    """
    found = {}
    for kernel in kernels:
        net = trained(kernel)
        p = kernel * kernel // 2
        q = p + 1
        squares = (net.patches[..., p] - net.patches[..., q]) ** 2  # (N, M)
        means = squares.reshape(groups, -1).mean(axis=1)
        found[kernel] = float(means.var(ddof=1) / (squares.var() / (squares.size / groups)))
    return found

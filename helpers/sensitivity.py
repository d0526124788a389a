"""Sensitivity of an output to degradations of the image, to first order (rodner2016, Section 4).

Images are floats (N, C, H, W), raw pixel values from 0 to 255: pepper noise multiplies by them, so
0 has to be black. A `function` maps them to logits (N, K) and does all the preprocessing that its
network needs. The network is in evaluation mode: only then does the output of an image not depend
on the others.
"""

import torch

from helpers import degrade
from helpers.errors import InputError, one_of, whole

KINDS = ("rgb", "pepper", "pepper_pixels", "translation")
OUTPUTS = ("probability", "logit")


def gradients(function, images, labels=None, output="probability"):
    """Return F (N, C, H, W), the outputs f (N,) and their classes (N,), by one backward pass.

    function, images: see above. labels: int64 (N,), the class whose output is taken; None for the
    top class of each image. output: its softmax probability or its logit, a name in `OUTPUTS`. The
    backward pass is that of the sum over the batch. No parameter gets a gradient (rodner2016, Eq.
    1). Raises `InputError` for arguments that do not fit.
    """
    images = _images(images).detach().requires_grad_()
    with torch.enable_grad():
        logits = function(images)
        if labels is None:
            labels = logits.detach().argmax(1)
        values = read(logits, labels, output)
        (gradient,) = torch.autograd.grad(values.sum(), images)
    return gradient, values.detach(), labels


def predict(kind, level, gradient, images):
    """Return the second moment (N,) and the variance (N,) of an output's change, float64.

    kind: one of `KINDS`; pepper draws each channel's value on its own (Section 2), pepper_pixels
    whole pixels (Section 4). level: sigma in grey levels or px, or the probability of black.
    gradient: F from `gradients`. images: those of the gradient. Both moments are those of the
    linearised change; they differ by its squared mean, which only pepper noise has. A translation's
    image gradients are central differences, one-sided at the border (rodner2016, Eqs. 2-5). Raises
    `InputError` for arguments that do not fit.
    """
    _level(one_of("kind", kind, KINDS), level)
    if gradient.shape != images.shape:
        raise InputError(
            "gradient", tuple(gradient.shape), f"use the shape of the images, {tuple(images.shape)}"
        )
    gradient, images = gradient.double(), _images(images).double()
    if kind.startswith("pepper"):
        effect = -images * gradient
        effect = (effect.sum(1) if kind == "pepper_pixels" else effect).flatten(1)  # v of Eq. 3
        variance = level * (1 - level) * effect.square().sum(1)
        return (level * effect.sum(1)).square() + variance, variance
    if kind == "rgb":
        moment = gradient.square().flatten(1).sum(1)
    else:
        slopes = torch.gradient(images, dim=(2, 3))
        moment = sum((slope * gradient).flatten(1).sum(1).square() for slope in slopes)
    return level**2 * moment, level**2 * moment


def perturbed(function, images, kind, level, draws, generator):
    """Return the logits of perturbed images, (draws, N, K); nothing is clipped at 0 or 255.

    function, images: see above. kind, level, generator: as in `degrade.draw`. draws: per image.
    """
    whole("draws", draws, 1)
    with torch.no_grad():
        return torch.stack([
            function(degrade.draw(_images(images), kind, level, generator, clip=False))
            for _ in range(draws)
        ])  # fmt: skip


def empirical(function, images, labels, kind, level, draws, generator, output="probability"):
    """Return one output of perturbed images, float64 (N, draws).

    function, images, kind, level, draws, generator: as in `perturbed`. labels, output: as in
    `gradients`.
    """
    return across(perturbed(function, images, kind, level, draws, generator), labels, output)


def across(logits, labels, output="probability"):
    """Return one output of each image and draw, float64 (N, draws).

    logits: (draws, N, K). labels: int64 (N,). output: as in `gradients`.
    """
    return torch.stack([read(drawn, labels, output) for drawn in logits], dim=1)


def read(logits, labels, output="probability"):
    """Return one output of each image, float64 (N,).

    logits: (N, K). labels: int64 (N,), the class of each. output: as in `gradients`. Raises
    `InputError` for arguments that do not fit.
    """
    one_of("output", output, OUTPUTS)
    if labels.shape != logits.shape[:1]:
        raise InputError(
            "labels", tuple(labels.shape), f"use one label for each of {len(logits)} images"
        )
    logits = logits.double()  # a probability near 1 has few digits left in float32
    values = logits.softmax(1) if output == "probability" else logits
    return values.gather(1, labels[:, None])[:, 0]


def deviation(outputs):
    """Return the standard deviation of outputs (N, draws) about each image's own mean, (N,).

    Raises `InputError` for fewer than two draws.
    """
    if outputs.shape[1] < 2:
        raise InputError("outputs", tuple(outputs.shape), "use at least two draws")
    return outputs.double().std(dim=1)


def rms(outputs, clean):
    """Return the root mean squared change of `outputs` (N, draws) from `clean` ones (N,), (N,)."""
    return (outputs.double() - clean.double()[:, None]).square().mean(dim=1).sqrt()


def _images(images):
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError(
            "images", f"{images.dtype} {tuple(images.shape)}", "use float (N, C, H, W)"
        )
    return images


def _level(kind, level):
    most = degrade.KINDS[kind].most
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level <= most:
        raise InputError("level", level, f"use a number from 0 to {most}")

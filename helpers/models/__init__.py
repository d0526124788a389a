"""The papers' networks, one architecture per file, and the names by which runs call them."""

import torch

from helpers.errors import InputError, one_of
from helpers.models.antialiased import antialiased
from helpers.models.dilated import dilated, strided
from helpers.models.layers import initialise
from helpers.models.local_binary import lbcnn
from helpers.models.mlp import mlp
from helpers.models.perturbative import pnn
from helpers.models.plain import plain
from helpers.models.resnet import resnet
from helpers.models.vgg import pnn_vgg, vgg

MODELS = {
    "vgg": vgg, "mlp": mlp, "dilated": dilated, "strided": strided, "plain": plain,
    "resnet": resnet, "pnn": pnn, "lbcnn": lbcnn, "pnn_vgg": pnn_vgg,
    "antialiased": antialiased,
}  # fmt: skip


def build(name, shape, classes, seed, init="he_normal", **arguments):
    """Return the model `name`, with initial weights drawn with `seed`.

    shape: (C, H, W) of one image. classes: their number. init: name in `layers.INITIAL`. arguments:
    the architecture's own. Raises `InputError` for an unknown name, for arguments that the
    architecture does not have, and for images that do not fit it.
    """
    constructor = MODELS[one_of("model", name, MODELS)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return initialise(constructor(shape, classes, **arguments), init)
        except TypeError as error:
            raise InputError("model_args", arguments, str(error)) from None
        except RuntimeError as error:
            cause = str(error).splitlines()[0]
            raise InputError(
                "data", shape, f"{name} cannot take images of this shape: {cause}"
            ) from None


def parameters(model):
    """Return the number of learnt numbers of `model`, those with a gradient."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)

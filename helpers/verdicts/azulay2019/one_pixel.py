"""How often one pixel changes a prediction, with examples (azulay2019, Section 2).

Everywhere in here, preset is as in `helpers.verdicts`, and protocol is a name in `shift.PROTOCOLS`.
"""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch

from helpers import claims, evidence, invariance, natural, rules, shift
from helpers.models import architectures, pretrained
from helpers.pictures import read
from helpers.verdicts.ivan2019.untrained import ANY

KERAS = {"VGG16": "vgg16", "ResNet50": "resnet50", "InceptionResNetV2": "inception_resnet_v2"}
STEPS = 30  # px that an object moves in an example
SIZES = range(80, 131)  # px, shorter side of an object that grows


@dataclass(frozen=True)
class Curve:
    """A network's output while frames change by one pixel at a time (Figure 1).

    label: the first frame's top class. values: its probability in every frame, (T,). at: the frame
    before the largest jump. tops: the top class of each frame.
    """

    label: str
    values: np.ndarray
    at: int
    tops: tuple


def moving(picture, side, size=shift.EMBEDDED, steps=STEPS):
    """Return frames of an image on black that moves right, uint8 (steps + 1, C, side, side).

    picture: the image, uint8 (C, H, W). side: of the frames, px. size: shorter side of the embedded
    image, px. steps: px that it moves.
    """
    small = shift.shorter(picture, size)
    top, left = ((side - length) // 2 for length in (small.shape[1], small.shape[2] + steps))
    return torch.stack([shift.embed(small, side, top, left + k) for k in range(steps + 1)])


def growing(picture, side, sizes=SIZES):
    """Return frames of an image on black that grows, uint8 (len(sizes), C, side, side).

    picture: the image, uint8 (C, H, W). side: of the frames, px. sizes: shorter sides of the
    embedded image, px. Its upper left corner stays in place.
    """
    every = [shift.shorter(picture, size) for size in sizes]
    top, left = ((side - length) // 2 for length in every[-1].shape[1:])
    return torch.stack([shift.embed(small, side, top, left) for small in every])


def curve(network, frames):
    """Return the `Curve` of a network.

    network: a `pretrained.Network`. frames: (T, 3, side, side), T > 1.
    """
    view = natural.View(None, network, (), ())
    probabilities = view.probabilities(frames).cpu()
    top = probabilities.argmax(1).tolist()
    values = probabilities[:, top[0]].numpy()
    names = network.names or [str(k) for k in range(probabilities.shape[1])]
    at = int(np.abs(np.diff(values)).argmax())
    return Curve(names[top[0]], values, at, tuple(names[k] for k in top))


def examples(name, pictures, make):
    """Return {picture: (frames, `Curve`)} of photographs.

    name: of the network. pictures: names of the photographs. make: `moving` or `growing`.
    """
    network = pretrained.load(name)
    frames = {picture: make(read(picture), network.side) for picture in pictures}
    return {picture: (made, curve(network, made)) for picture, made in frames.items()}


def seen(preset):
    """Return {network: {protocol: packed `shift.Change`}}, and the scale.

    preset: see the module.
    """
    found, table = evidence.of("azulay2019", "protocols", preset), {}
    for row in found.frame.itertuples():
        for observer, packed in row.observed.items():
            table.setdefault(row.arguments["name"], {})[observer.removeprefix("pairs_")] = packed
    return table, found.preset


def note(preset):
    """Return a line that describes the evidence at a preset."""
    table, scale = seen(preset)
    count = next(iter(next(iter(table.values())).values()))["n"]
    source = evidence.of("azulay2019", "protocols", preset).frame.source.iloc[0]
    return f"Preset {scale}: {count:,} pairs for each network and protocol. {source}."


def rates(preset):
    """Return a dict for each network and protocol: both measures with 95 % intervals.

    preset: see the module. changed: Wilson's interval of a share. mac: Student's of a mean. Both
    are (mean, low, high). accuracy: of the first frames, None for images without labels. n: pairs.
    """
    table, _ = seen(preset)
    return [
        {"network": network, "protocol": protocol, **_rate(packed)}
        for network, own in table.items()
        for protocol, packed in own.items()
    ]


def _rate(packed):
    changed, _, change = invariance.unpack(packed)
    return {"changed": rules.share(changed), "mac": rules.interval(change),
            "accuracy": packed["accuracy"], "n": packed["n"]}  # fmt: skip


def highest(preset):
    """Return the changes (images,) of Figure 2's highest bar, as the paper states it, and scale.

    preset: see the module. Without the paper's networks on ImageNet, the result is None and what is
    needed.
    """
    table, scale = seen(preset)
    theirs = [own for name, own in table.items() if name in KERAS.values()]
    if scale != "paper" or len(theirs) < len(KERAS):
        return None, "needs VGG16, ResNet50 and InceptionResNetV2 on ImageNet"
    every = [invariance.unpack(packed)[0] for own in theirs for packed in own.values()]
    return {"highest P(top-1 change)": max(every, key=np.mean).astype(float)}, scale


def more_than_cropped(preset, protocol):
    """Return how many more networks change under a protocol than under the crop, a share, by image.

    preset, protocol: see the module. The values (images,) are means over the networks, each of
    which is a part.
    """
    table, scale = seen(preset)
    parts = {name: _difference(own, protocol, "changed") for name, own in table.items()}
    return claims.Measurement(np.mean([*parts.values()], axis=0), scale, parts=parts)


def every_network(preset, protocol, against=None, what="changed"):
    """Return a measure of every network, one comparison each, (images, networks).

    preset, protocol: see the module. against: a protocol whose measure is subtracted. what: changed
    or mac. Each network is a part too, so that the page says which of them fail.
    """
    table, scale = seen(preset)
    found = {name: _difference(own, protocol, what, against) for name, own in table.items()}
    values = np.stack([*found.values()], axis=1)
    return claims.Measurement(values, scale, names=tuple(found), parts=found)


def parameters_off(_, network):
    """Return by how many parameters Keras's count of a network differs from Table 3's.

    network: a key of `KERAS`.
    """
    return _counted(network)[0] - _printed(network, "parameters"), ANY


def layers_off(_, networks):
    """Return the largest difference of the longest path through a network from Table 3's depth.

    networks: keys of `KERAS`.
    """
    return max(abs(_counted(name)[1] - _printed(name, "depth")) for name in networks), ANY


def table3():
    """Return the lines of Table 3 as printed beside ours, a dict for each network."""
    return [
        {"network": network, "parameters": _counted(network)[0],
         "printed parameters": _printed(network, "parameters"),
         "depth": _counted(network)[1], "printed depth": _printed(network, "depth")}
        for network in KERAS
    ]  # fmt: skip


@lru_cache(maxsize=len(KERAS))
def _counted(network):
    """Return Keras's count of parameters, and the layers on the longest path."""
    return architectures.keras_count(KERAS[network]), architectures.longest_path(KERAS[network])


def _printed(network, name):
    return claims.row("aw-table3")[1]["numbers"][network][name]


def _difference(own, protocol, what, against="crop"):
    """Return a network's measure under one protocol minus that under another, float64 (N,)."""
    index = {"changed": 0, "mac": 2}[what]
    values = invariance.unpack(own[protocol])[index].astype(float)
    return values - invariance.unpack(own[against])[index] if against else values


MEASURES = {
    "aw-fig1-top": {},
    "aw-fig1-mid": {},
    "aw-fig1-bot": {},
    "aw-fig2": {
        "highest": highest,
        "embedded": partial(more_than_cropped, protocol="black"),
        "inpainted": partial(more_than_cropped, protocol="inpainted"),
    },
    "aw-table1": {
        "crop": partial(every_network, protocol="crop"),
        "black": partial(every_network, protocol="black", against="crop"),
        "mac": partial(every_network, protocol="black", against="crop", what="mac"),
    },
    "aw-human": {},
    "aw-table3": {
        **{name: partial(parameters_off, network=name) for name in KERAS},
        "depth": partial(layers_off, networks=("VGG16", "ResNet50")),
        "inception-depth": partial(layers_off, networks=("InceptionResNetV2",)),
        "accuracy": lambda _: (None, "needs Keras's weights and ImageNet-1k"),
    },
}

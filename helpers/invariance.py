"""Observers of one-pixel changes (azulay2019), and functions that read what they recorded.

A view, of a network trained here or elsewhere, has `pictures` (tensors uint8 (C, H, W)),
`probabilities(pixels)`, `features(pixels)` (one (N, D) per depth) and `embedded` (px); see
`training.View` and `natural.View`.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from helpers import bias, metrics, sensitivity, shift

SEED = 5  # of positions and crops
DRAW = 6  # seed of the draw of images
CHUNK = 50  # pairs of frames in memory at a time
GRADIENTS = 10  # frames per backward pass, which keeps every layer's output
NEIGHBOURS = 10  # azulay2019, Section 4
SHOWN = 4  # images of either end of the scale of typicality
SHOWN_NEIGHBOURS = 5  # Figure 7
PAIRS = 1_000  # images, as in the paper
STEPS = 2**16 - 1  # of which a record stores a share as a whole number


def pairs(protocol, count=PAIRS):
    """Return the observer of one protocol, which records the `shift.Change` of every image.

    protocol: name in `shift.MAKERS`. count: number of images, the first of the view, None for all.
    The frames of an image are the same either way.
    """
    return lambda view: pack(changes(view, protocol, view.embedded, count), view.labels)


def sizes(protocol):
    """Return the observer of one protocol at every size of the embedded image.

    protocol: name in `shift.MAKERS`. It looks at the first `few` images of a view.
    """
    return lambda view: {
        str(size): pack(changes(view, protocol, size, view.few), view.labels) for size in view.sizes
    }


def drawn_sizes(protocol):
    """Return the observer of `sizes` for as many images drawn at random from all of them.

    protocol: name in `shift.MAKERS`. The draw is the same for all networks and sizes. It is only
    for a view of images in files, whose order means something: a folder is sorted, and the first
    images of `imagenet_sample` all show animals.
    """

    def observe(view):
        drawn = np.random.default_rng(DRAW).permutation(len(view.pictures))[: view.few]
        return sizes(protocol)(replace(view, pictures=view.pictures.pick(drawn)))

    return observe


def changes(view, protocol, size, count=PAIRS):
    """Return the `shift.Change` of the first `count` images of `view`, None for all.

    protocol: name in `shift.MAKERS`. size: shorter side of the embedded image in px.
    """
    parts, pictures = [], view.pictures[:count]
    for start in range(0, len(pictures), CHUNK):
        chunk = pictures[start : start + CHUNK]
        frames = shift.frames(chunk, protocol, view.side, SEED + start, size)
        parts.append(shift.compare(*map(view.probabilities, frames)))
    return shift.Change(**{
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("label", "top", "changed", "change")
    })  # fmt: skip


def predicted(protocol):
    """Return the observer of one protocol that predicts how much a shift by one pixel matters.

    protocol: name in `shift.MAKERS`. The observer records values: the standard deviation of the
    probability of the first frame's top class under translations of sigma = 1 px, to first order
    (rodner2016, Eq. 5), float32 in hex digits, with frames as in `pairs`. `foreseen` reads them.
    """

    def observe(view):
        pictures, found = view.pictures[:PAIRS], []
        for start in range(0, len(pictures), CHUNK):
            chunk = pictures[start : start + CHUNK]
            first, _ = shift.frames(chunk, protocol, view.side, SEED + start, view.embedded)
            for part in first.split(GRADIENTS):
                images = part.to(view.device).float()
                gradient, *_ = sensitivity.gradients(view.scores, images)
                found.append(sensitivity.predict("translation", 1, gradient, images)[1].sqrt())
        values = torch.cat(found).cpu().numpy()
        return {"n": len(values), "values": values.astype("<f4").tobytes().hex()}

    return observe


def foreseen(record):
    """Return the predicted deviations in a `record` of the observers `foretold_*`, float64 (N,)."""
    return np.frombuffer(bytes.fromhex(record["values"]), "<f4").astype(float)


def pack(change, labels=None):
    """Return a `shift.Change` in the form of a record: a dict with values in hex digits.

    change: the `Change`. labels: int64 tensor of the images' labels, None if unknown; they give the
    accuracy on the first frames.
    """
    n = len(change.changed)
    known = labels is not None
    right = float((change.label == labels[:n].cpu().numpy()).mean()) if known else None
    return {
        "n": n,
        "accuracy": right,
        "changed": np.packbits(change.changed).tobytes().hex(),
        "top": _hex(change.top),
        "change": _hex(change.change),
    }


def unpack(packed):
    """Return (changed bool (N,), top (N,), change (N,)) from `packed`, the result of `pack`."""
    changed = metrics.bits(packed["changed"], packed["n"])
    return changed, shares(packed["top"]), shares(packed["change"])


def seen(observed, name):
    """Return what an observer found on all test images, or else on the first thousand.

    observed: observations of a record. name: pairs_crop, typicality, readouts ...
    """
    return observed.get(f"all_{name}", observed.get(name))


def shares(text):
    """Return values from 0 to 1, float64 (N,), from `text`, hex digits of a record."""
    return np.frombuffer(bytes.fromhex(text), "<u2") / STEPS


def typicality(view, count=PAIRS):
    """Return how typical each test image is, and examples (azulay2019, Section 4, Figure 7).

    view: a `training.View` or `natural.View`. count: number of images, the first of the view, None
    for all. Returns a dict. values: mean normalised correlation of the last features with those of
    the ten nearest training images. typical, atypical: for images at either end, their number, and
    number and correlation of the nearest training images.
    """
    both = view.train[0], view.pictures[:count]
    train, test = (_normalised(view.features(pixels)[-1]) for pixels in both)
    found = [
        (part @ train.T).topk(min(NEIGHBOURS, len(train)), dim=1) for part in test.split(PAIRS)
    ]
    nearest, index = (torch.cat(parts) for parts in zip(*found, strict=True))
    values = nearest.mean(1).cpu()
    order = values.argsort(descending=True).tolist()

    def example(k):
        near = [[int(i), round(float(r), 3)] for i, r in zip(index[k], nearest[k], strict=True)]
        return {"image": k, "near": near[:SHOWN_NEIGHBOURS]}

    ends = {"typical": order[:SHOWN], "atypical": order[::-1][:SHOWN]}
    return {
        "values": _hex(values.clamp(0, 1)),
        **{k: [example(i) for i in v] for k, v in ends.items()},
    }


def readouts(view, count=PAIRS):
    """Return what linear read-outs at every depth do under the crop protocol (Figure 4).

    view: a `training.View` or `natural.View`. count: number of test images, the first of the view,
    None for all. Each read-out is a logistic regression on the spatial means of the maps of that
    depth, standardised. Returns a list over depths of `pack`, with the read-out's accuracy on the
    test images.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (train, labels), (test, truth) = (
        (view.features(pixels), labels.cpu().numpy()) for pixels, labels in view.readable()
    )
    frames = shift.frames(view.pictures[:count], "crop", view.side, SEED, view.embedded)
    first, second = map(view.features, frames)
    found = []
    for depth in range(len(train)):
        reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        reader.fit(train[depth].cpu(), labels)
        made = [torch.from_numpy(reader.predict_proba(x[depth].cpu())) for x in (first, second)]
        right = float(reader.score(test[depth].cpu(), truth))
        found.append({**pack(shift.compare(*made)), "accuracy": round(right, 4)})
    return found


def _normalised(features):
    """Return features (N, D) as unit vectors: their products are normalised correlations."""
    return functional.normalize(features.float(), dim=1)


def _hex(values):
    values = np.asarray(values, float)
    return (values * STEPS).round().clip(0, STEPS).astype("<u2").tobytes().hex()


OBSERVERS = {
    **{f"pairs_{name}": pairs(name) for name in shift.MAKERS},
    **{f"foretold_{name}": predicted(name) for name in shift.PROTOCOLS},
    **{f"all_pairs_{name}": pairs(name, None) for name in shift.PROTOCOLS},
    "sizes_black": sizes("black"),
    "sizes_scale": sizes("scale"),
    "drawn_sizes_black": drawn_sizes("black"),
    "drawn_sizes_scale": drawn_sizes("scale"),
    "typicality": typicality,
    "all_typicality": partial(typicality, count=None),
    "readouts": readouts,
    "all_readouts": partial(readouts, count=None),
    "positions": bias.positions,
}

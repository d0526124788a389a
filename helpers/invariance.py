"""What a run records about one-pixel changes (azulay2019): observers, and how to read them.

A view, of a network that was trained here or by others, gives `pictures` (tensors uint8 (C, H, W)),
`probabilities(pixels)`, `features(pixels)` (one (N, D) a depth) and `embedded` (px); see
`training.View` and `natural.View`.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from helpers import bias, metrics, sensitivity, shift

SEED = 5  # of the places and crops
DRAW = 6  # of pictures
CHUNK = 50  # pairs of frames that are in memory at a time
GRADIENTS = 10  # frames whose way through the network is
NEIGHBOURS = 10  # azulay2019, Section 4
SHOWN = 4  # images of either end of the scale of typicality
SHOWN_NEIGHBOURS = 5  # Figure 7
PAIRS = 1_000  # pictures, as in the paper
STEPS = 2**16 - 1  # in which a record holds a share


def pairs(protocol, count=PAIRS):
    """Return the observer of one protocol: every picture's `shift.Change`, packed.

    count: pictures, the first so many, None for all. A picture's frames are the same either way.
    """
    return lambda view: pack(changes(view, protocol, view.embedded, count), view.labels)


def sizes(protocol):
    """Return the observer of one protocol at every size of the embedded picture.

    Of the first `few` pictures of a view.
    """
    return lambda view: {
        str(size): pack(changes(view, protocol, size, view.few), view.labels) for size in view.sizes
    }


def drawn_sizes(protocol):
    """Return the same observer for as many pictures that are drawn from all of them.

    The draw is the same for all networks and sizes. Only for a view of pictures in files, whose
    order means something: a folder is sorted, and the first of `imagenet_sample` are all animals.
    """

    def observe(view):
        drawn = np.random.default_rng(DRAW).permutation(len(view.pictures))[: view.few]
        return sizes(protocol)(replace(view, pictures=view.pictures.pick(drawn)))

    return observe


def changes(view, protocol, size, count=PAIRS):
    """Return the `shift.Change` of the first `count` of a view's pictures, None for all."""
    parts, pictures = [], view.pictures[:count]
    for start in range(0, len(pictures), CHUNK):
        chunk = pictures[start : start + CHUNK]
        frames = shift.frames(chunk, protocol, view.side, SEED + start, size)
        parts.append(shift.compare(*map(view.probabilities, frames)))
    return shift.Change(**{
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("label", "top", "changed", "change")
    })  # fmt: skip


def foretold(protocol):
    """Return the observer of one protocol: what a move by a pixel is foretold to do to pictures.

    values: standard deviation of the probability of the first frame's top class under translations
    of sigma = 1 px, to first order (rodner2016, Eq. 5), float32 in hex digits, frames as in
    `pairs`; `foreseen` reads them.
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
    """Return the deviations that `foretold` recorded, float64 (N,)."""
    return np.frombuffer(bytes.fromhex(record["values"]), "<f4").astype(float)


def pack(change, labels=None):
    """Return a `shift.Change` as a record holds it, in hex digits.

    accuracy: of the first frames, where the pictures' labels are known.
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
    """Return (changed bool (N,), top (N,), change (N,)) of what `pack` made."""
    changed = metrics.bits(packed["changed"], packed["n"])
    return changed, shares(packed["top"]), shares(packed["change"])


def seen(observed, name):
    """Return what an observer found of all test images, or else of the first thousand.

    observed: observations of a record. name: pairs_crop, typicality, readouts ...
    """
    return observed.get(f"all_{name}", observed.get(name))


def shares(text):
    """Return values from 0 to 1, float64 (N,), from the hex digits of a record."""
    return np.frombuffer(bytes.fromhex(text), "<u2") / STEPS


def typicality(view, count=PAIRS):
    """Return how typical each test image is, and examples (azulay2019, Section 4, Figure 7).

    count: images, the first so many, None for all.

    values: mean normalised correlation of the last features with those of the ten nearest training
    images. typical, atypical: for images at either end their number, and number and correlation of
    the nearest training images.
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
    """Return what linear read-outs of every depth do under the crop protocol (Figure 4).

    count: test pictures, the first so many, None for all.
    Each is a logistic regression on the means over places of that depth's maps, standardised. A
    list over depths of `pack` with the read-out's accuracy on the test pictures.
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
    **{f"foretold_{name}": foretold(name) for name in shift.PROTOCOLS},
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

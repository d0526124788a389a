"""PASCAL VOC 2007: its images and objects on disk, and its measure of detection.

The layout is `DATA_DIR/VOCdevkit/VOC2007/{Annotations,ImageSets/Main,JPEGImages}`, as the
challenge's archives unpack.
"""

import hashlib
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import VOCDetection
from torchvision.ops import box_iou

from helpers import paths
from helpers.errors import InputError, cause

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
OVERLAP = 0.5  # least intersection over union of a detection and its object


@dataclass(frozen=True)
class Scene:
    """The objects of one image.

    path: of the image. boxes: float32 (K, 4), left, top, right and bottom edge in px from 0, so
    that a box of one pixel is 1 px wide. labels: int64 (K,), 0 for the first of `CLASSES`.
    difficult: bool (K,), whether the challenge leaves the object out.
    """

    path: str
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray


def splits():
    """Return (trainval, test, their joint fingerprint), two tuples of `Scene`, read once.

    Raises `InputError` for a folder, image or annotation that is missing or damaged.
    """
    return _splits(paths.data())


def average_precision(hits, total):
    """Return the average precision of one class, as VOC 2007 interpolates it at 11 recalls.

    hits: bool (D,), whether each detection found an object, by falling score. total: number of
    objects. The result is the mean, over the recalls 0, 0.1, ... 1, of the largest precision at
    that recall or a higher one (Everingham et al. 2010, Section 4.2).
    """
    right = np.cumsum(np.asarray(hits, bool))
    precision = right / np.arange(1, len(right) + 1)
    return float(np.mean([precision[10 * right >= k * total].max(initial=0) for k in range(11)]))


def judge(scores, boxes, objects, difficult):
    """Return (score, hit) pairs of one class's detections in one image, by falling score.

    scores: (D,). boxes: (D, 4) in px. objects: boxes of the class (K, 4). difficult: bool (K,). A
    detection belongs to the object that it overlaps most, by at least `OVERLAP`; the first one hits
    it, later ones miss. Detections of a difficult object do not count.
    """
    order = np.argsort(-scores, kind="stable")
    overlaps = box_iou(*(torch.from_numpy(x).double() for x in (boxes[order], objects))).numpy()
    found, taken = [], set()
    for score, overlap in zip(scores[order].tolist(), overlaps, strict=True):
        best = int(overlap.argmax()) if len(overlap) else None
        belongs = best is not None and overlap[best] >= OVERLAP
        if belongs and difficult[best]:
            continue
        found.append((score, belongs and best not in taken))
        taken |= {best} if belongs else set()
    return found


def average_precisions(found, scenes):
    """Return the average precision of each of `CLASSES`, None for a class without objects to find.

    found: for each scene (scores (D,), boxes (D, 4), labels (D,)). scenes: of `Scene`, in the same
    order.
    """
    return [_of_class(label, found, scenes) for label in range(len(CLASSES))]


def mean(values):
    """Return the mean of those `values` (average precisions) that are not None; 0 if all are."""
    known = [value for value in values if value is not None]
    return sum(known) / max(1, len(known))


def _of_class(label, found, scenes):
    total, pairs = 0, []
    for (scores, boxes, labels), scene in zip(found, scenes, strict=True):
        own, mine = scene.labels == label, labels == label
        total += int((own & ~scene.difficult).sum())
        pairs += judge(scores[mine], boxes[mine], scene.boxes[own], scene.difficult[own])
    pairs.sort(key=lambda pair: -pair[0])
    return average_precision([hit for _, hit in pairs], total) if total else None


@lru_cache(maxsize=1)
def _splits(root):
    digest = hashlib.sha256()
    parts = [_scenes(root, split, digest) for split in ("trainval", "test")]
    return *parts, digest.hexdigest()


def _scenes(root, split, digest):
    try:
        listing = VOCDetection(root, "2007", split)
    except (RuntimeError, OSError) as error:
        why = f"no VOC 2007 {split} ({cause(error)}); set DATA_DIR to the folder above VOCdevkit"
        raise InputError("pictures", str(root / "VOCdevkit" / "VOC2007"), why) from None
    if not listing.images:
        raise InputError(
            "pictures", str(root / "VOCdevkit" / "VOC2007"), f"{split} lists no images"
        )
    return tuple(
        _scene(picture, annotation, digest)
        for picture, annotation in zip(listing.images, listing.annotations, strict=True)
    )


def _scene(picture, annotation, digest):
    try:
        digest.update(f"{Path(picture).stat().st_size} ".encode())
        text = Path(annotation).read_bytes()
    except OSError as error:
        raise InputError("pictures", error.filename, "the file is missing") from None
    digest.update(text)
    try:
        found = VOCDetection.parse_voc_xml(xml.fromstring(text))["annotation"]["object"]
        rows = [_object(thing) for thing in found]
    except (xml.ParseError, KeyError, TypeError, ValueError) as error:
        why = f"it is damaged ({type(error).__name__}: {cause(error)})"
        raise InputError("annotation", annotation, why) from None
    boxes, labels, difficult = zip(*rows, strict=True) if rows else ((), (), ())
    return Scene(picture, np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64),
                 np.array(difficult, bool))  # fmt: skip


def _object(thing):
    """Return box, label and difficulty; VOC counts pixels from 1 and includes the last one."""
    if thing["name"] not in CLASSES:
        raise ValueError(f"class {thing['name']!r} is not one of VOC")
    left, top, right, bottom = (float(thing["bndbox"][k]) for k in ("xmin", "ymin", "xmax", "ymax"))
    if not (1 <= left <= right and 1 <= top <= bottom):
        raise ValueError(f"box {left:g} {top:g} {right:g} {bottom:g} is not valid")
    box, difficult = (left - 1, top - 1, right, bottom), int(thing.get("difficult", 0)) == 1
    return box, CLASSES.index(thing["name"]), difficult

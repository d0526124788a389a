"""Small pictures, and folders of photographs in the layouts of ImageNet and VOC 2007."""

import numpy as np
from PIL import Image

from helpers import photos

NAMES = ("cat", "china", "flower")
OBJECT = """<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin>
<ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def tiles(name, side=64):
    """Return disjoint squares of a photograph, uint8 (N, side, side, 3)."""
    whole = photos.photograph(name)
    rows, columns = (n // side for n in whole.shape[:2])
    cut = whole[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    return cut.swapaxes(1, 2).reshape(-1, side, side, 3)


def save(path, size=(8, 6), mode="RGB", colour=(10, 20, 30)):
    """Write a picture of one colour and return its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return str(path)


def imagenet(data, train=(8, 8, 8), val=4):
    """Write `data`/imagenet: a class per photograph, `train` pictures of each, and `val`."""
    for name, count in zip(NAMES, train, strict=True):
        for split, part in (("train", slice(0, count)), ("val", slice(count, count + val))):
            folder = data / "imagenet" / split / name
            folder.mkdir(parents=True)
            for k, tile in enumerate(tiles(name)[part]):
                Image.fromarray(tile).save(folder / f"{k}.png")
    return data / "imagenet"


def voc(data, train=6, test=3):
    """Write `data`/VOCdevkit/VOC2007: on each view of china a flower, called a dog."""
    root = data / "VOCdevkit" / "VOC2007"
    for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (root / folder).mkdir(parents=True)
    scenes, dogs = tiles("china", 96), tiles("flower", 48)
    names = [f"{k:06d}" for k in range(train + test)]
    for k, name in enumerate(names):
        top, left = np.random.default_rng(k).integers(16, size=2)
        picture = scenes[k, :80].copy()  # 80 px high, 96 wide
        picture[top : top + 48, left : left + 48] = dogs[k]
        Image.fromarray(picture).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        annotate(root, name, ("dog", 0, left + 1, top + 1, left + 48, top + 48))
    for split, part in (("trainval", names[:train]), ("test", names[train:])):
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(part) + "\n")
    return root


def annotate(root, name, *objects):
    """Write a picture's objects: (class, difficult, left, top, right, bottom), from pixel 1."""
    text = "".join(OBJECT.format(*thing) for thing in objects)
    text = f"<annotation><filename>{name}.jpg</filename>{text}</annotation>"
    (root / "Annotations" / f"{name}.xml").write_text(text)

"""Pictures in files: how they are found, read, cropped and told apart."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import fails
from photo_folders import save
from PIL import Image

from helpers import photos
from helpers.pictures import Pictures, in_folder, read


def test_a_folder_is_listed_in_the_order_of_its_names(tmp_path):
    for name in ("b/2.PNG", "b/1.jpeg", "a.jpg", "c/d/3.jpg"):
        save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    (tmp_path / "in" / "folder.jpg").mkdir()
    found = in_folder(str(tmp_path / "in"))
    names = [file.removeprefix(f"{tmp_path}/in/") for file, _ in found.files]
    assert names == ["a.jpg", "b/1.jpeg", "b/2.PNG", "c/d/3.jpg"]
    assert found.labels is None and found.classes == () and found.source == "4 pictures"
    assert [tuple(picture.shape) for picture in found] == [(3, 6, 8)] * 4
    assert [file for file, _ in found[1:3].files] == [file for file, _ in found.files[1:3]]
    assert len(found[1:3]) == 2


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    for folder in (tmp_path, tmp_path / "nowhere"):
        fails(lambda folder=folder: in_folder(folder), folder, ".jpg, .jpeg, .png")


def test_pictures_are_read_as_three_channels(tmp_path):
    colour = read(save(tmp_path / "colour.png"))
    assert colour.dtype == torch.uint8 and colour[:, 0, 0].tolist() == [10, 20, 30]
    grey = read(save(tmp_path / "grey.png", mode="L", colour=7))
    assert grey.shape == (3, 6, 8) and (grey == 7).all()
    clear = read(save(tmp_path / "clear.png", mode="RGBA", colour=(1, 2, 3, 0)))
    assert clear[:, 0, 0].tolist() == [1, 2, 3]
    cat = read("cat")
    assert torch.equal(cat, torch.from_numpy(photos.photograph("cat").transpose(2, 0, 1)))


def test_what_cannot_be_read_is_named_in_one_line(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no\npicture")
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(save(tmp_path / "whole.png", (300, 300))).read_bytes()[:200])
    for file in (broken, cut, tmp_path / "nowhere.jpg"):
        fails(lambda file=file: read(str(file)), "picture", file, "cannot be read")
    pictures = in_folder(tmp_path)  # listing opens nothing
    fails(lambda: list(pictures), broken)


def test_labels_are_known_for_all_pictures_or_none():
    known = Pictures((("cat", 3), ("coffee", 0)), ("a", "b", "c", "d"), "x")
    assert known.labels.tolist() == [3, 0] and known.labels.dtype == torch.int64
    assert Pictures((("cat", 3), ("coffee", None)), (), "x").labels is None


def test_a_fingerprint_is_of_names_sizes_and_labels(tmp_path):
    file = save(tmp_path / "a.png")
    base = Pictures(((file, 1), ("cat", 0)), (), "x").fingerprint()
    assert len(base) == 64
    assert base == Pictures(((file, 1), ("cat", 0)), (), "x").fingerprint()
    for changed in (((file, 2), ("cat", 0)), (("cat", 0), (file, 1)), ((file, 1), ("coffee", 0))):
        assert Pictures(changed, (), "x").fingerprint() != base
    save(tmp_path / "a.png", (80, 60))
    assert Pictures(((file, 1), ("cat", 0)), (), "x").fingerprint() != base


def test_a_fingerprint_without_boxes_is_of_names_labels_and_sizes_alone(tmp_path):
    """Published records depend on it."""
    files = [save(tmp_path / name) for name in ("a.png", "b.png")]
    text = "".join(f"{Path(file).name} 4 {Path(file).stat().st_size}\n" for file in files)
    found = Pictures(tuple((file, 4) for file in files), (), "x").fingerprint()
    assert found == hashlib.sha256(f"x{text}".encode()).hexdigest()


def numbered(path):
    """Write a picture of 8 by 6 px in which each tells its row (red) and column (green)."""
    rows, columns = np.mgrid[:6, :8].astype(np.uint8)
    Image.fromarray(np.stack([rows, columns, rows], 2)).save(path)
    return str(path)


def test_a_picture_is_cropped_to_its_box(tmp_path):
    """The box is cut to the picture."""
    file = numbered(tmp_path / "a.png")
    boxes = ((2, 1, 5, 4), (0, 0, 8, 6), (-3, -2, 2, 3), (6, 4, 90, 70))
    pictures = Pictures(((file, 0),) * 4, ("a",), "x", boxes)
    seen = [(tuple(p.shape[1:]), p[:2, 0, 0].tolist()) for p in pictures]
    assert seen == [((3, 3), [1, 2]), ((6, 8), [0, 0]), ((3, 2), [0, 0]), ((2, 2), [4, 6])]


def test_boxes_go_with_their_pictures(tmp_path):
    files = tuple((numbered(tmp_path / f"{k}.png"), k) for k in range(4))
    boxes = tuple((k, 0, k + 1, 1) for k in range(4))
    pictures = Pictures(files, (), "x", boxes)
    for part, kept in ((pictures[1:3], [1, 2]), (pictures.pick([3, 0, 3]), [3, 0, 3])):
        assert part.labels.tolist() == kept
        assert [int(picture[1, 0, 0]) for picture in part] == kept
    assert pictures[:0].boxes == () and list(pictures[:0]) == []
    with pytest.raises(ValueError, match="zip"):
        list(replace(pictures, files=files[:2]))


@pytest.mark.parametrize("box", [(3, 1, 3, 4), (5, 1, 2, 4), (8, 0, 9, 6), (-4, 0, 0, 6)])
def test_a_box_that_shows_nothing_is_named_with_its_picture(box, tmp_path):
    file = numbered(tmp_path / "a.png")
    fails(lambda: list(Pictures(((file, 0),), (), "x", (box,))), "a.png", box)


def test_boxes_count_in_the_fingerprint(tmp_path):
    files = ((save(tmp_path / "a.png"), 0), (save(tmp_path / "b.png"), 1))
    boxes = ((0, 0, 1, 1), (0, 0, 2, 2))
    found = {Pictures(files, (), "x", of).fingerprint() for of in ((), boxes, boxes[::-1])}
    assert len(found) == 3

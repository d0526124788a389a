"""Data sets: what is loaded from where, and that nothing damaged or unchecked gets in."""

import functools
import gzip
import hashlib
import http.server
import io
import pickle
import struct
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import one_line

from helpers import datasets, paths, photos
from helpers.errors import InputError

pytestmark = pytest.mark.usefixtures("folders")
GREY = ("mnist", "fashion_mnist")


def arrays(count=10, name="mnist"):
    """Return the arrays of a small but valid file of a whole data set."""
    channels, side, _ = datasets.SHAPES[name]
    rng = np.random.default_rng(0)
    content = {"source": "a test"}
    for split in ("train", "test"):
        shape = (count, side, side, channels)
        content[f"{split}_images"] = rng.integers(256, size=shape, dtype=np.uint8)
        content[f"{split}_labels"] = np.arange(count, dtype=np.uint8) % 10
    return content


def put(content, name="mnist"):
    """Write arrays (or bytes) as the whole data set and return the path."""
    path = paths.data() / f"{name}.npz"
    if isinstance(content, dict):
        datasets._save_npz(path, content)
    else:
        paths.write_atomic(path, content)
    return path


def refusal(name="mnist", split="train", size=None):
    with pytest.raises(InputError) as error:
        datasets.load(name, split, size)
    return error


# The sample that comes with the project.


@pytest.mark.parametrize("name", GREY)
def test_samples_load_and_are_balanced(name):
    for split, count in (("train", 10_000), ("test", 2_000)):
        images = datasets.load(name, split, count)
        assert images.pixels.shape == (count, 1, 28, 28)
        assert images.pixels.dtype == np.uint8 and images.labels.dtype == np.int64
        assert np.bincount(images.labels).tolist() == [count // 10] * 10
        assert "embedded" in images.source
        assert len(np.unique(images.pixels.reshape(count, -1), axis=0)) > 0.99 * count


@pytest.mark.parametrize("name", GREY)
def test_samples_of_the_splits_share_no_image(name):
    train, test = (datasets.load(name, s, n) for s, n in (("train", 10_000), ("test", 2_000)))
    shared = {p.tobytes() for p in train.pixels} & {p.tobytes() for p in test.pixels}
    assert len(shared) <= 2  # Fashion-MNIST itself repeats an image or two


@pytest.mark.parametrize("size", (1, 7, 95, 200))
def test_a_part_is_balanced_and_the_same_every_time(size):
    first, second = (datasets.load("mnist", "test", size) for _ in range(2))
    assert len(first) == size
    counts = np.bincount(first.labels, minlength=10)
    assert counts.max() - counts.min() <= 1
    assert first.fingerprint() == second.fingerprint()
    assert first.fingerprint() != datasets.load("mnist", "train", size).fingerprint()


def test_parts_keep_images_and_labels_together(noise):
    images = noise(300)
    labels = {p.tobytes(): label for p, label in zip(images.pixels, images.labels, strict=True)}
    part = datasets._balanced(images, 50, sample=0)
    assert all(labels[p.tobytes()] == k for p, k in zip(part.pixels, part.labels, strict=True))
    assert len({p.tobytes() for p in part.pixels}) == 50


def test_the_fingerprint_sees_a_pixel_and_a_label(noise):
    first = noise(5)
    for field in ("pixels", "labels"):
        other = noise(5)
        getattr(other, field).flat[3] ^= 1
        assert other.fingerprint() != first.fingerprint()
    assert noise(5).fingerprint() == first.fingerprint()


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "parts"),
    (
        (("imagenet", "train"), ("data: 'imagenet'", "mnist", "photo_patches")),
        (("mnist", "validation"), ("split: 'validation'", "train", "test")),
        (("mnist", "train", 0), ("size: 0", "at least 1")),
        (("mnist", "train", 2.5), ("size: 2.5",)),
        (("photo_patches", "test", 2001), ("size: 2001", "photo_patches", "2000")),
    ),
)
def test_bad_arguments_are_one_line(monkeypatch, arguments, parts):
    monkeypatch.setattr(photos, "photo_patches", lambda split: PATCHES)
    one_line(refusal(*arguments), *parts)


PATCHES = datasets.Images("photo_patches", np.zeros((2000, 3, 32, 32), np.uint8),
                          np.arange(2000) % 10, photos.PHOTOGRAPHS, "black")  # fmt: skip


def test_a_file_on_disk_is_preferred_to_the_sample():
    content = arrays(count=20)
    put(content)
    images = datasets.load("mnist", "train", 10)
    assert images.source == "a test"
    everything = datasets.load("mnist", "test")
    assert np.array_equal(everything.pixels[:, 0], content["test_images"][..., 0])
    assert np.array_equal(everything.labels, content["test_labels"])
    assert datasets.on_disk("mnist") and not datasets.on_disk("cifar10")
    one_line(refusal(size=21), "size: 21", "20 images")


def test_colour_channels_come_first():
    content = arrays(name="cifar10")
    put(content, "cifar10")
    images = datasets.load("cifar10", "train")
    assert images.pixels.shape == (10, 3, 32, 32)
    assert np.array_equal(images.pixels[4, 2], content["train_images"][4, :, :, 2])


def without(key):
    return {k: v for k, v in arrays().items() if k != key}


ALTERED = {
    "lacks an array": (without("train_labels"), "train_labels"),
    "wrong type": ({**arrays(), "train_images": np.zeros((10, 28, 28, 1))}, "float64"),
    "wrong side": ({**arrays(), "train_images": np.zeros((10, 27, 28, 1), "u1")}, "27"),
    "no channels": ({**arrays(), "train_images": np.zeros((10, 28, 28), "u1")}, "(10, 28, 28)"),
    "too few images": ({**arrays(), "train_images": np.zeros((9, 28, 28, 1), "u1")}, "(9,"),
    "no images": (arrays(count=0), "(0,"),
    "a label too high": ({**arrays(), "train_labels": np.full(10, 10)}, "0 to 9"),
    "a negative label": ({**arrays(), "train_labels": np.full(10, -1)}, "0 to 9"),
    "labels as fractions": ({**arrays(), "train_labels": np.full(10, 0.5)}, "0 to 9"),
    "labels in a column": ({**arrays(), "train_labels": np.zeros((10, 1), int)}, "0 to 9"),
    "one label": ({**arrays(), "train_labels": np.array(3)}, "(1, 28"),
    "objects": ({**arrays(), "train_labels": np.array([{}] * 10)}, "damaged"),
    "no zip": (b"not a zip file at all", "damaged"),
    "empty": (b"", "damaged"),
}


@pytest.mark.parametrize("case", ALTERED)
def test_an_altered_file_is_one_line_with_its_path(case):
    content, part = ALTERED[case]
    path = put(content)
    one_line(refusal(), path, part)


def test_a_single_array_instead_of_a_set_is_refused():
    buffer = io.BytesIO()
    np.save(buffer, arrays()["train_images"])
    path = put(buffer.getvalue())
    one_line(refusal(), path, "damaged")


def test_a_truncated_file_is_refused_at_every_length():
    path = put(arrays())
    whole = path.read_bytes()
    for length in (1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        one_line(refusal(), path, "damaged")


def test_a_flipped_bit_is_noticed_or_harmless():
    """Wherever a bit flips, the images are the right ones or the file is refused by name."""
    path = put(arrays(count=2))
    whole, right = path.read_bytes(), datasets.load("mnist", "train").fingerprint()
    rng = np.random.default_rng(0)
    # the archive's own structures, where errors take every form, and a share of the pixels
    places = {*range(0, 300), *range(len(whole) - 500, len(whole)),
              *rng.integers(len(whole), size=100).tolist()}  # fmt: skip
    refused = 0
    for place in places:
        bad = bytearray(whole)
        bad[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        try:
            assert datasets.load("mnist", "train").fingerprint() == right, place
        except InputError as error:
            one_line(error, path)
            refused += 1
    assert refused > len(places) / 4


# Downloads, served from this machine.


def refuse_connections(*_, **__):
    raise OSError("no route to host")


@pytest.mark.parametrize("name", ("mnist", "cifar10"))
def test_without_file_and_network_there_is_one_clear_line(monkeypatch, name):
    import pooch

    monkeypatch.setattr(pooch, "retrieve", refuse_connections)
    one_line(refusal(name), name, f"{name}.npz", "no route to host", "DATA_DIR")


@pytest.fixture
def served(folders, monkeypatch):
    """Serve a folder on the loopback interface; return (folder, address, paths asked for)."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder, asked = folders / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, *_):
            asked.append(self.path)

        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()
        thread.join()


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx(array):
    """Return an array in MNIST's file format, gzipped."""
    header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def tiny_mnist(served, monkeypatch):
    """Serve MNIST's four files with two images each; return (arrays, paths asked for, folder)."""
    from torchvision.datasets import MNIST

    folder, address, asked = served
    content, resources = arrays(count=2), []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        for kind, suffix in (("images", "images-idx3"), ("labels", "labels-idx1")):
            array = content[f"{split}_{kind}"]
            file = idx(array[..., 0] if kind == "images" else array)
            name = f"{prefix}-{suffix}-ubyte.gz"
            (folder / name).write_bytes(file)
            resources.append((name, md5(file)))
    monkeypatch.setattr(MNIST, "resources", resources)
    monkeypatch.setattr(MNIST, "mirrors", [address + "gone/", address])
    return content, asked, folder


def test_a_download_is_written_once_and_loads(tiny_mnist):
    content, asked, _ = tiny_mnist
    for split in ("train", "test"):
        images = datasets.load("mnist", split)
        assert np.array_equal(images.pixels[:, 0], content[f"{split}_images"][..., 0])
        assert np.array_equal(images.labels, content[f"{split}_labels"])
        assert "download" in images.source
    served = [path for path in asked if "gone" not in path]
    assert len(served) == 4 and len(asked) == 8  # the first mirror has nothing
    assert [path.name for path in paths.data().iterdir()] == ["mnist.npz"]


def test_a_download_with_another_hash_is_refused_and_leaves_nothing(tiny_mnist):
    _, _, folder = tiny_mnist
    (folder / "train-images-idx3-ubyte.gz").write_bytes(idx(np.ones((2, 28, 28), "u1")))
    one_line(refusal(), "mnist", "hash")
    left = [path for path in paths.data().rglob("*") if path.is_file()]
    assert not left


class Evil:
    """Make a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def cifar_archive(batch, meta):
    """Return (tar.gz bytes, md5 by member) of an archive in CIFAR-10's layout."""
    members = {"data_batch_1": batch, "test_batch": batch, "batches.meta": meta}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue(), {name: md5(content) for name, content in members.items()}


@pytest.fixture
def tiny_cifar(served, monkeypatch):
    """Serve a CIFAR-10 archive of two images; return (pixels (2, 3, 32, 32), folder)."""
    from torchvision.datasets import CIFAR10

    folder, address, _ = served
    pixels = np.random.default_rng(0).integers(256, size=(2, 3, 32, 32), dtype=np.uint8)
    batch = pickle.dumps({"data": pixels.reshape(2, -1), "labels": [3, 9]})
    archive, sums = cifar_archive(batch, pickle.dumps({"label_names": list(datasets.OBJECTS)}))
    (folder / CIFAR10.filename).write_bytes(archive)
    monkeypatch.setattr(CIFAR10, "url", address + CIFAR10.filename)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(archive))
    for attribute, name in (("train_list", "data_batch_1"), ("test_list", "test_batch")):
        monkeypatch.setattr(CIFAR10, attribute, [[name, sums[name]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    return pixels, folder / CIFAR10.filename


def test_cifar10_with_the_right_hash_is_read(tiny_cifar):
    pixels, _ = tiny_cifar
    for split in ("train", "test"):
        images = datasets.load("cifar10", split)
        assert np.array_equal(images.pixels, pixels)
        assert images.labels.tolist() == [3, 9]


def test_cifar10_with_another_hash_is_never_unpickled(tiny_cifar, folders):
    mark = folders / "unpickled"
    evil = pickle.dumps(Evil(mark))
    pickle.loads(evil)
    assert mark.exists()  # the pickle does its harm where it is opened
    mark.unlink()
    tiny_cifar[1].write_bytes(cifar_archive(evil, evil)[0])
    one_line(refusal("cifar10"), "cifar10", "hash")
    assert not mark.exists()
    assert not [path for path in paths.data().rglob("*") if path.is_file()]


# Channels and standardisation.


def test_standardisation_values():
    pixels = np.zeros((2, 2, 1, 2), np.uint8)
    pixels[:, 0] = [[[0, 255]], [[0, 255]]]
    pixels[:, 1] = [[[51, 51]], [[51, 102]]]
    images = datasets.Images("two", pixels, np.zeros(2, int), ("a",), "by hand")
    mean, std = datasets.standardisation(images)
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_allclose(mean, [0.5, 0.25], rtol=1e-6)
    np.testing.assert_allclose(std, [0.5, 0.05 * 3**0.5], rtol=1e-6)


def test_standardisation_of_mnist():
    mean, std = datasets.standardisation(datasets.load("mnist", "train", 10_000))
    np.testing.assert_allclose([mean[0], std[0]], [0.1307, 0.3081], atol=0.003)  # the well-known


def test_channels(noise):
    images = noise(4, "cifar10")
    assert datasets.channel(images, "all") is images
    for k, name in enumerate(("red", "green", "blue")):
        assert np.array_equal(datasets.channel(images, name).pixels, images.pixels[:, k, None])
    with pytest.raises(InputError) as error:
        datasets.channel(images, "alpha")
    one_line(error, "channels: 'alpha'", "red")
    with pytest.raises(InputError) as error:
        datasets.channel(noise(4), "red")
    one_line(error, "channels: 'red'", "mnist")


def test_more_than_the_sample_holds_asks_for_the_whole_set(folders, monkeypatch):
    asked = []

    def download(name):
        asked.append(name)
        raise InputError("data", name, "no network")

    monkeypatch.setattr(datasets, "_download", download)
    assert len(datasets.load("mnist", "test", 2000)) == 2000
    assert not asked
    one_line(refusal("mnist", "test", 2001), "no network")
    assert asked == ["mnist"]

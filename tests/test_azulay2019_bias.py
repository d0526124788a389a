"""The photographer's bias: planted places are told from uniform ones, a bright spot is found."""

import numpy as np
import pytest
import torch
from conftest import one_line
from PIL import Image
from torch import nn
from torchvision.models._meta import _IMAGENET_CATEGORIES as NAMES

from helpers import bias, natural, rules, runs
from helpers.errors import InputError
from helpers.experiments import azulay2019
from helpers.models.pretrained import Network
from helpers.verdicts.azulay2019 import bias as verdicts

SIDE, CELLS, CLASSES, EACH = 64, 8, 40, 60


def planted(cells, side=13):
    """Return `Places` of rows, columns and counts (N, 3), in `CLASSES` classes."""
    return bias.Places(side, np.arange(len(cells)) % CLASSES, np.asarray(cells))


def uniform(seed, side=13):
    rng, n = np.random.default_rng(seed), CLASSES * EACH
    counts = rng.integers(1, side**2 + 1, size=n)
    return planted(np.stack([*rng.integers(side, size=(2, n)), counts], axis=1), side)


def central(seed, side=13):
    """Return places about the middle and extents of a quarter, as of careful photographers."""
    rng, n = np.random.default_rng(seed), CLASSES * EACH
    places = rng.normal(side / 2, side / 5, size=(2, n)).clip(0, side - 1).astype(int)
    counts = rng.normal(side**2 / 4, side**2 / 20, size=n).clip(1)
    return planted(np.stack([*places, counts.astype(int)], axis=1), side)


@pytest.mark.parametrize("what", ["places", "extents"])
def test_uniform_and_biased_places_are_told_apart(what):
    found = {"photographed": central(0), "rolled": uniform(1)}
    assert verdicts.rejected(found, "photographed", what).mean() == 1
    p = verdicts.p_values(found, "rolled", what)
    assert len(p) == CLASSES
    assert (p < bias.LEVEL).mean() <= 0.15
    assert 0.35 < np.median(p) < 0.65


def test_the_middle_ninth_holds_its_area_of_uniform_places():
    found = {"photographed": central(0), "rolled": uniform(1)}
    share = {kind: verdicts.middle(found, kind).mean() for kind in bias.KINDS}
    assert share["rolled"] == pytest.approx(25 / 169, abs=0.02)
    assert share["photographed"] > 0.3


def test_places_are_compared_picture_by_picture():
    centre, corner, none = (6, 6, 3), (0, 12, 3), (0, 0, 0)
    found = {"photographed": [centre, centre, corner, corner, none],
             "rolled": [centre, corner, centre, none, centre]}  # fmt: skip
    found = {kind: bias.Places(13, np.arange(5), np.array(cells)) for kind, cells in found.items()}
    assert verdicts.central(found).tolist() == [0, 1, -1]  # where nothing is found, none is


@pytest.mark.parametrize("side", [8, 9, 13])
def test_the_middle_is_that_of_the_thirds(side):
    every = np.array([(row, column, 1) for row in range(side) for column in range(side)])
    places = bias.Places(side, np.zeros(len(every), int), every)
    assert places.central().sum() == bias.thirds(np.ones((side, side)))[1, 1]


@pytest.mark.parametrize("side, areas", [(13, [4, 5, 4]), (9, [3, 3, 3]), (8, [3, 2, 3])])
def test_thirds_are_cut_where_the_middles_of_cells_lie(side, areas):
    assert np.array_equal(bias.thirds(np.ones((side, side))), np.outer(areas, areas))


def test_p_value_is_that_of_the_sum_by_hand():
    one = bias.Places(3, np.zeros(9, int), np.array([[0, 0, 1]] * 5 + [[2, 1, 9]] * 4))
    chi2 = (5 - 1) ** 2 + (4 - 1) ** 2 + 7  # nine are expected one each
    assert one.places_p() == pytest.approx(1 - _chi2_of_8(chi2))


def _chi2_of_8(x):
    """Return the distribution function of chi-squared with 8 degrees of freedom."""
    half = x / 2
    return 1 - np.exp(-half) * (1 + half + half**2 / 2 + half**3 / 6)


# The observer, on a network that sees one bright spot.


def network(bird=bias.BIRDS[3], classes=1000):
    """Return a network whose map of one class is the mean of each 8 x 8 px."""
    head = nn.Conv2d(3, classes, CELLS, stride=CELLS)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    nn.init.constant_(head.weight[bird], 1 / CELLS**2)
    model = nn.Sequential(head, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    names = tuple(NAMES) if classes == 1000 else ()
    return Network("made", model, SIDE, (0.0,) * 3, (1.0,) * 3, 1.0, "bilinear", "made", "", names)


class Spots:
    """Pictures with one bright cell each, as `pictures.Pictures`."""

    classes, source = ("spots",), "spots"

    def __init__(self, cells, labels=None):
        self.cells, self.labels = cells, labels

    def __len__(self):
        return len(self.cells)

    def __getitem__(self, part):
        return Spots(self.cells[part])

    def __iter__(self):
        for row, column in self.cells:
            picture = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
            top, left = row * CELLS, column * CELLS
            picture[:, top : top + CELLS, left : left + CELLS] = 255
            yield picture


def seen(cells, own=None, **how):
    """Return what is observed on spots; own: which of the network's classes they are, if any."""
    labels = torch.arange(len(cells)) % CLASSES if own is None else torch.tensor(own)
    spots, made = Spots(np.asarray(cells), labels), network(**how)
    if own is not None:
        spots.classes = made.names
    return bias.positions(natural.View(None, made, spots, spots))


def test_observer_finds_the_spot_and_the_roll_moves_it():
    cells = [(k // 8, k % 8) for k in range(64)]
    found = seen(cells)
    places = bias.read(found)
    assert found == seen(cells)
    assert (places["photographed"].cells == [(*cell, 1) for cell in cells]).all()
    assert places["photographed"].relative()[10].tolist() == [2.5 / 8, 1.5 / 8, 1 / 64]
    assert not np.array_equal(places["rolled"].cells, places["photographed"].cells)
    assert bias.followed(places, SIDE).all()
    places["rolled"].cells[::2, :2] += 3  # planted: half of the peaks go elsewhere
    assert bias.followed(places, SIDE).mean() == 0.5


def test_rolling_makes_central_spots_uniform():
    rng = np.random.default_rng(2)
    places = bias.read(seen(rng.normal(4, 1, size=(CLASSES * 20, 2)).clip(0, 7).astype(int)))
    share = {kind: verdicts.rejected(places, kind, "places").mean() for kind in bias.KINDS}
    assert share["photographed"] > 0.8
    assert share["rolled"] <= 0.15


def test_what_is_no_bird_is_no_place():
    places = bias.read(seen([(1, 1), (2, 2)], bird=0))
    assert places["photographed"].cells[:, 2].tolist() == [0, 0]
    assert places["photographed"].heat().sum() == 0


def test_of_a_known_class_only_its_own_map_counts():
    places = bias.read(seen([(1, 1), (2, 2), (5, 6)], own=[0, 817, 0], bird=817))
    assert places["photographed"].cells[:, 2].tolist() == [0, 1, 0]
    assert places["photographed"].cells[1, :2].tolist() == [2, 2]
    assert places["photographed"].labels.tolist() == [0, 817, 0]  # more than a byte holds


def test_pictures_without_labels_have_no_places():
    spots = Spots(np.array([(1, 1)]))
    with pytest.raises(InputError) as error:
        bias.positions(natural.View(None, network(), spots, spots))
    one_line(error, "spots", "labels")


def test_bird_classes_are_birds():
    names = [NAMES[k] for k in bias.BIRDS]
    assert len(names) == 59
    assert {"cock", "great grey owl", "black grouse", "black swan", "white stork", "albatross"} < (
        set(names)
    )
    assert not {"electric ray", "tusker", "tick", "grey whale", "hermit crab"} & set(names)


def test_a_network_without_maps_of_imagenet_is_refused():
    with pytest.raises(InputError) as error:
        seen([(1, 1)], classes=200)
    one_line(error, "made", "each class")


# Data, records and experiments.


def test_all_birds_are_both_splits_with_their_labels(folders):
    root = folders / "data" / "cub100"
    names = ["ani/0.png", "ani/1.png", "auklet/0.png"]
    lists = {
        "classes": ["ani", "auklet"],
        "images": names,
        "image_class_labels": [0, 0, 1],
        "train_test_split": [0, 1, 0],
    }
    for name in names:
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 7), "white").save(root / "images" / name)
    for name, values in lists.items():
        (root / f"{name}.txt").write_text("".join(f"{k}, {v}\n" for k, v in enumerate(values)))
    natural.splits.cache_clear()
    train, every, _ = natural.splits("all_birds", None)
    natural.splits.cache_clear()
    assert len(train) == 0
    assert every.labels.tolist() == [0, 0, 1]
    assert [tuple(picture.shape) for picture in every] == [(3, 7, 9)] * 3


def test_the_experiment_is_two_runs_at_study_only():
    assert [azulay2019.bias(name) for name in ("smoke", "quick", "paper")] == [[], [], []]
    found = [(run.data, run.test_size, run.observers) for run in azulay2019.bias("study")]
    seen = ("positions",)
    assert found == [("imagenet_sample", 1_000, seen), ("all_birds", None, seen)]


@pytest.mark.parametrize("there", [True, False])
def test_measures_read_the_published_record_or_say_what_is_needed(there, monkeypatch):
    record = {"observations": {"positions": seen([(k // 8, k % 8) for k in range(64)])}}
    monkeypatch.setattr(runs, "find_published", lambda run: record if there else None)
    verdicts.places.cache_clear()
    try:
        for name, measure in verdicts.MEASURES["aw-fig5"].items():
            values, scale = measure("smoke")
            if there and name != "categories":  # which no record of ours can judge
                assert len(values) == (64 if name == "photographs" else CLASSES)
                assert scale == "study"
            else:
                assert values is None and "needs" in scale
    finally:
        verdicts.places.cache_clear()


def test_an_exact_interval_has_a_width_where_all_agree():
    share, low, high = rules.share(np.ones(100), "exact")
    assert (share, high) == (1, 1)
    assert low == pytest.approx(0.025 ** (1 / 100))

"""How much noise a network bears: planted networks, intervals, an interrupted run, bad input."""

import shutil

import numpy as np
import own_networks
import pandas as pd
import pytest
import torch
from conftest import one_line
from PIL import Image
from scipy import stats
from torch import nn

from helpers import __main__ as command
from helpers import degrade, paths, questions, robustness, tolerance
from helpers.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")  # still how files come
LEVEL = {"near.png": 136, "mid.png": 144, "deep/er/far.png": 240}  # grey, of whole pictures
STEEP = 1 / 16  # of `Pixel`, in logits a grey level


class Pixel(nn.Module):
    """Answer by whether the red of the pixel in the middle is above 128."""

    def forward(self, x):
        middle = x[:, 0, x.shape[2] // 2, x.shape[3] // 2]
        found = ((middle * 0.229 + 0.485) * 255 - 128) / 16
        return torch.stack([torch.zeros_like(found), found], dim=1)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Return the files of the small networks by name."""
    return own_networks.save(tmp_path_factory.mktemp("networks"), Pixel)


@pytest.fixture
def greys(folders):
    """Return a folder of three even pictures at two depths: one near the border of `Pixel`."""
    for name, level in LEVEL.items():
        file = folders / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((90, 100, 3), level, np.uint8)).save(file)
    (folders / "pictures" / "notes.txt").write_text("no picture")
    return folders / "pictures"


def ask(network, pictures, **fields):
    return tolerance.ask(network, pictures, **{"kinds": "rgb", "levels": 8, "draws": 4, **fields})


def test_what_is_planted_is_found(networks, greys):
    """A pixel 8 or 16 above the border falls below it as often as the normal law says."""
    study = ask(networks["Pixel"], greys, levels=16, draws=200)
    lines = study.by_picture().set_index("picture")
    for name, level in LEVEL.items():
        wanted = stats.norm.cdf((128 - level) / 16)
        spread = (wanted * (1 - wanted) / 200) ** 0.5
        assert abs(lines.changed[name] - wanted) < 4 * spread + 1e-9
    assert set(lines.label) == {1}
    row = study.answer().iloc[0]
    assert row.changed == pytest.approx(lines.changed.mean())
    assert row.changed_low < row.changed < row.changed_high
    assert row.change == pytest.approx(lines.change.mean()) and row.change < 0
    assert (row.pictures, row.draws) == (3, 200)


def test_faint_noise_deviates_as_predicted(networks, greys):
    """The slope of the probability is p (1 - p) times that of the logit, and only red counts."""
    lines = ask(networks["Pixel"], greys, levels=0.5, draws=200).by_picture()
    slope = STEEP * lines.top * (1 - lines.top)
    assert np.allclose(lines.predicted, 0.5 * slope, rtol=1e-4)
    assert np.allclose(lines.deviation, lines.predicted, rtol=4 / (2 * 199) ** 0.5)
    pepper = ask(networks["Pixel"], greys, kinds="pepper", levels=0.2, draws=1).by_picture()
    assert np.allclose(pepper.predicted, (0.2 * 0.8) ** 0.5 * slope * pepper.picture.map(LEVEL))
    row = ask(networks["Pixel"], greys, kinds="rgb,hue", levels=0.5, draws=30).answer()
    assert row.r[0] > 0.9 and row.predicted.isna().tolist() == [False, True]


def test_a_deaf_network_has_no_gradient_and_a_true_interval(networks, greys):
    """That three pictures never changed leaves much open: 0.975 = (1 - high)^3 does not."""
    found = ask(networks["Deaf"], greys, kinds="rgb,left_right").answer()
    assert not found.changed.any() and not found.change.any()
    assert np.allclose(found.changed_high, 1 - 0.025 ** (1 / 3))
    assert found.predicted.isna().all() and found.deviation[0] == 0
    shown = tolerance.table(found)
    assert shown["predicted (points)"].tolist() == ["", ""]
    assert shown.level.tolist() == ["σ = 8", ""]
    assert found.draws.tolist() == [4, 1]  # nothing of a flip is random
    certain = f"{100 * found.confidence[0]:.1f} %"
    assert tolerance.note(found) == f"images: 3, draws per image: 4, confidence: {certain}"
    assert shown["p_Δ (%)"][0] == "0.0 [0.0, 70.8]"


@pytest.mark.parametrize("shape", ((0.2, 0.8), (0.05, 0.45)))
def test_intervals_cover_what_was_planted_over_pictures(shape):
    """Of 400 samples of 40 pictures, each with its own share, about 95 % hold the mean share.

    Those that take every draw for itself hold it far too rarely.
    """
    rng = np.random.default_rng(0)
    flags = rng.random((400, 40, 10)) < rng.beta(*shape, (400, 40, 1))
    planted = shape[0] / sum(shape)
    ends = np.array([tolerance.share(sample.mean(1)) for sample in flags])
    alone = np.array([questions.mean(sample.ravel()) for sample in flags])
    inside, naive = (((of[:, 1] <= planted) & (planted <= of[:, 2])).mean() for of in (ends, alone))
    assert np.allclose(ends[:, 0], flags.mean((1, 2)))
    assert 0.88 < inside < 0.98 and naive < 0.75


def test_intervals_where_all_pictures_agree():
    for value, ends in ((0.0, (0, 0.3085)), (1.0, (0.6915, 1)), (0.5, (0.1871, 0.8129))):
        assert tolerance.share(np.full(10, value)) == pytest.approx((value, *ends), abs=1e-4)
    assert tolerance.share(np.array([0.5])) == (0.5, 0, 1)


def test_rows_for_every_kind_and_its_levels(networks, greys):
    study = ask(networks["Deaf"], greys, kinds="upside_down, pepper_pixels,rotation,rotation",
                levels=None, draws=1)  # fmt: skip
    assert study.parts == (
        ("upside_down", None),
        *(("pepper_pixels", level) for level in robustness.LEVELS["pepper"]),
        ("rotation", 180.0),
    )
    found = study.answer()
    assert found.deviation.isna().all()  # of a single draw
    pd.testing.assert_frame_equal(pd.read_csv(found.attrs["file"]), found, check_exact=False)
    names = {file.name.split("-")[1] for file in (paths.build() / "noise" / "pictures").iterdir()}
    assert {"upside_down", "rotation180", "pepper_pixels0.005"} < names
    every = tolerance.ask(networks["Deaf"], greys)
    assert {kind for kind, _ in every.parts} == set(robustness.LEVELS)


@pytest.mark.parametrize("given", ("(0.5, 4)", "[.5,4.0,4]", [0.5, 4], (0.5, 4.0)))
def test_levels_as_papermill_gives_them(given, networks, greys):
    study = ask(networks["Deaf"], greys, levels=given)
    assert study.parts == (("rgb", 0.5), ("rgb", 4.0))


def test_count_takes_a_part_and_no_picture_twice(networks, greys):
    assert sorted(ask(networks["Deaf"], greys, count=99).names) == sorted(LEVEL)
    parts = {ask(networks["Deaf"], greys, count=2, seed=seed).names for seed in range(9)}
    assert len(parts) > 2 and {len(set(names)) for names in parts} == {2}


def test_same_seed_same_result_for_equal_networks(networks, greys, monkeypatch, tmp_path):
    """Anew, in another build folder, so that no file of the first is there."""
    asked = {"kinds": "rgb,translation,pepper", "levels": "0.5,1"}
    first = ask(networks["Pixel"], greys, **asked).by_picture()
    other = ask(networks["Pixel"], greys, **asked, seed=1).by_picture()
    monkeypatch.setenv("BUILD_DIR", str(tmp_path / "elsewhere"))
    twin = shutil.copy(networks["Pixel"], tmp_path / "twin.pt")
    found = ask(str(twin), greys, **asked).by_picture()
    pd.testing.assert_frame_equal(found, first, check_exact=True)
    assert other.change.tolist() != first.change.tolist()


def test_the_most_sensitive_pictures_and_the_faintest_noise(networks, greys):
    study = ask(networks["Pixel"], greys, kinds="rgb,left_right", levels="64,0.1,16", draws=30)
    worst = study.most_sensitive()
    assert worst.picture.tolist() == ["near.png", "mid.png", "deep/er/far.png"]
    assert worst["class"].tolist() == ["class 1"] * 3
    assert worst.changed[0] == pytest.approx(
        study.by_picture().groupby("picture").changed.mean()["near.png"]
    )
    assert len(study.most_sensitive(2)) == 2
    noise, flip = study.faintest()
    assert (noise.kind, noise.level, noise.picture) == ("rgb", 16, "near.png")
    assert [name for name, _ in noise.said] == ["class 1", "class 0"]
    assert noise.said[0][1] == pytest.approx(1 / (1 + np.exp(-8 * STEEP)), rel=1e-3)
    assert 0 < noise.changed < 1 and noise.frames.dtype == np.uint8
    clean, shown = noise.frames
    assert (clean == 136).all() and shown[0, 112, 112] <= 128  # what was said is what is seen
    assert (flip.level, flip.changed) == (None, 0)


def test_a_changed_picture_is_measured_again(networks, greys):
    before = ask(networks["Pixel"], greys).answer()
    Image.fromarray(np.full((80, 80, 3), 255, np.uint8)).save(greys / "near.png")
    after = ask(networks["Pixel"], greys).answer()
    assert after.confidence[0] > before.confidence[0]


def test_an_interrupted_command_goes_on(networks, greys, monkeypatch, capsys):
    """Stop it in the second kind: the same command measures only that one."""
    words = ["noise", "--network", networks["Pixel"], "--pictures", str(greys), "--draws", "2",
             "--kinds", "rgb,hue", "--levels", "16"]  # fmt: skip
    measured, drawn = [], degrade.draw

    def draw(images, kind, *rest):
        measured.append(kind)
        if measured == ["rgb"] * 3 + ["hue"]:
            raise KeyboardInterrupt
        return drawn(images, kind, *rest)

    monkeypatch.setattr(degrade, "draw", draw)
    assert command.main(words) == 130
    assert capsys.readouterr().err.endswith("the same command resumes\n")
    assert command.main(words) == 0
    assert measured == ["rgb"] * 3 + ["hue"] + ["hue"] * 3
    seen = capsys.readouterr()
    assert seen.err.splitlines() == ["rgb σ = 16 ...", "hue σ = 16 ..."]
    said = seen.out.splitlines()
    assert len(said) == 6 and said[4].startswith("most sensitive: ") and "near.png (" in said[4]
    written = pd.read_csv(said[-1].removeprefix("written to "))
    assert list(written.kind) == ["rgb", "hue"] and list(written.draws) == [2, 2]


def test_a_damaged_file_is_measured_again(networks, greys):
    found = ask(networks["Pixel"], greys).answer()
    (file,) = (paths.build() / "noise" / "pictures").glob("*.csv")
    whole = file.read_text()
    for damage in (whole[: len(whole) // 2], "", "picture\n"):
        file.write_text(damage)
        pd.testing.assert_frame_equal(ask(networks["Pixel"], greys).answer(), found)
        assert file.read_text() == whole


@pytest.mark.parametrize(
    ("field", "value", "said"),
    (
        ("pictures", "nowhere", "use a folder with images"),
        ("network", "resnet5000", "network: 'resnet5000'"),
        ("network", "gone.pt", "gone.pt"),
        ("kinds", "rgb,fog", "kinds: 'fog' is not allowed; use one of rgb"),
        ("kinds", ",", "kinds: [] is not allowed; name at least one"),
        ("levels", "2,-1", "levels: -1.0 is not allowed; rgb takes numbers of at least 0"),
        ("levels", "0.5,2", "levels: 2 is not allowed; pepper takes numbers from 0 to 1"),
        ("levels", "nan", "levels: nan"),
        ("levels", "faint", "levels: 'faint'"),
        ("levels", ",", "levels: [] is not allowed; name at least one"),
        ("count", "0", "count: 0"),
        ("count", "many", "count: 'many'"),
        ("draws", "0", "draws: 0 is not allowed; use a whole number of at least 1"),
        ("draws", "1.5", "draws: '1.5'"),
        ("seed", "-1", "seed: -1"),
    ),
)
def test_bad_input_is_status_2_and_one_line(field, value, said, networks, greys, capsys):
    given = {"network": networks["Pixel"], "pictures": str(greys), "kinds": "rgb,pepper"}
    words = [f"--{name}={text}" for name, text in {**given, field: value}.items()]
    assert command.main(["noise", *words]) == 2
    seen = capsys.readouterr()
    assert not seen.out and not (paths.build() / "noise").exists()
    one_line(seen.err, said)


def test_what_cannot_be_measured_is_one_line(networks, greys):
    with pytest.raises(InputError) as error:
        ask(networks["Broken"], greys).answer()
    one_line(error, "Broken.pt", "finite numbers")
    (greys / "d.jpg").write_text("no photograph")
    with pytest.raises(InputError) as error:
        ask(networks["Pixel"], greys).answer()
    one_line(error, "d.jpg", "cannot be read")

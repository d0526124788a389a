"""What is recorded of degraded images: planted answers are counted, draws are shared."""

import numpy as np
import pytest
import torch

from helpers import denoise, metrics, robustness, sensitivity

SIDE, COUNT = 12, 30


class Planted:
    """A view whose network tells bright from dark by the mean of the first channel."""

    device = torch.device("cpu")

    def __init__(self, frames, labels, steep=1.0, run=None):
        self.frames, self.labels, self.steep, self.run = frames, labels, steep, run

    def sample(self, count):
        return self.frames[:count], self.labels[:count]

    def scores(self, images):
        bright = (images.float()[:, 0].mean((1, 2)) - 128) * self.steep
        return torch.stack([-bright, bright], 1)


def view(levels, noise=0, **how):
    """Return a view of even images, one a level, each labelled by whether it is bright."""
    rng = np.random.default_rng(0)
    frames = np.full((len(levels), 3, SIDE, SIDE), 0) + np.asarray(levels)[:, None, None, None]
    frames = frames + rng.integers(-noise, noise + 1, frames.shape)
    frames = torch.from_numpy(frames.astype(np.uint8))
    return Planted(frames, torch.tensor([int(level > 128) for level in levels]), **how)


def test_flips_change_no_mean_and_so_no_label():
    found = robustness.noise("left_right")(view([20, 200, 90], noise=9))
    assert robustness.read_clean(found).tolist() == [True] * 3
    assert robustness.read_bits(found, "kept", "1").all()
    assert robustness.read_bits(found, "right", "1").shape == (3, robustness.DRAWS)


def test_pepper_darkens_what_is_barely_bright():
    found = robustness.noise("pepper")(view([130, 250, 20]))
    kept = robustness.read_bits(found, "kept", "0.08")
    assert not kept[0].any() and kept[1:].all()  # 8 % less of 130 is dark
    assert (kept == robustness.read_bits(found, "right", "0.08")).all()


def test_right_and_kept_are_two_questions():
    seen = view([130, 250, 20])
    seen.labels = torch.tensor([0, 0, 0])  # the first is called bright, wrongly
    found = robustness.noise("pepper")(seen)
    assert robustness.read_clean(found).tolist() == [False, False, True]
    right, kept = (robustness.read_bits(found, which, "0.08") for which in ("right", "kept"))
    assert right[0].all() and not kept[0].any()
    assert not right[1].any() and kept[1].all()


def test_levels_are_all_there_and_the_same_twice():
    seen = view(range(20, 240, 8), noise=15)
    found = robustness.noise("rgb")(seen)
    assert list(found["levels"]) == ["2", "4", "8", "16", "32"]
    assert found == robustness.noise("rgb")(seen)
    assert (found["n"], found["draws"]) == (28, 10)


def test_many_pictures_have_one_draw_each(monkeypatch):
    monkeypatch.setattr(robustness, "PICTURES", 10)
    seen = view(range(20, 240, 4), noise=15)
    few, many = (robustness.noise("rgb", many=many)(seen) for many in (False, True))
    assert (few["n"], few["draws"], many["n"], many["draws"]) == (10, 10, 55, 1)
    assert robustness.read_bits(many, "right", "32").shape == (55, 1)
    assert list(robustness.noise("translation", many=True)(seen)["levels"])[-1] == "11"
    assert robustness.combined(seen, many=True)["draws"] == 1
    assert robustness.filtered("rgb", many=True)(seen)["none"] == many | {
        "levels": {"0": robustness.filtered("rgb", many=True)(seen)["none"]["levels"]["0"]}
        | many["levels"]
    }


def test_two_degradations_are_one_after_the_other():
    seen = view(range(120, 140), noise=3)
    found = robustness.combined(seen)
    assert list(found["levels"]) == ["intensity", "pepper", "both"]
    pepper, both = (
        robustness.read_bits(found, "right", name).mean() for name in ("pepper", "both")
    )
    assert abs(pepper - both) < 0.1  # the noise has no mean
    assert robustness.read_bits(found, "right", "intensity").mean() > pepper


def test_filters_see_the_same_draws_and_the_clean_image():
    seen = view(range(20, 240, 8), noise=15)
    found = robustness.filtered("rgb")(seen)
    assert list(found) == list(denoise.FILTERS)
    plain = robustness.noise("rgb")(seen)
    for level in plain["levels"]:
        assert found["none"]["levels"][level] == plain["levels"][level]
    assert robustness.read_bits(found["none"], "kept", "0").all()  # level 0 is the image itself
    closed = robustness.filtered("pepper")(view([130, 250, 20]))["closing 3"]
    assert robustness.read_bits(closed, "kept", "0.04")[0].mean() > 0.9  # single black values fill


def test_deviations_are_those_of_the_mean():
    """The logit moves by steep times the mean of SIDE^2 draws of sigma 1, on each side."""
    steep = 0.05
    found = robustness.deviations(view([100, 128, 160, 128], steep=steep))
    sd, top = (robustness.read(found[name]) for name in ("sd", "top"))
    slope = 2 * top * (1 - top)  # of a probability by half of the difference of two logits
    expected = slope * steep / SIDE
    assert sd == pytest.approx(expected, rel=0.7)  # ten draws
    assert 0.6 < (sd / expected).mean() < 1.4
    assert (robustness.read(found["hue"]) == 0).all()  # grey images
    assert metrics.bits(found["right"], 4).tolist() == [True, True, True, True]


def test_both_outputs_vary_as_the_mean_does():
    """A logit by steep / SIDE whatever the picture, a probability by 2 p (1 - p) times that."""
    steep = 0.05
    found = robustness.scores(view([100, 128, 160, 128], steep=steep))
    assert found["draws"] == robustness.MANY and set(found["outputs"]) == set(sensitivity.OUTPUTS)
    read = {output: {name: robustness.read(text) for name, text in own.items()}
            for output, own in found["outputs"].items()}  # fmt: skip
    assert read["logit"]["sd"] == pytest.approx(steep / SIDE, rel=0.3)
    top = read["probability"]["top"]
    assert read["probability"]["sd"] == pytest.approx(2 * top * (1 - top) * steep / SIDE, rel=0.3)
    assert 1 / (1 + np.exp(-2 * read["logit"]["top"])) == pytest.approx(top, abs=1e-4)
    older = robustness.deviations(view([100, 128, 160, 128], steep=steep))
    assert [found[k] for k in ("hue", "contrast", "right")] == [
        older[k] for k in ("hue", "contrast", "right")
    ]


def test_entropy_of_hue():
    red = torch.tensor([200.0, 10, 10])[None, :, None, None].expand(1, 3, 8, 8)
    half = red.clone()
    half[..., :4] = red.flip(1)[..., :4]
    mixed = torch.cat([red, half, torch.full_like(red, 90)])
    assert robustness.hue_entropy(mixed).tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    generator = torch.Generator().manual_seed(0)
    many = torch.rand(1, 3, 300, 300, generator=generator) * 255
    assert 7 < float(robustness.hue_entropy(many)) < 8


def test_grey_among_coloured_pixels_has_no_hue():
    half = torch.full((1, 3, 8, 8), 90.0)
    half[:, 0, :4] = 200
    assert robustness.hue_entropy(half).tolist() == pytest.approx([0], abs=1e-6)


@pytest.mark.parametrize("kind", ["rgb", "pepper"])
def test_what_is_foretold_is_what_is_measured_on_a_linear_output(kind):
    found = robustness.predicted(kind)(view([100, 120, 140, 180], noise=9, steep=0.01))
    assert found["draws"] == [10, 100]
    for values in found["outputs"]["logit"].values():
        read = {name: robustness.read(text) for name, text in values.items()}
        for which in ("moment", "variance"):
            assert read[f"{which} 100"] == pytest.approx(read[which], rel=0.3)
        assert read["moment"].min() >= read["variance"].min()
    assert set(found["outputs"]) == set(sensitivity.OUTPUTS)


def test_few_draws_are_the_first_of_many():
    """The errors of ten draws and of a hundred are about those of chi-squared."""
    found = robustness.predicted("rgb")(view(np.linspace(90, 170, COUNT).astype(int), noise=9,
                                             steep=0.01))  # fmt: skip
    values = found["outputs"]["logit"]["1"]
    read = {name: robustness.read(text) for name, text in values.items()}
    few, many = (np.std(read[f"variance {draws}"] / read["variance"]) for draws in found["draws"])
    assert many < few
    assert few == pytest.approx(1 / 18**0.5, rel=0.5) and many == pytest.approx(
        1 / 198**0.5, rel=0.5
    )


def test_observers_are_known_by_name():
    from helpers.observers import OBSERVERS

    assert set(robustness.OBSERVERS) < set(OBSERVERS)
    assert {"noise_rgb", "noise_left_right", "deviations"} < set(robustness.OBSERVERS)

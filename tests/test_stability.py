"""How shift-stable a network is: planted networks, intervals, an interrupted run, bad input."""

import numpy as np
import own_networks
import pandas as pd
import pytest
import torch
from conftest import one_line
from PIL import Image
from torch import nn

from helpers import __main__ as command
from helpers import paths, rules, shift, stability
from helpers.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")  # still how files come


class Rows(nn.Module):
    """Answer by whether a bright line lies in an even or an odd row."""

    def forward(self, x):
        signs = 1 - 2 * (torch.arange(x.shape[2]) % 2).to(x)
        found = (x.mean((1, 3)) * signs).sum(1)
        return torch.stack([found, -found], dim=1)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Return the files of the small networks by name."""
    return own_networks.save(tmp_path_factory.mktemp("networks"), Rows)


@pytest.fixture
def lines(folders):
    """Return a folder of three pictures at two depths: black with one bright line on top."""
    for name, width in (("a.png", 100), ("b.PNG", 120), ("deep/er/c.jpeg", 140)):
        pixels = np.zeros((100, width, 3), np.uint8)
        pixels[0] = 255
        file = folders / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    (folders / "pictures" / "notes.txt").write_text("no picture")
    return folders / "pictures"


def ask(network, pictures, **fields):
    return stability.measure(network, pictures, **{"protocols": "black", **fields})


def test_what_is_planted_is_found(networks, lines):
    """A line that moves by one row changes every answer of `Rows`, and none of `Deaf`."""
    found = ask(networks["Rows"], lines, count=7).iloc[0]
    assert (found.changed, found.n, found.pictures) == (1, 7, 3)
    assert found.changed_low < 1 and found.changed_high == 1
    deaf = ask(networks["Deaf"], lines, protocols=shift.PROTOCOLS, count=4)
    assert list(deaf.protocol) == list(shift.PROTOCOLS)
    assert not deaf.changed.any() and not deaf.change.any()
    assert np.allclose(deaf.confidence, 1 / (1 + np.exp(-1)))


def test_pairs_are_what_the_row_says(networks, lines):
    """Each pair's line of the file is what the network says about the frames made again."""
    asked = {"protocols": ["black", "crop"], "count": 4, "seed": 3, "sizes": [60]}
    found = ask(networks["Rows"], lines, **asked)
    files = sorted((paths.build() / "stability" / "pairs").glob("*.csv"))
    assert [file.name.split("-")[1] for file in files] == ["black60", "crop"]
    pairs = pd.read_csv(files[0])
    assert set(pairs.picture) <= {"a.png", "b.PNG", "deep/er/c.jpeg"}
    assert pairs.changed.mean() == found.changed[0]
    assert pairs.change.mean() == pytest.approx(found.change[0])
    worst = stability.worst(networks["Rows"], lines, **asked)
    assert [(pair.protocol, pair.size) for pair in worst] == [("black", 60), ("crop", None)]
    pair = worst[0]
    assert pair.change == pytest.approx(pairs.change.max(), abs=1e-5)
    assert pair.picture == pairs.picture[pairs.change.argmax()]
    assert pair.frames.shape == (2, 3, 224, 224) and pair.frames.dtype == np.uint8
    assert np.array_equal(pair.frames[0, :, :-1], pair.frames[1, :, 1:])  # moved down by one
    assert {name for name, _ in pair.said} <= {"class 0", "class 1"}


def test_rows_for_every_size_and_one_for_crops(networks, lines):
    found = ask(networks["Rows"], lines, protocols="crop, black,scale,black", sizes="(60, 100)")
    assert list(found.protocol) == ["crop", "black", "black", "scale", "scale"]
    assert found["size"].fillna(0).tolist() == [0, 60, 100, 60, 100]
    assert (found.n == 3).all() and (found.pictures == 3).all()  # each picture once
    pd.testing.assert_frame_equal(
        pd.read_csv(found.attrs["file"], dtype={"size": "Int64"}), found, check_exact=False
    )


def test_same_seed_same_result(networks, lines, monkeypatch, tmp_path):
    """Anew, in another build folder, so that no file of the first is there."""
    asked = {"protocols": "crop,black", "sizes": 60, "count": 5}
    first = ask(networks["Rows"], lines, **asked)
    other = ask(networks["Rows"], lines, **asked, seed=1)
    monkeypatch.setenv("BUILD_DIR", str(tmp_path / "elsewhere"))
    pd.testing.assert_frame_equal(ask(networks["Rows"], lines, **asked), first, check_exact=True)
    assert other.change.tolist() != first.change.tolist()


def test_a_changed_picture_is_measured_again(networks, lines):
    before = ask(networks["Rows"], lines)
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(lines / "a.png")
    after = ask(networks["Rows"], lines)
    assert before.changed[0] == 1 and after.changed[0] == pytest.approx(2 / 3)


def test_an_interrupted_command_goes_on(networks, lines, monkeypatch, capsys):
    """Stop it after the first protocol: the same command measures only the second one."""
    words = ["stability", "--network", networks["Rows"], "--pictures", str(lines),
             "--protocols", "black,crop"]  # fmt: skip
    measured, made = [], shift.frames

    def frames(pictures, protocol, *rest):
        if protocol == "crop" and "crop" not in measured:
            measured.append(protocol)
            raise KeyboardInterrupt
        measured.append(protocol)
        return made(pictures, protocol, *rest)

    monkeypatch.setattr(shift, "frames", frames)
    assert command.main(words) == 130
    assert capsys.readouterr().err.endswith("the same command resumes\n")
    assert command.main(words) == 0
    assert measured == ["black"] * 3 + ["crop"] + ["crop"] * 3
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4 and "100.0 [" in said[1]  # head, two protocols, and the file
    written = pd.read_csv(said[-1].removeprefix("written to "))
    assert list(written.protocol) == ["black", "crop"] and written.changed[0] == 1


def test_a_damaged_file_is_measured_again(networks, lines):
    found = ask(networks["Rows"], lines)
    (file,) = (paths.build() / "stability" / "pairs").glob("*.csv")
    whole = file.read_text()
    for damage in (whole[: len(whole) // 2], "", "picture\n"):
        file.write_text(damage)
        pd.testing.assert_frame_equal(ask(networks["Rows"], lines), found)
        assert file.read_text() == whole


@pytest.mark.parametrize("planted", (0.03, 0.2, 0.5))
def test_intervals_of_shares_cover_what_was_planted(planted):
    """Of 300 samples of 100 pairs, about 95 % of the intervals hold the planted share."""
    samples = np.random.default_rng(0).random((300, 100)) < planted
    ends = np.array([rules.share(sample) for sample in samples])
    assert np.array_equal(ends[:, 0], samples.mean(1))
    inside = (ends[:, 1] <= planted) & (planted <= ends[:, 2])
    assert 0.92 < inside.mean() < 0.99


def test_intervals_at_the_ends():
    low, high = rules.share([False] * 10)[1:]
    assert low == pytest.approx(0) and high == pytest.approx(0.2775, abs=1e-4)  # Wilson (1927)
    assert stability.mean([0.25]) == (0.25, 0, 1)
    assert stability.mean([0, 0.4])[1:] == (0, 1)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    (
        ("pictures", "nowhere", "use a folder with images"),
        ("network", "resnet5000", "network: 'resnet5000'"),
        ("network", "gone.pt", "gone.pt"),
        ("protocols", "crop,shake", "protocols: 'shake' is not allowed; use one of crop"),
        ("protocols", ",", "protocols: [] is not allowed; name at least one"),
        ("count", "0", "count: 0"),
        ("count", "many", "count: 'many'"),
        ("sizes", "60,0", "sizes: 0"),
        ("sizes", "60,223", "sizes: 223 is not allowed; use a whole number from 1 to 222"),
        ("sizes", "large", "sizes: 'large'"),
        ("seed", "-1", "seed: -1"),
    ),
)
def test_bad_input_is_status_2_and_one_line(field, value, said, networks, lines, capsys):
    given = {"network": networks["Rows"], "pictures": str(lines), field: value}
    words = [f"--{name}={text}" for name, text in given.items()]
    assert command.main(["stability", *words]) == 2
    seen = capsys.readouterr()
    assert not seen.out and not (paths.build() / "stability").exists()
    one_line(seen.err, said)


def test_what_cannot_be_measured_is_one_line(networks, lines):
    with pytest.raises(InputError) as error:
        ask(networks["Broken"], lines)
    one_line(error, "Broken.pt", "finite numbers")
    (lines / "d.jpg").write_text("no photograph")
    with pytest.raises(InputError) as error:
        ask(networks["Rows"], lines)
    one_line(error, "d.jpg", "cannot be read")

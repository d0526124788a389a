"""The live check: one decisive comparison of each paper, trained here on the embedded data.

It is small, so that it takes minutes, and shows on the reader's own machine in which direction a
paper's result goes. The published figure stands beside each live one; it comes from the records of
the statement in question. The live figures have one seed and get no verdict.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from helpers import (
    claims,
    datasets,
    evidence,
    grades,
    invariance,
    metrics,
    presets,
    queue,
    verdicts,
)
from helpers.errors import one_of
from helpers.experiments import ghosh2019, ivan2019, rodner2016
from helpers.report import Html
from helpers.runs import Run
from helpers.verdicts.rodner2016 import records as noise

IMAGES, TEST = 10_000, 2_000  # all that are embedded
SMOKE = {"train_size": 200, "test_size": 100}


@dataclass(frozen=True)
class Check:
    """The live check of one paper.

    statement: `row/statement` whose published figure stands beside the live one. runs: {name: run}
    to train. measure: function of {name: record} to {name: number}. says: sentence with these
    numbers. beside: sentence about the published figure, `{figure}`.
    """

    statement: str
    runs: dict
    measure: Callable
    says: str
    beside: str


def _best(record):
    """Return the test accuracy of a record's best epoch, in per cent."""
    return 100 * max(epoch["test_accuracy"] for epoch in record["epochs"])


def _small(data, model, arguments, **rest):
    """Return a run on all embedded images."""
    usual = {"train_size": IMAGES, "test_size": TEST, "lr": 3e-3, "decay": 0.0, "batch": 64}
    return Run(data, model, model_args=arguments, **usual | rest)


def _permuted(model, order):
    how = {"kind": "pixel_permutation", "seed": 0} if order == "permuted" else {}
    arguments = {"width": 1 / 8} if model == "vgg" else {}
    return _small("mnist", model, arguments, arrangement=how, lr=1e-3, epochs=3, observers=())


def _losses(found):
    return {
        model: _best(found[model, "natural"]) - _best(found[model, "permuted"])
        for model in ivan2019.NETWORKS.values()
    }


def _noise_layers(level):
    arguments = {"width": 8, "stem": "conv3", "level": level}
    return _small("fashion_mnist", "pnn", arguments, epochs=3, weight_decay=1e-4, observers=())


def _gained(found):
    return {"gain": _best(found[0.1]) - _best(found[0.0])}


def _swapped(swaps):
    how = {"kind": "block_swaps", "block": ghosh2019.BLOCK["mnist"], "swaps": swaps, "seed": 0,
           "per_image": True}  # fmt: skip
    return Run("mnist", "none", arrangement=how if swaps else {}, epochs=0, train_size=IMAGES,
               test_size=TEST, observers=("data_orderness",))  # fmt: skip


def _fall(found):
    scale = str(ghosh2019.BLOCK["mnist"])
    before, after = (
        np.mean(found[swaps]["observations"]["data_orderness"][scale]["both"]) for swaps in (0, 30)
    )
    return {"before": before, "after": after, "fall": before - after}


def _subsampling(kind):
    arguments = {"width": 8, "sampling": kind, "padding": "zeros"}
    return _small("fashion_mnist", "antialiased", arguments, epochs=2, weight_decay=1e-4,
                  augment="crop_flip", observers=("pairs_black",))  # fmt: skip


def _helped(found):
    changed = {
        kind: 100 * invariance.unpack(record["observations"]["pairs_black"])[0].mean()
        for kind, record in found.items()
    }
    return {**changed, "fewer": changed["max"] - changed["bin5"]}


def _noisy(degradation, observer):
    return _small("photo_patches", "plain", {"depth": 4, "units": 16}, epochs=4,
                  degradation=degradation, observers=(observer,))  # fmt: skip


def _matched(found):
    """As `helpers.verdicts.rodner2016.noise.same_noise`: on the same images, equally noisy."""
    level, noisy = rodner2016.TRAINED_ON["level"], found["noisy"]
    before = noise.right(found["clean"]["observations"], "intensity", level)
    after = metrics.bits(noisy["observations"]["correct"], noisy["data"]["test"])[: len(before)]
    clean, noisy = 100 * before.mean(), 100 * after.mean()
    return {"clean": clean, "noisy": noisy, "gain": noisy - clean}


CHECKS = {
    "ivan2019": Check(
        "ivan-table1/drop-mnist",
        {
            (model, order): _permuted(model, order)
            for model in ivan2019.NETWORKS.values()
            for order in ivan2019.ORDERS
        },
        _losses,
        "a fixed permutation of the pixels costs the CNN {vgg:z.1f} points of accuracy and the MLP "
        "{mlp:z.1f}",
        "it costs the CNN {figure} points",
    ),
    "juefei2018": Check(
        "pnn-table3/noise-adam",
        {level: _noise_layers(level) for level in (0.0, 0.1)},
        _gained,
        "noise level 0.1 changes the accuracy of a perturbative network by {gain:+.1f} points, "
        "compared with the same network at level 0",
        "a change of {figure} points",
    ),
    "ghosh2019": Check(
        "so-fig1/reduced-mnist",
        {swaps: _swapped(swaps) for swaps in (0, 30)},
        _fall,
        "30 block swaps lower the orderness of the images, at the scale of the blocks, by "
        "{fall:.3f}, from {before:.3f} to {after:z.3f}",
        "they lower it by {figure}",
    ),
    "azulay2019": Check(
        "aw-fig9-mid/helps",
        {kind: _subsampling(kind) for kind in ("max", "bin5")},
        _helped,
        "when the embedded image moves by one pixel, a plain network changes {max:.1f} % of its "
        "predictions and one that blurs before it subsamples {bin5:.1f} %, {fewer:.1f} points "
        "fewer",
        "{figure} points fewer",
    ),
    "rodner2016": Check(
        "rod-concl/same",
        {
            "clean": _noisy({}, "noise_intensity"),
            "noisy": _noisy(rodner2016.TRAINED_ON, "correct"),
        },
        _matched,
        "on images with noise of sigma = 16, a network trained on such images reaches an accuracy "
        "of {noisy:.1f} % and one trained on clean images {clean:.1f} %, a gain of "
        "{gain:.1f} points",
        "a gain of {figure} points, the mean over three kinds of networks",
    ),
}


def runs(preset, papers=tuple(CHECKS)):
    """Return the runs of the live checks, a list.

    preset: name in `presets.PRESETS`; at smoke the runs are the smallest, at all others the same.
    papers: their keys.
    """
    return [run for paper in papers for run in _named(paper, preset).values()]


def _named(paper, preset):
    """Return {name: run} of a paper's check."""
    named = CHECKS[one_of("paper", paper, CHECKS)].runs
    if presets.preset(preset).name != "smoke":
        return named
    return {
        name: replace(run, **SMOKE, epochs=min(run.epochs, 1), drops={})
        for name, run in named.items()
    }


def sentence(paper, preset, workers=None):
    """Return one sentence: the result on this machine, and the published one.

    paper: its key. preset: `smoke` for the smallest scale; the check is the same at all others.
    workers: number of processes, None for the default. Runs without a record are trained first.
    Raises `InputError` for an unknown paper or preset.
    """
    check, named = CHECKS[one_of("paper", paper, CHECKS)], _named(paper, preset)
    found = dict(zip(named, queue.results(list(named.values()), workers), strict=True))
    one, *_ = found.values()
    when = time.strftime("%d %B %Y", time.localtime(one["provenance"]["started"])).lstrip("0")
    here = _scale(one["data"]["name"], one["data"]["train"], len(one["epochs"]), "n = 1")
    said = check.says.format(**check.measure(found))
    return f"On this machine, {when}: {said} ({here}). {published(paper)}"


def published(paper):
    """Return in words the published figure that stands beside the live check of `paper`.

    It comes from the records through the statement's measure; nothing is trained for it.
    """
    check = CHECKS[one_of("paper", paper, CHECKS)]
    row, wanted = check.statement.split("/")
    (statement,) = (s for s in claims.statements(row) if s["id"] == wanted)
    weakest = evidence.PUBLISHED[-1]
    try:
        with evidence.looking():
            found = verdicts.single(row, statement, weakest)
            pairs = grades.frames(statement, paper, weakest)
    except evidence.MissingError:
        return "No record of this is published."
    rows = pairs[0][1]
    figure = check.beside.format(figure=found.shown(found.estimate, found.low, found.high))
    repeats = f"n = {found.n} {found.repeats}"
    scale = _scale(rows.data.iloc[0], int(rows.train.max()), int(rows.epoch.max()), repeats)
    return f"Published: {figure} ({found.preset.split(',')[0]}, grade {found.grade}: {scale})."


def _scale(data, images, epochs, repeats):
    """Return the scale of a training in words: data, images, epochs and repeats."""
    passes = [f"{epochs} epoch" + "s" * (epochs > 1)] if epochs else ["no training"]
    return ", ".join([datasets.TITLES[data], f"{images:,} training images", *passes, repeats])


def paragraph(paper, preset):
    """Return the `sentence` of `paper` at `preset` as an HTML paragraph for its page."""
    return Html(f'<p class="live">{escape(sentence(paper, preset))}</p>')


def paragraphs(preset):
    """Return the `sentence` of every paper at `preset` as an HTML list for the front page."""
    items = "".join(
        f"<li><strong>{paper}:</strong> {escape(sentence(paper, preset))}</li>" for paper in CHECKS
    )
    return Html(f'<ul class="live">{items}</ul>')

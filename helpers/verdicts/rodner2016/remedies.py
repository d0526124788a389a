"""Filters at test time, dropout in training, and sensitive images (rodner2016, Section 3).

Everywhere in here, preset is as in `helpers.verdicts`; kind is a degradation and level one of its
levels, or 0 for the clean image; group is birds, or colour for the small networks; output is a name
in `sensitivity.OUTPUTS`.
"""

from functools import lru_cache, partial

import numpy as np
from scipy import stats

from helpers import evidence, metrics, natural, robustness, rules
from helpers.errors import InputError
from helpers.experiments import rodner2016 as experiments
from helpers.finetune import MARGIN
from helpers.pictures import SEED, middle
from helpers.verdicts.rodner2016 import noise, records

EXTREME = 100  # images at either end of sensitivity, as in the paper
NONE, SMALL, LARGE, CLOSING = "none", "gaussian 3", "gaussian 5", "closing 3"
TITLES = {NONE: "no filter", SMALL: "Gaussian 3×3, σ = 0.5 px", LARGE: "Gaussian 5×5, σ = 1 px",
          CLOSING: "closing 3×3"}  # fmt: skip
FILTERED = {"birds": "filtered", "colour": "foretold"}  # the experiments
STRONG = {"rgb": 32, "pepper": 0.08}
MILD = {"rgb": 8, "pepper": 0.01}  # below the paper's crossings, 10 and .02 ...
BEYOND = {"rgb": 16, "pepper": 0.04}  # ... and above
POINT = 0.01  # a smaller gain counts as none
SLIGHT = GREAT = 0.10  # accuracy: a slight gain is smaller, a great one is larger
FAINT = 4  # sigma of RGB noise that is not "high" (Section 5)
SCORE = "logit"  # the output of the network whose deviation Figure 5 shows


def note(preset, experiment, look=""):
    """Return a line that describes the evidence of an experiment of Sections 3 and 4.

    preset: see the module. experiment: its name. look: prefix of the observers whose images and
    draws are counted.
    """
    found = evidence.of("rodner2016", experiment, preset)
    if found.frame.empty:
        return f"not run here: {records.BIRDS_NEEDED}"
    last = found.last()
    row = last.iloc[0]
    name = row.arguments.get("name")
    seeds = f", n = {last.seed.nunique()} seeds" if last.seed.nunique() > 1 else ""
    line = f"Preset {found.preset}: {name}{seeds}. {row.source}." if name else found.note("cifar10")
    observed = {records.plain(name): seen for name, seen in row.observed.items()}
    shown = {name: seen for name, seen in observed.items() if name.startswith(look)}
    while "n" not in shown:
        shown = next(iter(shown.values()))
    counts = np.atleast_1d(shown["draws"]).tolist()
    draws = " and ".join(map(str, counts)) + (" draws" if max(counts) > 1 else " draw")
    return f"{line} {shown['n']:,} test images, {draws} for each."


@lru_cache(maxsize=8)
def filtered(preset, group="birds"):
    """Return ({seed: {kind: {filter: what was seen}}}, scale) of the network behind filters.

    preset, group: see the module. Where nothing was run: (None, what is needed).
    """
    found = evidence.of("rodner2016", FILTERED[group], preset)
    if found.frame.empty:
        return None, records.BIRDS_NEEDED
    seen = {}
    for row in found.last().itertuples():
        for name, filters in ((records.plain(k), v) for k, v in row.observed.items()):
            if name.startswith("filtered_"):
                seen.setdefault(row.seed, {})[name.removeprefix("filtered_")] = filters
    return seen, found.preset if group == "birds" else found.scale("cifar10")


def behind(seen, kind, name, level):
    """Return the share of each image's draws that are classified correctly behind a filter, (n,).

    seen: {kind: {filter: ...}} of one network. kind, level: see the module; the clean image is
    filtered too. name: of the filter, a key of `TITLES`.
    """
    return robustness.read_bits(seen[kind][name], "right", f"{level:g}").mean(1)


def gain(preset, name, kind, level, over=NONE, group="birds", sign=1, beyond=0.0):
    """Measure what one filter gains over another, image by image, averaged over the seeds.

    preset, kind, level, group: see the module. name, over: keys of `TITLES`. beyond: a share that
    we subtract from the gain. sign: -1 to measure by how much the gain is below that.
    """

    def gained(seen):
        return behind(seen, kind, name, level) - behind(seen, kind, over, level) - beyond

    return _over_seeds(preset, lambda seen: sign * gained(seen), group)


def steadier(preset, kind="rgb"):
    """Measure how much less strong noise costs behind the larger filter than without a filter.

    preset, kind: see the module.
    """

    def lost(seen, name):
        return behind(seen, kind, name, 0) - behind(seen, kind, name, STRONG[kind])

    return _over_seeds(preset, lambda seen: lost(seen, NONE) - lost(seen, LARGE))


def _over_seeds(preset, measure, group="birds"):
    """Return the `Measurement` of measure(seen) (n,), over images; its parts are the seeds."""
    seen, scale = filtered(preset, group)
    own = seen and {f"seed {seed}": measure(one)[None] for seed, one in seen.items()}
    return records.of_pictures(own, scale)


def filter_curves(preset, kind, group="birds"):
    """Return {filter: shares (seeds, levels)}, and the levels, from the clean image on.

    preset, kind, group: see the module.
    """
    seen, _ = filtered(preset, group)
    levels = (0, *robustness.LEVELS[kind])
    if seen is None:
        return {}, levels
    return {
        name: np.array([[behind(one, kind, name, level).mean() for level in levels]
                        for one in seen.values()])
        for name in TITLES
    }, levels  # fmt: skip


def by_level(gained, kind):
    """Return mean, low and high of a gain at each level, float64 (levels, 3), and the levels.

    gained: a function of kind and level to (values, scale). kind: see the module. Levels start with
    the clean image; where nothing was run there are no means.
    """
    levels = (0, *robustness.LEVELS[kind])
    values = [gained(kind=kind, level=level)[0] for level in levels]
    found = [rules.interval(own) for own in values if own is not None]
    return np.array(found).reshape(-1, 3), levels


def crossing(gained, kind):
    """Return the first level at which the interval of a gain is above 0, None without one.

    gained, kind: as for `by_level`.
    """
    means, levels = by_level(gained, kind)
    above = (level for level, (_, low, _) in zip(levels, means, strict=False) if low > 0)
    return next(above, None)


def dropout_gain(preset, kind, level, sign=1, beyond=0.0, over=records.of_trainings):
    """Measure what dropout in training gains under a degradation, with the same network and recipe.

    preset, kind, level: see the module. sign: -1 for what it costs. beyond: a share that we
    subtract from either. over: what n counts: trainings, or images with `records.of_pictures`, for
    the trainings at hand.
    """
    dropped, scale = records.group(preset, "dropout")
    usual, _ = records.group(preset, "usual")
    if dropped is None or not set(dropped) & set(usual):
        return over(None, scale if dropped is None else "needs trainings with and without dropout")
    own = [records.right(seen, kind, level) - records.right(usual[key], kind, level)
           for key, seen in dropped.items() if key in usual]  # fmt: skip
    return over({"dropout": sign * np.array(own) - beyond}, scale)


def mild_dropout(preset):
    """Measure how far dropout's gain in faint RGB noise is below a point, at a preset."""
    return dropout_gain(preset, "rgb", FAINT, sign=-1, beyond=-POINT)


def dropout_curves(preset, kind):
    """Return {how it was trained: shares (seeds, levels)} of one network, and the levels.

    preset, kind: see the module.
    """
    dropped, levels = records.curve(preset, "dropout", kind)
    plain, _ = records.curve(preset, "usual", kind)
    found = {}
    for network in dropped:
        if network in plain:
            found |= {"as usual": plain[network], "with dropout": dropped[network]}
    return found, levels


@lru_cache(maxsize=8)
def varied(preset, output=SCORE):
    """Return ({sd, top, hue, contrast, right}, each one value a test image, scale).

    preset, output: see the module. sd: standard deviation of that output. top: probability of the
    clean image's top class, whichever that is. Older records have no logits: then (None, what is
    needed).
    """
    found = evidence.of("rodner2016", "varied", preset)
    if found.frame.empty:
        return None, records.BIRDS_NEEDED
    (row,) = found.last().itertuples()
    seen = row.observed.get("scores") or row.observed["deviations"]
    if "outputs" in seen:
        outputs = seen["outputs"]
        texts = {"sd": outputs[output]["sd"], "top": outputs["probability"]["top"]}
    elif output == "probability":
        texts = {name: seen[name] for name in ("sd", "top")}
    else:
        return None, f"needs the network's output, missing from the records of {found.preset}"
    texts |= {name: seen[name] for name in ("hue", "contrast")}
    values = {name: robustness.read(text) for name, text in texts.items()}
    return values | {"right": metrics.bits(seen["right"], seen["n"])}, found.preset


def extremes(preset, output=SCORE):
    """Return the numbers of the most and of the least sensitive images, each (EXTREME,).

    preset, output: see the module.
    """
    seen, _ = varied(preset, output)
    order = np.argsort(seen["sd"], kind="stable")
    return order[::-1][:EXTREME], order[:EXTREME]


def apart(preset, what, sign=1, output=SCORE):
    """Return how a property differs between the least and the most sensitive images, (EXTREME,).

    preset, output: see the module. what: a property from `varied`. sign: 1 for least minus most, -1
    for most minus least. We pair the images at random, so that the interval is that of two
    independent samples.
    """
    seen, scale = varied(preset, output)
    if seen is None:
        return None, scale
    most, least = extremes(preset, output)
    least = np.random.default_rng(0).permutation(least)
    return sign * (seen[what][least] - seen[what][most]), scale


def rank_sum(preset, what="hue", output=SCORE):
    """Return the P-value of Wilcoxon's rank sum test of the two ends, None without records.

    preset, output: see the module. what: as for `apart`.
    """
    seen, _ = varied(preset, output)
    if seen is None:
        return None
    most, least = extremes(preset, output)
    return float(stats.ranksums(seen[what][least], seen[what][most]).pvalue)


def pictures(preset, numbers):
    """Return the test images of `varied` with some numbers, a list of uint8 (3, side, side).

    preset: see the module. numbers: of the images. The result is None where the data folder does
    not have them.
    """
    seen, scale = varied(preset, "probability")
    if seen is None:
        return None
    (run,) = experiments.varied(scale)
    try:
        _, test, _ = natural.splits(run.data, None)
    except InputError:
        return None
    if len(test) != len(seen["sd"]):
        return None
    drawn = np.random.default_rng(SEED).permutation(len(test))  # as in View.sample
    side = run.model_args["side"]
    chosen = test.pick(drawn[numbers])
    return [middle(picture, round(MARGIN * side), side).numpy() for picture in chosen]


DROPOUT_COSTS = partial(dropout_gain, kind="rgb", level=0, sign=-1)  # on clean images

MEASURES = {
    "rod-fig4-gauss": {
        "printed": noise.not_run("rod-fig4-gauss"),
        "clean": partial(gain, name=SMALL, kind="rgb", level=0, sign=-1),
        **{f"mild-{kind}": partial(gain, name=SMALL, kind=kind, level=level, sign=-1, beyond=POINT)
           for kind, level in MILD.items()},
        **{kind: partial(gain, name=SMALL, kind=kind, level=level)
           for kind, level in BEYOND.items()},
        "larger": partial(gain, name=SMALL, kind="rgb", level=0, over=LARGE),
        "steadier": steadier,
    },
    "rod-fig4-closing": {
        "printed": noise.not_run("rod-fig4-closing"),
        **{kind: partial(gain, name=CLOSING, kind=kind, level=level)
           for kind, level in STRONG.items()},
        **{f"slight-{kind}": partial(gain, name=CLOSING, kind=kind, level=level, sign=-1,
                                     beyond=SLIGHT)
           for kind, level in STRONG.items()},
        **{f"gauss-{kind}": partial(gain, name=SMALL, kind=kind, level=level, over=CLOSING)
           for kind, level in STRONG.items()},
    },
    "rod-fig4-dropout": {
        "printed": noise.not_run("rod-fig4-dropout"),
        "clean": DROPOUT_COSTS,
        **{kind: partial(dropout_gain, kind=kind, level=level, beyond=GREAT)
           for kind, level in STRONG.items()},
    },
    "rod-fig5": {
        "printed": noise.not_run("rod-fig5"),
        "contrast": partial(apart, what="contrast"),
        "confident": partial(apart, what="top", sign=-1),
        "contrast-probability": partial(apart, what="contrast", output="probability"),
        "confident-probability": partial(apart, what="top", sign=-1, output="probability"),
    },
    "rod-entropy": {
        "printed": noise.not_run("rod-entropy"),
        "hue": partial(apart, what="hue"),
        "hue-probability": partial(apart, what="hue", output="probability"),
    },
}  # fmt: skip

"""Our own question across azulay2019 and rodner2016: do gradients predict one-pixel changes?

No paper claims any of this, so nothing here gives a verdict on a row. Columns are arrays (networks,
N): the networks differ only in their seed, and all of them saw the same N images. Statistics run
over the last axis, and their mean over the seeds counts.

Everywhere in here, preset is as in `helpers.verdicts`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from helpers import evidence, invariance
from helpers.shift import PROTOCOLS, TITLES

PLAIN = "plain network"  # of azulay2019, Section 5.1, trained here
NAMES = {"squeezenet1_1": "SqueezeNet 1.1", "efficientnet_lite0": "EfficientNet-Lite0"}
FEWEST = 30  # images needed to estimate anything
RAREST = 10  # changed answers, and unchanged ones, needed to say anything about answers
DEGREE = 5  # of the polynomial in confidence that we regress out
FOLDS = 5
RESAMPLES = 1_000
BATCH = 50  # resamples in memory at a time
LEVEL = 0.05
VERDICTS = ("holds", "reversed", "undecided", "too few")
SEED = 6
FIFTHS = 5
LINEAR = {"crop": 2 * 2**0.5 / np.pi, "black": 2 / np.pi, "inpainted": 2 / np.pi}


@dataclass(frozen=True)
class Moves:
    """What gradients predicted for images under one protocol, and what happened.

    network: its name. protocol: a name in `shift.PROTOCOLS`. scale: of the evidence. predicted:
    deviation of the first frame's top probability, float64 (networks, N) (rodner2016, Eq. 5, sigma
    = 1 px). change, changed, top: as in `shift.Change`, (networks, N). typicality: of the images,
    (networks, N), None where the training images are unknown.
    """

    network: str
    protocol: str
    scale: str
    predicted: np.ndarray
    change: np.ndarray
    changed: np.ndarray
    top: np.ndarray
    typicality: np.ndarray | None = None


@dataclass(frozen=True)
class Finding:
    """The result of one test.

    measure: a key of `MEASURES`. network, protocol: as in `Moves`. each: the estimate from each
    seed, () where there was too little data. low, high: 95 % interval of their mean, over images.
    p: two-sided P-value. holm: the P-value corrected for all tests. verdict: in `VERDICTS`.
    """

    measure: str
    network: str
    protocol: str
    each: tuple = ()
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    holm: float = np.nan
    verdict: str = "too few"

    @property
    def estimate(self):
        """Return the mean over the seeds, nan where there was too little data."""
        return float(np.mean(self.each)) if self.each else np.nan


# Statistics, of arrays (..., N)


def spearman(x, y):
    """Return Spearman's rank correlation, (...).

    x, y: arrays (..., N).
    """
    return stats.pearsonr(_ranks(x), _ranks(y), axis=-1).statistic


def partial(x, y, given):
    """Return the rank correlation of x and y that is left once `given` is known, (...).

    x, y, given: arrays (..., N). From the ranks of x and of y we first regress out a polynomial in
    the ranks of `given` (see `polynomial`). A straight line would not do: changes of a probability
    p are largest around p = 1/2.
    """
    basis, _ = np.linalg.qr(polynomial(given))
    left = []
    for ranks in map(_ranks, (x, y)):
        known = np.einsum("...nk,...n->...k", basis, ranks)
        left.append(ranks - np.einsum("...nk,...k->...n", basis, known))
    return stats.pearsonr(*left, axis=-1).statistic


def polynomial(values):
    """Return Legendre's polynomials of the ranks, up to `DEGREE`, (..., N, DEGREE + 1).

    values: an array (..., N).
    """
    return np.polynomial.legendre.legvander(_ranks(values), DEGREE)


def auc(score, flags):
    """Return the chance that a score is higher where a flag is set, ties counting half, (...).

    score: an array (..., N). flags: bool (..., N). This is Mann and Whitney's U as a share, the
    area under the ROC curve. It is nan where all flags are set, or none.
    """
    ranks = midranks(score)
    ones = flags.sum(-1)
    zeros = flags.shape[-1] - ones
    with np.errstate(invalid="ignore"):
        return ((ranks * flags).sum(-1) - ones * (ones + 1) / 2) / (ones * zeros)


def gain(first, second, flags):
    """Return how much larger the AUC of a second score is than that of a first, (...).

    first, second: scores, arrays (..., N). flags: bool (..., N).
    """
    return auc(second, flags) - auc(first, flags)


def fitted(flags, top, *others):
    """Return the log odds of each flag from logistic regressions that have not seen it.

    flags: bool (networks, N). top: confidence, (networks, N). others: more columns (networks, N).
    The result is float64 (networks, N). We regress on `polynomial` of the confidence and on the
    ranks of the others, in `FOLDS` folds of images. Ranks come from all images: they do not depend
    on flags.
    """
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    reader = LogisticRegression(C=100, max_iter=1_000)  # hardly any penalty
    scores = []
    for own, confidence, *more in zip(flags, top, *others, strict=True):
        columns = [polynomial(confidence)[:, 1:], *(_ranks(column)[:, None] for column in more)]
        scores.append(cross_val_predict(reader, np.hstack(columns), own, cv=folds,
                                        method="decision_function"))  # fmt: skip
    return np.array(scores)


def fifths(x, y):
    """Return the mean of y in fifths of the images, from the smallest x to the largest, (5, ...).

    x, y: arrays (..., N). Images with the same x keep their order.
    """
    order = np.argsort(x, axis=-1, kind="stable")
    parts = np.array_split(np.take_along_axis(y, order, -1), FIFTHS, axis=-1)
    return np.array([part.mean(-1) for part in parts])


def resampled(statistic, *columns):
    """Return low and high of a 95 % interval and the standard error, by a bootstrap over images.

    statistic: a function of the columns, over their last axis. columns: arrays (networks, N). The
    interval is that of the statistic's mean over the networks, from percentiles of `RESAMPLES`
    resamples. An image is resampled for all networks at once, since all of them saw it.
    """

    def mean(index, axis=-1):
        return statistic(*(column[:, index] for column in columns)).mean(-index.ndim)

    found = stats.bootstrap(
        (np.arange(columns[0].shape[1]),), mean, n_resamples=RESAMPLES, batch=BATCH,
        vectorized=True, method="percentile", rng=SEED,
    )  # fmt: skip
    return *found.confidence_interval, found.standard_error


def holm(p):
    """Return P-values corrected for their number (Holm 1979), float64 (m,).

    p: the P-values, (m,); nan counts as 1.
    """
    p = np.nan_to_num(np.asarray(p, float), nan=1.0)
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    found = np.empty_like(p)
    found[order] = raised.clip(max=1)
    return found


def midranks(values):
    """Return ranks from 1 over the last axis, float64 (..., N); ties get their mean rank.

    values: an array (..., N); integers must not be negative. We rank integers by counting, which
    takes a fraction of the time of sorting.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        return stats.rankdata(values, axis=-1)
    rows = values.reshape(-1, values.shape[-1])
    most = int(rows.max()) + 1
    places = rows + most * np.arange(len(rows))[:, None]
    counts = np.bincount(places.ravel(), minlength=most * len(rows)).reshape(-1, most)
    ranks = counts.cumsum(axis=1) - (counts - 1) / 2
    return np.take_along_axis(ranks, rows, axis=1).reshape(values.shape)


def dense(values):
    """Return whole numbers from 0 in the order of the values, equal for ties, (..., N).

    values: an array (..., N).
    """
    return stats.rankdata(values, "dense", axis=-1) - 1


def _ranks(values):
    """Return the midranks of `values`, an array (..., N), scaled to lie between -1 and 1."""
    return (2 * midranks(values) - 1) / np.shape(values)[-1] - 1


# What is tested


@dataclass(frozen=True)
class Measure:
    """How we test a hypothesis.

    says: what the number is. null: its value where there is no relation. sign: 1 if we expect more
    than that, -1 if less. statistic: a function of columns (networks, N). columns: a function from
    `Moves` to these columns. answers: whether the test needs answers that change. typicality:
    whether it needs typicality.
    """

    says: str
    null: float
    sign: int
    statistic: callable
    columns: callable
    answers: bool = False
    typicality: bool = False


MEASURES = {
    "H1": Measure("ρ between predicted deviation and change", 0, 1, spearman,
                  lambda m: (m.predicted, m.change)),
    "H2": Measure("AUC of predicted deviation for changed answers", 0.5, 1, auc,
                  lambda m: (m.predicted, m.changed), answers=True),
    "H3a": Measure("ρ between predicted deviation and change, given confidence", 0, 1, partial,
                   lambda m: (m.predicted, m.change, m.top)),
    "H3b": Measure("gain in AUC over confidence alone", 0, 1, gain,
                   lambda m: (fitted(m.changed, m.top), fitted(m.changed, m.top, m.predicted),
                              m.changed), answers=True),
    "H4": Measure("ρ between typicality and predicted deviation", 0, -1, spearman,
                  lambda m: (m.typicality, m.predicted), typicality=True),
    "H5": Measure("ρ between typicality and changed answers, given confidence", 0, -1, partial,
                  lambda m: (m.typicality, m.changed, m.top), answers=True, typicality=True),
}  # fmt: skip


def test(moves, name):
    """Return the `Finding` of one measure, with its P-value not yet corrected.

    moves: `Moves`. name: a key of `MEASURES`. The P-value assumes that the mean over the networks
    is normal, with the bootstrap's standard error.
    """
    measure = MEASURES[name]
    found = Finding(name, moves.network, moves.protocol)
    if not enough(moves, measure.answers):
        return found
    # Every statistic uses ranks only, and whole numbers in a resample are ranked faster.
    columns = [dense(column) for column in measure.columns(moves)]
    each = np.asarray(measure.statistic(*columns))
    low, high, error = resampled(measure.statistic, *columns)
    p = 2 * stats.norm.sf(abs(each.mean() - measure.null) / max(error, 1e-12))
    return replace(found, each=tuple(each.tolist()), low=float(low), high=float(high), p=float(p))


def enough(moves, answers=False):
    """Return whether there are enough images and, if asked, enough answers of either kind.

    moves: `Moves`. answers: whether to ask for `RAREST` answers that change, and that do not.
    """
    ones = moves.changed.sum(1)
    rarer = np.minimum(ones, moves.changed.shape[1] - ones).min()
    return moves.changed.shape[1] >= FEWEST and (not answers or rarer >= RAREST)


def tests(every):
    """Return the `Finding` of each measure on each `Moves`, corrected for their number and judged.

    every: a list of `Moves`. Where typicality is unknown, we skip the measures that need it.
    """
    found = [
        test(moves, name)
        for name, measure in MEASURES.items()
        for moves in every
        if moves.typicality is not None or not measure.typicality
    ]
    run = [finding for finding in found if finding.each]
    corrected = iter(holm([finding.p for finding in run]))
    return [_judged(f, float(next(corrected))) if f.each else f for f in found]


def _judged(finding, corrected):
    measure = MEASURES[finding.measure]
    side = measure.sign * (finding.estimate - measure.null)
    decided = "holds" if side > 0 else "reversed"
    return replace(finding, holm=corrected, verdict=decided if corrected < LEVEL else "undecided")


# The records


@lru_cache(maxsize=4)
def findings(preset):
    """Return the `Finding` of every measure, network and protocol, computed once for a preset."""
    return tests(seen(preset))


@lru_cache(maxsize=4)
def seen(preset):
    """Return the `Moves` at a preset, for each protocol: our own networks, then those of others."""
    return [*_trained_here(preset), *_of_others(preset)]


def _trained_here(preset):
    found = evidence.of("across", "moved", preset)
    observed = list(found.last().sort_values("seed").observed)
    return [_moves(PLAIN, protocol, found.scale("cifar10"), observed) for protocol in PROTOCOLS]


def _of_others(preset):
    """Return the `Moves` of networks that others trained.

    The predictions are records of our own experiment; the pairs are records of azulay2019, at the
    same scale.
    """
    found = evidence.of("across", "moved_by_others", preset)
    frame, scale = found.frame, found.preset
    pairs = evidence.at("azulay2019", "protocols", scale).frame
    observed = {}
    for rows in (frame, pairs):
        for row in rows.itertuples():
            observed.setdefault(row.arguments["name"], {}).update(row.observed)
    names = dict.fromkeys(row.arguments["name"] for row in frame.itertuples())
    return [
        _moves(NAMES.get(name, name), protocol, scale, [observed[name]])
        for name in names
        for protocol in PROTOCOLS
    ]


def _moves(network, protocol, scale, observed):
    """Return the `Moves` from records of one network.

    network, protocol, scale: as in `Moves`. observed: a list of observations, one for each seed.
    """
    parts = [invariance.unpack(seen[f"pairs_{protocol}"]) for seen in observed]
    changed, top, change = (np.array(part) for part in zip(*parts, strict=True))
    predicted = np.array([invariance.foreseen(seen[f"foretold_{protocol}"]) for seen in observed])
    known = all("typicality" in seen for seen in observed)
    typical = [invariance.shares(s["typicality"]["values"]) for s in observed] if known else None
    return Moves(network, protocol, scale, predicted, change, changed, top,
                 np.array(typical) if known else None)  # fmt: skip


def note(preset):
    """Return a line for each network that describes the evidence at a preset."""
    lines = []
    for moves in seen(preset)[:: len(PROTOCOLS)]:
        seeds, count = moves.predicted.shape
        several = f", {seeds} seeds" if seeds > 1 else ""
        few = "" if enough(moves) else f", too few to estimate anything (we require {FEWEST})"
        lines.append(f"{moves.network} (preset {moves.scale}): {count:,} images{several}{few}.")
    return "\n".join(lines)


def calibration(preset):
    """Return {protocol: {network: (predicted (5,), change (5,), (low, high))}} at a preset.

    They are means in fifths of the predicted deviation, averaged over the seeds. low, high: 95 %
    interval of the change, (5,) each. Networks with too few images are left out.
    """
    found = {protocol: {} for protocol in PROTOCOLS}
    for moves in filter(enough, seen(preset)):
        columns = moves.predicted, moves.change
        expected, mean = (fifths(moves.predicted, own).mean(1) for own in columns)
        found[moves.protocol][moves.network] = expected, mean, resampled(fifths, *columns)[:2]
    return found


def areas(preset):
    """Return a table of the AUC for changed answers, of confidence alone and with more.

    The AUCs are means over the seeds, of scores fitted without the image. The other columns are the
    share of answers that change; the share of images classified with a probability below a half,
    among all images and among those whose answer changes; and the partial correlation of predicted
    deviation and changed answers, given confidence. preset: see the module.
    """
    rows = []
    for moves in seen(preset):
        found = ["too few"] * 5
        if enough(moves, answers=True):
            *scores, flags = MEASURES["H3b"].columns(moves)
            unsure = moves.top < 0.5
            found = [f"{auc(score, flags).mean():.3f}" for score in scores]
            found += [f"{100 * share:.0f} %" for share in (unsure.mean(), unsure[flags].mean())]
            found += [f"{partial(moves.predicted, flags, moves.top).mean():z.2f}"]
        changed = f"{100 * moves.changed.mean():.1f} %"
        rows.append([moves.network, TITLES[moves.protocol], changed, *found])
    columns = ["network", "protocol", "changed answers", "confidence", "confidence and prediction",
               "p below ½", "p below ½, changed answers", "ρ, given p"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def table(preset, *names):
    """Return a table of the tests of some measures, with every number as text.

    preset: see the module. names: keys of `MEASURES`.
    """
    rows = []
    for f in (found for found in findings(preset) if found.measure in names):
        row = {"measure": f.measure, "network": f.network, "protocol": TITLES[f.protocol]}
        if f.each:
            row |= {"estimate [95 %]": f"{f.estimate:z.3f} [{f.low:z.3f}, {f.high:z.3f}]",
                    "each seed": " ".join(f"{value:z.2f}" for value in f.each),
                    "P": _shown(f.p), "P (Holm)": _shown(f.holm)}  # fmt: skip
        rows.append(row | {"verdict": f.verdict})
    frame = pd.DataFrame(rows).fillna("")
    return frame[[*frame.columns.drop("verdict"), "verdict"]]


def conclusions(preset):
    """Return a table with a line for each measure: its tests by verdict, and the conclusion.

    preset: see the module.
    """
    rows = []
    for name, measure in MEASURES.items():
        verdicts = [found.verdict for found in findings(preset) if found.measure == name]
        count = {verdict: verdicts.count(verdict) for verdict in VERDICTS}
        rows.append({"": name, "measure": measure.says, **count, "conclusion": concluded(**count)})
    return pd.DataFrame(rows)


def concluded(holds=0, reversed=0, undecided=0, **_):
    """Return what all tests of a hypothesis say together, in words.

    holds, reversed, undecided: how many tests have this verdict. Other verdicts do not count.
    """
    if not holds + reversed:
        return "undecided"
    if undecided or (holds and reversed):
        return "decided in part"
    return "decided: it holds" if holds else "decided: the reverse holds"


def _shown(p):
    return f"{p:.4f}" if p >= 1e-4 else "<0.0001"

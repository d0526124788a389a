"""The theory of azulay2019: Table 2, Appendix A.3, and the measures of all its statements.

The measures of Section 3 are in `sampling`, on signals, and in `stacks`, on layers.
"""

from functools import partial

import numpy as np

from helpers import claims
from helpers.verdicts.azulay2019 import sampling, stacks
from helpers.verdicts.azulay2019.sampling import BIN5, missed, relu, spread
from helpers.verdicts.ivan2019.untrained import ANY

PLACES = {"signal1": 3, "signal2": 2}  # of the delta among the seven pixels of Table 2

# Table 2.


def table2(place):
    """Return the lines of Table 2, {name: float64 (7,), or (4,) when sampled}.

    place: of the delta, among 7. original, blurred, sampled; relu: max(x - 5, 0); thresholded: x
    where it is above 5.
    """
    signal = np.zeros(7)
    signal[place] = 1
    blurred = np.convolve(signal, BIN5, "same")
    sampled = blurred[::2]
    return {"original": signal, "blurred": blurred, "sampled": sampled, "relu": relu(sampled, 5),
            "thresholded": thresholded(sampled, 5)}  # fmt: skip


def table2_lines(_):
    """Return the largest difference from the printed lines before the ReLU."""
    printed = claims.row("aw-table2")[1]["numbers"]
    differences = [
        table2(place)[line] - printed[signal][line]
        for signal, place in PLACES.items()
        for line in ("blurred", "sampled")
    ]
    return float(max(abs(d).max() for d in differences)), ANY


def table2_sums(_):
    """Return the largest difference from the printed sums before the ReLU."""
    printed = claims.row("aw-table2")[1]["numbers"]["sums"]
    lines = ("original", "blurred", "sampled")
    found = [[table2(place)[line].sum() for place in PLACES.values()] for line in lines]
    wanted = [printed[line] for line in lines]
    return float(abs(np.subtract(found, wanted)).max()), ANY


def thresholded(signal, least):
    """Return a signal with zeros where it is not above a threshold (Keras's ThresholdedReLU).

    signal: of any shape. least: the threshold.
    """
    return np.where(np.asarray(signal) > least, signal, 0.0)


def table2_last(_):
    """Return the largest difference between the thresholded lines and the printed last ones."""
    printed = claims.row("aw-table2")[1]["numbers"]
    differences = [
        table2(place)["thresholded"] - printed[signal]["relu"] for signal, place in PLACES.items()
    ]
    return float(max(abs(d).max() for d in differences)), ANY


def table2_shifted(_):
    """Return the largest difference of max(x - 5, 0) from (0, 0, 0, 0) and (0, 1, 0, 0)."""
    found = [table2(place)["relu"] for place in PLACES.values()]
    return float(abs(np.subtract(found, [[0, 0, 0, 0], [0, 1, 0, 0]])).max()), ANY


def table2_conclusion(_):
    """Return how many biases from 4 to below 6 do not silence just the first signal."""
    first, second = (table2(place)["sampled"] for place in PLACES.values())
    biases = np.linspace(4, 6, 20, endpoint=False)
    left = [(relu(first, b).sum() == 0, relu(second, b).sum() > 0) for b in biases]
    return sum(pair != (True, True) for pair in left), ANY


def bin5_missed(_, n=480):
    """Return the share of a delta's energy that no B rebuilds after bin-5 and a stride of two.

    n: length of the signal.
    """
    blurred = np.zeros(n)
    blurred[:5] = BIN5
    return round(missed(blurred, 2), 4), ANY


# Appendix A.3: np.sinc(x) is sin(pi x) / (pi x).


def shifted_sum(terms=40):
    """Return the sum of sinc(k - 1/2) over all k, by repeated means of its partial sums.

    terms: how many. The series 4/pi (1 - 1/3 + 1/5 - ...) is Leibniz's: it converges, though not
    absolutely.
    """
    sums = np.cumsum(2 * np.sinc(np.arange(terms) + 0.5))
    while len(sums) > 1:
        sums = (sums[1:] + sums[:-1]) / 2
    return float(sums[0])


def sinc_value(_, at):
    """Return sinc(at), rounded to the four digits that the paper prints."""
    return round(float(np.sinc(at)), 4), ANY


def sinc_sums(_):
    """Return the largest difference between 1 and the two sums over the grid."""
    first = np.sinc(np.arange(-500, 501)).sum()
    return max(abs(float(first) - 1), abs(shifted_sum() - 1)), ANY


def ideal_after_relu(bias, reach=50):
    """Return both sampled signals after the ReLU, float64 (2, 2 * reach + 1).

    bias: of the ReLU. reach: samples on either side.
    """
    places = np.arange(-reach, reach + 1)
    return relu(np.sinc([places, places - 0.5]), bias)


def biases():
    """Return 20 biases strictly between sinc(1/2) and 1."""
    return np.linspace(np.sinc(0.5), 1, 22)[1:-1]


def second_silent(_):
    """Return the largest value that any bias between sinc(1/2) and 1 leaves of the second."""
    return max(float(ideal_after_relu(bias)[1].max()) for bias in biases()), ANY


def first_kept(_):
    """Return the largest difference of the thresholded first signal from the delta function."""
    first = np.sinc(np.arange(-50, 51))
    errors = [abs(thresholded(first, bias) - np.eye(101)[50]).max() for bias in biases()]
    return float(max(errors)), ANY


def first_height(_):
    """Return the largest difference of the first signal after the ReLU from a delta of 1 - bias."""
    delta = np.eye(101)[50]
    errors = [abs(ideal_after_relu(b)[0] - (1 - b) * delta).max() for b in biases()]
    return float(max(errors)), ANY


def least_bias(_):
    """Return the least bias that silences the second signal: its largest value, to four digits."""
    return round(float(ideal_after_relu(0.0)[1].max()), 4), ANY


MEASURES = {
    "aw-obs1": {
        "periodic": stacks.circular,
        "inside": stacks.far_inside,
        "zero": partial(stacks.at_edge, padding="zero"),
        "valid": partial(stacks.at_edge, padding="valid"),
    },
    "aw-def-shiftable": {
        "if": sampling.strictly_below,
        "limit": sampling.at_limit,
        "past": sampling.past_limit,
        "octave": sampling.octave_above,
        "rule": sampling.alias_rule,
    },
    "aw-claim": {
        "constant": sampling.same_constant,
        "sums": sampling.same_sums,
        "relu": sampling.sums_after_relu,
        "spectrum": sampling.sums_by_spectrum,
        "enough": sampling.sums_without_shiftability,
        "zero": sampling.zero_constant,
    },
    "aw-cor-piecewise": {
        "inside": sampling.piecewise_pooled,
        "sharp": sampling.piecewise_sharp,
        "torn": sampling.piecewise_crossing,
        "room": sampling.room,
    },
    "aw-stride-multiple": {
        "multiples": stacks.whole_strides,
        "others": stacks.other_shifts,
        "factor": stacks.subsampling,
        "share": stacks.share,
        "padding": stacks.padded_strides,
    },
    "aw-part-detector": {
        "exact": sampling.exact_part,
        "broad": sampling.broad_part,
        "units": sampling.unit_rates_equal,
        "binomial": sampling.binomial_part,
    },
    "aw-obs2": {
        "equal": stacks.observation2,
        "pools": stacks.pools_dilated,
        "undilated": stacks.pools_as_they_were,
    },
    "aw-cor2": {"above": stacks.corollary2, "below": stacks.blurred_linear},
    "aw-linear-blur": {
        "rebuilt": partial(stacks.linear, measure=missed),
        "sums": partial(stacks.linear, measure=spread),
        "relu": partial(stacks.nonlinear, measure=missed),
        "relu-sums": partial(stacks.nonlinear, measure=spread),
    },
    "aw-one-stride": {
        "ideal": stacks.ideal_pool,
        "box": partial(stacks.finite_pool, pool="box"),
        "bin5": partial(stacks.finite_pool, pool="bin-5"),
        "sums": stacks.finite_sums,
    },
    "aw-table2": {
        "lines": table2_lines,
        "sums": table2_sums,
        "last": table2_last,
        "shifted": table2_shifted,
        "conclusion": table2_conclusion,
        "linear": bin5_missed,
    },
    "aw-a3": {
        "half": partial(sinc_value, at=0.5),
        "three-halves": partial(sinc_value, at=1.5),
        "sums": sinc_sums,
        "first": first_kept,
        "height": first_height,
        "second": second_silent,
        "bias": least_bias,
    },
}

"""The measures that the claims of ivan2019 are judged by.

A measure takes a preset and returns a `claims.Measurement`, or its first two fields: the values and
the scale of the evidence. Values are one number for each repeat; a row of numbers where several
comparisons must all hold, or for the levels of a trend; or a dict where the paper prints several
numbers. Measures that need no training give the scale "no training".
"""

from functools import partial

from helpers.experiments import ivan2019
from helpers.verdicts.ivan2019 import accuracy, errors, untrained


def _per_data(data):
    curves = {
        "cnn-below": accuracy.cnn_below,
        "mlp-same": accuracy.mlp_every if data == "mnist" else accuracy.mlp_same,
        "mlp-above": accuracy.mlp_above,
        "peak": accuracy.peaks,
    }
    return {name: partial(measure, data=data) for name, measure in curves.items()}


MEASURES = {
    "ivan-eq1": {"definition": untrained.definition},
    "ivan-fig1": {"same-pixels": partial(untrained.same_pixels, data="mnist")},
    "ivan-fig2": _per_data("mnist") | {"later": partial(accuracy.delay, data="mnist")},
    "ivan-fig3": {"same-pixels": partial(untrained.same_pixels, data="fashion_mnist")},
    "ivan-fig4": _per_data("fashion_mnist"),
    "ivan-fig5": {"same-pixels": partial(untrained.same_pixels, data="cifar10")},
    "ivan-fig6": _per_data("cifar10")
    | {
        name: partial(measure, data="cifar10", part=accuracy.OWN_RATE)
        for name, measure in (
            ("rate-natural", accuracy.natural_lead),
            ("rate-drop", accuracy.drop),
            ("rate-mlp-above", accuracy.mlp_above),
        )
    },
    "ivan-table1": {
        f"{name}-{data}": partial(measure, data=data)
        for name, measure in (("natural", accuracy.natural_lead), ("drop", accuracy.drop))
        for data in ivan2019.DATA
    }
    | {"grows": accuracy.drops, "peak": accuracy.all_peaks},
    "ivan-table2": {"labels": partial(untrained.labels, row="ivan-table2", data="fashion_mnist")},
    "ivan-table3": {"labels": partial(untrained.labels, row="ivan-table3", data="cifar10")},
    "ivan-fig7": {"insides": untrained.broken_patches},
    "ivan-fig8": {
        "falls": accuracy.slices,
        "four": accuracy.four_slices,
        "ends": accuracy.slice_ends,
    },
    "ivan-fig9": {"bijection": untrained.lost_pixels},
    "ivan-sec4-drift": {
        "exists": untrained.drift_exists,
        "small": untrained.drift_small,
        "uniform": untrained.scan_bias_error,
    },
    "ivan-fig10": {f"falls-{c}": partial(accuracy.distances, channels=c) for c in ivan2019.INPUTS}
    | {"level": accuracy.full_level},
    "ivan-fig10-channel": {
        "costs": accuracy.channel_cost,
        "two": accuracy.channel_costs,
    },
    "ivan-fig10-gap": {"wider": accuracy.wider_gap},
    "ivan-fig10-red": {"worst": accuracy.red_worst, "apart": accuracy.spread},
    "ivan-repeat": {"every": accuracy.pairs_without_loss},
    "ivan-fig11": {
        "above-mlp": lambda p: accuracy.dilated_lead(p, "mlp 2"),
        "above-cnn": lambda p: accuracy.dilated_lead(p, "vgg"),
        "peak": accuracy.dilated_peak,
    },
    "ivan-8x8": {
        "below-dilated": lambda p: accuracy.dilated_lead(p, "strided"),
        "sixty": accuracy.strided_bound,
    },
    "ivan-deepmlp": {
        "below-dilated": lambda p: accuracy.dilated_lead(p, *(f"mlp {d}" for d in ivan2019.DEPTHS))
    },
    "ivan-fig12": {"similar": untrained.alike},
    "ivan-fig13": {"shirt": errors.shirt, "ninety": errors.ninety, "shoes": errors.shoes},
    "ivan-fig14": {
        "top-natural": partial(errors.top_two, order="natural"),
        "top-permuted": partial(errors.top_two, order="permuted"),
        "cat-natural": partial(errors.cat_worst, order="natural"),
        "catdog-natural": partial(errors.cat_dog, order="natural"),
        "catdog-permuted": partial(errors.cat_dog, order="permuted"),
        "rates": errors.cat_dog_rates,
    },
    "ivan-fig15": {
        "overall": partial(accuracy.mlp_same, data="cifar10"),
        "catdog": errors.mlp_cat_dog,
        "classes": errors.class_changes,
    },
    "ivan-table4": {
        "order": partial(errors.mlp_more, diagonal=True),
        "order-off": partial(errors.mlp_more, diagonal=False),
        "positive-off": errors.mean_off,
        "mean-cnn": partial(untrained.excess_of_mean, network="CNN"),
        "mean-mlp": partial(untrained.excess_of_mean, network="MLP"),
        "means": errors.mean_r,
    },
    "ivan-mlp-exact": {"identity": untrained.mlp_identity},
}

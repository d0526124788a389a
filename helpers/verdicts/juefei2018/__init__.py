"""The measures that judge the claims of juefei2018, in the form of `helpers.verdicts.ivan2019`."""

from functools import partial

from helpers.experiments.juefei2018 import LEVEL, SPLITS
from helpers.verdicts.juefei2018 import (
    counts,
    differences,
    layers,
    macro,
    maps,
    metric,
    micro,
    noise,
    properties,
    small,
    speed,
    sylvester,
    tables,
)
from helpers.verdicts.juefei2018.records import detectors

THEORY = {
    "pnn-fig1": {
        "fixed": partial(layers.moved, learnt=False),
        "learnt": partial(layers.moved, learnt=True),
    },
    "pnn-fig3": {
        "nine": partial(layers.fed_by, kernel=3),
        "one": partial(layers.fed_by, kernel=1),
        "all": partial(layers.fed_by, kernel=None),
    },
    "pnn-fig4": {},
    "pnn-fig2": {"binary": layers.binary_patch, "real": layers.real_patch},
    "pnn-eq1": {"sum": layers.local_binary, "span": layers.binary_span},
    "pnn-eq2": {
        "sum": layers.perturbation,
        "index": layers.channels_read,
        "rule": layers.masks_per_channel,
    },
    "pnn-eq3-5": {
        "shifts": macro.shifted_sum,
        "matrix": macro.matrix_form,
        "gain": macro.gain_and_constant,
    },
    "pnn-eq6-7": {"formula": macro.solved, "rank": macro.rank_at_mean_mask},
    "pnn-eq8": {
        "formula": macro.normal_equations,
        "law": macro.against_expected,
        "filters": macro.against_filters,
    },
    "pnn-eq9": {"periodic": macro.circular, "padded": macro.zero_padded},
    "pnn-eq10-12": {
        "same": macro.same_input,
        "another": macro.other_input,
        "error": macro.other_error,
        "fixed": macro.fixed_on_white,
        "relu": macro.relu_on_white,
    },
    "pnn-eq13-17": {
        "scalars": sylvester.scalars_commute,
        "must": sylvester.must_hold,
        "rank": sylvester.pseudo_inverse_rank,
        "eigen": sylvester.eigenvectors,
        "projection": sylvester.last_step_corrected,
    },
    "pnn-eq18-19": {
        "kronecker": sylvester.kronecker_form,
        "unique": sylvester.unique_solution,
        "singular": sylvester.rank_bound,
    },
    "pnn-eq20-21": {
        "second": micro.second_moment,
        "cross": micro.cross_moment,
        "line": micro.cross_on_line,
    },
    "pnn-eq22-26": {
        "split": micro.splitting,
        "zero-sum": micro.zero_sum,
        "follows": micro.not_independent,
    },
    "pnn-eq27": {
        "mean": micro.mean_noise,
        "blur": micro.blurred,
        "copy": micro.untouched,
        "corrected": micro.correction,
        "excess": micro.excess,
    },
    "pnn-3.5-sparse": {
        "own": properties.interactions,
        "whole": properties.whole_image,
        "additive": properties.additive,
    },
    "pnn-eq28": {
        "ratio": properties.ratio_error,
        "nine": properties.ratio_at_one,
        "masks": properties.masks_in_layer,
        "saved": properties.saved,
    },
    "pnn-eq29": {
        "input": properties.gradient_by_input,
        "weights": properties.gradient_by_weights,
        "relu": properties.gradient_with_relu,
    },
    "pnn-s1": {
        "inverse": properties.inverse_error,
        "determinant": properties.determinant_error,
        "singular": properties.lost_rank,
    },
    "pnn-s2": {
        "factor": properties.distance_error,
        "bound": properties.bound_excess,
        "printed": properties.distance_as_printed,
        "relu": properties.one_factor,
        "relu-bound": partial(properties.bound_excess, relu=True),
    },
    "pnn-s3.1": {
        "pointwise": properties.pointwise_multiplications,
        "correct": properties.winograd_error,
        "two": partial(properties.multiplications, rows=2, columns=2),
        "four": partial(properties.multiplications, rows=4, columns=4),
        "mixed": partial(properties.multiplications, rows=2, columns=4),
        "storage": properties.ratio_at_one,
    },
    "pnn-s4-eq12": {"half": micro.one_half, "photographs": micro.opposite_below_half},
    "pnn-s4-gauss": {
        "sum": micro.plain_sum,
        "weighted": micro.weighted_sum,
        "more": micro.falls,
        "positive": micro.falls_without_signs,
    },
}


PRINTED_RATIOS = {256: 0.9, 128: 1.8, 64: 5.9}  # Table 1


def _each(prefix, measure, choices=noise.RECIPES, name="recipe", **more):
    """Return {prefix-choice: measure of that choice}."""
    return {f"{prefix}-{choice}": partial(measure, **{name: choice}, **more) for choice in choices}


TRAINED = {
    "pnn-table1": {
        "accuracy": counts.table1,
        **{
            f"ratio-{masks}": partial(counts.table1_error, masks=masks, printed=printed)
            for masks, printed in PRINTED_RATIOS.items()
        },
    },
    "pnn-fig5": {},
    "pnn-table2": {
        "accuracy": counts.table2,
        **_each("parameters", counts.more_than_resnet, (18, 50), "depth"),
    },
    "pnn-table3": {
        "accuracy": noise.table3,
        "learns": noise.learns,
        **_each("noise", noise.against, other=0.0),
        **_each("nothing", noise.against, other=0.0),
        "tenth-nesterov": partial(noise.against, recipe="nesterov", other=0.0, first=LEVEL),
        "pooled": noise.pooled,
        **_each("layers", noise.against, other="1x1"),
        **_each("learnt", noise.against, other="learnt", first=0.1),
        **_each("convolution", noise.against, other="3x3"),
        **_each("random", noise.random_filters),
        **_each("first", noise.first_layer),
        **_each("everywhere", noise.everywhere_against_none),
    },
    "pnn-fig6": {
        **_each("similar", noise.low_levels),
        **_each("deteriorates", noise.high_levels),
    },
    "pnn-table4": {
        "accuracy": tables.table4_figures,
        "learns": tables.learns,
        "cifar-resnet": partial(tables.ahead, data="CIFAR-10", of="ResNet"),
        "cifar-lbcnn": partial(tables.ahead, data="CIFAR-10", of="LBCNN"),
        "mnist-resnet": partial(tables.ahead, data="MNIST", of="ResNet"),
    },
    "pnn-table5": {
        "accuracy": tables.table5_figures,
        "ratios": counts.table5_error,
        "fewer": tables.fewer_masks,
        "outlier": tables.outlier,
    },
    "pnn-table6": {},
    "pnn-t6-batch": {
        "plain": tables.by_batch,
        "reported": tables.by_batch_as_reported,
        "spread": metric.spread_error,
        "inflates": metric.inflation,
        "grows": metric.inflations,
    },
    "pnn-t6-masks": {"doubled": tables.doubled},
    "pnn-3.1x": {
        "reduction": counts.reduction,
        "deep": partial(counts.reduction, against=101),
    },
    "pnn-table7": {"accuracy": lambda _: detectors()},
    "pnn-s3.3": {
        "ratio": properties.ratio_at_one,
        "whole": counts.small_sample_ratio,
        **_each("faster", small.faster, SPLITS, "share"),
        **_each("better", small.better, SPLITS, "share"),
    },
    "pnn-figS3": {
        "sharper": maps.sharper,
        "field": maps.field_excess,
    },
}

MEASURES = THEORY | differences.MEASURES | speed.MEASURES | TRAINED

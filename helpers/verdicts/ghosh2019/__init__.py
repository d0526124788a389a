"""The measures that judge the claims of ghosh2019, in the form of `helpers.verdicts.ivan2019`."""

from functools import partial

from helpers.experiments.ghosh2019 import DATA, INITS, OPTIMISERS
from helpers.verdicts.ghosh2019 import blocks, depth, kernels, progress, theorem, theory

CORRECTED = {"observer": kernels.CORRECTED}


def _each(prefix, measure, choices=DATA, name="data"):
    """Return {prefix-choice: measure of that choice}."""
    return {f"{prefix}-{choice}": partial(measure, **{name: choice}) for choice in choices}


MEASURES = {
    "so-eq1-4": {"ratio": theory.diffusion_ratio, "two-hop": theory.two_hop_sets},
    "so-eq5": {"symmetry": theory.permuted_symmetry},
    "so-eq6": {
        "diffusion": theory.diffusion_value,
        "no-order": theory.no_order,
        "range": theory.beyond,
    },
    "so-prop-interp": {"mse": partial(theory.interpolation, data="mnist")},
    "so-prop-perm": _each("lost", blocks.permuting, ("mnist", "fashion_mnist", "photo_patches"))
    | {"zero": theory.no_order},
    "so-prop-const": {
        "zero": theory.constant_plus_noise,
        "correlation": theory.highest_correlation,
    },
    "so-fn2": _each("borders", blocks.borders),
    "so-fig1": _each("coarse", blocks.coarse_lower)
    | _each("reduced", blocks.at_block)
    | _each("zero", blocks.left_at_block)
    | _each("below", blocks.kept_below)
    | _each("straddling", partial(blocks.kept_below, straddling=True)),
    "so-fig2": _each("first", depth.first_helps)
    | _each("hurts", depth.last_hurts)
    | _each("shrinks", depth.gain_shrinks),
    "so-fig3": _each("rises", partial(progress.figure3, measure=progress.rises))
    | _each("falls", partial(progress.figure3, measure=progress.falls))
    | _each("last", partial(progress.figure3, measure=progress.last_most))
    | _each("flat", progress.flat)
    | {
        f"{what}-glorot-{data}": partial(measure, data=data, init="glorot_uniform")
        for data in DATA
        for what, measure in {
            "rises": partial(progress.figure3, measure=progress.rises),
            "falls": partial(progress.figure3, measure=progress.falls),
            "last": partial(progress.figure3, measure=progress.last_most),
            "flat": progress.flat,
        }.items()
    }
    | {f"within-{data}": partial(progress.within, name=f"figure3-{data}") for data in DATA},
    "so-thm1": {
        "sum": theorem.sum_of_inputs,
        "initial": theorem.left_out,
        "near": theorem.violation,
        "far": partial(theorem.violation, which=1),
    },
    "so-cor1.1": {"places": theorem.place_violation, "padding": theorem.unpadded_outputs},
    "so-cor1.2": {
        "near": partial(theorem.violation, kernel=6, block=2),
        "far": partial(theorem.violation, kernel=6, block=2, which=1),
        "mean": theorem.printed_mean,
        "case": theorem.printed_case,
    },
    "so-fig4a": {
        "first": kernels.against_swaps,
        "all": partial(kernels.against_swaps, layer=None),
        "sharp": kernels.halved_by_swaps,
        "first-glorot": partial(kernels.against_swaps, name="figure4a-glorot"),
        "all-glorot": partial(kernels.against_swaps, layer=None, name="figure4a-glorot"),
        "sharp-glorot": partial(kernels.halved_by_swaps, name="figure4a-glorot"),
        "change": partial(kernels.against_swaps, of="change"),
        "change-glorot": partial(kernels.against_swaps, of="change", name="figure4a-glorot"),
        "corrected": partial(kernels.against_swaps, name="figure4a-added", **CORRECTED),
        "corrected-glorot": partial(kernels.against_swaps, name="figure4a-glorot", **CORRECTED),
    },
    "so-fig4b": {
        "falls": kernels.against_size,
        "half": kernels.size_ratio,
        "falls-glorot": partial(kernels.against_size, name="figure4b-glorot"),
        "half-glorot": partial(kernels.size_ratio, name="figure4b-glorot"),
        "change": partial(kernels.against_size, of="change"),
        "change-glorot": partial(kernels.against_size, of="change", name="figure4b-glorot"),
        "corrected": partial(kernels.against_size, **CORRECTED),
        "corrected-glorot": partial(kernels.against_size, name="figure4b-glorot", **CORRECTED),
    },
    "so-fig5": {
        f"{what}{ending}": partial(measure, name=name)
        for ending, name in (
            ("", "figure5"),
            ("-glorot", "glorot-figure5"),
            ("-sgd", "sgd-figure5"),
        )
        for what, measure in {
            "rises": progress.last_rises,
            "jump": progress.flat_before_last_peak,
            "within": progress.within_last,
        }.items()
    },
    "so-fig6": {
        f"{what}{ending}": partial(progress.figure3, data="mnist", measure=measure, init=init)
        for ending, init in zip(("", "-glorot"), INITS, strict=True)
        for what, measure in {"rises": progress.rises, "falls": progress.falls}.items()
    }
    | {
        "epochs": partial(progress.rises_by_epoch, name="figure3-mnist"),
        "epochs-glorot": partial(progress.rises_by_epoch, name="adam-glorot_uniform"),
    },
    "so-fig7": _each("follows", depth.follows_input, range(3), "layer")
    | _each("falls", depth.layer_falls, range(3), "layer"),
    "so-tableS1": {
        "figures": depth.printed_figures,
        "once12": partial(depth.correlation, step="1 to 2", swapped="once"),
        "once23": partial(depth.correlation, step="2 to 3", swapped="once"),
        "each12": partial(depth.correlation, step="1 to 2", swapped="each"),
        "each23": partial(depth.correlation, step="2 to 3", swapped="each"),
        "printed12": partial(depth.printed_r, step="1 to 2"),
        "printed23": partial(depth.printed_r, step="2 to 3"),
    },
    "so-fig8": {
        "falls": progress.transition,
        "smooth": progress.smooth,
        "falls-glorot": partial(progress.transition, name="adam-glorot_uniform"),
        "smooth-glorot": partial(progress.smooth, name="adam-glorot_uniform"),
    },
    "so-disc-lowpass": {
        "input-none": partial(blocks.filter_raises, against="none"),
        "input-random": partial(blocks.filter_raises, against="random_mask"),
        "kernels-none": partial(kernels.filtered, against="none"),
        "kernels-random": partial(kernels.filtered, against="random_mask"),
        "change-none": partial(kernels.filtered, against="none", of="change"),
        "change-random": partial(kernels.filtered, against="random_mask", of="change"),
        "gap-none": partial(kernels.gap, against="none"),
        "gap-random": partial(kernels.gap, against="random_mask"),
    },
    "so-concl-biphasic": {
        "everywhere": progress.everywhere,
        "everywhere-glorot": partial(progress.everywhere, init="glorot_uniform"),
    }
    | {
        f"{optimiser}-{init}": partial(progress.control, optimiser=optimiser, init=init)
        for optimiser in OPTIMISERS
        for init in INITS
    },
}

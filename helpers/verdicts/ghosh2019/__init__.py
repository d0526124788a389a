"""What the claims of ghosh2019 are judged by; see `helpers.verdicts.ivan2019` for the form."""

from functools import partial

from helpers.experiments.ghosh2019 import DATA, INITS, OPTIMISERS
from helpers.verdicts.ghosh2019 import blocks, depth, kernels, progress, theorem, theory


def _each(prefix, measure, choices=DATA, name="data"):
    """Return {prefix-choice: measure of that choice}."""
    return {f"{prefix}-{choice}": partial(measure, **{name: choice}) for choice in choices}


MEASURES = {
    "so-eq1-4": {"ratio": theory.diffusion_ratio, "two-hop": theory.two_hop_count},
    "so-eq5": {"symmetry": theory.permuted_symmetry},
    "so-eq6": {
        "diffusion": theory.diffusion_value,
        "no-order": theory.no_order,
        "most": theory.ramp,
        "least": theory.checkerboard,
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
    | _each("below", blocks.kept_below),
    "so-fig2": _each("first", depth.first_helps)
    | _each("hurts", depth.last_hurts)
    | _each("shrinks", depth.gain_shrinks),
    "so-fig3": _each("rises", partial(progress.figure3, measure=progress.rises))
    | _each("flat", progress.flat)
    | _each("falls", partial(progress.figure3, measure=progress.falls))
    | _each("last", partial(progress.figure3, measure=progress.last_most)),
    "so-thm1": {
        "sum": theorem.sum_of_inputs,
        "initial": theorem.left_out,
        "near": theorem.violation,
        "far": partial(theorem.violation, which=1),
    },
    "so-cor1.1": {"places": theorem.place_violation, "padding": theorem.padded_outputs},
    "so-cor1.2": {
        "near": partial(theorem.violation, kernel=6, block=2),
        "far": partial(theorem.violation, kernel=6, block=2, which=1),
    },
    "so-fig4a": {
        "first": kernels.against_swaps,
        "all": partial(kernels.against_swaps, layer=None),
        "sharp": kernels.halved_by_swaps,
        "change": partial(kernels.against_swaps, of="change"),
    },
    "so-fig4b": {
        "falls": kernels.against_size,
        "half": kernels.size_ratio,
        "change": partial(kernels.against_size, of="change"),
    },
    "so-fig5": {
        "rises": progress.last_rises,
        "jump": progress.flat_before_last_peak,
    },
    "so-fig6": {
        "rises": partial(progress.figure3, data="mnist", measure=progress.rises),
        "falls": partial(progress.figure3, data="mnist", measure=progress.falls),
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
    "so-fig8": {"falls": progress.transition, "smooth": progress.smooth},
    "so-disc-lowpass": {
        "input-none": partial(blocks.filter_raises, against="none"),
        "input-random": partial(blocks.filter_raises, against="random_mask"),
        "kernels-none": partial(kernels.filtered, against="none"),
        "kernels-random": partial(kernels.filtered, against="random_mask"),
        "change-none": partial(kernels.filtered, against="none", of="change"),
        "gap-none": partial(kernels.gap, against="none"),
    },
    "so-concl-biphasic": {"everywhere": progress.everywhere}
    | {
        f"{optimiser}-{init}": partial(progress.control, optimiser=optimiser, init=init)
        for optimiser in OPTIMISERS
        for init in INITS
    },
}

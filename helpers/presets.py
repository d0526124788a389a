"""The scales at which experiments can be run."""

from dataclasses import dataclass

from helpers.errors import one_of


@dataclass(frozen=True)
class Preset:
    """The scale of an experiment.

    name: of the preset.
    width: multiplier on the channels of convolution stacks; 1 is the paper's VGG16.
    epochs: passes over the training set, the same for every network (ivan2019, Section 1).
    seeds: repeats; a seed draws the initial weights, the batches and the permutation.
    train, test: images per split; None is the whole split.
    full: whether the full data sets are required, rather than used if they are on disk.
    """

    name: str
    width: float
    epochs: int
    seeds: int
    train: int | None
    test: int | None
    full: bool


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("smoke", 1 / 16, epochs=1, seeds=2, train=200, test=100, full=False),
        Preset("quick", 1 / 8, epochs=2, seeds=2, train=10_000, test=2_000, full=False),
        Preset("study", 1 / 8, epochs=2, seeds=3, train=None, test=None, full=True),
        Preset("long", 1 / 4, epochs=10, seeds=3, train=None, test=None, full=True),
        Preset("paper", 1.0, epochs=100, seeds=5, train=None, test=None, full=True),
    )
}


def preset(name):
    """Return the preset called `name`; raise `InputError` for an unknown one."""
    return PRESETS[one_of("preset", name, PRESETS)]

"""The numbered conclusions of rodner2016, Section 5, each from the measures of other rows."""

from functools import partial

from helpers.verdicts.rodner2016 import noise, prediction, remedies

MEASURES = {
    "rod-concl": {
        "printed": noise.not_run("rod-concl"),
        "same": noise.same_noise,
        "clean": remedies.DROPOUT_COSTS,
        "strong": partial(remedies.dropout_gain, kind="rgb", level=remedies.STRONG["rgb"]),
        "architecture": partial(noise.vgg_loses_less, than=noise.PLAIN),
        "predicted": partial(prediction.high, kind="rgb"),
    }
}

"""The numbered conclusions of rodner2016 (Section 5), each judged by the measures of other rows."""

from functools import partial

from helpers.verdicts.rodner2016 import noise, prediction, remedies

MEASURES = {
    "rod-concl": {
        "printed": noise.not_run("rod-concl"),
        "same": noise.same_noise,
        "clean": partial(remedies.DROPOUT_COSTS, beyond=noise.DRAMATIC),
        "mild": remedies.mild_dropout,
        "strong": partial(remedies.dropout_gain, kind="rgb", level=remedies.STRONG["rgb"]),
        "architecture": lambda preset: noise.vgg_loses_less(preset, noise.PLAIN, noise.OTHER),
        "predicted": prediction.all_high,
    }
}

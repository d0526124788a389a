"""The measures that judge the claims of azulay2019, in the form of `helpers.verdicts.ivan2019`."""

from helpers.verdicts.azulay2019 import bias, embedded, feature_maps, one_pixel, theory, trained

MEASURES = (
    one_pixel.MEASURES
    | theory.MEASURES
    | feature_maps.MEASURES
    | bias.MEASURES
    | embedded.MEASURES
    | trained.MEASURES
)

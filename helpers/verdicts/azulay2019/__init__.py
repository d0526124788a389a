"""What the claims of azulay2019 are judged by; see `helpers.verdicts.ivan2019` for the form."""

from helpers.verdicts.azulay2019 import bias, embedded, feature_maps, one_pixel, theory, trained

MEASURES = (
    one_pixel.MEASURES
    | theory.MEASURES
    | feature_maps.MEASURES
    | bias.MEASURES
    | embedded.MEASURES
    | trained.MEASURES
)

"""The measures that judge the claims of rodner2016, in the form of `helpers.verdicts.ivan2019`."""

from helpers.verdicts.rodner2016 import conclusions, noise, prediction, remedies, theory

MEASURES = (
    noise.MEASURES
    | remedies.MEASURES
    | theory.MEASURES
    | prediction.MEASURES
    | conclusions.MEASURES
)

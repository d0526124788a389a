"""What the claims of rodner2016 are judged by; see `helpers.verdicts.ivan2019` for the form."""

from helpers.verdicts.rodner2016 import conclusions, noise, prediction, remedies, theory

MEASURES = (
    noise.MEASURES
    | remedies.MEASURES
    | theory.MEASURES
    | prediction.MEASURES
    | conclusions.MEASURES
)

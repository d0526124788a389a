"""Figure 5 of azulay2019 on birds: are their places in a picture, and their extents, uniform?

A category is one bird species; places are those of `helpers.bias`. The pictures at hand were cut to
the birds' boxes before we had them, so they cannot speak for photographers: the paper's own
statement is not run.
"""

from functools import lru_cache

import numpy as np

from helpers import bias, claims, queue, runs
from helpers.experiments import azulay2019

ROW = "aw-fig5"


@lru_cache(maxsize=4)
def places(preset):
    """Return {kind: `bias.Places`} of the record there is; None where there is none.

    At `study` it is made where it lacks; at other presets only a published one counts.
    """
    made = queue.results(azulay2019.bias(preset))
    found = made or [runs.find_published(run) for run in azulay2019.bias("study")]
    return bias.read(found[0]["observations"]["positions"]) if all(found) else None


def needed():
    """Return what the paper's own statement needs."""
    return f"needs {', '.join(claims.row(ROW)[1]['needs'])}"


def missing():
    """Return why there is nothing to show."""
    return f"not run here: {needed()}, or the birds (study)"


def p_values(found, kind, what):
    """Return the P-value of every category, float64 (categories,).

    found: of `places`. kind: one of `bias.KINDS`. what: places or extents.
    """
    tests = {"places": bias.Places.places_p, "extents": bias.Places.extents_p}
    return np.array([tests[what](one) for one in found[kind].classes()])


def rejected(found, kind, what):
    """Return which categories are not uniform, float64 (categories,) of 0 and 1."""
    return (p_values(found, kind, what) < bias.LEVEL).astype(float)


def middle(found, kind):
    """Return the share of places in the middle ninth of every category, float64 (categories,)."""
    return np.array([one.middle() for one in found[kind].classes()])


def _measured(measure):
    """Return the measure of a statement: `measure` of what was found, one value a category."""

    def measured(preset):
        found = places(preset)
        return (measure(found), "study") if found else (None, missing())

    return measured


def _gap(measure, *args):
    """Return how much more there is of something as photographed than rolled."""
    return lambda found: np.subtract(*(measure(found, kind, *args) for kind in bias.KINDS))


MEASURES = {
    ROW: {
        "categories": lambda _: (None, needed()),
        "most": _measured(lambda found: rejected(found, "photographed", "places") - 0.5),
        "control": _measured(_gap(rejected, "places")),
        "sizes": _measured(lambda found: rejected(found, "photographed", "extents") - 0.5),
        "centred": _measured(_gap(middle)),
    }
}

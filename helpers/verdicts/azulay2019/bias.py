"""Figure 5 of azulay2019: are the places of objects in a picture, and their extents, uniform?

Places are those of `helpers.bias`. Photographs are one of each class, so they are tested together.
The pictures of birds were cut to the birds' boxes before we had them: they test the procedure, a
category being one species. The paper's own statement is not run.
"""

from functools import lru_cache

import numpy as np

from helpers import bias, claims, queue, runs
from helpers.experiments import azulay2019

ROW = "aw-fig5"
PHOTOGRAPHS, BIRDS = "imagenet_sample", "all_birds"


@lru_cache(maxsize=4)
def places(preset, data):
    """Return {kind: `bias.Places`} of the record there is; None where there is none.

    data: PHOTOGRAPHS or BIRDS. At `study` it is made where it lacks; at other presets only a
    published one counts.
    """
    (run,) = (run for run in azulay2019.bias("study") if run.data == data)
    made = queue.results([run]) if preset == "study" else [runs.find_published(run)]
    return bias.read(made[0]["observations"]["positions"]) if all(made) else None


def needed():
    """Return what the paper's own statement needs."""
    return f"needs {', '.join(claims.row(ROW)[1]['needs'])}"


def missing():
    """Return why there is nothing to show."""
    return f"not run here: {needed()}, or the pictures of study"


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
    return np.array([np.nanmean(one.central()) for one in found[kind].classes()])


def central(found):
    """Return how much more central each place is as photographed than rolled: -1, 0 or 1 (N,).

    Without the pictures in which the network finds nothing.
    """
    more = np.subtract(*(found[kind].central() for kind in bias.KINDS))
    return more[~np.isnan(more)]


def _measured(data, measure):
    """Return the measure of a statement: `measure` of what was found in the pictures of `data`."""

    def measured(preset):
        found = places(preset, data)
        return (measure(found), "study") if found else (None, missing())

    return measured


def _gap(measure, *args):
    """Return how much more there is of something as photographed than rolled."""
    return lambda found: np.subtract(*(measure(found, kind, *args) for kind in bias.KINDS))


MEASURES = {
    ROW: {
        "categories": lambda _: (None, needed()),
        "photographs": _measured(PHOTOGRAPHS, central),
        "most": _measured(BIRDS, lambda found: rejected(found, "photographed", "places") - 0.5),
        "control": _measured(BIRDS, _gap(rejected, "places")),
        "sizes": _measured(BIRDS, lambda found: rejected(found, "photographed", "extents") - 0.5),
        "centred": _measured(BIRDS, _gap(middle)),
    }
}

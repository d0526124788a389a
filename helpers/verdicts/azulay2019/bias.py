"""Are the positions and extents of objects in an image uniform? (azulay2019, Figure 5)

The positions come from `helpers.bias`. Photographs are one of each class, so we test them together.
The images of birds had been cropped to the birds' boxes before we got them: they test the
procedure, where a category is one species. We do not run the paper's own statement.
"""

from functools import lru_cache

import numpy as np

from helpers import bias, claims, queue, runs
from helpers.experiments import azulay2019

ROW = "aw-fig5"
PHOTOGRAPHS, BIRDS = "imagenet_sample", "all_birds"


@lru_cache(maxsize=4)
def places(preset, data):
    """Return {kind: `bias.Places`} from the record there is, None where there is none.

    preset: see `helpers.verdicts`. data: PHOTOGRAPHS or BIRDS. At `study` we make the record if it
    is missing; at other presets only a published one counts.
    """
    (run,) = (run for run in azulay2019.bias("study") if run.data == data)
    made = queue.results([run]) if preset == "study" else [runs.find_published(run)]
    return bias.read(made[0]["observations"]["positions"]) if all(made) else None


def needed():
    """Return what the paper's own statement needs."""
    return f"needs {', '.join(claims.row(ROW)[1]['needs'])}"


def missing():
    """Return why there is nothing to show."""
    return f"not run here: {needed()}, or the images of the preset study"


def p_values(found, kind, what):
    """Return the P-value of every category, float64 (categories,).

    found: as from `places`. kind: a name in `bias.KINDS`. what: places or extents.
    """
    tests = {"places": bias.Places.places_p, "extents": bias.Places.extents_p}
    return np.array([tests[what](one) for one in found[kind].classes()])


def rejected(found, kind, what):
    """Return which categories are not uniform, float64 (categories,) of 0 and 1.

    found, kind, what: as for `p_values`.
    """
    return (p_values(found, kind, what) < bias.LEVEL).astype(float)


def middle(found, kind):
    """Return the share of positions in the middle ninth, for every category, float64 (categories,).

    found, kind: as for `p_values`.
    """
    return np.array([np.nanmean(one.central()) for one in found[kind].classes()])


def central(found):
    """Return how much more central each position is as photographed than rolled: -1, 0 or 1 (N,).

    found: as from `places`. Images in which the network finds nothing are left out.
    """
    more = np.subtract(*(found[kind].central() for kind in bias.KINDS))
    return more[~np.isnan(more)]


def _measured(data, measure):
    """Return a statement's measure: `measure` of what was found in the images of `data`."""

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

"""Section 5.3 of juefei2018: Tables 4 to 6, on CIFAR-10 and MNIST."""

import numpy as np

from helpers.claims import Measurement
from helpers.verdicts.juefei2018.records import cells, differences, evidence

NETWORKS = {"pnn": "PNN", "lbcnn": "LBCNN", "resnet": "ResNet"}
DATA = {"cifar10": "CIFAR-10", "photo_patches": "CIFAR-10", "mnist": "MNIST"}


def table4(preset, best=False):
    """Return {"CIFAR-10 PNN": accuracies (seeds,), ...} of Table 4's networks, and the scale."""
    return cells("table4", preset, lambda row: f"{DATA[row.data]} {NETWORKS[row.model]}", best)


def ahead(preset, data, of):
    """Return the perturbative network's accuracy minus that of another, per seed."""
    return differences(*table4(preset), f"{data} PNN", f"{data} {of}")


def learns(preset, least=0.75):
    """Return by how much the ordinary network's accuracy on CIFAR-10 exceeds `least`, per seed."""
    values, scale = table4(preset)
    return values["CIFAR-10 ResNet"] - least, scale


def table5(preset, best=False):
    """Return {masks: accuracies (seeds,)} of networks from wide to narrow, and the scale."""
    values, scale = cells("table5", preset, lambda row: row.arguments["width"], best)
    return {masks: values[masks] for masks in sorted(values, reverse=True)}, scale


def fewer_masks(preset):
    """Return the accuracy from the most masks to the fewest, (seeds, widths)."""
    values, scale = table5(preset)
    names = tuple(f"{masks} masks" for masks in values)
    return Measurement(np.array(list(values.values())).T, scale, names=names)


def outlier(preset):
    """Return the accuracy with 32 masks minus that with 64, or of the two widest there are."""
    values, scale = table5(preset)
    wide, narrow = (64, 32) if 64 in values else list(values)[:2]
    return differences(values, scale, narrow, wide)


def grid(preset, metric="test_accuracy", best=False):
    """Return {(masks, batch): accuracies (seeds,)} of Table 6's grid, and the scale."""
    return cells("table6", preset, lambda row: (row.arguments["width"], row.batch), best, metric)


def by_batch(preset):
    """Return the accuracy from the smallest batch to the largest, (seeds, batches).

    Last epoch, mean over both widths.
    """
    return _by_batch(*grid(preset))


def by_batch_as_reported(preset):
    """Return the same of the accuracy that the first code reported, smoothed over its batches.

    The highest value of any epoch, tested in batches of the size that trained.
    """
    rows = evidence("table6", preset).frame
    values = [getattr(row, f"smoothed_{row.batch}") for row in rows.itertuples()]
    rows = rows.assign(reported=values, masks=[a["width"] for a in rows.arguments])
    best = rows.groupby(["seed", "masks", "batch"]).reported.max().unstack("seed")
    return _by_batch({cell: row.to_numpy() for cell, row in best.iterrows()}, grid(preset)[1])


def _by_batch(values, scale):
    """Return the mean over widths, (seeds, batches); the parts are smallest minus largest batch."""
    widths, batches = (sorted(set(found)) for found in zip(*values, strict=True))
    series = np.mean([[values[width, batch] for batch in batches] for width in widths], axis=0)
    parts = {
        f"{width} masks": values[width, batches[0]] - values[width, batches[-1]] for width in widths
    }
    names = tuple(f"batches of {batch}" for batch in batches)
    return Measurement(series.T, scale, names=names, parts=parts)


def doubled(preset):
    """Return the accuracy of the wider network minus that of half its width, (seeds,).

    Mean over batch sizes, which are the parts.
    """
    values, scale = grid(preset)
    narrow, wide = sorted({masks for masks, _ in values})
    parts = {
        f"batches of {batch}": values[wide, batch] - values[narrow, batch]
        for masks, batch in values
        if masks == wide
    }
    return Measurement(np.mean(list(parts.values()), axis=0), scale, parts=parts)


def table4_figures(preset):
    """Return the best epoch's accuracies that Table 4 prints, in %."""
    return _in_percent(*table4(preset, best=True))


def table5_figures(preset):
    """Return the best epoch's accuracies that Table 5 prints, in %, of the widths there are."""
    values, scale = table5(preset, best=True)
    return _in_percent({f"{masks} masks": own for masks, own in values.items()}, scale)


def _in_percent(values, scale):
    return {name: 100 * own for name, own in values.items()}, scale

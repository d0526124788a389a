"""Tables 4 to 6 of juefei2018 (Section 5.3), on CIFAR-10 and MNIST.

Everywhere in here, preset is as in `helpers.verdicts`, and best takes each run's best epoch instead
of the last.
"""

import numpy as np

from helpers.verdicts.juefei2018.records import (
    answers,
    cells,
    differences,
    evidence,
    judged,
    seeds_of_all,
)

NETWORKS = {"pnn": "PNN", "lbcnn": "LBCNN", "resnet": "ResNet"}
DATA = {"CIFAR-10": "cifar10", "MNIST": "mnist"}
FEW = (32, 16, 8)  # masks; in Table 5, 32 are not yet "too few"


def table4(preset, data, of, best=False):
    """Return {"PNN": accuracies (seeds,), ...} of two networks of Table 4, and the scale.

    preset, best: see the module. data: CIFAR-10 or MNIST. of: ResNet or LBCNN, the network beside
    the perturbative one.
    """
    return cells(_table4(data, of), preset, _network, best)


def _table4(data, of):
    return f"table4-{DATA[data]}-{of.lower()}"


def _network(row):
    return NETWORKS[row.model]


def ahead(preset, data, of):
    """Return the perturbative network's accuracy minus another's, points (seeds,) (Table 4).

    preset, data, of: as for `table4`.
    """
    return differences(answers(_table4(data, of), preset, _network), "PNN", of)


def learns(preset, least=0.75):
    """Return how far the ordinary network's accuracy on CIFAR-10 exceeds `least`, (seeds,).

    preset: see the module. least: an accuracy that shows that the network has learnt.
    """
    values, scale = table4(preset, "CIFAR-10", "ResNet")
    return values["ResNet"] - least, scale


def table5(preset, best=False):
    """Return {masks: accuracies (seeds,)} of networks from wide to narrow, and the scale.

    preset, best: see the module.
    """
    values, scale = cells(("table5", "table5-few"), preset, _masks, best)
    return {masks: values[masks] for masks in sorted(values, reverse=True)}, scale


def _masks(row):
    return row.arguments["width"]


def fewer_masks(preset):
    """Return the accuracy at 32 masks and fewer, or at all widths of a preset, (seeds, widths).

    preset: see the module.
    """
    values, scale = answers("table5-few", preset, _masks)
    there = [masks for masks in FEW if masks in values]
    there = there if len(there) == len(FEW) else sorted(values, reverse=True)
    series = np.stack(seeds_of_all(*(values[masks] for masks in there)), axis=-1)
    return judged(series, scale, tuple(f"{masks} masks" for masks in there), falls=True)


def outlier(preset):
    """Return the accuracy with 32 masks minus that with 64, points (seeds,) (Table 5).

    preset: see the module. Where it has no 64 masks, we compare its two widest networks.
    """
    found = answers("table5", preset, _masks)
    wide, narrow = (64, 32) if 64 in found[0] else sorted(found[0], reverse=True)[:2]
    return differences(found, narrow, wide)


def grid(preset, metric="test_accuracy", best=False):
    """Return {(masks, batch): values (seeds,)} of Table 6's grid, and the scale.

    preset, best: see the module. metric: the column to return.
    """
    return cells("table6", preset, _masks_and_batch, best, metric)


def _masks_and_batch(row):
    return row.arguments["width"], row.batch


def by_batch(preset):
    """Return the accuracy from the smallest batch to the largest, (seeds, batches) (Table 6).

    preset: see the module. It is from the last epoch, averaged over both widths.
    """
    return _by_batch(*answers("table6", preset, _masks_and_batch))


def by_batch_as_reported(preset):
    """Return `by_batch` for the accuracy that the first code reported, smoothed over its batches.

    preset: see the module. It is the highest value of any epoch, tested with the batch size of
    training.
    """
    rows = evidence("table6", preset).frame
    values = [getattr(row, f"smoothed_{row.batch}") for row in rows.itertuples()]
    rows = rows.assign(reported=values, masks=[a["width"] for a in rows.arguments])
    best = rows.groupby(["seed", "masks", "batch"]).reported.max().unstack("seed")
    values = {cell: row.to_numpy()[:, None] for cell, row in best.iterrows()}
    return _by_batch(values, grid(preset)[1])


def _by_batch(values, scale):
    """Return the mean over widths, (seeds, batches); the parts are smallest minus largest batch.

    values: {(masks, batch): (seeds, N)}, as from `records.answers`.
    """
    widths, batches = (sorted(set(found)) for found in zip(*values, strict=True))
    series = np.mean([[values[width, batch] for batch in batches] for width in widths], axis=0)
    parts = {
        f"{width} masks": values[width, batches[0]] - values[width, batches[-1]] for width in widths
    }
    names = tuple(f"batches of {batch}" for batch in batches)
    return judged(np.moveaxis(series, 0, -1), scale, names, parts, falls=True)


def doubled(preset):
    """Return the accuracy of the wider network minus that of half its width, (seeds,) (Table 6).

    preset: see the module. It is averaged over batch sizes, which are the parts.
    """
    values, scale = answers("table6", preset, _masks_and_batch)
    narrow, wide = sorted({masks for masks, _ in values})
    parts = {
        f"batches of {batch}": values[wide, batch] - values[narrow, batch]
        for masks, batch in values
        if masks == wide
    }
    return judged(np.mean(list(parts.values()), axis=0), scale, parts=parts)


def table4_figures(preset):
    """Return the best epoch's accuracies that Table 4 prints, in %, at a preset."""
    found, scales = {}, []
    for data, of in (("CIFAR-10", "LBCNN"), ("CIFAR-10", "ResNet"), ("MNIST", "LBCNN")):
        values, scale = table4(preset, data, of, best=True)
        found |= {f"{data} {network}": own for network, own in values.items()}
        scales.append(scale)
    return _in_percent(found, next((scale for scale in scales if scale != "paper"), "paper"))


def table5_figures(preset):
    """Return the best epoch's accuracies that Table 5 prints, in %, for the widths at a preset."""
    values, scale = table5(preset, best=True)
    return _in_percent({f"{masks} masks": own for masks, own in values.items()}, scale)


def _in_percent(values, scale):
    return {name: 100 * own for name, own in values.items()}, scale

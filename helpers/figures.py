"""All figures of the book, in one style; each function returns a closed figure to show."""

from textwrap import fill

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt

from helpers import arrange, datasets
from helpers.metrics import row_rates

NETWORK = {"vgg": "CNN", "mlp": "MLP", "dilated": "dilated CNN", "strided": "8x8 CNN"}
ORDER = {"natural": "natural", "pixel_permutation": "permuted"}
CHANNEL = {"all": "RGB", "red": "red", "green": "green", "blue": "blue"}
CHANNEL_COLOUR = {"all": "#333333", "red": "#d62728", "green": "#2ca02c", "blue": "#1f77b4"}


def style():
    """Set the book's look: white background in light and dark mode, legible sizes, thin lines."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind", font_scale=0.9)
    matplotlib.rcParams.update(
        {
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.dpi": 110,
            "axes.titlesize": "medium",
            "legend.frameon": False,
            "figure.constrained_layout.use": True,
        }
    )


def samples(pixels, index, count=5, seed=0):
    """Show random images beside their arrangement: natural left, arranged right.

    pixels: uint8 (N, C, H, W). index: as in `arrange.apply`. count: images per row and column.
    seed: of the draw.
    """
    chosen = np.random.default_rng(seed).choice(len(pixels), count * count, replace=False)
    fig, axes = plt.subplots(1, 2, figsize=(7, 3.6))
    panels = (
        (axes[0], pixels[chosen], "natural"),
        (axes[1], arrange.apply(pixels[chosen], index), "permuted"),
    )
    for axis, images, title in panels:
        _picture(axis, _mosaic(images, count), title)
    return _done(fig)


def arranged(image, indices, titles):
    """Show one image, as it is and under each index map.

    image: uint8 (C, H, W). indices: maps (H * W,). titles: one per map.
    """
    return pictures(
        [image, *[arrange.apply(image[None], index)[0] for index in indices]],
        ["natural", *titles],
    )


def pictures(images, titles):
    """Show images (C, H, W) side by side under their titles.

    images, titles: sequences of the same length.
    """
    fig, axes = plt.subplots(1, len(images), figsize=(2.2 * len(images), 2.5))
    for axis, image, title in zip(axes, images, titles, strict=True):
        _picture(axis, _shown(image), title)
    return _done(fig)


def curves(frame, printed=None):
    """Draw test accuracy against epochs, mean and range over seeds.

    frame: from `evidence.table`. printed: {name: the paper's peak accuracy}, dotted lines.
    """
    table = frame.assign(network=frame.model.map(NETWORK), pixels=frame.order.map(ORDER))
    fig, axis = plt.subplots(figsize=(6.4, 3.8))
    sns.lineplot(
        table,
        x="epoch",
        y="test_accuracy",
        hue="network",
        style="pixels",
        marker="o",
        dashes={"natural": "", "permuted": (3, 2)},
        errorbar=("pi", 100),
        ax=axis,
    )
    for name, value in (printed or {}).items():
        axis.axhline(value, color="grey", lw=0.8, ls=":")
        axis.annotate(
            f"paper: {name}",
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(-3, 2),
            textcoords="offset points",
            ha="right",
            fontsize=7,
            color="grey",
        )
    axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    axis.set(xlabel="epoch", ylabel="test accuracy")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return _done(fig)


def by_level(levels, values, xlabel, printed=None):
    """Draw accuracy against a level; dots are the seeds.

    levels: numbers. values: (seeds, levels). xlabel: of the axis. printed: {level: the paper's
    accuracy}, crosses.
    """
    fig, axis = plt.subplots(figsize=(6.4, 3.8))
    _series(axis, levels, values, "measured", "#0173b2")
    if printed:
        at = [list(levels).index(level) for level in printed]
        axis.plot(at, list(printed.values()), "x", color="grey", ms=8, label="paper (full scale)")
    axis.set(xlabel=xlabel, ylabel="test accuracy (best epoch)")
    axis.legend()
    return _done(fig)


def panels(series, levels, xlabel, ylabel, log=False):
    """Draw one panel per entry of `series`, with one line per entry of it; dots are the repeats.

    series: {panel: {line: values (repeats, levels)}}. levels: numbers, or {panel: numbers}. xlabel,
    ylabel: of the axes. log: whether the value axis is logarithmic.
    """
    fig, axes = plt.subplots(1, len(series), figsize=(1 + 2.9 * len(series), 3.2), squeeze=False)
    for axis, (title, lines) in zip(axes.flat, series.items(), strict=True):
        colours = sns.color_palette("viridis_r", len(lines))
        for (label, values), colour in zip(lines.items(), colours, strict=True):
            own = levels[title] if isinstance(levels, dict) else levels
            _series(axis, own, values, label, colour)
        axis.set(title=title, xlabel=xlabel, yscale="log" if log else "linear")
    axes[0, 0].set_ylabel(ylabel)
    axes[0, -1].legend(fontsize=8)
    return _done(fig)


def progress(seen):
    """Draw orderness of each layer's maps and test accuracy by step, mean and range over seeds.

    seen: {panel: object with `steps` (T,), `orderness` (seeds, T, layers), `accuracy` (seeds, T)}.
    """
    columns = 2 if len(seen) == 4 else len(seen)
    rows = len(seen) // columns
    size = (1 + 3 * columns, 3.3 * rows) if columns > 1 else (6.4, 3.8)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis, (title, run) in zip(axes.flat, seen.items(), strict=True):
        for layer in range(run.orderness.shape[2]):
            _band(axis, run.steps, run.orderness[..., layer], f"layer {layer + 1}", f"C{layer}")
        right = axis.twinx()
        _band(right, run.steps, run.accuracy, "accuracy", "#555555", "--")
        right.set(ylim=(0, 1), ylabel="test accuracy (dashed)" if axis in axes[:, -1] else "")
        right.grid(visible=False)
        axis.set(title=title, xlabel="optimiser step", xscale=matplotlib.scale.SymmetricalLogScale(
            axis.xaxis, linthresh=10), xlim=(0, run.steps[-1]))  # fmt: skip
    for axis in axes[:, 0]:
        axis.set_ylabel("orderness of the maps")
    lines, names = max(
        (axis.get_legend_handles_labels() for axis in axes.flat), key=lambda found: len(found[1])
    )
    fig.legend(lines, names, loc="outside upper center", ncols=len(names), fontsize=8)
    return _done(fig)


def histograms(values, titles, xlabel):
    """Draw a histogram of each list of values, all on one scale.

    values: lists of numbers. titles: one per list. xlabel: of the axes.
    """
    fig, axes = plt.subplots(1, len(values), figsize=(1 + 2 * len(values), 2.8), sharey=True)
    flat = np.concatenate([np.asarray(v, float) for v in values])
    bins = np.linspace(flat.min(), flat.max(), 21)
    for axis, own, title in zip(axes, values, titles, strict=True):
        axis.hist(own, bins, color="#0173b2")
        axis.set(title=title, xlabel=xlabel)
    axes[0].set_ylabel("maps")
    return _done(fig)


def scatter(points, xlabel, ylabel):
    """Draw points joined by group; bars are ranges over repeats.

    points: {group: (x (n,), y (repeats, n))}. xlabel, ylabel: of the axes.
    """
    fig, axis = plt.subplots(figsize=(6.4, 3.8))
    for k, (label, (x, y)) in enumerate(points.items()):
        mean = np.mean(y, axis=0)
        spread = np.abs(np.stack([np.min(y, axis=0), np.max(y, axis=0)]) - mean)
        axis.errorbar(x, mean, spread, fmt="o-", color=f"C{k}", lw=0.8, capsize=2, label=label)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.legend(fontsize=8)
    return _done(fig)


def _band(axis, x, values, label, colour, line="-"):
    axis.plot(x, values.mean(axis=0), line, color=colour, lw=1.4, label=label)
    axis.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, lw=0)


def rows(images):
    """Draw images in one row per entry of `images`, {name: uint8 (N, C, H, W)}."""
    count = max(map(len, images.values()))
    fig, axes = plt.subplots(len(images), count, figsize=(0.9 * count, 0.95 * len(images)),
                             squeeze=False)  # fmt: skip
    for line, (name, pixels) in zip(axes, images.items(), strict=True):
        for axis, image in zip(line, pixels, strict=False):
            _picture(axis, _shown(image), "")
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        line[0].axis("on")
        line[0].set(xticks=[], yticks=[])
    return _done(fig)


def neighbours(examples):
    """Draw one row per example: an image, and others with a number each.

    examples: lists of (image uint8 (C, H, W), number or None).
    """
    fig, axes = plt.subplots(len(examples), len(examples[0]), squeeze=False,
                             figsize=(1.1 * len(examples[0]), 1.25 * len(examples)))  # fmt: skip
    for line, example in zip(axes, examples, strict=True):
        for axis, (image, number) in zip(line, example, strict=True):
            _picture(axis, _shown(image), "" if number is None else f"{number:.2f}")
    return _done(fig)


def by_channel(levels, series, xlabel):
    """Draw accuracy against a level, for all channels together and for each.

    levels: all that occur. series: {channel: (its levels, accuracies (seeds, its levels))}. xlabel:
    of the axis.
    """
    fig, axis = plt.subplots(figsize=(6.4, 3.8))
    for name, (own, values) in series.items():
        places = [list(levels).index(level) for level in own]
        _series(axis, levels, values, CHANNEL[name], CHANNEL_COLOUR[name], places)
    axis.set(xlabel=xlabel, ylabel="test accuracy (best epoch)")
    axis.legend()
    return _done(fig)


def bars(values, printed=None):
    """Draw accuracy per network; dots are the seeds.

    values: {name: (seeds,)}. printed: {name: the paper's accuracy}, crosses.
    """
    fig, axis = plt.subplots(figsize=(6.4, 3.6))
    names = list(values)
    axis.bar(range(len(names)), [np.mean(values[n]) for n in names], color="#9ecae1", width=0.6)
    for k, name in enumerate(names):
        axis.plot(np.full(len(values[name]), k), values[name], "o", color="#08519c", ms=4)
        if name in (printed or {}):
            axis.plot(k, printed[name], "x", color="black", ms=8)
    axis.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axis.set(ylabel="test accuracy (best epoch)", title="dots: seeds; crosses: the paper")
    return _done(fig)


def arms(panels, ylabel, xlabel=""):
    """Draw one dot per seed and a line at the mean for each arm.

    panels: {panel: {arm: (seeds,)}}. ylabel, xlabel: of the axes. Arms called "level ..." have
    their own colour and are labelled with the rest of their name.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(1 + 3.6 * len(panels), 3.6), sharey=True, squeeze=False
    )
    for axis, (title, values) in zip(axes.flat, panels.items(), strict=True):
        for k, (arm, own) in enumerate(values.items()):
            colour = "#0173b2" if arm.startswith("level") else "#de8f05"
            axis.plot(np.full(len(own), k), own, "o", color=colour, ms=4, alpha=0.7)
            axis.plot([k - 0.3, k + 0.3], [np.mean(own)] * 2, color=colour, lw=2)
        names = [arm.removeprefix("level ") for arm in values]
        axis.set_xticks(range(len(values)), names, rotation=45, ha="right")
        axis.set(title=title, xlabel=xlabel)
    axes[0, 0].set_ylabel(ylabel)
    return _done(fig)


def over_epochs(panels, ylabel):
    """Draw mean and range over seeds against epochs.

    panels: {panel: {line: (seeds, epochs)}}. ylabel: of the axis.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(1 + 3.2 * len(panels), 3.4), sharey=True, squeeze=False
    )
    for axis, (title, lines) in zip(axes.flat, panels.items(), strict=True):
        colours = sns.color_palette("viridis_r", len(lines))
        for (label, values), colour in zip(lines.items(), colours, strict=True):
            _band(axis, np.arange(1, values.shape[1] + 1), values, label, colour)
        axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
        axis.set(title=title, xlabel="epoch")
    axes[0, 0].set_ylabel(ylabel)
    axes[0, -1].legend(fontsize=8)
    return _done(fig)


def feature_maps(columns, names):
    """Show feature maps of one image, one row per stage.

    columns: {network: [uint8 (maps, H, W) per stage]}. names: of the stages.
    """
    fig, axes = plt.subplots(len(names), len(columns), figsize=(7.6, 1.45 * len(names)))
    for column, (network, stages) in enumerate(columns.items()):
        for row, (name, maps) in enumerate(zip(names, stages, strict=True)):
            axis = axes[row, column]
            gap = max(1, maps.shape[-1] // 8)
            tiles = np.pad(maps, ((0, 0), (0, 0), (0, gap)), constant_values=255)
            axis.imshow(np.concatenate(list(tiles), 1)[:, :-gap], cmap="gray", vmin=0, vmax=255)
            axis.set_title(f"{network}, {name}" if row == 0 else name, fontsize=8)
            axis.axis("off")
    return _done(fig)


def drift(distances, shares):
    """Draw the share of pixels that end up farther than D from their place.

    distances: D in px. shares: (seeds, distances).
    """
    fig, axis = plt.subplots(figsize=(6.4, 3.2))
    _series(axis, distances, shares, "beyond D", "#de8f05")
    axis.set(xlabel="D (px)", ylabel="share of pixels", ylim=(0, None))
    return _done(fig)


def class_images(means, deviations, names):
    """Show each class's mean image (upper row) and standard deviation (lower row).

    means, deviations: one (H, W) per class. names: of the classes.
    """
    fig, axes = plt.subplots(2, len(names), figsize=(11, 2.9))
    for k, name in enumerate(names):
        axes[0, k].imshow(means[k], cmap="gray", vmin=0, vmax=255)
        axes[1, k].imshow(deviations[k], cmap="gray", vmin=0)
        axes[0, k].set_title(name, fontsize=8)
    for axis in axes.flat:
        axis.axis("off")
    return _done(fig)


def confusions(matrices, titles, names):
    """Show confusion matrices: true classes in rows, predicted in columns, in per cent of the true.

    matrices: each (seeds, classes, classes) of rates or counts; seeds are averaged. titles: one per
    matrix. names: of the classes.
    """
    fig, axes = plt.subplots(len(matrices), 1, figsize=(6.4, 5.4 * len(matrices)), squeeze=False)
    for axis, matrix, title in zip(axes.flat, matrices, titles, strict=True):
        rates = 100 * np.mean([row_rates(m) for m in matrix], axis=0)
        sns.heatmap(
            rates,
            annot=True,
            fmt=".0f",
            cmap="Blues",
            cbar=False,
            square=True,
            ax=axis,
            xticklabels=names,
            yticklabels=names,
            annot_kws={"size": 7},
            vmin=0,
            vmax=100,
        )
        axis.set(xlabel="predicted", ylabel="true", title=title)
        axis.tick_params(labelsize=7)
        axis.tick_params(axis="x", rotation=45)
    return _done(fig)


def correlations(measured, printed, names):
    """Show Pearson's r per class: dots for our seeds, crosses for the paper.

    measured: {network: (seeds, classes)}. printed: {network: (classes,)}. names: of the classes.
    """
    rows = (len(measured) + 1) // 2
    fig, axes = plt.subplots(rows, 2, figsize=(8.6, 3.3 * rows), sharey=True, squeeze=False)
    for axis, (network, values) in zip(axes.flat, measured.items(), strict=True):
        for seed in values:
            axis.plot(range(len(names)), seed, "o", color="#0173b2", ms=4, alpha=0.7)
        if network in printed:
            axis.plot(range(len(names)), printed[network], "x", color="black", ms=7)
        axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
        axis.set(title=network, ylim=(-1.05, 1.05))
    for axis in axes[:, 0]:
        axis.set_ylabel("Pearson's r")
    return _done(fig)


def _series(axis, levels, values, label, colour, places=None):
    """Draw values (seeds, levels), placed at `places` among the levels, by default at all."""
    values = np.asarray(values)
    # levels double, so that equal steps give a logarithmic axis
    places = np.arange(len(levels)) if places is None else np.asarray(places)
    axis.plot(places, values.mean(axis=0), "-", color=colour, label=label)
    axis.plot(np.tile(places, (len(values), 1)).T, values.T, "o", color=colour, ms=3.5, alpha=0.6)
    axis.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])


def _mosaic(images, columns):
    tiles = np.pad(
        [_shown(image) for image in images], ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255
    )
    n, height, width, channels = tiles.shape
    grid = tiles.reshape(n // columns, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(n // columns * height, columns * width, channels)


def _shown(image):
    return (
        np.repeat(image, 3, axis=0).transpose(1, 2, 0)
        if len(image) == 1
        else image.transpose(1, 2, 0)
    )


def _picture(axis, image, title):
    axis.imshow(image, interpolation="nearest")
    axis.set_title(title)
    axis.axis("off")


def _done(fig):
    plt.close(fig)  # the cell shows the figure it returns; an open one would appear twice
    return fig


def noted(fig, note):
    """Write `note`, which describes the evidence, in small letters below `fig`; return `fig`."""
    fig.supxlabel(fill(note, round(15 * fig.get_figwidth())), fontsize=7, color="#555555")
    return fig


def class_names(name):
    """Return the classes of the data set `name` as its figures label them."""
    if name in datasets.CLASSES:
        return datasets.CLASSES[name]
    return datasets.load(name, "test", 10).classes

"""What the claims of ivan2019 are judged by: one function a measurement.

Each function takes a preset and returns (values, preset of the evidence). Values are one number
per seed, (seeds, levels) for a trend, or a dict of them where the paper prints several numbers.
Measurements that need no training give the preset "any".
"""

from dataclasses import replace
from functools import lru_cache, partial
from itertools import permutations, product

import numpy as np
import torch

from helpers import arrange, claims, datasets, metrics, models, presets
from helpers.evidence import gather
from helpers.experiments import ivan2019

ANY = "any"
SHORT = {"vgg": "CNN", "mlp": "MLP"}
SHIRT_LIKE = (0, 2, 4, 6)  # T-shirt, pullover, coat, shirt
SNEAKER, SHOES = 7, (5, 9)
AUTOMOBILE, CAT, DOG, SHIP = 1, 3, 5, 8
BIRD, FROG = 2, 6


@lru_cache(maxsize=32)
def evidence(name, preset):
    """Return the `Evidence` of one of the paper's experiments, such as `table1`."""
    return gather(getattr(ivan2019, name), preset)


def accuracy(table, columns="order", **where):
    """Return test accuracy as a table, seeds down, one column per value of `columns`."""
    for name, value in where.items():
        table = table[table[name] == value]
    return table.pivot_table(index="seed", columns=columns, values="test_accuracy")


def _curves(preset, data):
    """Return {(model, order): (seeds, epochs)} of Table 1's networks on one data set."""
    found = evidence("table1", preset)
    curves = {
        pair: group.pivot(index="seed", columns="epoch", values="test_accuracy").to_numpy()
        for pair, group in found.rows(data).groupby(["model", "order"])
    }
    names = {"natural": "natural", "pixel_permutation": "permuted"}
    return {(model, names[order]): c for (model, order), c in curves.items()}, found.scale(data)


def cnn_below(preset, data):
    """Return the CNN's smallest lead of natural over permuted images, per seed."""
    curves, scale = _curves(preset, data)
    return (curves["vgg", "natural"] - curves["vgg", "permuted"]).min(axis=1), scale


def mlp_above(preset, data):
    """Return the MLP's smallest lead over the CNN on permuted images, per seed."""
    curves, scale = _curves(preset, data)
    return (curves["mlp", "permuted"] - curves["vgg", "permuted"]).min(axis=1), scale


def mlp_same(preset, data):
    """Return the MLP's last accuracy on natural minus permuted images, per seed."""
    curves, scale = _curves(preset, data)
    return (curves["mlp", "natural"] - curves["mlp", "permuted"])[:, -1], scale


def peaks(preset, data, prefix=""):
    """Return the best epoch's accuracy per network and order, as the paper reports it."""
    curves, scale = _curves(preset, data)
    best = {f"{prefix}{SHORT[m]} {order}": c.max(axis=1) for (m, order), c in curves.items()}
    return best, scale


def lasts(preset, data):
    """Return the last epoch's accuracy per network and order."""
    curves, scale = _curves(preset, data)
    return {f"{SHORT[m]} {order}": c[:, -1] for (m, order), c in curves.items()}, scale


def all_peaks(preset):
    """Return the twelve figures of Table 1."""
    found = {}
    for data in ivan2019.DATA:
        best, scale = peaks(preset, data, f"{data} ")
        found |= best
    return found, scale


def drop(preset, data):
    """Return the CNN's loss of best accuracy, natural minus permuted, per seed."""
    best, scale = peaks(preset, data)
    return best["CNN natural"] - best["CNN permuted"], scale


def drops(preset):
    """Return the loss on CIFAR-10, Fashion-MNIST and MNIST, (seeds, 3): it should fall."""
    every = [drop(preset, data) for data in reversed(ivan2019.DATA)]
    return np.stack([values for values, _ in every], axis=1), every[0][1]


def pairs_without_loss(preset):
    """Return how many (seed, data set) pairs show no loss of best accuracy."""
    values, scale = drops(preset)
    return int((values <= 0).sum()), scale


def definition(_, sides=(28, 32), seeds=20):
    """Return how many pixels Eq. 1, followed one by one, and `arrange` place differently."""
    wrong = 0
    for side, seed in product(sides, range(seeds)):
        index = arrange.pixel_permutation(side, seed)
        image = np.random.default_rng(seed).integers(256, size=(1, 1, side, side), dtype=np.uint8)
        sigma, by_hand = arrange.inverse(index), np.zeros(side * side, np.uint8)
        for pixel, place in enumerate(sigma):
            by_hand[place] = image.flat[pixel]
        wrong += int((arrange.apply(image, index).ravel() != by_hand).sum())
    return wrong, ANY


def same_pixels(preset, data, count=500):
    """Return how many permuted images do not hold, and give back, their original's pixels."""
    name = ivan2019.colour(preset) if data == "cifar10" else data
    pixels = datasets.load(name, "test", min(count, presets.preset(preset).test or count)).pixels
    index = arrange.pixel_permutation(pixels.shape[-1], seed=0)
    permuted = arrange.apply(pixels, index)
    restored = arrange.apply(permuted, arrange.inverse(index))
    columns, moved = (np.sort(_colours(p), axis=1) for p in (pixels, permuted))
    differ = (columns != moved).any(axis=1) | (restored != pixels).any(axis=(1, 2, 3))
    return int(differ.sum()), ANY


def _colours(pixels):
    """Return each pixel as one number made of its channels, int64 (N, H * W)."""
    weights = 256 ** np.arange(pixels.shape[1])
    return (pixels.astype(np.int64) * weights[:, None, None]).sum(axis=1).reshape(len(pixels), -1)


def labels(_, row, data):
    """Return how many labels of the table differ from the data set's."""
    printed = claims.row(row)[1]["numbers"]
    ours = {name: k for k, name in enumerate(datasets.CLASSES[data])}
    return len(set(printed.items()) ^ set(ours.items())) // 2, ANY


def broken_patches(_, side=32, patches=(16, 8, 4)):
    """Return how many shuffled patches are no patch of the original."""
    image = arrange.identity(side).reshape(1, 1, side, side)
    wrong = 0
    for patch in patches:
        shuffled = arrange.apply(image, arrange.patch_permutation(side, patch, seed=0))
        before, after = ({p.tobytes() for p in _patches(x, patch)} for x in (image, shuffled))
        wrong += len(after - before)
    return wrong, ANY


def _patches(image, patch):
    n = image.shape[-1] // patch
    return image.reshape(n, patch, n, patch).swapaxes(1, 2).reshape(n * n, patch * patch)


def slices(preset, epoch="best"):
    """Return the CNN's accuracy at its best or last epoch by slices per side, (seeds, 6)."""
    found = evidence("figure8", preset)
    rows = found.best() if epoch == "best" else found.last()
    ends = {"natural": 1, "pixel_permutation": 32}
    counts = rows.slices.astype(float).fillna(rows.order.map(ends))
    return accuracy(rows.assign(slices=counts), "slices").to_numpy(), found.scale("cifar10")


def four_slices(preset):
    """Return the accuracy that four slices per side cost, per seed."""
    values, scale = slices(preset)
    return values[:, 0] - values[:, ivan2019.SLICES.index(4)], scale


def slice_ends(preset, epoch="best"):
    """Return the two ends of Figure 8, at the best or the last epoch."""
    values, scale = slices(preset, epoch)
    return {"1 slice": values[:, 0], "32 slices": values[:, -1]}, scale


def lost_pixels(_, side=32, distances=(1, 4, 16)):
    """Return how many pixels the local scan loses or doubles."""
    maps = [arrange.local_permutation(side, d, seed=0) for d in distances]
    return sum(side * side - len(np.unique(m)) for m in maps), ANY


@lru_cache(maxsize=1)
def drift(side=32, distances=(1, 2, 4, 8, 16), seeds=20):
    """Return the share of pixels that end up farther than D, float64 (seeds, distances)."""
    return np.array(
        [
            [
                (arrange.displacement(arrange.local_permutation(side, d, seed), side) > d).mean()
                for d in distances
            ]
            for seed in range(seeds)
        ]
    )


def drift_exists(_):
    """Return the share of pixels beyond D at D = 1, per seed."""
    return drift()[:, 0], ANY


def drift_small(_):
    """Return 10 % minus the largest share of pixels beyond D, per seed."""
    return 0.10 - drift().max(axis=1), ANY


def scan_bias(_, pixels=3):
    """Return the largest deviation from 1/n! of an order's probability under the full scan.

    Every outcome of the scan over `pixels` pixels in a row is listed: pixel k is swapped with
    each of them in turn, n ** n outcomes in all.
    """
    counts = dict.fromkeys(permutations(range(pixels)), 0)
    for partners in product(range(pixels), repeat=pixels):
        order = list(range(pixels))
        for here, there in enumerate(partners):
            order[here], order[there] = order[there], order[here]
        counts[tuple(order)] += 1
    shares = np.array(list(counts.values())) / pixels**pixels
    return float(abs(shares - 1 / len(counts)).max()), ANY


def distances(preset, channels="all"):
    """Return the CNN's best accuracy by distance, (seeds, distances)."""
    found = evidence("figure10", preset)
    best = found.best().assign(distance=lambda t: t.distance.astype(float).fillna(0))
    return accuracy(best, "distance", channels=channels).to_numpy(), found.scale("cifar10")


def _channels(preset):
    """Return best accuracy (channels, seeds, distances) of red, green and blue."""
    found = [distances(preset, channel)[0] for channel in ivan2019.INPUTS[1:]]
    return np.stack(found)


def full_level(preset):
    """Return accuracy at D = 32 minus accuracy under a full permutation, per seed."""
    values, scale = distances(preset)
    permuted = _curves(preset, "cifar10")[0]["vgg", "permuted"].max(axis=1)
    return values[:, -1] - permuted[: len(values)], scale


def gaps(preset):
    """Return RGB minus the mean single channel, (seeds, distances)."""
    values, scale = distances(preset)
    return values - _channels(preset).mean(axis=0), scale


def channel_cost(preset):
    """Return the gap on natural images, per seed."""
    values, scale = gaps(preset)
    return values[:, 0], scale


def wider_gap(preset):
    """Return the mean gap at D > 0 minus the gap at D = 0, per seed."""
    values, scale = gaps(preset)
    return values[:, 1:].mean(axis=1) - values[:, 0], scale


def red_worst(preset):
    """Return the smallest lead of the worse of green and blue over red, per seed."""
    red, green, blue = _channels(preset)
    return (np.minimum(green, blue) - red).min(axis=1), distances(preset)[1]


def spread(preset):
    """Return the spread of the channels from the largest D to D = 0, (seeds, distances)."""
    values = _channels(preset)
    return (values.max(axis=0) - values.min(axis=0))[:, ::-1], distances(preset)[1]


def wide_kernels(preset):
    """Return best accuracy on permuted colour images per network, and the evidence's preset.

    Compares networks at one scale: all of Figure 11, Section 5 and Table 1 there, or none.
    """
    parts = [evidence(name, preset) for name in ("figure11", "section5", "table1")]
    if len({part.preset for part in parts}) > 1:
        frames, scale = [part.live for part in parts], preset
    else:
        frames, scale = [part.frame for part in parts], parts[0].scale("cifar10")
    found = {}
    for frame in frames:
        rows = frame[frame.data.isin(("cifar10", "photo_patches"))]
        rows = rows[rows.order == "pixel_permutation"]
        for (model, depth), group in rows.groupby(["model", "depth"], dropna=False):
            name = model if model != "mlp" else f"mlp {int(depth)}"
            found[name] = group.groupby("seed").test_accuracy.max().to_numpy()
    return found, scale


def dilated_lead(preset, *others):
    """Return the dilated network's lead over the best of the others, per seed."""
    found, scale = wide_kernels(preset)
    return found["dilated"] - np.max([found[other] for other in others], axis=0), scale


def dilated_peak(preset):
    """Return Figure 11's printed figure."""
    found, scale = wide_kernels(preset)
    return {"dilated permuted": found["dilated"]}, scale


def strided_bound(preset):
    """Return 60 % minus the strided network's accuracy, per seed."""
    found, scale = wide_kernels(preset)
    return 0.60 - found["strided"], scale


def class_means(images):
    """Return mean and standard deviation of each class's images, float64 (classes, H, W) each."""
    groups = [images.pixels[images.labels == k, 0] for k in range(len(images.classes))]
    return np.stack([g.mean(axis=0) for g in groups]), np.stack([g.std(axis=0) for g in groups])


def alike(_, tenths=10):
    """Return mean r among shirt-like classes minus that of other pairs, per random tenth."""
    images = datasets.load("fashion_mnist", "train", 10_000)
    parts = np.random.default_rng(0).integers(tenths, size=len(images))
    inside = np.array([a in SHIRT_LIKE and b in SHIRT_LIKE for a, b in _pairs(10)])
    values = []
    for part in range(tenths):
        kept = replace(
            images, pixels=images.pixels[parts == part], labels=images.labels[parts == part]
        )
        r = np.corrcoef(class_means(kept)[0].reshape(10, -1))
        r = np.array([r[a, b] for a, b in _pairs(10)])
        values.append(r[inside].mean() - r[~inside].mean())
    return np.array(values), ANY


def _pairs(classes):
    return [(a, b) for a in range(classes) for b in range(a)]


def rates(preset, data, model, order):
    """Return last-epoch confusion matrices as shares of the true class, (seeds, 10, 10)."""
    found = evidence("table1", preset)
    rows = found.last(found.rows(data))
    kind = "pixel_permutation" if order == "permuted" else "natural"
    rows = rows[(rows.model == model) & (rows.order == kind)].sort_values("seed")
    return np.stack([metrics.row_rates(c) for c in rows.confusion]), found.scale(data)


def shirt(preset):
    """Return shirts' mean rate of going to 0, 2, 3, 4 minus that to the other five."""
    r, scale = rates(preset, "fashion_mnist", "vgg", "natural")
    named, others = [0, 2, 3, 4], [1, 5, 7, 8, 9]
    return r[:, 6, named].mean(axis=1) - r[:, 6, others].mean(axis=1), scale


def ninety(preset):
    """Return the share of the labels outside 0, 2, 4, 6 that exceed 90 %, minus one half."""
    r, scale = rates(preset, "fashion_mnist", "vgg", "natural")
    others = [k for k in range(10) if k not in SHIRT_LIKE]
    return (np.diagonal(r, axis1=1, axis2=2)[:, others] > 0.90).mean(axis=1) - 0.5, scale


def shoes(preset):
    """Return the rate of sandals and boots taken for sneakers minus that of other labels."""
    r, scale = rates(preset, "fashion_mnist", "vgg", "natural")
    others = [k for k in range(10) if k not in (SNEAKER, *SHOES)]
    return r[:, SHOES, SNEAKER].mean(axis=1) - r[:, others, SNEAKER].mean(axis=1), scale


def top_two(preset, order):
    """Return the worse of ship and automobile minus the best other class, per seed."""
    r, scale = rates(preset, "cifar10", "vgg", order)
    correct = np.diagonal(r, axis1=1, axis2=2)
    others = [k for k in range(10) if k not in (SHIP, AUTOMOBILE)]
    return correct[:, [SHIP, AUTOMOBILE]].min(axis=1) - correct[:, others].max(axis=1), scale


def cat_dog(preset, order):
    """Return the larger cat-dog error minus the largest other error, per seed."""
    errors, scale = _errors(preset, "vgg", order)
    both = np.maximum(errors[:, CAT, DOG], errors[:, DOG, CAT])
    errors[:, CAT, DOG] = errors[:, DOG, CAT] = 0
    return both - errors.max(axis=(1, 2)), scale


def mlp_cat_dog(preset):
    """Return the MLP's mean cat-dog error minus its mean error, natural images, per seed."""
    errors, scale = _errors(preset, "mlp", "natural")
    both = (errors[:, CAT, DOG] + errors[:, DOG, CAT]) / 2
    return both - errors.sum(axis=(1, 2)) / 90, scale


def _errors(preset, model, order):
    r, scale = rates(preset, "cifar10", model, order)
    return r * ~np.eye(10, dtype=bool), scale


def cat_dog_rates(preset):
    """Return the two rates that Section 6.2 prints."""
    r, scale = rates(preset, "cifar10", "vgg", "natural")
    return {"cat as dog": r[:, CAT, DOG], "dog as cat": r[:, DOG, CAT]}, scale


def class_changes(preset):
    """Return the MLP's permuted minus natural accuracy of bird and frog."""
    natural, scale = rates(preset, "cifar10", "mlp", "natural")
    permuted, _ = rates(preset, "cifar10", "mlp", "permuted")
    change = np.diagonal(permuted - natural, axis1=1, axis2=2)
    return {"bird": change[:, BIRD], "frog": change[:, FROG]}, scale


def correlations(preset, model, diagonal=True):
    """Return r of each class's column, natural with permuted, (seeds, 10)."""
    natural, scale = rates(preset, "cifar10", model, "natural")
    permuted, _ = rates(preset, "cifar10", model, "permuted")
    pairs = zip(natural, permuted, strict=True)
    return np.stack([metrics.column_correlations(a, b, diagonal) for a, b in pairs]), scale


def mlp_more(preset, diagonal):
    """Return the MLP's mean r minus the CNN's, per seed."""
    mlp, scale = correlations(preset, "mlp", diagonal)
    cnn, _ = correlations(preset, "vgg", diagonal)
    return mlp.mean(axis=1) - cnn.mean(axis=1), scale


def mean_off(preset):
    """Return the CNN's mean r without the diagonal, per seed."""
    values, scale = correlations(preset, "vgg", diagonal=False)
    return values.mean(axis=1), scale


def mean_r(preset):
    """Return Table 4's last line, measured."""
    cnn, scale = correlations(preset, "vgg")
    mlp, _ = correlations(preset, "mlp")
    return {"CNN mean r": cnn.mean(axis=1), "MLP mean r": mlp.mean(axis=1)}, scale


def printed_mean(_, network):
    """Return the mean of Table 4's ten printed r, rounded to the three digits printed."""
    printed = claims.row("ivan-table4")[1]["printed"][network]
    return round(float(np.mean(printed)) + 1e-12, 3), ANY


def mlp_identity(_, side=32, seed=0):
    """Return the largest difference of logits after permuting pixels and weights alike."""
    shape = (3, side, side)
    model = models.build("mlp", shape, 10, seed).double().eval()
    index = arrange.pixel_permutation(side, seed)
    x = np.random.default_rng(seed).normal(size=(64, *shape))
    with torch.no_grad():
        natural = model(torch.from_numpy(x))
        first = model[1]  # the flattened pixels' linear layer: channels first, then positions
        weights = first.weight.view(-1, 3, side * side)
        first.weight.copy_(weights[:, :, torch.from_numpy(index)].flatten(1))
        permuted = model(torch.from_numpy(arrange.apply(x, index)))
    return float((natural - permuted).abs().max()), ANY


def _per_data(data):
    curves = {"cnn-below": cnn_below, "mlp-same": mlp_same, "mlp-above": mlp_above, "peak": peaks}
    return {name: partial(measure, data=data) for name, measure in curves.items()}


MEASURES = {
    "ivan-eq1": {"definition": definition},
    "ivan-fig1": {"same-pixels": partial(same_pixels, data="mnist")},
    "ivan-fig2": _per_data("mnist"),
    "ivan-fig3": {"same-pixels": partial(same_pixels, data="fashion_mnist")},
    "ivan-fig4": _per_data("fashion_mnist"),
    "ivan-fig5": {"same-pixels": partial(same_pixels, data="cifar10")},
    "ivan-fig6": _per_data("cifar10"),
    "ivan-table1": {f"drop-{data}": partial(drop, data=data) for data in ivan2019.DATA}
    | {"grows": drops, "peak": all_peaks},
    "ivan-table2": {"labels": partial(labels, row="ivan-table2", data="fashion_mnist")},
    "ivan-table3": {"labels": partial(labels, row="ivan-table3", data="cifar10")},
    "ivan-fig7": {"insides": broken_patches},
    "ivan-fig8": {"falls": slices, "four": four_slices, "ends": slice_ends},
    "ivan-fig9": {"bijection": lost_pixels},
    "ivan-sec4-drift": {"exists": drift_exists, "small": drift_small, "uniform": scan_bias},
    "ivan-fig10": {f"falls-{c}": partial(distances, channels=c) for c in ivan2019.INPUTS}
    | {"level": full_level},
    "ivan-fig10-channel": {
        "costs": channel_cost,
        "two": lambda p: ({"RGB minus single channel": channel_cost(p)[0]}, channel_cost(p)[1]),
    },
    "ivan-fig10-gap": {"wider": wider_gap},
    "ivan-fig10-red": {"worst": red_worst, "apart": spread},
    "ivan-repeat": {"every": pairs_without_loss},
    "ivan-fig11": {
        "above-mlp": lambda p: dilated_lead(p, "mlp 2"),
        "above-cnn": lambda p: dilated_lead(p, "vgg"),
        "peak": dilated_peak,
    },
    "ivan-8x8": {"below-dilated": lambda p: dilated_lead(p, "strided"), "sixty": strided_bound},
    "ivan-deepmlp": {
        "below-dilated": lambda p: dilated_lead(p, *(f"mlp {d}" for d in ivan2019.DEPTHS))
    },
    "ivan-fig12": {"similar": alike},
    "ivan-fig13": {"shirt": shirt, "ninety": ninety, "shoes": shoes},
    "ivan-fig14": {
        "top-natural": partial(top_two, order="natural"),
        "top-permuted": partial(top_two, order="permuted"),
        "catdog-natural": partial(cat_dog, order="natural"),
        "catdog-permuted": partial(cat_dog, order="permuted"),
        "rates": cat_dog_rates,
    },
    "ivan-fig15": {
        "overall": partial(mlp_same, data="cifar10"),
        "catdog": mlp_cat_dog,
        "classes": class_changes,
    },
    "ivan-table4": {
        "order": partial(mlp_more, diagonal=True),
        "order-off": partial(mlp_more, diagonal=False),
        "positive-off": mean_off,
        "mean-cnn": partial(printed_mean, network="CNN"),
        "mean-mlp": partial(printed_mean, network="MLP"),
        "means": mean_r,
    },
    "ivan-mlp-exact": {"identity": mlp_identity},
}

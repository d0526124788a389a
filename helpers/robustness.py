"""Observers of degraded images (rodner2016), and functions that read what they recorded.

A view has `sample(count)` (frames uint8 (n, C, H, W) and their labels) and `scores(images)` (logits
of values 0 to 255); see `training.View` and `natural.View`. All networks and filters that see the
same frames also see the same draws of noise, so that they can be compared in pairs.
"""

from functools import partial

import numpy as np
import torch

from helpers import degrade, denoise, metrics, sensitivity

SEED = 6  # of the noise
CHUNK = 25  # images perturbed at a time
DRAWS = 10  # per image (rodner2016, Section 4)
MANY = 100  # draws per image, where their number is the question
PICTURES = 200  # images shown at every level
MANY_PICTURES = 3_000  # one draw each, where the number of images decides: all of the birds
FORETOLD = 1_000  # images whose deviations are predicted then
LEVELS = {
    "rgb": (2, 4, 8, 16, 32),
    "intensity": (2, 4, 8, 16, 32),
    "saturation": (4, 8, 16, 32, 64),
    "hue": (4, 8, 16, 32, 64),
    "local_hue": (4, 8, 16, 32, 64),
    "pepper": (0.005, 0.01, 0.02, 0.04, 0.08),
    "translation": (1, 2, 4, 8, 16),
    "rotation": (180,),
    "upside_down": (1,),
    "left_right": (1,),
}
SCALED = 11  # px of 160: as much as 16 of 224, which the paper names
MORE = LEVELS | {"translation": (*LEVELS["translation"], SCALED)}  # levels for many images
COMBINED = (("intensity", 4), ("pepper", 0.02))  # Section 5
FILTERED = ("rgb", "pepper")  # Figure 4
PREDICTED = {  # Figure 6
    "rgb": (1, 4),
    "translation": (0.5, 2),
    "pepper": (0.001, 0.01),
    "pepper_pixels": (0.001, 0.01),
}
HUES = 256  # bins of the entropy of hue


def noise(kind, many=False):
    """Return the observer of one degradation at all of its `LEVELS`.

    kind: a key of `LEVELS`. many: one draw for each of `MANY_PICTURES` images at the levels of
    `MORE`, instead of `DRAWS` for each of `PICTURES` images.
    """
    levels = (MORE if many else LEVELS)[kind]
    return lambda view: _shown(view, {f"{level:g}": [(kind, level)] for level in levels}, many=many)


def combined(view, many=False):
    """Return the effect of two degradations, alone and one after the other (Section 5), a dict.

    view: see above. many: as in `noise`.
    """
    one, other = ([step] for step in COMBINED)
    return _shown(view, {one[0][0]: one, other[0][0]: other, "both": one + other}, many=many)


def filtered(kind, many=False):
    """Return the observer of one degradation seen through each of `denoise.FILTERS`.

    kind: a key of `LEVELS`. many: as in `noise`.
    """

    def observe(view):
        settings = {f"{level:g}": [(kind, level)] for level in (0, *LEVELS[kind])}
        return {
            name: _shown(view, settings, clean, many) for name, clean in denoise.FILTERS.items()
        }

    return observe


def deviations(view):
    """Return how the output for every test image varies under faint noise (Figure 5), a dict.

    view: see above. The noise is Gaussian RGB of sigma = 1, with `DRAWS` draws. sd: standard
    deviation of the probability of the clean image's top class. top: that probability, clean. hue:
    entropy of the image's hues in bits. contrast: standard deviation of its intensity.
    """
    frames, labels = view.sample(None)
    found = {name: [] for name in ("sd", "top", "hue", "contrast", "right")}
    generator = torch.Generator(view.device).manual_seed(SEED)
    for chunk, truth in zip(frames.split(CHUNK), labels.split(CHUNK), strict=True):
        images = chunk.to(view.device).float()
        clean = _probabilities(view, images)
        top, label = clean.max(1)
        drawn = torch.stack(
            [
                _probabilities(view, degrade.draw(images, "rgb", 1, generator)).gather(
                    1, label[:, None]
                )[:, 0]
                for _ in range(DRAWS)
            ]
        )
        for name, values in (("sd", drawn.std(0)), ("top", top), ("hue", hue_entropy(images)),
                             ("contrast", images.mean(1).flatten(1).std(1)),
                             ("right", label.cpu() == truth.cpu())):  # fmt: skip
            found[name].append(values.cpu().numpy())
    right = np.concatenate(found.pop("right"))
    return {"n": len(frames), "draws": DRAWS, "right": _bits(right),
            **{name: _hex(np.concatenate(parts)) for name, parts in found.items()}}  # fmt: skip


def scores(view):
    """Return how both outputs for every test image vary under faint noise (Figure 5), a dict.

    view: see above. The noise is Gaussian RGB of sigma = 1, with `MANY` draws. outputs: for each of
    `sensitivity.OUTPUTS`, for the clean image's top class, its standard deviation `sd` and its
    clean value `top`. The rest: as in `deviations`.
    """
    frames, labels = view.sample(None)
    found = {name: [] for name in ("hue", "contrast", "right")}
    outputs = {name: {"sd": [], "top": []} for name in sensitivity.OUTPUTS}
    generator = torch.Generator(view.device).manual_seed(SEED)
    for chunk, truth in zip(frames.split(CHUNK), labels.split(CHUNK), strict=True):
        images = chunk.to(view.device).float()
        clean, drawn = _logits(view, images, MANY, generator)
        label = clean.argmax(1)
        for name, own in outputs.items():
            own["sd"].append(_numbers(sensitivity.across(drawn, label, name).std(1)))
            own["top"].append(_numbers(sensitivity.read(clean, label, name)))
        found["hue"].append(_numbers(hue_entropy(images)))
        found["contrast"].append(_numbers(images.mean(1).flatten(1).std(1)))
        found["right"].append(_numbers(label.cpu() == truth.cpu()))
    right = np.concatenate(found.pop("right"))
    return {
        "n": len(frames), "draws": MANY, "right": _bits(right),
        **{name: _hex(np.concatenate(parts)) for name, parts in found.items()},
        "outputs": {
            output: {name: _hex(np.concatenate(parts)) for name, parts in own.items()}
            for output, own in outputs.items()
        },
    }  # fmt: skip


@torch.no_grad()
def _logits(view, images, draws, generator):
    """Return the logits of clean images (N, K), and those of noisy draws (draws, N, K)."""
    drawn = [view.scores(degrade.draw(images, "rgb", 1, generator)) for _ in range(draws)]
    return view.scores(images), torch.stack(drawn)


def hue_entropy(images):
    """Return the entropy of the hues of coloured pixels in bits, (N,).

    images: (N, 3, H, W) from 0 to 255. Hues are counted in `HUES` equal bins; an image without
    colour has 0.
    """
    hue, saturation, _ = degrade.rgb_to_hsi(images).unbind(1)
    bins = (hue / 360 * HUES).long().clamp_(max=HUES - 1).flatten(1)
    counts = torch.zeros(len(images), HUES, device=images.device)
    counts.scatter_add_(1, bins, (saturation.flatten(1) > 0).float())
    shares = counts / counts.sum(1, keepdim=True).clamp_(min=1)
    return -(shares * shares.clamp(min=1e-12).log2()).sum(1)


def predicted(kind, count=PICTURES):
    """Return the observer that predicts the deviation of an output and then measures it (Fig. 6).

    kind: a key of `PREDICTED`. count: number of images. For both outputs of `sensitivity.OUTPUTS`
    and every level of `PREDICTED`, it records the square roots of the predicted second moment and
    variance, and for `DRAWS` and for `MANY` draws the root mean square change (moment) and the
    standard deviation (variance).
    """

    def observe(view):
        frames, _ = view.sample(count)
        parts = [_predicted(view, kind, chunk.to(view.device).float(), number)
                 for number, chunk in enumerate(frames.split(CHUNK))]  # fmt: skip
        found = {"n": len(frames), "draws": [DRAWS, MANY], "outputs": {}}
        for output in sensitivity.OUTPUTS:
            found["outputs"][output] = {
                f"{level:g}": {
                    name: _hex(np.concatenate([part[output, level][name] for part in parts]))
                    for name in parts[0][output, level]
                }
                for level in PREDICTED[kind]
            }
        return found

    return observe


def read_bits(found, which, name):
    """Return bool (n, draws) from `found`, what `noise` recorded.

    which: right (correct label) or kept (the clean image's label). name: of the level.
    """
    shape = found["n"], found["draws"]
    return metrics.bits(found["levels"][name][which], shape[0] * shape[1]).reshape(shape)


def read_clean(found):
    """Return which clean images were classified correctly, bool (n,), from `found` of `noise`."""
    return metrics.bits(found["clean"], found["n"])


def read(text):
    """Return the float32 values (N,) in `text`, hex digits of a record."""
    return np.frombuffer(bytes.fromhex(text), "<f4")


def _predicted(view, kind, images, number):
    """Return {(output, level): {name: values (N,)}} of one chunk of images."""
    found = {}
    known = {output: sensitivity.gradients(view.scores, images, output=output)
             for output in sensitivity.OUTPUTS}  # fmt: skip
    for level in PREDICTED[kind]:
        generator = torch.Generator(view.device).manual_seed(SEED + number)
        logits = sensitivity.perturbed(view.scores, images, kind, level, MANY, generator)
        for output, (gradient, clean, labels) in known.items():
            moment, variance = sensitivity.predict(kind, level, gradient, images)
            drawn = sensitivity.across(logits, labels, output)
            values = {"moment": moment.sqrt(), "variance": variance.sqrt(), "clean": clean}
            for draws in (DRAWS, MANY):
                few = drawn[:, :draws]
                values[f"moment {draws}"] = sensitivity.rms(few, clean)
                values[f"variance {draws}"] = sensitivity.deviation(few)
            found[output, level] = {name: v.cpu().numpy() for name, v in values.items()}
    return found


@torch.no_grad()
def _shown(view, settings, clean=None, many=False):
    """Return which draws of which images were right, and which kept the label of the clean image.

    settings: {name: [(kind, level), ...], one degradation after the other}. clean: a filter of
    `denoise`, or None; the label to keep is then that of the filtered image. many: see `noise`.
    Bits, ordered by image and then by draw, are in hex digits; `read_bits` reads them.
    """
    frames, labels = view.sample(MANY_PICTURES if many else PICTURES)
    draws = 1 if many else DRAWS
    clean = clean or (lambda images: images)
    labels = labels.to(view.device)

    def chunks():
        return (chunk.to(view.device).float() for chunk in frames.split(CHUNK))

    top = torch.cat([_labels(view, clean(chunk)) for chunk in chunks()])
    found = {"n": len(frames), "draws": draws, "clean": _bits(top == labels), "levels": {}}
    for name, steps in settings.items():
        generator = torch.Generator(view.device).manual_seed(SEED)
        drawn = torch.cat([
            torch.stack([_labels(view, clean(_degraded(chunk, steps, generator)))
                         for _ in range(draws)], 1)
            for chunk in chunks()
        ])  # fmt: skip
        found["levels"][name] = {"right": _bits(drawn == labels[:, None]),
                                 "kept": _bits(drawn == top[:, None])}  # fmt: skip
    return found


def _degraded(images, steps, generator):
    for kind, level in steps:
        images = degrade.draw(images, kind, level, generator) if level else images
    return images


def _labels(view, images):
    return torch.cat([view.scores(part).argmax(1) for part in images.split(CHUNK)])


@torch.no_grad()
def _probabilities(view, images):
    return view.scores(images).softmax(1)


def _bits(flags):
    return np.packbits(np.asarray(flags.cpu() if torch.is_tensor(flags) else flags)).tobytes().hex()


def _numbers(values):
    return values.cpu().numpy()


def _hex(values):
    return np.asarray(values, "<f4").tobytes().hex()


OBSERVERS = {
    **{f"noise_{kind}": noise(kind) for kind in LEVELS},
    **{f"filtered_{kind}": filtered(kind) for kind in FILTERED},
    **{f"predicted_{kind}": predicted(kind) for kind in PREDICTED},
    "noise_combined": combined,
    "deviations": deviations,
    **{f"many_noise_{kind}": noise(kind, many=True) for kind in LEVELS},
    **{f"many_filtered_{kind}": filtered(kind, many=True) for kind in FILTERED},
    **{f"many_predicted_{kind}": predicted(kind, FORETOLD) for kind in PREDICTED},
    "many_noise_combined": partial(combined, many=True),
    "scores": scores,
}

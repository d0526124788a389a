"""How much noise a network tolerates: the measures of rodner2016 for any network and images.

Measurements are kept in BUILD_DIR/noise, one file of images per kind and level of noise. The same
question is never measured twice, and an interrupted one resumes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from scipy import stats

from helpers import degrade, natural, questions, robustness, rules, sensitivity, shift
from helpers.errors import InputError, one_of, whole
from helpers.models import pretrained
from helpers.questions import PHOTOGRAPHS

KINDS = tuple(robustness.LEVELS)
LEVELS = robustness.LEVELS | {"pepper_pixels": robustness.LEVELS["pepper"]}
CHUNK = 25  # degraded frames in memory at a time
BACKWARD = 5  # images per backward pass, which keeps the output of every layer
COLUMNS = ["picture", "label", "top", "changed", "change", "deviation", "predicted"]  # of a file
CODE = (degrade, natural, sensitivity, shift)  # the modules that decide the answer, with this one


def ask(network, pictures=PHOTOGRAPHS, kinds=KINDS, levels=None, count=None,
        draws=robustness.DRAWS, seed=0):  # fmt: skip
    """Return a `Study`, which measures when its `answer` is called.

    network: as in `pretrained.load`. pictures: a folder, or `PHOTOGRAPHS`, the ten that come with
    scikit-image and scikit-learn; the network sees the middle of each, as at test. kinds: in
    `degrade.KINDS`, a list or text with commas. levels: also a list or text, each for all the
    kinds; None for those of the book. Flips have none. count: number of images, drawn at random,
    None for all; if there are fewer, all of them. draws: of noise for every image and level; a flip
    needs one. seed: of images and noise. Raises `InputError` for arguments that do not fit.
    """
    parts = [
        (kind, level)
        for kind in questions.listed("kinds", kinds)
        for level in _levels(one_of("kinds", kind, degrade.KINDS), levels)
    ]
    whole("draws", draws, 1)
    whole("seed", seed)
    found, names = questions.chosen(pictures, count, seed, again=False)
    network = pretrained.load(str(network))
    view = natural.View(None, network, found[:0], found)
    code = [module.__file__ for module in CODE] + [__file__]
    digest = questions.digest(network, found, [seed, draws, names], code)
    return Study(view, names, seed, tuple(parts), digest, draws)


def table(frame):
    """Return `frame`, the result of `Study.answer`, as text to show, in per cent and points."""

    def points(name):
        return ["" if np.isnan(x) else f"{100 * x:.2f}" for x in frame[name]]

    return pd.DataFrame({
        "degradation": [degrade.KINDS[kind].title for kind in frame.kind],
        "level": [written(*part) for part in zip(frame.kind, frame.level, strict=True)],
        "p_Δ (%)": questions.percent(frame, "changed"),
        "change (points)": questions.percent(frame, "change"),
        "deviation (points)": points("deviation"),
        "predicted (points)": points("predicted"),
        "r": ["" if np.isnan(r) else f"{r:.2f}" for r in frame.r],
    })  # fmt: skip


def note(frame):
    """Return a line with what is the same in all rows of `frame`, the result of `Study.answer`."""
    draws = frame.draws.max()  # a flip has one
    confidence = f"{100 * frame.confidence[0]:.1f} %"
    return f"images: {frame.pictures[0]}, draws per image: {draws}, confidence: {confidence}"


def written(kind, level):
    """Return `level` with its unit as text, "" if the `kind` has none."""
    unit = degrade.KINDS[kind].unit
    after = {"px": " px", "°": "°"}
    if not unit:
        return ""
    return f"{level:g}{after[unit]}" if unit in after else f"{unit} = {level:g}"


def share(means):
    """Return a mean share and the ends of its 95 % interval, three floats.

    means: the share of every image (N,). The draws of one image belong together, so images are the
    repeats: Student's interval over them, clipped to 0 to 1. It has no width if all images agree,
    for example if none ever changes. It is then the exact one of Clopper and Pearson, as if each
    image were a single draw. (Of N values from 0 to 1 with a given mean, all being 0 is most likely
    if they can only be 0 or 1.)
    """
    middle, low, high = questions.mean(means)
    n = len(means)
    if n > 1 and np.ptp(means) == 0:
        tail, found = (1 - rules.CONFIDENCE) / 2, middle * n
        low = stats.beta.ppf(tail, found, n - found + 1) if found else 0.0
        high = stats.beta.ppf(1 - tail, found + 1, n - found) if found < n else 1.0
    return middle, float(low), float(high)


@dataclass(frozen=True)
class Example:
    """An image without and with noise, and what the network predicted.

    kind: of the noise. level: of the noise, None if it has none. picture: name of the image.
    frames: uint8 (2, 3, side, side), clean and degraded. said: for each frame (name of its top
    class, its probability). changed: share of the image's draws with another top class.
    """

    kind: str
    level: float | None
    picture: str
    frames: np.ndarray
    said: tuple
    changed: float


@dataclass(frozen=True)
class Study(questions.Question):
    """One question about noise: its parts are (kind, level), its lines images.

    draws: of noise for every image and level.
    """

    draws: int

    folder, below, columns = "noise", "pictures", COLUMNS

    def row(self, part):
        """Return the row of one `part`, a dict.

        changed is p_Delta of the paper's Section 2, change the mean change of the probability of
        the clean image's top class, both with intervals over images. deviation is the standard
        deviation of this probability over an image's draws, and predicted is its prediction by one
        backward pass (Section 4), both means over images, NaN where there is none; r is their
        correlation. confidence: the mean probability of the clean top class.
        """
        lines = self.lines(part)
        found = {"kind": part[0], "level": part[1], "pictures": len(lines),
                 "draws": self._drawn(part[0])}  # fmt: skip
        found |= questions.ends("changed", share(lines.changed.to_numpy()))
        found |= questions.ends("change", questions.mean(lines.change, least=-1.0))
        means = {name: lines[name].mean() for name in ("deviation", "predicted")}
        enough = len(lines) > 2  # two points always lie on a line
        r = lines.deviation.corr(lines.predicted) if enough else np.nan
        return found | means | {"r": r, "confidence": lines.top.mean()} | self.origin()

    def by_picture(self):
        """Return the lines of all parts in one DataFrame, with the columns kind and level."""
        found = []
        for kind, level in self.parts:
            lines = self.lines((kind, level))
            found.append(lines.assign(kind=kind, level=np.nan if level is None else level))
        return pd.concat(found, ignore_index=True)

    def most_sensitive(self, most=None):
        """Return the images whose label changes most often, a DataFrame sorted from the worst.

        most: how many, None for all. changed and change are means over the kinds and levels. class
        is that of the clean image, top its probability.
        """
        found = self.by_picture().groupby("picture", sort=False)
        found = found[["label", "top", "changed", "change"]].mean().reset_index()
        found.insert(1, "class", [self.named(int(label)) for label in found.pop("label")])
        return _worst_first(found).reset_index(drop=True)[:most]

    def faintest(self):
        """Return an `Example` of each kind: of the weakest noise that changed any prediction.

        The image is the one with most changed draws. If none changed at any level, it is the one
        whose probability changed most at the highest.
        """
        found = []
        for kind in dict.fromkeys(kind for kind, _ in self.parts):
            parts = sorted(part for part in self.parts if part[0] == kind)
            part = next((p for p in parts if self.lines(p).changed.any()), parts[-1])
            found.append(self._example(part, int(_worst_first(self.lines(part)).index[0])))
        return found

    def _example(self, part, number):
        """Return a draw of one image that changed its label, or else moved furthest."""
        line, clean = self.lines(part).loc[number], self._frame(number)
        drawn = [(frames.round().byte(), scores)
                 for frames, scores in self._draws(part, clean, number)]  # fmt: skip
        frames, scores = (torch.cat(of).cpu() for of in zip(*drawn, strict=True))
        found = scores.softmax(1)
        moved = (found[:, line.label] - line.top).abs()  # below 1
        at = int((moved + (scores.argmax(1) != line.label)).argmax())
        said = ((self.named(line.label), float(line.top)), *self.said(found[at : at + 1]))
        pair = torch.stack([clean, frames[at]]).numpy()
        return Example(*part, self.names[number], pair, said, float(line.changed))

    def _measured(self, part):
        label, top, predicted = self._clean
        rows = []
        for number, frame in enumerate(self._frames):
            scores = torch.cat([scores for _, scores in self._draws(part, frame, number)])
            outputs = sensitivity.read(scores, label[number].expand(len(scores)))
            self.numbers([float(top[number]), *outputs.tolist()])
            rows.append({
                "label": int(label[number]),
                "top": float(top[number]),
                "changed": float((scores.argmax(1) != label[number]).double().mean()),
                "change": float((outputs - top[number]).mean()),
                "deviation": float(outputs.std()) if len(outputs) > 1 else np.nan,
                "predicted": float(predicted[part][number]) if part in predicted else np.nan,
            })  # fmt: skip
        return pd.DataFrame(rows)

    @cached_property
    def _frames(self):
        """Return all images as the network is tested on them, uint8 (N, 3, side, side)."""
        return torch.stack([self._frame(number) for number in range(len(self.names))])

    def _frame(self, number):
        (picture,) = self.view.pictures.pick([number])
        return self.view.centre(picture)

    @cached_property
    def _clean(self):
        """Return labels (N,), their probabilities (N,), and {part: predicted deviations (N,)}.

        One backward pass per image serves all kinds and levels.
        """
        known = [part for part in self.parts if part[0] in sensitivity.KINDS]
        rows = []
        for frames in self._frames.split(BACKWARD):
            images = frames.to(self.view.device).float()
            gradient, top, label = self._gradients(images)
            variances = (sensitivity.predict(*part, gradient, images)[1] for part in known)
            rows.append((label, top, *(variance.sqrt() for variance in variances)))
        labels, tops, *predicted = (torch.cat(values) for values in zip(*rows, strict=True))
        return labels, tops, dict(zip(known, predicted, strict=True))

    def _gradients(self, images):
        """Return the result of `sensitivity.gradients`, NaN where the network has no gradient."""
        try:
            return sensitivity.gradients(self.view.scores, images)
        except RuntimeError as error:  # it rounds, for example, or ignores the image
            if "memory" in str(error):
                raise
        scores = self._scores(images)
        label = scores.argmax(1)
        return torch.full_like(images, np.nan), sensitivity.read(scores, label), label

    def _draws(self, part, frame, number):
        """Yield degraded frames (n, 3, side, side) of one image, not rounded, and their scores.

        Each image has its own draws. They are the same at all levels of a kind, only scaled.
        """
        kind, level = part
        clean = frame.to(self.view.device).float()
        generator = torch.Generator(clean.device)
        generator.manual_seed(questions.own_seed(self.seed, number))
        for start in range(0, self._drawn(kind), CHUNK):
            some = min(CHUNK, self._drawn(kind) - start)
            frames = degrade.draw(clean.expand(some, -1, -1, -1), kind, level, generator)
            yield frames, self._scores(frames)

    def _drawn(self, kind):
        """Return the number of draws of each image: one for a flip, in which nothing is random."""
        return self.draws if degrade.KINDS[kind].unit else 1

    @torch.no_grad()
    def _scores(self, images):
        return self.view.scores(images)


def _worst_first(lines):
    """Return lines of images sorted by the share of changed draws, and then by how much."""
    order = pd.DataFrame({"changed": lines.changed, "change": lines.change.abs()})
    return lines.loc[order.sort_values(["changed", "change"], ascending=False).index]


def _levels(kind, given):
    """Return the checked levels of one kind, a list of floats."""
    chosen = degrade.KINDS[kind]
    if not chosen.unit:
        return [None]
    levels = LEVELS[kind] if given is None else questions.listed("levels", given, fractions=True)
    for level in levels:
        number = isinstance(level, int | float) and not isinstance(level, bool)
        if not (number and 0 <= level <= chosen.most and level < np.inf):
            bound = "of at least 0" if chosen.most == np.inf else f"from 0 to {chosen.most}"
            raise InputError("levels", level, f"{kind} takes numbers {bound}")
    return [float(level) for level in dict.fromkeys(levels)]

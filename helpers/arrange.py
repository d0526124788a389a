"""Arrangements: index maps that reorder the pixels of an image.

An arrangement is an int64 array (side * side,) in row-major order: position k of the arranged image
shows pixel index[k] of the original. ivan2019 Eq. 1 writes the map in the other direction (pixel k
moves to position sigma(k)). `inverse` turns one into the other, and a uniform permutation has the
same distribution either way.
"""

import numpy as np

from helpers.errors import InputError, one_of, whole


def identity(side):
    """Return the map that leaves every pixel where it is, int64 (side * side,); side: px."""
    return np.arange(whole("side", side, 1) ** 2)


def pixel_permutation(side, seed):
    """Return a uniformly random permutation of all pixels, int64 (side * side,) (ivan2019, Eq. 1).

    side: px. seed: a whole number from 0.
    """
    return np.random.default_rng(whole("seed", seed)).permutation(identity(side))


def patch_permutation(side, patch, seed):
    """Return a random permutation of square patches, int64 (side * side,) (ivan2019, Section 3).

    side: px. patch: side of a patch in px. seed: a whole number from 0. Patches keep their insides:
    `patch` = side is the identity, and `patch` = 1 permutes pixels. Raises `InputError` unless
    `patch` divides `side`.
    """
    if side % whole("patch", patch, 1, side):
        raise InputError("patch", patch, f"use a divisor of the image side, {side}")
    slices = side // patch
    order = pixel_permutation(slices, seed)
    blocks = _blocks(side, patch)
    index = np.empty(side * side, np.int64)
    index[blocks.ravel()] = blocks[order].ravel()
    return index


def local_permutation(side, distance, seed):
    """Return the row-major scan of random swaps within `distance` px (ivan2019, Section 4).

    side, distance: px. seed: a whole number from 0. Each position is swapped once with a partner
    drawn uniformly from the square window of Chebyshev radius `distance` around it, which includes
    the position itself and is clipped at the border. The paper specifies neither the window's shape
    nor its border; both are our reading, see `book/method`. Returns int64 (side * side,).
    """
    whole("distance", distance)
    rng = np.random.default_rng(whole("seed", seed))
    index = identity(side)
    for here in range(side * side):
        row, column = divmod(here, side)
        there = _near(rng, row, distance, side) * side + _near(rng, column, distance, side)
        index[here], index[there] = index[there], index[here]
    return index


def block_swaps(side, block, swaps, seed, images=None):
    """Return a map after random swaps of two square blocks (ghosh2019, Section 4).

    side: px. block: side of a block in px. swaps: their number. seed: a whole number from 0.
    images: None for one map (side * side,), or N for maps (N, side * side) whose swaps are drawn
    for each image. Pixels in a rim that whole blocks do not cover stay in place.
    """
    whole("block", block, 1, side)
    whole("swaps", swaps)
    rng = np.random.default_rng(whole("seed", seed))
    blocks = _blocks(side, block)
    count = len(blocks)
    maps = np.tile(identity(side), (1 if images is None else whole("images", images, 1), 1))
    every = np.arange(len(maps))[:, None]
    for _ in range(swaps if count > 1 else 0):
        first = rng.integers(count, size=len(maps))
        second = (first + rng.integers(1, count, size=len(maps))) % count  # never the same block
        a, b = blocks[first], blocks[second]
        maps[every, a], maps[every, b] = maps[every, b], maps[every, a]
    return maps[0] if images is None else maps


def apply(pixels, index):
    """Arrange the pixels of images by an index map.

    pixels: array (N, C, H, W). index: one map (H * W,), or one per image (N, H * W). All channels
    are arranged alike. Returns a new array of the same shape and dtype. Raises `InputError` for a
    map of another shape.
    """
    n, channels, height, width = pixels.shape
    index = np.asarray(index)
    if index.shape not in {(height * width,), (n, height * width)}:
        raise InputError(
            "index",
            index.shape,
            f"its shape must be ({height * width},) or ({n}, {height * width})",
        )
    flat = pixels.reshape(n, channels, height * width)
    if index.ndim == 1:
        return np.take(flat, index, axis=2).reshape(pixels.shape)
    return np.take_along_axis(flat, index[:, None, :], axis=2).reshape(pixels.shape)


def inverse(index):
    """Return the map that undoes `index`, int64 (side * side,) (Eq. 1 in the other direction)."""
    return np.argsort(index)


def displacement(index, side):
    """Return how far each pixel moved: Chebyshev distance in px, int64 (side * side,).

    index: a map (side * side,). side: px.
    """
    rows, columns = np.divmod(np.asarray(index), side)
    row, column = np.divmod(identity(side), side)
    return np.maximum(abs(rows - row), abs(columns - column))


def staying(index):
    """Return the share of pixels that a map leaves in place, or (N,) for N maps.

    index: (H * W,) or (N, H * W).
    """
    index = np.asarray(index)
    return (index == np.arange(index.shape[-1])).mean(axis=-1)


KINDS = {
    "pixel_permutation": pixel_permutation,
    "patch_permutation": patch_permutation,
    "local_permutation": local_permutation,
    "block_swaps": block_swaps,
}
DRAWS = 100  # attempts to draw a map that meets `stays`, before we give up


def from_spec(spec, side, images=1, part=0):
    """Return the index map that a run's `arrangement` describes, int64 (side * side,).

    spec: {} for the natural order, or {"kind": name in KINDS, ...its arguments}. `slices` may
    replace `patch` = side / slices. With `per_image` (block swaps only), every image has its own
    map. `stays` is the largest share of pixels that may stay in place: a map that leaves more is
    drawn again, with a seed derived from the first. Without it the first draw counts, even if
    nothing moves. side: px. images: their number, for `per_image`; the result is then (images, side
    * side). part: 0 for training and 1 for test images, so that the two splits have different
    draws. Raises `InputError` for a spec that does not fit.
    """
    if not spec:
        return identity(side)
    spec = dict(spec)
    kind = one_of("arrangement.kind", spec.pop("kind", None), KINDS)
    if "slices" in spec:
        slices = whole("arrangement.slices", spec.pop("slices"), 1, side)
        if side % slices:
            raise InputError(
                "arrangement.slices", slices, f"use a divisor of the image side, {side}"
            )
        spec["patch"] = side // slices
    if spec.pop("per_image", False):
        entropy = np.random.SeedSequence([whole("seed", spec.get("seed")), part])
        spec |= {"images": images, "seed": int(entropy.generate_state(1)[0])}
    most = spec.pop("stays", None)
    if most is not None and not (isinstance(most, int | float) and 0 <= most < 1):
        raise InputError("arrangement.stays", most, "use a number from 0 to below 1")
    try:
        index = KINDS[kind](side, **spec)
    except TypeError as error:
        raise InputError(f"arrangement ({kind})", spec, str(error)) from None
    return index if most is None else _moved(index, KINDS[kind], side, spec, most)


def _moved(index, draw, side, spec, most):
    """Return `index`, in which each map that leaves a larger share than `most` is drawn again."""
    for again in range(1, DRAWS):
        left = np.asarray(staying(index) > most)
        if not left.any():
            return index
        entropy = np.random.SeedSequence([spec["seed"], again])
        other = draw(side, **spec | {"seed": int(entropy.generate_state(1)[0])})
        index = np.where(left[..., None], other, index)
    raise InputError(
        "arrangement.stays", most, f"use a larger one: each of {DRAWS} draws left more in place"
    )


def _blocks(side, block):
    """Return the pixel positions of each whole block, int64 (blocks, block * block)."""
    n = side // block
    grid = identity(side).reshape(side, side)[: n * block, : n * block]
    return grid.reshape(n, block, n, block).swapaxes(1, 2).reshape(n * n, block * block)


def _near(rng, centre, distance, side):
    return rng.integers(max(0, centre - distance), min(side, centre + distance + 1))

"""What a sampling grid keeps of a signal, and what its sums keep (azulay2019, Section 3).

A signal is periodic, float64, (N,) or (N, N). It is sampled at every s-th place of each axis, where
s divides N; frequencies are whole numbers of waves in N pixels, and the Nyquist limit is N / 2s.
Two frequencies look alike on the grid ("alias") if they differ by a multiple of N / s.

Everywhere in here, n is N and step is s, both in px; kept is bool (N,), the frequencies that a
signal may have.
"""

from itertools import product

import numpy as np
from scipy.linalg import circulant

from helpers.errors import InputError
from helpers.verdicts.ivan2019.untrained import ANY

SIDE, STEP, SIGNALS = 48, 4, 20  # pixels, s, random signals
BIN5 = np.array([1.0, 4, 6, 4, 1])
FLOAT = 1e-12  # below this, a float64 result counts as zero


def waves(n):
    """Return the frequencies of n places in the order of the FFT, int64 (N,)."""
    return np.rint(np.fft.fftfreq(n, 1 / n)).astype(int)


def below(n, step):
    """Return which frequencies are strictly below the Nyquist limit, bool (N,).

    n, step: see the module. Raises `InputError` where step does not divide n.
    """
    _divides(n, step)
    return 2 * step * abs(waves(n)) < n


def keep(signal, kept):
    """Return a signal with only the frequencies `kept`, on each axis.

    signal: (N,) or (N, N). kept: see the module.
    """
    spectrum = np.fft.fftn(signal)
    for axis in range(signal.ndim):
        spectrum *= np.moveaxis(np.reshape(kept, (-1,) + (1,) * (signal.ndim - 1)), 0, axis)
    return np.fft.ifftn(spectrum).real


def low_pass(signal, step):
    """Return a signal without all that is at or above the Nyquist limit: the ideal blur.

    signal: (N,) or (N, N). step: see the module.
    """
    return keep(signal, below(len(signal), step))


def drawn(seed, kept=True, n=SIDE):
    """Return a random signal (N,) of mean about 1 that has only the frequencies `kept`.

    seed: of the draw. kept, n: see the module.
    """
    signal = 1 + np.random.default_rng(seed).normal(size=n)
    return keep(signal, np.broadcast_to(kept, n))


def basis(kept, step):
    """Return B of the Definition for signals with the frequencies `kept`, float64 (N,).

    kept, step: see the module. Below the Nyquist limit this is the Dirichlet kernel, the sinc
    function of a periodic domain.
    """
    return np.fft.ifft(step * np.asarray(kept, float)).real


def interpolated(signal, step, kernel):
    """Return sum_i B(x - x_i) r(x_i), the Definition, float64 (N,).

    signal: r (N,). step: see the module. kernel: B (N,).
    """
    sampled = np.where(np.arange(len(signal)) % step == 0, signal, 0)
    return np.fft.ifft(np.fft.fft(sampled) * np.fft.fft(kernel)).real


def rebuild_error(signal, step, kernel):
    """Return the largest error of the Definition over all translations, relative to the signal.

    signal, step, kernel: as for `interpolated`.
    """
    moved = [np.roll(signal, shift) for shift in range(step)]  # further ones only move the grid
    errors = [abs(interpolated(r, step, kernel) - r).max() for r in moved]
    return float(max(errors) / abs(signal).max())


def missed(signal, step):
    """Return the share of energy that the best B leaves out, the mean over all translations.

    signal: (N,) or (N, N); an empty one misses nothing. step: see the module. With P the power of a
    frequency and E the power of all that look like it on the grid, the best B weighs it by P / E
    and misses P (1 - P / E). The share is 0 if and only if no two frequencies of the signal look
    alike.
    """
    power = abs(np.fft.fftn(signal)) ** 2
    alike = np.zeros_like(power)
    turns = [range(0, n, n // step) for n in signal.shape]
    for turn in product(*turns):
        alike += np.roll(power, turn, range(signal.ndim))
    share = np.divide(power, alike, out=np.ones_like(power), where=alike > 0)
    total = power.sum()
    return float((power * (1 - share)).sum() / total) if total > 0 else 0.0


def grid_sums(signal, step):
    """Return the sum over the grid for each of its positions, (s,) or (s, s).

    signal: (N,) or (N, N). step: see the module. Raises `InputError` where step does not divide N.
    """
    for n in signal.shape:
        _divides(n, step)
    for axis in range(signal.ndim):
        shape = (*signal.shape[:axis], -1, step, *signal.shape[axis + 1 :])
        signal = signal.reshape(shape).sum(axis=axis)
    return signal


def spread(signal, step):
    """Return how far grid sums are apart, relative to the mean grid sum of |r|.

    signal: r (N,) or (N, N). step: see the module.
    """
    scale = grid_sums(abs(signal), step).mean()
    return float(np.ptp(grid_sums(signal, step)) / scale) if scale > 0 else 0.0


def relu(signal, bias=0.0):
    """Return max(signal - bias, 0)."""
    return np.maximum(np.asarray(signal, float) - bias, 0)


def _divides(n, step):
    if step < 1 or n % step:
        raise InputError("step", step, f"use a divisor of the signal's {n} pixels")


# The Definition and the sentence after it.


def strictly_below(_):
    """Return the largest error of interpolation, signals below the limit, all translations."""
    low = below(SIDE, STEP)
    return max(rebuild_error(drawn(k, low), STEP, basis(low, STEP)) for k in range(SIGNALS)), ANY


def at_limit(_):
    """Return the share of a sine at the limit that interpolation leaves: its samples are zero."""
    wave = np.sin(np.pi * np.arange(SIDE) / STEP)
    up_to = 2 * STEP * abs(waves(SIDE)) <= SIDE
    left = abs(wave - interpolated(wave, STEP, basis(up_to, STEP))).max()
    return round(1 - float(left / abs(wave).max()), 12), ANY


def past_limit(_):
    """Return how many signals some B rebuilds that fill the band to one wave past the limit."""
    wide = abs(waves(SIDE)) <= SIDE // (2 * STEP) + 1
    return sum(missed(drawn(k, wide), STEP) < FLOAT for k in range(SIGNALS)), ANY


def octave(n=SIDE, step=STEP):
    """Return which frequencies are strictly between the limit and twice the limit, bool (N,).

    n, step: see the module.
    """
    wave = step * abs(waves(n))
    return (n < 2 * wave) & (wave < n)


def octave_above(_):
    """Return how many signals with only the octave above the limit cannot be rebuilt."""
    kernel = basis(octave(), STEP)
    errors = [rebuild_error(drawn(k, octave()), STEP, kernel) for k in range(SIGNALS)]
    return sum(error > FLOAT for error in errors), ANY


def solvable(signal, step):
    """Return whether one B serves all translations of a signal, by linear least squares.

    signal: (N,). step: see the module.
    """
    moved = [np.roll(signal, shift) for shift in range(step)]
    on_grid = np.arange(len(signal)) % step == 0
    system = np.concatenate([circulant(np.where(on_grid, r, 0)) for r in moved])
    wanted = np.concatenate(moved)
    kernel = np.linalg.lstsq(system, wanted)[0]
    return bool(abs(system @ kernel - wanted).max() < 1e-9 * abs(wanted).max())


def frequency_sets(count=100, n=24):
    """Yield random sets of frequencies, each with its negative ones, bool (N,).

    count: how many. n: see the module.
    """
    rng = np.random.default_rng(0)
    for size in rng.integers(1, 5, count):
        yield np.isin(abs(waves(n)), rng.choice(n // 2 + 1, size, replace=False))


def unalike(kept, step):
    """Return whether no two of the frequencies `kept` look alike on the grid.

    step: see the module.
    """
    return bool(np.reshape(kept, (step, -1)).sum(axis=0).max() <= 1)


def alias_rule(_, step=3):
    """Return for how many random sets of frequencies our rule and linear algebra disagree.

    step: see the module.
    """
    sets = enumerate(frequency_sets())
    found = [solvable(drawn(k, kept, 24), step) != unalike(kept, step) for k, kept in sets]
    return sum(found), ANY


# The Claim, Eqs. 1 to 3.


def same_constant(_, shapes=((48, 2), (48, 4), (60, 5), (63, 3))):
    """Return the largest difference between K of any grid point and s.

    shapes: pairs (N, s).
    """
    worst = 0.0
    for n, step in shapes:
        kernel = basis(below(n, step), step)
        sums = [np.roll(kernel, place).sum() for place in range(0, n, step)]
        worst = max(worst, abs(np.array(sums) - step).max())
    return float(worst), ANY


def same_sums(_):
    """Return the largest relative error of sum r = K (grid sum), over all grid positions."""
    worst = 0.0
    for seed in range(SIGNALS):
        r = drawn(seed, below(SIDE, STEP))
        worst = max(worst, abs(STEP * grid_sums(r, STEP) / r.sum() - 1).max())
    return float(worst), ANY


def sums_after_relu(_):
    """Return how far grid sums are apart after a ReLU of the same signals, (signals,)."""
    signals = [drawn(seed, below(SIDE, STEP)) for seed in range(SIGNALS)]
    return np.array([spread(relu(r, bias=1.0), STEP) for r in signals]), ANY


def enough(n=SIDE, step=STEP):
    """Return all frequencies but the non-zero multiples of N / s, bool (N,).

    n, step: see the module.
    """
    return (waves(n) % (n // step) != 0) | (waves(n) == 0)


def sums_without_shiftability(_):
    """Return how far grid sums are apart at most if only the multiples of N / s are missing."""
    return max(spread(drawn(seed, enough()), STEP) for seed in range(SIGNALS)), ANY


def sums_by_spectrum(_):
    """Return the largest error of: grid sum p is the mean of r^(m N/s) exp(2 pi i m p / s) over m.

    Here r^ is the Fourier transform of the signal r.
    """
    worst, turns = 0.0, np.outer(np.arange(STEP), np.arange(STEP)) / STEP
    for seed in range(SIGNALS):
        r = drawn(seed)
        heard = np.fft.fft(r)[:: SIDE // STEP]
        predicted = (heard * np.exp(2j * np.pi * turns)).mean(axis=1)
        worst = max(worst, abs(predicted - grid_sums(r, STEP)).max())
    return float(worst), ANY


def zero_constant(_):
    """Return the largest error of the example with K = 0: r = (-1)^x and a stride of two.

    It satisfies the Definition, with B = 2 r / N, and its two grid sums are N/2 and -N/2.
    """
    r = (-1.0) ** np.arange(SIDE)
    kernel = 2 * r / SIDE
    sums = grid_sums(r, 2) - [SIDE / 2, -SIDE / 2]
    return max(rebuild_error(r, 2, kernel), abs(kernel.sum()), abs(sums).max()), ANY


# The Corollary: two sub-areas, each with a translation of its own.

HALF, OBJECT, REACH = 128, 5, 40  # pixels: of a sub-area, of an object, of the pooling window
SHIFTS = range(7)


def gaussian(width=5.0):
    """Return a Gaussian pooling window (2 * 40 + 1,): float zero at its ends and past N/4.

    width: its standard deviation, px.
    """
    window = np.exp(-0.5 * (np.arange(-REACH, REACH + 1) / width) ** 2)
    return window / window.sum()


def scene(seed, centre=HALF // 2):
    """Return an image (256,) with an object in each half.

    seed: of the objects. centre: their middle in each half, px.
    """
    image = np.zeros((2, HALF))
    objects = np.random.default_rng(seed).normal(size=(2, OBJECT))
    image[:, np.arange(OBJECT) + centre - OBJECT // 2] = objects
    return image.ravel()


def move(image, left, right):
    """Return an image with each half translated by its own number of px, within itself.

    image: (256,). left, right: px that the two halves move.
    """
    return np.concatenate([np.roll(image[:HALF], left), np.roll(image[HALF:], right)])


def detect(image, seed, window=None):
    """Return a detector's map: a random filter of 5 px, a ReLU and then a pooling window.

    image: (256,). seed: of the filter. window: such as `gaussian`, None for no pooling.
    """
    taps = np.random.default_rng(1000 + seed).normal(size=5)
    response = relu(_filtered(image, taps))
    return response if window is None else _filtered(response, window)


def _filtered(signal, taps):
    placed = np.zeros_like(signal)
    placed[: len(taps)] = taps
    turned = np.roll(placed, -(len(taps) // 2))
    return np.fft.ifft(np.fft.fft(signal) * np.fft.fft(turned)).real


def piecewise(seed, window=None, centre=HALF // 2):
    """Return the largest relative change of the grid sum, stride 2, over pairs of translations.

    seed: of objects and filter. window: as for `detect`. centre: as for `scene`.
    """
    image = scene(seed, centre)
    maps = [detect(move(image, a, b), seed, window) for a, b in product(SHIFTS, SHIFTS)]
    sums = np.array([r[::2].sum() for r in maps])
    return float(np.ptp(sums) / abs(sums).mean())


def piecewise_pooled(_):
    """Return the largest change of the grid sum with pooling, objects well inside their halves."""
    return max(piecewise(seed, gaussian()) for seed in range(SIGNALS)), ANY


def piecewise_sharp(_):
    """Return the change of the grid sum without pooling, (scenes,)."""
    return np.array([piecewise(seed) for seed in range(SIGNALS)]), ANY


def piecewise_crossing(_):
    """Return the change of the grid sum with pooling, for objects torn at the edge, (scenes,)."""
    return np.array([piecewise(k, gaussian(), HALF - OBJECT) for k in range(SIGNALS)]), ANY


def room(_, n=24, step=3, draws=200):
    """Return for how many sets of N / s places some shiftable response is zero at all of them.

    n, step: see the module. draws: random sets.
    """
    rng, lost = np.random.default_rng(0), 0
    low = waves(n)[below(n, step)]
    for _draw in range(draws):
        places = rng.choice(n, n // step, replace=False)
        matrix = np.exp(2j * np.pi * np.outer(places, low) / n)
        lost += np.linalg.matrix_rank(matrix) < len(low)
    return int(lost), ANY


# The 'part detector', with a stride of two.


def tuning(name, n=SIDE):
    """Return a detector's response to a part at place 0, float64 (N,), with sum 1.

    name: exact, which fires only when the part is centred; binomial, (1, 2, 1) / 4; or broad, the
    periodic sinc^2, which is never negative and is below the Nyquist limit of a stride of two. n:
    see the module. Raises `InputError` for another name.
    """
    r = np.zeros(n)
    if name == "exact":
        r[0] = 1
    elif name == "binomial":
        r[[-1, 0, 1]] = 0.25, 0.5, 0.25
    elif name == "broad":
        r = np.fft.ifft(np.maximum(0, 1 - 4 * abs(waves(n)) / n)).real
    else:
        raise InputError("tuning", name, "use exact, binomial or broad")
    return r


def exact_part(_):
    """Return how far the exact detector's sums are from 1 on even and 0 on odd pixels."""
    return float(abs(grid_sums(tuning("exact"), 2) - [1, 0]).max()), ANY


def broad_part(_):
    """Return the largest error of the broad detector: of interpolation and of its two sums."""
    r = tuning("broad")
    return max(rebuild_error(r, 2, basis(below(SIDE, 2), 2)), spread(r, 2)), ANY


def rates(name):
    """Return the firing rates of a detector's units, with the part on an even and on an odd pixel.

    name: as for `tuning`.
    """
    r = tuning(name)
    return r[::2], r[1::2]


def unit_rates_equal(_):
    """Return for how many tunings the units' rates, sorted by size, are the same in both cases."""
    pairs = [map(np.sort, rates(name)) for name in ("exact", "binomial", "broad")]
    return sum(bool(np.allclose(even, odd)) for even, odd in pairs), ANY


def binomial_part(_):
    """Return how far apart the sums of the binomial detector are, which is not shiftable."""
    return spread(tuning("binomial"), 2), ANY

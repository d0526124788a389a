"""The error for bad input: one line that names the field, the value and what is allowed."""


class InputError(ValueError):
    """Bad input: which field is wrong, its value, and what is allowed.

    field: its name. value: what was given. allowed: what to use instead, in words.
    """

    def __init__(self, field, value, allowed):
        super().__init__(field, value, allowed)  # all three, so that it can be pickled by a worker

    def __str__(self):
        field, value, allowed = self.args
        return f"{field}: {value!r} is not allowed; {allowed}"


def one_of(field, value, allowed):
    """Return `value` if it is in the container `allowed`, else raise `InputError` about `field`."""
    if value not in allowed:
        raise InputError(field, value, "use one of " + ", ".join(map(str, allowed)))
    return value


def whole(field, value, least=0, most=None):
    """Return `value` if it is an int from `least` to `most`, else raise `InputError` about `field`.

    most: None for no upper bound. A bool does not count as an int.
    """
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not fits or (most is not None and value > most):
        bound = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise InputError(field, value, f"use a whole number {bound}")
    return value


def cause(error):
    """Return the first line of the message of `error`, or its type if it has no message."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


class DivergedError(RuntimeError):
    """Raised when the training loss is no longer finite; the message names run and epoch."""

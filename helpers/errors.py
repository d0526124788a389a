"""The error for bad input: one line that names the field, the value and what is allowed."""


class InputError(ValueError):
    """Say which field is wrong, what it was, and what is allowed."""

    def __init__(self, field, value, allowed):
        super().__init__(field, value, allowed)  # as given, so that it can leave a worker process

    def __str__(self):
        field, value, allowed = self.args
        return f"{field}: {value!r} is not allowed; {allowed}"


def one_of(field, value, allowed):
    """Return `value` if it is among `allowed`, else raise `InputError`."""
    if value not in allowed:
        raise InputError(field, value, "use one of " + ", ".join(map(str, allowed)))
    return value


def whole(field, value, least=0, most=None):
    """Return `value` if it is an int from `least` to `most`, else raise `InputError`."""
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not fits or (most is not None and value > most):
        bound = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise InputError(field, value, f"use a whole number {bound}")
    return value


def cause(error):
    """Return the first line of an error of a library, or its type where it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


class DivergedError(RuntimeError):
    """Say in which run and epoch the training loss stopped being a number."""

"""Which file of the lock each machine installs: the choice that pip makes, computed offline.

A lock has hashes and no file names. `lock_files.sha256` has both, for the files that the machines
below need. It is made from a lock that has names, a pylock.toml; the commands stand in
book/howto.md, under "Install".
"""

import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging import tags
from packaging.markers import Marker
from packaging.utils import parse_wheel_filename

from helpers.paths import write_atomic

LIST = Path(__file__).with_suffix(".sha256")
PYTHONS = ("3.11.0", "3.11.9", "3.12.9", "3.13.9")  # the lock tells 3.11.5 from earlier ones
MACHINES = ("macOS arm64", "Linux aarch64", "Linux x86_64")

# The oldest systems for which PyTorch has wheels: macOS 14, and glibc 2.28.
MACOS = (14, 0)
GLIBC = 28
OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def platforms(machine):
    """Return the platform tags of one of `MACHINES`, the most specific first."""
    system, arch = machine.split()
    if system == "macOS":
        return list(tags.mac_platforms(MACOS, arch))
    names = []
    for minor in range(GLIBC, 4, -1):
        names += [f"manylinux_2_{minor}_{arch}"]
        names += [f"{OLD_NAMES[minor]}_{arch}"] if minor in OLD_NAMES else []
    return [*names, f"linux_{arch}"]


def environment(machine, python):
    """Return what the markers of a lock ask about one of `MACHINES` and a full Python version."""
    system, arch = machine.split()
    mac = system == "macOS"
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": arch,
        "platform_python_implementation": "CPython",
        "platform_system": "Darwin" if mac else "Linux",
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": "darwin" if mac else "linux",
    }


def ranks(machine, python):
    """Return {tag: rank} of the wheels that a machine takes; the lowest rank is taken first."""
    version = tuple(map(int, python.split(".")[:2]))
    names = platforms(machine)
    interpreter = "cp{}{}".format(*version)
    both = [
        *tags.cpython_tags(version, platforms=names),
        *tags.compatible_tags(version, interpreter, names),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(both)))}


def choice(files, ranked):
    """Return the file that is installed, or None.

    files: names of the files of one version of one package
    ranked: as `ranks` returns it

    The best wheel is taken; where no wheel fits, the source.
    """
    fits = {}
    for name in files:
        if name.endswith(".whl"):
            known = [ranked[tag] for tag in parse_wheel_filename(name)[3] if tag in ranked]
            if known:
                fits[name] = min(known)
    sources = [name for name in files if name.endswith(".tar.gz")]
    return min(fits, key=fits.get) if fits else next(iter(sources), None)


def needed(packages):
    """Return {name of a file: its sha256} of the files that some machine installs.

    packages: the table `packages` of a pylock.toml
    """
    kept = {}
    for machine in MACHINES:
        for python in PYTHONS:
            asked, ranked = environment(machine, python), ranks(machine, python)
            for package in packages:
                if "marker" in package and not Marker(package["marker"]).evaluate(asked):
                    continue
                files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
                hashes = {
                    unquote(Path(urlsplit(file["url"]).path).name): file["hashes"]["sha256"]
                    for file in files
                }
                name = choice(hashes, ranked)
                if name:
                    kept[name] = hashes[name]
    return kept


if __name__ == "__main__":
    lock = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    lines = [f"{digest}  {name}\n" for name, digest in sorted(needed(lock["packages"]).items())]
    write_atomic(LIST, "".join(lines))

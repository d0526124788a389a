"""The lock, its files, the package, conda's environment and the direct dependencies agree."""

import re
import subprocess
import sys
import tomllib

import lock_files
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from helpers.paths import ROOT

PYTHONS = ("3.11", "3.12", "3.13")  # that environment.yml allows


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def direct(source):
    """Return the requirements of a .in file, one a line, comments left out."""
    lines = (line.split("#")[0].strip() for line in source.splitlines())
    return [Requirement(line) for line in lines if line]


def locked(source):
    """Return (requirement, hashes) of every entry of a lock file."""
    logical = re.sub(r"\\\n", " ", source).splitlines()
    entries = [line for line in logical if line.strip() and not line.lstrip().startswith("#")]
    return [
        (Requirement(line.split("--hash")[0]), re.findall(r"--hash=(\S+)", line))
        for line in entries
    ]


def unmet(requirements, entries, python):
    """Return the names in `requirements` that no lock entry satisfies on a Python version."""
    marks = {"python_version": python, "python_full_version": f"{python}.9"}
    versions = {
        canonicalize_name(entry.name): exact(entry)
        for entry, _ in entries
        if entry.marker is None or entry.marker.evaluate(marks)
    }
    return [
        need.name
        for need in requirements
        if canonicalize_name(need.name) not in versions
        or versions[canonicalize_name(need.name)] not in need.specifier
    ]


def exact(requirement):
    """Return the one version that a lock entry pins."""
    (pin,) = requirement.specifier
    assert pin.operator == "==" and not pin.version.endswith(".*"), requirement
    return Version(pin.version)


def listed(source):
    """Return {sha256: (package, version, name of the file)} of a list as sha256sum writes it."""
    files = {}
    for line in source.splitlines():
        digest, name = line.split()
        parse = parse_wheel_filename if name.endswith(".whl") else parse_sdist_filename
        files[digest] = (*parse(name)[:2], name)
    return files


def installed(entries, files, machine, python):
    """Return {package: the file of `files` that a machine installs, or None} for a lock."""
    asked = lock_files.environment(machine, python)
    ranked = lock_files.ranks(machine, python)
    taken = {}
    for entry, hashes in entries:
        if entry.marker is None or entry.marker.evaluate(asked):
            of = (canonicalize_name(entry.name), exact(entry))
            known = [files.get(digest.removeprefix("sha256:")) for digest in hashes]
            names = [file[2] for file in known if file and file[:2] == of]
            taken[entry.name] = lock_files.choice(names, ranked)
    return taken


def unhashed(entries):
    """Return the names of the lock entries without a whole sha256."""
    whole = re.compile(r"sha256:[0-9a-f]{64}")
    return [
        entry.name
        for entry, hashes in entries
        if not hashes or not all(whole.fullmatch(digest) for digest in hashes)
    ]


def strangers(source):
    """Return the lines of a lock file that name a host, an index, a file or a folder."""
    option = re.compile(r"\s*(?:-\w|--(?!hash)[a-z-]+)\b")
    place = re.compile(r"://|(?:^|\s)(?:file:|\.{0,2}/)\S|\s@\s")
    return [line for line in source.splitlines() if option.match(line) or place.search(line)]


@pytest.mark.parametrize("python", PYTHONS)
def test_direct_dependencies_are_locked(python):
    assert unmet(direct(text("requirements.in")), locked(text("requirements.lock")), python) == []


def test_lock_pins_and_hashes_every_entry():
    entries = locked(text("requirements.lock"))
    for entry, _ in entries:
        exact(entry)
    assert unhashed(entries) == []


def test_lock_names_no_host_and_no_path():
    assert strangers(text("requirements.lock")) == []


EVERYWHERE = [(machine, python) for machine in lock_files.MACHINES for python in lock_files.PYTHONS]


@pytest.mark.parametrize(("machine", "python"), EVERYWHERE)
def test_every_machine_finds_a_file_of_every_package(machine, python):
    files = listed(lock_files.LIST.read_text(encoding="utf-8"))
    taken = installed(locked(text("requirements.lock")), files, machine, python)
    assert {"torch", "torchvision", "numpy"} <= taken.keys()
    assert [name for name, file in taken.items() if file is None] == []
    sources = [name for name, file in taken.items() if not file.endswith(".whl")]
    assert sources == ["connection-pool"]  # pure Python, and published as source alone


def test_list_of_files_has_what_is_installed_and_no_more():
    assert lock_files.PYTHONS[-1].startswith(PYTHONS[-1])
    assert {python.rpartition(".")[0] for python in lock_files.PYTHONS} == set(PYTHONS)
    files = listed(lock_files.LIST.read_text(encoding="utf-8"))
    entries = locked(text("requirements.lock"))
    used = {file for where in EVERYWHERE for file in installed(entries, files, *where).values()}
    assert used == {name for *_, name in files.values()}


def test_torch_is_as_published():
    pins = {entry.name: exact(entry) for entry, _ in locked(text("requirements.lock"))}
    assert pins["torch"].local is None
    assert pins["torchvision"].local is None


def test_package_takes_its_dependencies_from_the_same_list():
    project = tomllib.loads(text("pyproject.toml"))
    assert project["project"]["dynamic"] == ["dependencies"]
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"]["file"] == ["requirements.in"]


def test_conda_installs_the_lock_on_the_pythons_of_the_package():
    dependencies = yaml.safe_load(text("environment.yml"))["dependencies"]
    (pip,) = (item["pip"] for item in dependencies if isinstance(item, dict))
    assert pip == ["-r requirements.lock"]
    names = [item.split()[0] for item in dependencies if isinstance(item, str)]
    assert names == ["python", "make", "pip"]  # anything else would come unlocked

    (spec,) = (item.split()[1] for item in dependencies if str(item).startswith("python "))
    conda = SpecifierSet(spec)
    package = SpecifierSet(tomllib.loads(text("pyproject.toml"))["project"]["requires-python"])
    minors = [f"3.{minor}" for minor in range(30)]
    assert tuple(minor for minor in minors if minor in conda) == PYTHONS
    assert PYTHONS[0] == next(minor for minor in minors if minor in package)
    assert all(minor in package for minor in PYTHONS)


HASH = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("lock", "name"),
    [
        (f"numpy==2.4.6 {HASH}", "torch"),  # not there
        (f"torch==2.14.0 {HASH}", "torch"),  # another version
        (f"torch==2.15.0 ; python_full_version < '3.12' {HASH}", "torch"),  # for other Pythons
    ],
)
def test_a_lock_that_lags_behind_is_noticed(lock, name):
    assert unmet(direct("# networks\ntorch==2.15.0\n"), locked(lock), "3.13") == [name]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("numpy-2.4.6-cp311-cp311-macosx_14_0_arm64.whl", True),
        ("numpy-2.4.6-cp311-cp311-macosx_15_0_arm64.whl", False),  # for a later system
        ("numpy-2.4.6-cp311-cp311-macosx_14_0_x86_64.whl", False),
        ("numpy-2.4.6-cp312-cp312-macosx_14_0_arm64.whl", False),
        ("numpy-2.4.5-cp311-cp311-macosx_14_0_arm64.whl", False),  # of another version
        ("numpy-2.4.6.tar.gz", True),
    ],
)
def test_a_machine_without_a_file_is_noticed(name, file):
    files = listed("0" * 64 + f"  {name}\n")
    entries = locked(f"numpy==2.4.6 {HASH}")
    taken = installed(entries, files, "macOS arm64", "3.11.9")
    assert taken == {"numpy": name if file else None}


@pytest.mark.parametrize("tail", ["", " --hash=sha256:abc", " --hash=md5:" + "0" * 32])
def test_a_missing_or_weak_hash_is_noticed(tail):
    assert unhashed(locked(f"numpy==2.4.6{tail}")) == ["numpy"]


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://example.org/simple",
        "-i example.org",
        "--find-links wheels",
        "-f wheels",
        "-e .",
        "torch @ file:///tmp/torch.whl",
        "./wheels/torch.whl",
        "/tmp/torch.whl",
    ],
)
def test_a_host_or_a_path_in_the_lock_is_noticed(line):
    assert strangers(f"numpy==2.4.6 \\\n    {HASH}\n{line}\n") == [line]


def test_what_every_notebook_imports_leaves_out_what_is_slow():
    """Each of these takes seconds, twice for every notebook; they are imported where needed."""
    code = "import sys, helpers.figures, helpers.report, helpers.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=ROOT)  # fmt: skip
    loaded = set(done.stdout.split())
    assert "torch" in loaded
    assert not {"torchvision", "torch._dynamo", "timm", "sklearn", "skimage"} & loaded

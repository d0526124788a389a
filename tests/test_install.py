"""`make` installs the lock: with pip or uv, PyTorch as PyPI has it or for the CPU alone."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile

import lock_files
import pytest
from test_environment import exact, locked, text

from helpers.paths import ROOT

# Settings of the caller, which must not reach a test.
SETTINGS = ("TORCH", "TORCH_INDEX", "UV", "VENV", "PYTHON", "MAKEFLAGS", "MAKELEVEL")
PINS = {entry.name: exact(entry) for entry, _ in locked(text("requirements.lock"))}


def script(path, body):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def make(folder, *words, **variables):
    """Run `make` in a folder and return what became of it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in SETTINGS and not name.startswith(("PIP_", "UV_"))
    }
    line = ["make", "--no-print-directory", *words]
    return subprocess.run(line, cwd=folder, env=kept | variables, capture_output=True, text=True)


@pytest.fixture
def spied(tmp_path):
    """Return a function that installs the real lock with programs that only note their arguments.

    It takes settings of make, and `tools`, commands that come first in PATH and what they do; it
    returns the finished process, the calls in their order and the environment's folder.
    """
    venv, log = tmp_path / "venv", tmp_path / "log"
    note = f'echo "$(basename "$0") $*" >> {log}'
    script(venv / "bin" / "python", note)
    script(venv / "bin" / "pip", note)

    def install(*settings, tools):
        for name, body in tools.items():
            script(tmp_path / "tools" / name, body or note)
        path = f"{tmp_path / 'tools'}:{os.environ['PATH']}"
        done = make(ROOT, f"{venv}/.installed", f"VENV={venv}", *settings, PATH=path)
        calls = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return done, [call for call in calls if " install " in call], venv

    return install


LINUX = {"uname": "echo Linux"}
NO_UV = {"uv": "exit 127"}
UV = {"uv": 'test "$1" = --version && echo uv 1 || ' + 'echo "uv $*" >> "$(dirname "$0")/../log"'}


def test_pip_installs_the_lock_with_its_hashes(spied):
    done, calls, _ = spied(tools=LINUX | NO_UV)
    assert done.returncode == 0, done.stderr
    assert [call.split()[:4] for call in calls] == [["python", "-m", "pip", "install"]] * 2
    assert calls[0].endswith("--require-hashes -r requirements.lock")
    assert calls[1].endswith("--no-deps --no-build-isolation -e .")


def test_uv_installs_the_lock_with_its_hashes_where_it_is_there(spied):
    done, calls, venv = spied(tools=LINUX | UV)
    assert done.returncode == 0, done.stderr
    python = venv / "bin" / "python"
    assert calls[0] == f"uv pip install --python {python} --require-hashes -r requirements.lock"


def test_pip_installs_where_uv_is_not_wanted(spied):
    done, calls, _ = spied("UV=", tools=LINUX | UV)
    assert done.returncode == 0, done.stderr
    assert not any(call.startswith("uv") for call in calls)


@pytest.mark.parametrize("tools", [LINUX | NO_UV, LINUX | UV], ids=["pip", "uv"])
def test_cpu_builds_come_from_the_index_of_pytorch(spied, tools):
    done, calls, venv = spied("TORCH=cpu", tools=tools)
    assert done.returncode == 0, done.stderr
    hashed, pinned = calls[:2]
    assert hashed.endswith(f"--no-deps --require-hashes -r {venv}/cpu.lock")
    options, packages = pinned.split(" https://download.pytorch.org/whl/cpu ")
    only = "--default-index" if pinned.startswith("uv") else "--index-url"
    assert options.endswith(f"--no-deps {only}")
    versions = [f"{name}=={PINS[name]}+cpu" for name in ("torch", "torchvision")]
    assert packages.split() == versions


def of_cuda(source):
    """Return the names in a lock that only PyTorch on Linux brings, and PyTorch's own two.

    They follow from the lines `# via`, which name what asks for a package, and from the markers.
    """
    wanted_by = {}
    for block in re.split(r"\n(?=[a-z])", source):
        name, _, comment = block.partition("# via")
        if "==" in name:
            wanted_by.setdefault(name.split("==")[0], set()).update(
                re.findall(r"^\s*#?\s+([a-z0-9-]+)$", comment, re.MULTILINE)
            )
    entries = [entry for entry, _ in locked(source)]
    mac = [lock_files.environment("macOS arm64", python) for python in lock_files.PYTHONS]
    linux = {
        entry.name
        for entry in entries
        if entry.marker and not any(entry.marker.evaluate(asked) for asked in mac)
    }
    found, before = {"torch", "torchvision"}, set()
    while found != before:
        before = set(found)
        found |= {name for name in linux if wanted_by[name] and wanted_by[name] <= found}
    return found


def test_cpu_lock_is_the_lock_without_pytorch_and_cuda(spied):
    done, _, venv = spied("TORCH=cpu", tools=LINUX | NO_UV)
    assert done.returncode == 0, done.stderr
    whole = text("requirements.lock")
    kept = locked((venv / "cpu.lock").read_text(encoding="utf-8"))
    dropped = of_cuda(whole)
    assert {"triton", "nvidia-cublas", "cuda-toolkit"} <= dropped
    expected = [
        (str(entry), hashes) for entry, hashes in locked(whole) if entry.name not in dropped
    ]
    assert [(str(entry), hashes) for entry, hashes in kept] == expected


def test_on_a_mac_builds_for_the_cpu_are_those_of_pypi(spied):
    done, calls, venv = spied("TORCH=cpu", tools={"uname": "echo Darwin"} | NO_UV)
    assert done.returncode == 0, done.stderr
    assert calls[0].endswith("--require-hashes -r requirements.lock")
    assert not (venv / "cpu.lock").exists()


@pytest.mark.parametrize("value", ["gpu", "", "pypi cpu", "CPU"])
def test_an_unknown_build_is_one_line(spied, value):
    done, calls, _ = spied(f"TORCH={value}", tools=LINUX | NO_UV)
    assert done.returncode == 2 and calls == []
    said = f"TORCH: '{value}' is not allowed; use one of pypi, cpu."
    assert said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(("held", "asked"), [("torch-2.15.0", "cpu"), ("torch-2.15.0+cpu", "pypi")])
def test_an_environment_keeps_its_builds(spied, tmp_path, held, asked):
    (tmp_path / f"venv/lib/python3.12/site-packages/{held}.dist-info").mkdir(parents=True)
    done, calls, _ = spied(f"TORCH={asked}", tools=LINUX | NO_UV)
    assert done.returncode == 2 and calls == []
    assert f"TORCH: '{asked}' is not allowed; " in done.stderr and done.stderr.count("\n") == 1
    done, calls, _ = spied(tools=LINUX | NO_UV)  # without a word it goes on as it began
    assert done.returncode == 0, done.stderr
    assert any("+cpu" in call for call in calls) == held.endswith("+cpu")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 127", "use Python 3.11 to 3.13"),
        ('case "$2" in *version_info*) exit 1;; esac', "use Python 3.11 to 3.13"),
        ('case "$2" in *venv*) exit 1;; esac', "it lacks the module venv"),
    ],
    ids=["not there", "of another version", "without venv"],
)
def test_a_python_that_cannot_serve_is_one_line(tmp_path, body, said):
    python = script(tmp_path / "python", body)
    done = make(ROOT, f"{tmp_path}/venv/.installed", f"VENV={tmp_path}/venv", f"PYTHON={python}")
    assert done.returncode == 2
    assert f"PYTHON: '{python}' is not allowed; {said}" in done.stdout
    assert done.stdout.count("\n") == 1 and not (tmp_path / "venv").exists()


def wheel(folder, name, version, needs=()):
    """Write an empty wheel of a package into the index in `folder`; return it and its sha256."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    about = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    members = {
        f"{info}/METADATA": "\n".join(about + [f"Requires-Dist: {need}" for need in needs]) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members[f"{info}/RECORD"] = "".join(f"{member},,\n" for member in [*members, f"{info}/RECORD"])
    path = folder / name / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    links = "".join(
        f'<a href="{file.name.replace("+", "%2B")}">{file.name}</a>\n'
        for file in sorted(path.parent.glob("*.whl"))
    )
    (path.parent / "index.html").write_text(f"<!DOCTYPE html><body>\n{links}</body>\n")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def project(tmp_path):
    """Return a folder with our Makefile, a lock of empty packages, and the two indexes."""
    pypi, pytorch = tmp_path / "pypi", tmp_path / "pytorch"
    linux = " ; sys_platform == 'linux'"
    published = [
        ("timm", "1.0", "", ["torch"]),
        ("torch", "2.0", "", [f"triton==3.0{linux}"]),
        ("torchvision", "0.9", "", ["torch==2.0"]),
        ("triton", "3.0", linux, []),
    ]
    lock = ""
    for name, version, marker, needs in published:
        _, digest = wheel(pypi, name, version, needs)
        lock += f"{name}=={version}{marker} \\\n    --hash=sha256:{digest}\n    # via nothing\n"
    wheel(pytorch, "torch", "2.0+cpu")
    wheel(pytorch, "torchvision", "0.9+cpu", ["torch==2.0"])

    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements.lock").write_text(lock)
    # The package itself is a wheel made beforehand, so that no backend has to be fetched.
    own, _ = wheel(tmp_path / "own", "project", "1.0")
    (folder / "backend.py").write_text(
        "import shutil\n\n\ndef build_editable(folder, *_, **__):\n"
        f"    shutil.copy({str(own)!r}, folder)\n    return {own.name!r}\n"
    )
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "project"\nversion = "1.0"\n'
    )
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="TORCH=cpu differs on Linux only")
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_real_installation_from_indexes_in_folders(project, tool):
    if tool == "uv" and shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    beside = project.parent
    variables = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": (beside / "pypi").as_uri(),
        "UV_NO_CONFIG": "1",
        "UV_DEFAULT_INDEX": (beside / "pypi").as_uri(),
        "UV_CACHE_DIR": str(beside / "cache"),
        "TORCH_INDEX": (beside / "pytorch").as_uri(),
        "PYTHON": sys.executable,
    }
    settings = [".venv/.installed", *([] if tool == "uv" else ["UV="])]

    (honest,) = (beside / "pypi/timm").glob("*.whl")
    locked_bytes = honest.read_bytes()
    wheel(beside / "pypi", "timm", "1.0", ["torch", "other"])  # not the file that was locked
    done = make(project, *settings, "TORCH=cpu", **variables)
    assert done.returncode == 2 and not (project / ".venv/.installed").exists()
    assert "hash" in (done.stdout + done.stderr).lower()

    honest.write_bytes(locked_bytes)
    done = make(project, *settings, "TORCH=cpu", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") == 1 and done.stdout.startswith("installing: ")
    (place,) = (project / ".venv/lib").glob("python3*/site-packages")
    found = {path.name.removesuffix(".dist-info") for path in place.glob("t*.dist-info")}
    assert found == {"timm-1.0", "torch-2.0+cpu", "torchvision-0.9+cpu"}
    assert "up to date" in make(project, *settings, **variables).stdout

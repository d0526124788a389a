"""Build the book with snakemake, and show the progress of each stage in one line.

    python workflow/book.py --build build --preset quick --live check --cores 2

The output of snakemake and its jobs goes to BUILD/log/book.log. Exit status 0: the book is built.
1: it failed, and the lines that say why are shown. 2: bad input. 130: interrupted; finished work is
kept, and the same command resumes.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers import presets  # noqa: E402 (the script may be started from any folder)
from helpers.errors import InputError, one_of, whole  # noqa: E402
from workflow import server  # noqa: E402

LIVE = ("check", "all")
STAGES = {"live": "live check", "records": "trainings", "notebook": "notebooks",
          "ledger": "notebooks", "site": "pages"}  # by rule  # fmt: skip
EVERY = 15  # s between lines of one stage, if a line cannot be updated
PATIENCE = 15  # s for an interrupted build to end by itself
PLANNED = re.compile(r"(\w+) +(\d+)$")  # in snakemake's table of jobs
STARTED = re.compile(r"(?:local)?rule (\w+):$")
FINISHED = re.compile(r"Finished jobid: \d+ \(Rule: (\w+)\)$")
TRAINED = re.compile(r"\| (\d+)/(\d+) \[[^<]*<([\d:]+)?")  # a progress bar of `helpers.queue`
MATTERS = re.compile(r"error|warning|failed|not allowed|not done|missing|killed", re.I)
BOILERPLATE = re.compile(  # of snakemake, around every failure, and of kernels
    r"Error in rule|RuleException|CalledProcessError|Shutting down|Exiting because|WorkflowError|"
    r"returned non-zero|exited with non-zero|IPKernelApp|frozen_modules|PYDEVD|Debugger|^ "
)


class Progress:
    """Turns the output of snakemake and its jobs into how far each stage is."""

    def __init__(self):
        self.planned, self.done = {}, {}
        self.training = ""  # the stage that trains

    def read(self, line):
        """Read one `line` of output; return (stage, how far it is), None for any other line."""
        if (found := TRAINED.search(line)) and self.training:
            left = f", {found[3]} left" if found[3] else ""
            return self.training, f"{int(found[1])} of {found[2]} trained{left}"
        if (found := PLANNED.match(line)) and found[1] in STAGES:
            stage = STAGES[found[1]]
            self.planned[stage] = self.planned.get(stage, 0) + int(found[2])
        elif (found := STARTED.match(line)) and found[1] in STAGES:
            stage = STAGES[found[1]]
            if found[1] in ("live", "records"):
                self.training = stage
            return stage, self._far(stage)
        elif (found := FINISHED.match(line)) and found[1] in STAGES:
            stage = STAGES[found[1]]
            self.done[stage] = self.done.get(stage, 0) + 1
            return stage, self._far(stage)
        return None

    def _far(self, stage):
        done, planned = self.done.get(stage, 0), self.planned.get(stage, 1)
        if planned > 1:
            return f"{done} of {planned}"
        return "done" if done else "..."


class Lines:
    """Prints how far a stage is: one updated line in a terminal, else a new line now and then."""

    def __init__(self, out):
        """Print to the text stream `out`."""
        self.out, self.live = out, out.isatty()
        self.stage, self.open, self.said, self.last = "", False, 0.0, ""

    def say(self, stage, far):
        """Print that `stage` is as far as the text `far` says.

        Nothing is printed if the text is the same or, outside a terminal, if the last line is
        recent.
        """
        text, now = f"{stage}: {far}", time.monotonic()
        another = stage != self.stage
        if self.live:
            if another:
                self.end()
            self.out.write(f"\r\x1b[K{text}")
            self.open = True
        elif text != self.last and (another or far == "done" or now - self.said > EVERY):
            self.out.write(f"{text}\n")
            self.said, self.last = now, text
        self.stage = stage
        self.out.flush()

    def end(self):
        """End the line that is being updated."""
        if self.open:
            self.out.write("\n")
            self.open = False


def why(lines, most=8):
    """Return the lines of a log that say why something failed, a list in order.

    lines: of the log. most: the largest number of lines, the last ones.
    """
    plain = [line.rstrip() for line in lines if line.strip() and not BOILERPLATE.search(line)]
    telling = [line for line in plain if MATTERS.search(line)]
    return list(dict.fromkeys(telling or plain))[-most:]


def stop(process):
    """End snakemake and its jobs: first with Ctrl-C, then with harder signals for what remains.

    process: snakemake's `subprocess.Popen`, the leader of its process group.
    """
    for number, seconds in ((signal.SIGINT, PATIENCE), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def run(words, log, lines):
    """Run a command; return its exit status.

    words: the command. log: text file for its output. lines: a `Lines` for its progress. Signals
    that end this process also end the command with all its jobs.
    """

    def interrupted(*_):
        raise KeyboardInterrupt

    ends = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupted) for number in ends}
    progress = Progress()
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        for line in process.stdout:  # a carriage return, as of a progress bar, ends one too
            log.write(line)
            log.flush()
            if news := progress.read(line.rstrip("\n")):
                lines.say(*news)
        return process.wait()
    except BaseException:
        for number in ends:  # a second one must not interrupt the clean-up
            signal.signal(number, signal.SIG_IGN)
        stop(process)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        lines.end()


def check(options):
    """Raise `InputError` if one of `options` (preset, live, cores) is not allowed."""
    one_of("PRESET", options.preset, presets.PRESETS)
    one_of("LIVE", options.live, LIVE)
    try:
        whole("CORES", int(options.cores), 1)
    except ValueError as error:
        raise InputError("CORES", options.cores, "use a whole number of at least 1") from error


def command(options):
    """Return the list of words that starts snakemake with `options`.

    Every file is written atomically, so what a killed build left behind is made again, and its lock
    means nothing.
    """
    return [
        sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile",
        "--cores", options.cores, "--rerun-incomplete", "--nolock", "--nocolor", "--config",
        f"preset={options.preset}", f"live={options.live}", f"build={options.build}", "--", "book",
    ]  # fmt: skip


def build(options):
    """Build the book with `options`; return the exit status."""
    started, folder = time.monotonic(), Path(options.build)
    log = folder / "log" / "book.log"
    (ROOT / log).parent.mkdir(parents=True, exist_ok=True)
    lines = Lines(sys.stdout)
    lines.say("book", f"preset {options.preset}, {options.cores} cores, log in {log}")
    try:
        (ROOT / log).write_text("")
        with (ROOT / log).open("a") as file, server.running(file):
            status = run(command(options), file, lines)
    except KeyboardInterrupt:
        print("interrupted: finished work is kept; the same command resumes", file=sys.stderr)
        return 130
    page = folder / "html" / "index.html"
    if status or not (ROOT / page).is_file():
        reasons = why((ROOT / log).read_text(errors="replace").splitlines())
        said = ["The book was not built.", *reasons, f"Full log: {log}"]
        print(*said, sep="\n", file=sys.stderr)
        return 1
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    print(f"The book is built, in {minutes}:{seconds:02d} minutes. Open {page}")
    return 0


def main(words=None):
    """Run the command; return its exit status.

    words: list of arguments, None for those of the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="folder for all generated files")
    parser.add_argument("--preset", default="quick", help=", ".join(presets.PRESETS))
    parser.add_argument("--live", default="check", help="check, or all: train every experiment")
    parser.add_argument("--cores", default=str(os.cpu_count() or 1))
    options = parser.parse_args(words)
    try:
        check(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return build(options)


if __name__ == "__main__":
    sys.exit(main())

"""A headless Chromium without network that says what went wrong on a page.

Speaks the DevTools protocol over a pair of pipes: JSON messages that end with a zero byte.
"""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    " --disable-background-networking --disable-component-update --remote-debugging-pipe"
)
BLOCKED = "--host-resolver-rules=MAP * ~NOTFOUND"
LOCAL = ("file:", "data:", "blob:", "about:")


def _clear(end):
    copy = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(end)
    return copy


def find():
    """Return the path of the browser, or None where none is installed."""
    return next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)


class Browser:
    """One running browser; use as a context manager."""

    def __init__(self, profile):
        # The browser reads commands from descriptor 3 and writes answers to 4; ours are kept
        # clear of these two numbers.
        reads, self._commands = map(_clear, os.pipe())
        self._answers, writes = map(_clear, os.pipe())
        self._process = subprocess.Popen(
            [find(), *FLAGS.split(), BLOCKED, f"--user-data-dir={profile}"],
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: (os.dup2(reads, 3), os.dup2(writes, 4)),
            pass_fds=(3, 4),
        )
        os.close(reads)
        os.close(writes)
        self._rest, self._number, self._session = b"", 0, None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session, self._events = attached["sessionId"], []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def open(self, address):
        """Open `address` and let its scripts finish; return its HTML and what went wrong."""
        self._events = []
        self._ask("Page.navigate", url=address)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._receive()
        self.evaluate("window.MathJax?.startup?.promise.then(() => true)")
        html = self.evaluate(
            "new Promise(done => setTimeout(() => done(document.documentElement.outerHTML), 300))"
        )
        return html, list(filter(None, map(wrong, self._events)))

    def evaluate(self, script):
        """Return the value of `script` on the open page, awaited if it is a promise."""
        answer = self._ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        return answer["result"].get("value")

    def screenshot(self, width, height, dark=False):
        """Return a picture of the open page, base64-encoded PNG."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        return self._ask("Page.captureScreenshot", format="png")["data"]

    def _ask(self, method, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _receive(self, seconds=60):
        until = time.monotonic() + seconds
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0, until - time.monotonic()))
            assert ready, f"the browser said nothing for {seconds} s"
            self._rest += os.read(self._answers, 1 << 20)
        line, self._rest = self._rest.split(b"\0", 1)
        message = json.loads(line)
        if "method" in message and self._session:
            self._events.append(message)
        return message


def wrong(event):
    """Return one line if the event is an error or a request that leaves this machine."""
    kind, about = event["method"], event["params"]
    if kind == "Network.requestWillBeSent" and not about["request"]["url"].startswith(LOCAL):
        return f"request: {about['request']['url']}"
    if kind == "Network.loadingFailed":
        return f"failed: {about['errorText']}"
    if kind == "Runtime.exceptionThrown":
        return f"exception: {about['exceptionDetails']}"
    if kind == "Runtime.consoleAPICalled" and about["type"] == "error":
        return f"console: {about['args']}"
    if kind == "Log.entryAdded" and about["entry"]["level"] == "error":
        return f"log: {about['entry']['text']}"
    return None

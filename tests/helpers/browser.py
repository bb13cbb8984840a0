"""A real headless Chromium, driven over the two pipes of its DevTools protocol: nothing to install.

`Browser.start` gives None where there is no Chromium. A page keeps every error that it logs.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-extensions"),
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--mute-audio"),
)
_READS, _WRITES = 3, 4  # the descriptors that Chromium expects
_PATIENCE_S = 60.0
_KEYS = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39, "Tab": 9}


def find_chromium() -> str | None:
    """Find a Chromium on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A running Chromium with one page."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        theirs_in, self._out = _pipe()
        self._in, theirs_out = _pipe()

        def connect() -> None:
            os.dup2(theirs_in, _READS)
            os.dup2(theirs_out, _WRITES)

        self._process = subprocess.Popen(
            [program, *_OPTIONS, f"--user-data-dir={self._profile}", "about:blank"],
            preexec_fn=connect,
            pass_fds=(_READS, _WRITES),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._number = 0
        self._rest = b""
        self._session: str | None = None
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    @classmethod
    def start(cls) -> "Browser | None":
        """Start one, where there is one."""
        program = find_chromium()
        return None if program is None else cls(program)

    def open(self, path: Path, fragment: str = "") -> None:
        """Open a file from the disk, and wait until it is loaded."""
        self._go("about:blank")  # or another fragment would be no new page
        self.errors.clear()
        self.requests.clear()
        self._go(f"{path.resolve().as_uri()}{fragment}")
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def _go(self, address: str) -> None:
        self._loaded = False
        self.call("Page.navigate", url=address)
        self._until(lambda: self._loaded, f"{address} to load")

    def run(self, code: str) -> Any:
        """Evaluate JavaScript in the page; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{code}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """Read what stands in the first element of a selector."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).textContent"))

    def texts(self, selector: str) -> list[str]:
        """Read what stands in all elements of a selector."""
        code = f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)"
        return [str(one) for one in self.run(code)]

    def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest'}); const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=box[0],
                y=box[1],
                button="left",
                clickCount=1,
            )

    def press(self, *keys: str) -> None:
        """Press keys one after the other: letters, or names as `Escape`."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            number = _KEYS.get(key, ord(key[0].upper()))
            for kind in ("keyDown", "keyUp"):
                self.call(
                    "Input.dispatchKeyEvent",
                    type=kind,
                    key=key,
                    windowsVirtualKeyCode=number,
                    **(text if kind == "keyDown" else {}),
                )

    def resize(self, width: int, height: int, *, dark: bool = False, scale: float = 1.0) -> None:
        """Give the page another size, and the colours of another hour."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def shoot(self, path: Path) -> None:
        """Take a picture of what is in sight."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer: dict[str, Any] = {}

        def is_answered() -> bool:
            return bool(answer.get("id") == message["id"])

        self._until(is_answered, method, answer)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _until(self, holds: Any, what: str, answer: dict[str, Any] | None = None) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not holds():
            message = self._receive(deadline, what)
            if "method" in message:
                self._hear(message["method"], message["params"])
            elif answer is not None:
                answer.clear()
                answer.update(message)

    def _receive(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._in, 1 << 20) if ready else b""
            if not data:
                raise AssertionError(f"Chromium gave no answer while we waited for {what}")
            self._rest += data
        first, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message

    def _hear(self, method: str, given: dict[str, Any]) -> None:
        """Keep what the page complains of, and what it asks for."""
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning"):
            self.errors.append(str(given["args"]))
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.errors.append(str(given["entry"]))
        elif method == "Page.javascriptDialogOpening":
            self.errors.append(f"dialog: {given['message']}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"][:200])

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._out)
        os.close(self._in)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        shutil.rmtree(self._profile, ignore_errors=True)


def shots(browser: Browser, page: Path, folder: Path, views: Sequence[tuple[str, str]]) -> None:
    """Take pictures of a page, each view wide and narrow, light and dark."""
    for dark in (False, True):
        for width, height in ((1280, 800), (390, 844)):
            browser.resize(width, height, dark=dark)
            for name, fragment in views:
                browser.open(page, fragment)
                shade = "dark" if dark else "light"
                browser.shoot(folder / f"{name}-{width}-{shade}.png")


def _pipe() -> tuple[int, int]:
    """Make a pipe whose ends lie above the descriptors that Chromium expects."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in low)
    for one in low:
        os.close(one)
    return high[0], high[1]

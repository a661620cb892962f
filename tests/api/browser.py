"""A real browser for the tests: Chromium, driven by chromedriver over W3C's WebDriver protocol.

That protocol is JSON over HTTP, which `requests` speaks; a client library would bring ten packages for eight commands.
"""

import base64
import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from ports import free_port
from server import PATIENCE, descendants, until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's name, by the standard
# As root there is no sandbox; nothing is fetched that a test has not asked for.
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--window-size=1000,800", "--force-device-scale-factor=1",
)  # fmt: skip
TAB, ENTER, CONTROL = "\ue004", "\ue007", "\ue009"


class Browser:
    """One Chromium, with a profile of its own."""

    def __init__(self, profile: Path):
        self.port = free_port()
        command = ["chromedriver", f"--port={self.port}", "--allowed-ips=127.0.0.1"]
        self.driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.http = requests.Session()
        self.http.trust_env = False  # no proxy leads to this machine
        self.root = f"http://127.0.0.1:{self.port}"
        try:
            until(self.driver_answers, "chromedriver")
            self.root += f"/session/{self.open(profile)}"
        except BaseException:
            self.close()
            raise

    def driver_answers(self) -> bool:
        with suppress(requests.ConnectionError):
            return bool(self.http.get(f"{self.root}/status", timeout=5).json()["value"]["ready"])
        return False

    def open(self, profile: Path) -> str:
        options = {"args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        return str(self.command("POST", "session", capabilities={"alwaysMatch": wanted})["sessionId"])

    def command(self, method: str, path: str, **parameters: Any) -> Any:
        body = json.dumps(parameters) if method == "POST" else None
        answer = self.http.request(method, f"{self.root}/{path}".rstrip("/"), data=body, timeout=PATIENCE)
        value = answer.json()["value"]
        assert answer.ok, f"{method} {path}: {value['error']}: {value['message'].splitlines()[0]}"
        return value

    # -- what a person does

    def go(self, url: str) -> None:
        self.command("POST", "url", url=url)

    def press(self, keys: str) -> None:
        """Press and release each key, wherever the focus is; a modifier stays down to the end."""
        down = [{"type": "keyDown", "value": key} for key in keys]
        actions = [
            step for one in down for step in ([one] if one["value"] == CONTROL else [one, {**one, "type": "keyUp"}])
        ]
        self.command("POST", "actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])
        self.command("DELETE", "actions")

    def write(self, selector: str, text: str) -> None:
        self.command("POST", f"element/{self.find(selector)}/value", text=text)

    def click(self, selector: str) -> None:
        self.command("POST", f"element/{self.find(selector)}/click")

    # -- what a person sees

    def find(self, selector: str) -> str:
        return str(self.command("POST", "element", using="css selector", value=selector)[ELEMENT])

    def text(self, selector: str) -> str:
        return str(self.command("GET", f"element/{self.find(selector)}/text"))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.command("POST", "execute/sync", script=script, args=list(arguments))

    def console(self) -> list[str]:
        """What the console has said since it was last asked, violations of the policy among it."""
        return [entry["message"] for entry in self.command("POST", "se/log", type="browser")]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.command("GET", "screenshot")))

    # -- what its surroundings do

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.command("POST", "goog/cdp/execute", cmd=command, params=parameters)

    def set_offline(self, *, offline: bool) -> None:
        self.devtools("Network.enable")
        speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.devtools("Network.emulateNetworkConditions", offline=offline, **speed)

    def set_colours(self, scheme: str) -> None:
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def set_width(self, width: int, height: int = 800) -> None:
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **screen)

    def close(self) -> None:
        below = descendants(self.driver.pid)
        with suppress(requests.RequestException, AssertionError, ValueError):
            self.command("DELETE", "")
        self.http.close()
        self.driver.terminate()
        self.driver.wait(PATIENCE)
        for pid in below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

"""The dashboard in a real browser, as somebody uses it."""
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from support import require, until

__all__ = ["Keys", "Page", "browser"]

#: what the browser says of requests that were refused or failed, which is no fault of the page's
_HARMLESS = ("Failed to load resource", "autocomplete attributes")

#: in one question: what may be thousands is not asked for one by one
_ALL = """[...((host, selector) => (host ? document.querySelector(host)?.shadowRoot : document)
         ?.querySelectorAll(selector) ?? [])(...arguments)]"""
_SEEN = "(element) => element.checkVisibility({visibilityProperty: true})"

_AT_REST = """(element) => element.getAnimations().every(
    (each) => each.playState !== 'running' || each.effect.getTiming().iterations === Infinity)"""


class Page:
    """One tab. Elements are found by selectors; *host* is where they are, if not in the document itself."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self.host = ""

    def open(self, address: str) -> None:
        self.driver.get(address)

    def all(self, selector: str) -> list[WebElement]:
        found: list[WebElement] = self.run(f"return {_ALL}", self.host, selector)
        return found

    def find(self, selector: str) -> WebElement:
        """Return the first of *selector* that can be seen, as soon as there is one."""
        return until(lambda: next(iter(self.shown(selector)), None), what=selector)

    def shown(self, selector: str) -> list[WebElement]:
        found: list[WebElement] = self.run(f"return {_ALL}.filter({_SEEN})", self.host, selector)
        return found

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def type(self, selector: str, *keys: str) -> None:
        self.find(selector).send_keys(*keys)

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def texts(self, selector: str) -> list[str]:
        script = f"return {_ALL}.filter({_SEEN}).map((element) => element.innerText.trim())"
        found: list[str] = self.run(script, self.host, selector)
        return found

    def wait_for(self, selector: str, text: str) -> None:
        """Wait until an element of *selector* that can be seen says *text*."""
        until(lambda: any(text in each for each in self.texts(selector)), 15, f"{text!r} in {selector}")

    def wait_gone(self, selector: str) -> None:
        until(lambda: not self.shown(selector), what=f"the end of {selector}")

    def status(self, id: str) -> str:
        # also of a row that is out of sight, whose text is not laid out
        script = f"return {_ALL}.map((element) => element.textContent).join('')"
        return str(self.run(script, self.host, f"[data-id='{id}'] .pill"))

    def wait_status(self, id: str, *statuses: str) -> None:
        until(lambda: self.status(id) in statuses, 15, f"{id} {statuses}")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def offline(self, on: bool) -> None:
        """Take the network away, or give it back."""
        conditions = {"offline": on, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def picture(self, name: str) -> None:
        """Take a picture for the documentation, where PROCESSMAN_SCREENSHOTS says where they are."""
        if folder := os.environ.get("PROCESSMAN_SCREENSHOTS"):
            until(lambda: self.run(f"return {_ALL}.every({_AT_REST})", self.host, "*"))
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder, f"{name}.png")))

    def complaints(self) -> list[str]:
        """Return what the console has said since the last time, but for requests that were refused."""
        said = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in said if not any(each in message for each in _HARMLESS)]


@contextmanager
def browser(home: Path, *, width: int = 1280, height: int = 800, theme: str = "light") -> Iterator[Page]:
    """Have a browser of its own in *home*; at the end its console has said nothing."""
    options = webdriver.ChromeOptions()
    options.binary_location = require("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--lang=en", "--hide-scrollbars",
                     "--disable-background-networking", "--no-first-run", f"--user-data-dir={home}"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(require("chromedriver")))
    try:
        scheme = {"name": "prefers-color-scheme", "value": theme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        page = Page(driver)
        page.resize(width, height)
        yield page
        said = page.complaints()
        assert not said, said
    finally:
        driver.quit()

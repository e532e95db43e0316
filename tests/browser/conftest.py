# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Report pages of a small and of a large organisation in a headless Chromium."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from checkout import ROOT
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from support.organisations import large, sound
from support.sites import Modules

#: The folder of the screenshots of each view.
PICTURES = ROOT / "tests" / "output" / "report"


@dataclasses.dataclass
class Browser:
    """A browser that records its requests and its console messages."""

    driver: Any

    def open(self, page: pathlib.Path, view: str = "summary") -> None:
        """Load a page from the beginning and show one of its views."""
        self.driver.get("about:blank")
        self.driver.get(f"{page.as_uri()}#{view}")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return its result."""
        return self.driver.execute_script(script, *arguments)

    def requests(self) -> list[str]:
        """Return the URLs of all requests since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """Return the console messages since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def picture(self, name: str) -> None:
        """Save a screenshot of the visible part of the page."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(PICTURES / f"{name}.png"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.fail("There is no Chromium with its driver (Debian: chromium, chromium-driver).")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1440,960"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    yield Browser(started)
    started.quit()


@dataclasses.dataclass
class Maker:
    """Creates report pages in a folder."""

    folder: pathlib.Path
    modules: Modules

    def run(self, module: str, options: dict[str, Any]) -> dict[str, Any]:
        """Run a module and return its result."""
        given = {**options, "_ansible_remote_tmp": str(self.folder), "_ansible_diff": True}
        result: dict[str, Any] = json.loads(self.modules.run(f"nats_{module}", given)[1])
        assert not result.get("failed"), result["msg"]
        return result

    def page(self, name: str, options: dict[str, Any]) -> pathlib.Path:
        """Write a report page, with the report as JSON beside it, and return the path of the page."""
        path = self.folder / f"{name}.html"
        files = {"html_path": str(path), "json_path": str(path.with_suffix(".json"))}
        self.run("report", {"level": 2, **files, **options})
        return path


@pytest.fixture(scope="session")
def maker(tmp_path_factory: pytest.TempPathFactory, modules: Modules) -> Maker:
    return Maker(tmp_path_factory.mktemp("reports"), modules)


@pytest.fixture(scope="session")
def small(maker: Maker) -> pathlib.Path:
    """Return the page of a store of five accounts, with differences between servers and with changes since an earlier report."""
    where = {"stores_dir": str(maker.folder / "stores"), "keys_dir": str(maker.folder / "keys")}
    maker.run("store", {"definition": sound(), **where})
    held = json.loads(maker.page("before", where).with_suffix(".json").read_text())
    held["users"] = [user for user in held["users"] if user["name"] != "mailer"]
    held["findings"] = []
    (maker.folder / "earlier.json").write_text(json.dumps(held))
    account = held["accounts"][1]
    comparison = {
        "servers": [{"name": f"n{one}", "version": "2.15.1", "resolver": "full", "account_count": 5} for one in (1, 2)],
        "accounts": [
            {
                "public_key": account["key"],
                "name": account["name"],
                "servers": {"n1": "2026-11-24T12:00:00Z", "n2": "absent"},
                "differences": ["n2 does not have it"],
            }
        ],
        "differences": ["n3 was expected and did not answer"],
    }
    earlier = {"previous_path": str(maker.folder / "earlier.json")}
    return maker.page("small", {**where, **earlier, "comparison": comparison})


@pytest.fixture(scope="session")
def five_hundred(maker: Maker) -> pathlib.Path:
    """Return the page of a document of 500 accounts with 10,000 users."""
    return maker.page("large", {"definition": large(500, 20)})

"""A browser in front of the site, with a person at it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.db import connections
from django.utils.module_loading import import_string
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(settings.ROOT) / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD = "correct horse battery"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if CHROMIUM is None and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="no chromium on this machine"))


@pytest.fixture
def people(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator["People"]:
    """Makes people, each at a browser of their own.

    Playwright keeps an event loop in this thread for as long as it runs, so it ends with the test.
    """
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield People(browser, live_server.url)
        browser.close()
        connections.close_all()  # those opened beside the event loop, which nobody else would find


class People:
    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.address = browser, address

    def __call__(self, name: str, *, scripts: bool = True) -> "Person":
        context = self.browser.new_context(
            base_url=self.address, viewport=DESK, java_script_enabled=scripts, reduced_motion="reduce"
        )
        context.set_default_timeout(10_000)
        return Person(name, context.new_page(), scripts)


class Person:
    """Somebody who clicks."""

    def __init__(self, name: str, page: Page, scripts: bool) -> None:
        self.name, self.page, self.scripts = name, page, scripts
        self.email = f"{name.lower()}@example.org"
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)

    def go(self, path: str) -> None:
        self.page.goto(path)

    def look(self) -> None:
        """Whatever the page is, it is usable by everyone, by day and by night, fits a phone, and its scripts ran."""
        assert self.complaints == []
        if not self.scripts:
            return
        self.page.evaluate(AXE.read_text())
        for size, colours in ((PHONE, "dark"), (DESK, "light")):
            self.page.set_viewport_size(size)
            self.page.emulate_media(color_scheme=colours)
            found = self.page.evaluate("axe.run(document)")["violations"]
            wrong = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]
            assert wrong == [], f"{self.page.url} at {size['width']} px, {colours}"
            wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{self.page.url} scrolls sideways at {size['width']} px"

    def click(self, name: str, *, role: str = "button", exact: bool = True) -> None:
        self.page.get_by_role(role, name=name, exact=exact).first.click()

    def follow(self, name: str, *, exact: bool = True) -> None:
        self.click(name, role="link", exact=exact)

    def fill(self, **typed: str) -> None:
        """Type into the inputs with these names."""
        for name, text in typed.items():
            self.page.locator(f"[name='{name}']").fill(text)

    def sees(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def signs_up(self) -> None:
        self.go("/accounts/signup/")
        self.fill(email=self.email, password1=PASSWORD)
        self.look()
        self.click("Sign up")
        self.sees("Find work")
        letter = next(one for one in reversed(mail.outbox) if self.email in one.to)
        found = re.search(r"https?://\S+/confirm-email/\S+", str(letter.body))
        assert found
        self.go(found[0])
        self.look()
        self.click("Yes, confirm it")
        self.page.wait_for_load_state()


def sweep() -> None:
    """What the cluster does: every sweep until none has more to do."""
    for name in settings.SWEEPS:
        step = import_string(name)
        while step():
            pass

"""Statements and invoices, looked at by Wes, Rita and an admin; and printed."""

import os
from datetime import timedelta
from pathlib import Path

from marketplace.core import clock, taxes
from payments import billing
from payments.models import Invoice
from tests import make
from tests.browser.conftest import People, Person
from tests.browser.test_training import signs_in
from tests.payments import made

SHOTS = os.environ.get("SHOTS", "")  # a folder, for whoever wants to look


def seen(person: Person, name: str) -> None:
    person.look()
    if SHOTS:
        for width in (360, 1280):
            person.page.set_viewport_size({"width": width, "height": 800})
            person.page.screenshot(path=Path(SHOTS) / f"{name}-{width}.png", full_page=True)


def test_statements_and_invoices_are_read_and_printed(people: People, settings) -> None:
    settings.TAX_LINES = taxes.read({"DE": [{"name": "VAT", "rate_bp": 1900}]})
    settings.OPERATOR_NAME, settings.OPERATOR_ADDRESS = "Hands GmbH", "Hauptstr. 1\n10115 Berlin"
    rita, wes, ada = make.user("rita"), make.user("wes"), make.user("ada", staff=True)
    home = make.organisation(rita)
    billing.state(home, rita, name="Lab AG", address="Bundesplatz 3\n3003 Bern", country="DE", tax_id="DE9")
    made.billed(home, wes, clock.now() - timedelta(days=62))
    invoice = Invoice.objects.get()
    year = invoice.month.first_day.year

    worker = people("Wes")
    signs_in(worker)
    worker.go("/earnings/")
    worker.follow("Statements by month and year")
    seen(worker, "statements")
    worker.follow(f"{invoice.month.first_day:%B %Y}")
    worker.sees("Owed to you at the end")
    seen(worker, "month")
    worker.follow("Every amount, and the answers behind it")
    seen(worker, "amounts")
    worker.page.locator("tbody a").first.click()
    worker.sees("what it was for")
    seen(worker, "paid-for")
    worker.go(f"/earnings/years/{year}/")
    seen(worker, "year")

    requester = people("Rita")
    signs_in(requester)
    requester.go(f"/organisations/{home.public_id}/money/")
    requester.follow("Invoices")
    seen(requester, "invoices")
    requester.follow(str(invoice))
    requester.sees("Total, tax included")
    seen(requester, "invoice")
    requester.page.emulate_media(media="print")
    assert not requester.page.get_by_role("navigation", name="Main").is_visible()
    assert not requester.page.get_by_text("As a table (CSV)").is_visible()
    requester.page.emulate_media(media="screen")
    requester.follow("Bonus")
    requester.sees("what it was for")
    seen(requester, "line")
    requester.go(f"/organisations/{home.public_id}/billing/")
    seen(requester, "billing")

    admin = people("Ada")
    signs_in(admin)
    admin.go("/filings/")
    seen(admin, "filings")
    assert ada.is_staff

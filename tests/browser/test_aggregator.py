import json
import re

import pytest

from tasks import jobs
from tests.browser.test_rules import shot, signs_in
from tests.listener import Answer, Listener
from tests.tasks import work

pytestmark = pytest.mark.django_db(transaction=True)


def replies(asked, out):
    """Of the first row it makes a unicorn, of the others owls."""
    said = []
    for place, row in enumerate(asked.said["payload"]["content"]):
        content = {"animal": "owl" if place else "unicorn"}
        said.append({"datasetObjectId": row["datasetObjectId"], "consolidatedAnnotation": {"content": content}})
    return Answer(json.dumps(said).encode())


def test_rita_names_an_aggregator_tries_it_and_sees_what_it_got_wrong(people, settings):
    settings.OUTGOING_LOOPBACK = True
    batch = work.published(items=3)
    for name in ("ann", "ben"):
        work.work_all(work.worker(name), batch, "cat")
    jobs.update_consensus()
    rita = people("Rita")
    signs_in(rita)
    with Listener(replies) as there:
        rita.go(f"/projects/{batch.project.public_id}/")
        rita.follow("Aggregator")
        rita.look()
        rita.fill(url="http://10.0.0.1/")
        rita.click("Use it")
        rita.sees("must be public")
        rita.look()
        rita.fill(url=there.url)
        rita.click("Use it")
        rita.sees("It is shown only now")
        assert re.search(r"mhs_[\w-]{43}", rita.page.content())
        rita.look()
        shot(rita, "aggregator-secret")
        rita.click("Send a sample")
        rita.sees("not everything is a label")
        rita.look()
        for each in rita.page.query_selector_all("summary"):
            each.click()
        rita.look()
        shot(rita, "aggregator-sample")
        while jobs.consolidate():
            pass
        rita.go(f"/projects/{batch.project.public_id}/aggregator/")
        rita.sees('animal ("unicorn"): not one of the options')
        rita.look()
        shot(rita, "aggregator-failures")
        rita.click("Send the failures again")
        rita.sees("asked again about 1 task")

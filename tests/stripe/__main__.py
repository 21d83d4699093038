"""The fake in a process of its own, for demos and crash tests: `python -m tests.stripe --port 12111`."""

import argparse
import threading

from tests.stripe.server import KEY, SECRET, Fake


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.stripe", description=__doc__)
    options.add_argument("--port", type=int, default=12111)
    options.add_argument("--webhook", default="", help="where events go, as http://localhost:8000/webhooks/stripe")
    options.add_argument("--secret", default=SECRET, help="the webhook secret")
    said = options.parse_args()
    with Fake(said.port, secret=said.secret) as fake:
        if said.webhook:
            fake.listen(said.webhook, automatic=True)
        print(f"STRIPE_URL={fake.url} STRIPE_SECRET_KEY={KEY} STRIPE_WEBHOOK_SECRET={said.secret}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()

"""`python -m benchmarks.baseline_tasks`: a Celery worker as it is usually written, a task a delivery.

Celery's defaults, prefork with one process, one pooled httpx client, and no database.
"""

import os
from collections.abc import Iterable

import httpx
from celery import Celery, signals

from benchmarks.baseline_loop import signed_headers
from publisher.notify.secrets.box import new_secret

QUEUE = "baseline"
app = Celery("baseline", broker=os.environ.get("PUBLISHER_REDIS_URL"), set_as_current=False)
app.conf.update(task_default_queue=QUEUE, task_ignore_result=True)


class _Process:
    client: httpx.Client
    secret = new_secret()


def _open(**_: object) -> None:
    _Process.client = httpx.Client(timeout=15, trust_env=False)


signals.worker_process_init.connect(_open, weak=False)


@app.task(name="deliver")  # type: ignore[untyped-decorator]  # Celery has no types
def deliver(url: str, body: str) -> None:
    """Send the body to one URL."""
    content = body.encode()
    _Process.client.post(url, content=content, headers=signed_headers(_Process.secret, content))


@app.task(name="hop")  # type: ignore[untyped-decorator]  # Celery has no types
def hop(further: int, url: str, body: str) -> None:
    """Do nothing in so many further tasks, then send the body."""
    if further:
        hop.delay(further - 1, url, body)
    else:
        deliver(url, body)


def send(redis_url: str, name: str, arguments: Iterable[tuple[object, ...]]) -> None:
    """Put a task for each of the arguments into the queue."""
    with app.connection_for_write(redis_url) as connection, app.amqp.Producer(connection) as producer:
        for one in arguments:
            app.send_task(name, args=one, producer=producer)


def main() -> None:
    """Work until it is ended."""
    app.worker_main(["worker", "-P", "prefork", "-c", "1", "-Q", QUEUE, "--loglevel", "WARNING"])


if __name__ == "__main__":
    main()

"""What is tried, in this order; the first line of each docstring is what the operator reads."""

import time
from collections.abc import Callable, Sequence

import httpx
from compose_check import actions
from compose_check.failure import CheckError, check_that, wait_for
from compose_check.hardening import faults_of
from compose_check.installation import OURS, Installation
from compose_check.load import Load, Reader, article
from compose_check.outcome import Outcome, Subscription

_ALL = (*OURS, "front", "postgres", "redis")
_SCALE = {"web": 2, "relay": 2, "worker": 4, "sender": 3}
_HEALTHY_WITHIN_S = 120


class Check:
    """What the steps share: the installation, a key for it, and all that it has accepted."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.accepted: list[str] = []
        self.key = ""
        self._outcome: Outcome | None = None

    def api(self) -> httpx.Client:
        """Return a client with the key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.installation.front, headers=headers, trust_env=False, timeout=60)

    def subscribe(self) -> None:
        """Register the receiver."""
        with self.api() as api:
            made = api.post("/v1/endpoints", json={"url": "http://receiver:9000/"})
        if made.status_code != 201:
            raise CheckError(f"POST /v1/endpoints: {made.status_code} {made.text}")
        subscription = Subscription(
            endpoint=made.json()["id"],
            secret=made.json()["secret"],
            ledger=self.installation.address("receiver", 9000),
        )
        self._outcome = Outcome(self.api(), subscription)

    @property
    def outcome(self) -> Outcome:
        """What has become of what was accepted."""
        if self._outcome is None:
            raise CheckError("nobody has subscribed yet")
        return self._outcome

    def settle(self) -> None:
        """Wait until all that was accepted is public and delivered, and everything is healthy."""
        self.outcome.settle(self.accepted)
        wait_for(self.installation.unhealthy, "not healthy", within_s=_HEALTHY_WITHIN_S)


def start(check: Check) -> str:
    """Build the images, and start everything from a clean folder."""
    check.installation.build()
    check.installation.compose("up", "--detach", "--wait")
    check_that(check.installation.unhealthy(), "not healthy")
    return ""


def harden(check: Check) -> str:
    """Containers are read-only, without root and without capabilities."""
    for service in _ALL:
        check_that(faults_of(check.installation, service), "more than a container needs")
    return ", ".join(_ALL)


def first_article(check: Check) -> str:
    """The README's first article is published, is in the feed, and is told to a receiver."""
    command = ["exec", "-T", "web", "publisher", "key", "create", "--name", "check", "--scope", "admin"]
    check.key = check.installation.compose(*command)
    check.subscribe()
    answer = check.installation.run(actions.first_article(check.installation.front, check.key))
    with check.api() as api:
        listed = api.get("/v1/articles").json()["data"]
    check.accepted += [one["id"] for one in listed if one["id"] in answer]
    check_that([answer] if len(check.accepted) != 1 else [], "not accepted")
    check.settle()
    return ""


def scale(check: Check) -> str:
    """More of each process, all of them healthy, behind one address."""
    scales = [argument for name, count in _SCALE.items() for argument in ("--scale", f"{name}={count}")]
    check.installation.compose("up", "--detach", "--wait", *scales)
    found = {name: len(check.installation.containers(name)) for name in _SCALE}
    check_that([found] if found != _SCALE else [], "not as many as asked for")
    check_that(check.installation.unhealthy(), "not healthy")
    # So that every later `up` keeps them.
    check.installation.settings(**{f"{name.upper()}_SCALE": str(count) for name, count in _SCALE.items()})
    return ", ".join(f"{count} × {name}" for name, count in _SCALE.items())


def bodies(check: Check) -> str:
    """Large bodies and streams pass through the front as they come."""
    with check.api() as api:
        accepted = api.post("/v1/articles", json=article(padding=1_999_000))
        refused = api.post("/v1/articles", json=article(padding=2_000_000))
    check_that([accepted.text[:200]] if accepted.status_code != 201 else [], "2 MB were refused")
    shown = (refused.status_code, refused.headers["content-type"])
    check_that([shown] if shown != (413, "application/problem+json") else [], "more than 2 MB")
    # Together more than all buffers on the way hold.
    lines = [article(padding=500_000) for _ in range(40)]
    answers = actions.send_batch(check.installation.front, check.key, lines)
    check_that((one for one in answers if "id" not in one), "lines that were refused")
    check.accepted += [accepted.json()["id"], *(one["id"] for one in answers)]
    check.settle()
    return f"a batch of {len(answers)} lines"


def kills(check: Check) -> str:
    """Containers of every kind are killed under load, and nothing that was accepted gets lost."""
    load = Load(check.installation.front, check.key, patient=True)
    with load.running(clients=4, pause_s=0.2):
        for service in _ALL:
            load.goes_on()
            actions.kill(check.installation, service)
            time.sleep(1)
            actions.start_again(check.installation, service)
        for service in OURS:
            load.goes_on()
            actions.crash(check.installation, service)
        load.goes_on()
    check_that(load.failures, "not accepted")
    check.accepted += load.accepted
    check.settle()
    return f"{len(load.accepted)} articles"


def upgrade(check: Check) -> str:
    """A new version with a new migration takes over under load, and no request fails."""
    actions.make_new_version(check.installation)
    load = Load(check.installation.front, check.key, patient=False)
    reader = Reader(check.installation.front, ["/feeds/all.atom", "/healthz"])
    with reader.running(), load.running(clients=4, pause_s=0.5):
        check.installation.run(actions.documented("Upgrading"))
        check.installation.remember_images()
    check_that([*load.failures, *reader.failures], "requests that failed")
    check_that(actions.old_processes(check.installation, OURS), "not the new version")
    check.accepted += load.accepted
    check.settle()
    return f"{len(load.accepted)} articles and {reader.answers} reads, none of them tried twice"


def down_and_up(check: Check) -> str:
    """`docker compose down` and `up` keep the data."""
    check.installation.compose("down")
    check.installation.compose("up", "--detach", "--wait")
    check.outcome.is_kept(check.accepted)
    return f"{len(check.accepted)} articles"


def remove(check: Check) -> str:
    """`docker compose down --volumes` leaves nothing."""
    check.installation.compose("down", "--volumes")
    own = ["--quiet", "--filter", f"label=com.docker.compose.project={check.installation.project}"]
    for kind in ("container", "volume", "network"):
        options = ["--all"] if kind == "container" else []
        check_that(
            check.installation.run(["docker", kind, "ls", *options, *own]).split(), f"a {kind} is left"
        )
    return ""


STEPS: Sequence[Callable[[Check], str]] = (
    *(start, harden, first_article, scale, bodies),
    *(kills, upgrade, down_and_up, remove),
)

"""Endpoints that listen on this machine, and answer as each test wishes."""

from collections.abc import Callable

from publisher.database import Sessions
from tests.receivers import Received, Receivers, Reply
from tests.stages.subscribers import Subscribers

Answering = Callable[[Received], Reply]
Making = Callable[..., "Listening"]


class Listening(Subscribers):
    """Endpoints at a server of this machine."""

    def __init__(self, sessions: Sessions, receivers: Receivers) -> None:
        super().__init__(sessions, lambda path, host: receivers.url(path, host=host))
        self.receivers = receivers

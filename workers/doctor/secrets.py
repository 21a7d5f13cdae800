"""Whether what is stored encrypted can be read with the keys of the settings."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from publisher.encrypted import LASTING, SECRETS, TOKENS
from publisher.notify.secrets.box import SecretBox
from publisher.reencryption import Tally, look_through
from publisher.settings import Settings
from workers.doctor.finding import Finding, ok, problem, warning

_NAME = "secret key"


def check_secret_key(session: Session, settings: Settings) -> Iterator[Finding]:
    """See which keys open the secrets of endpoints, and the tokens of feeds that somebody subscribes to."""
    if settings.secret_key is None:
        yield warning(_NAME, "PUBLISHER_SECRET_KEY is not set here", "ask where `publisher sender` runs, too")
        return
    found = look_through(session, SecretBox.of(settings), LASTING)
    total = sum(found.values(), Tally())
    if not total.rows:
        yield ok(_NAME, "is set; no endpoint has a secret yet")
    elif total.unknown == total.rows:
        yield problem(
            _NAME,
            "PUBLISHER_SECRET_KEY opens none of the secrets of endpoints",
            "set the key that they were stored with; without it, rotate the secret of every endpoint",
        )
    else:
        yield from _some(found[SECRETS.name], found[TOKENS.name], total)


def _some(secrets: Tally, tokens: Tally, total: Tally) -> Iterator[Finding]:
    if secrets.unknown:
        named = ", ".join(map(str, secrets.named))
        yield warning(
            _NAME,
            f"{secrets.unknown} secrets of endpoints can be read with no key; of {named}",
            "add the key that they were stored with to PUBLISHER_OLD_SECRET_KEYS, or rotate them",
        )
    if tokens.unknown:
        yield warning(
            _NAME,
            f"{tokens.unknown} tokens of private feeds can be read with no key: subscribers get nothing",
            "add the key to PUBLISHER_OLD_SECRET_KEYS, or wait: whoever subscribes again mends it",
        )
    if total.old:
        yield warning(
            _NAME,
            f"{total.old} of {total.rows} stored secrets need one of PUBLISHER_OLD_SECRET_KEYS",
            "`publisher secret reencrypt`",
        )
    elif not secrets.unknown and not tokens.unknown:
        yield ok(_NAME, f"opens all {total.rows} stored secrets")

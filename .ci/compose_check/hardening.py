"""Whether a container can do no more than it must: what Docker says, and what happens when one tries."""

from collections.abc import Iterator, Mapping
from typing import Any

from compose_check.failure import CheckError
from compose_check.installation import Installation

# Every image has `sh` and /proc.
_ATTEMPTS: Mapping[str, str] = {
    "is root": '[ "$(id -u)" != 0 ]',
    "has capabilities": "! grep '^Cap' /proc/self/status | grep -qv '0000000000000000'",
    "could gain privileges": "grep -q '^NoNewPrivs:.1' /proc/self/status",
    "can write to /": "! touch /written 2>/dev/null",
    "can write to /usr": "! touch /usr/local/bin/written 2>/dev/null",
    "can write to /etc": "! touch /etc/written 2>/dev/null",
    "can mount": "! mount -t tmpfs none /mnt 2>/dev/null",
    "can become root": "! su root -c true 2>/dev/null </dev/null",
}


def faults_of(installation: Installation, service: str) -> Iterator[str]:
    """Yield what the containers of a service could do and should not."""
    for container in installation.inspect(service):
        name = container["Name"].removeprefix("/")
        yield from (f"{name} {fault}" for fault in _configured(container))
        for fault, attempt in _ATTEMPTS.items():
            try:
                installation.run(["docker", "exec", container["Id"], "sh", "-c", attempt], within_s=60)
            except CheckError:
                yield f"{name} {fault}"


def _configured(container: Mapping[str, Any]) -> Iterator[str]:
    host = container["HostConfig"]
    if not host["ReadonlyRootfs"]:
        yield "is not read-only"
    if host["CapDrop"] != ["ALL"] or host["CapAdd"]:
        yield "keeps capabilities"
    if "no-new-privileges:true" not in (host["SecurityOpt"] or []):
        yield "may get new privileges"
    if host["Privileged"]:
        yield "is privileged"
    if container["Config"]["User"] in ("", "0", "root"):
        yield "starts as root"

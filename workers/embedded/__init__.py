"""The servers of `publisher demo`, `publisher up` and the tests: started without root, Docker or set-up.

`postgres.py` and `valkey.py` are the two servers, `processes.py` is how a child dies with its parent,
`serving.py` how it gets its port, `folder.py` what lies in a data folder beside the servers' own files,
`installation.py` where PostgreSQL's programs come from, `cluster.py` how its data is made.
"""

from workers.embedded.folder import hold, secret
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.processes import Child, Program
from workers.embedded.valkey import EmbeddedValkey

__all__ = ["Child", "EmbeddedPostgres", "EmbeddedValkey", "Program", "hold", "secret"]

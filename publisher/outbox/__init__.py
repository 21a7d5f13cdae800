"""How stages tell each other what happened, so that nothing is lost whatever dies.

A stage commits its result and the event that reports it in one transaction (`emit`). What the event still
owes is a row a task, an obligation. The relay leases due obligations and sends them to a queue (`lease`); a
worker begins, and strikes off what it has done in the transaction of its results (`work`). Operators look at
it (`watch`) and send stuck work again.
"""

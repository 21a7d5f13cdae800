"""Which sender sends to which endpoints: 64 shards, leased for 5 seconds at a time under a fencing token."""

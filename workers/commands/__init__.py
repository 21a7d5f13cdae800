"""The commands of `publisher`, one module a group; `workers/cli.py` puts them together."""

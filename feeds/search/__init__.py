"""Feeds of what is found: which words an article has, what somebody asks for, and who has it."""

"""The policy file: its values, its rules, and reading it."""

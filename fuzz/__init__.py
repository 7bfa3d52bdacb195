"""Mutated input for every layer of the port mapper that reads what others wrote.

python -m fuzz [TARGET]... [--seconds N] [--seed N] [--input N]
"""

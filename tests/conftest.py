"""Hypothesis profiles: ``quick`` is the default, ``--hypothesis-profile=thorough`` looks longer."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("quick", deadline=None, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("quick")

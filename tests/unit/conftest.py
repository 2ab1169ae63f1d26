"""How the property tests run: without hypothesis' clock, which a busy machine would trip."""

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")

"""Plain data that every floor shares: frozen dataclasses and enums, no behaviour beyond derived properties.

They are standard dataclasses so that FastAPI (pydantic) and the data plane (msgspec) read and write the same ones.
"""

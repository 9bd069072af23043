"""The Python client. Knows the platform by its REST APIs only; needs httpx and msgspec, NumPy only for arrays."""

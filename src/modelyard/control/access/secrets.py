"""Token secrets: `my_<id>_<43 random characters>`, kept only as SHA-256.

A slow password hash would protect nothing here: the secret is 256 random bits that nobody can guess, and every request
has to be checked.
"""

import hashlib
import secrets

_RANDOM_BYTES = 32  # 43 characters in base64url


def new_secret(token_id: str) -> str:
    """A new secret; the id in it tells which token was leaked, should one turn up somewhere."""
    return f"my_{token_id}_{secrets.token_urlsafe(_RANDOM_BYTES)}"


def secret_digest(secret: str) -> str:
    """SHA-256 of a secret, hex: what the database and the routing table hold."""
    return hashlib.sha256(secret.encode()).hexdigest()

"""What every REST application shares: who may call, uniform errors, pages, idempotency, versions, audit."""

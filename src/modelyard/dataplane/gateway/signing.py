"""AWS Signature Version 4 of requests to models: who signed, and whether this is what they signed.

Control writes no secret into the routing table but, of each access key, what it makes of some days: who reads the table
can sign for those days only. One check takes some microseconds: two digests and the text between them.

Source: AWS General Reference, "Create a signed AWS API request".
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from modelyard.dataplane.errors import SignatureInvalidError
from modelyard.dataplane.gateway.dialect import Headers

_SCHEME = b"AWS4-HMAC-SHA256 "
_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/\s,]+)/(?P<date>\d{8})/(?P<region>[^/\s,]+)/(?P<service>[^/\s,]+)"
    r"/aws4_request"
    r",\s*SignedHeaders=(?P<headers>[a-z0-9;._-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_TIME = "%Y%m%dT%H%M%SZ"
_MAXIMUM_SKEW = timedelta(minutes=5)
_REQUIRED = ("host", "x-amz-date")
_OWN_REGION = "local"
_MAX_DERIVED = 1024


class Claim(NamedTuple):
    """What an Authorization header says of itself, before it is proven."""

    key_id: str
    date: str
    region: str
    service: str
    headers: str
    signature: str


def is_signed(authorization: bytes | None) -> bool:
    """True for the header of a signed request."""
    return authorization is not None and authorization.startswith(_SCHEME)


def claim_of(authorization: bytes) -> Claim:
    """The parts of the header.

    Raises:
        SignatureInvalidError: it has another form.
    """
    found = _HEADER.fullmatch(authorization.decode("latin-1"))
    if found is None:
        raise SignatureInvalidError(
            "the Authorization header is no Signature Version 4", hint="Let an AWS client make it."
        )
    return Claim(*found.groups())


class Signatures:
    """Checks signatures; keeps what it derived of each key, day, region and service."""

    def __init__(self) -> None:
        self._derived: dict[tuple[str, str, str], bytes] = {}

    def check(
        self,
        claim: Claim,
        date_keys: Mapping[str, str],
        method: bytes,
        url: bytes,
        headers: Headers,
        body: bytes,
        now: datetime | None = None,
    ) -> None:
        """Return if the holder of the key signed this very request a moment ago.

        Args:
            claim: what the request says of itself.
            date_keys: of the access key: day ("20260131") -> HMAC-SHA256 of it, hex.
            method: as it was sent, like the others.
            url: path and query.
            headers: all of them, names in lower case.
            body: without anything decoded.
            now: for tests.

        Raises:
            SignatureInvalidError: signed at another time, too little of it was signed, or it was changed.
        """
        sent = headers.get(b"x-amz-date", b"").decode("latin-1")
        _check_time(sent, claim, now or datetime.now(UTC))
        names = claim.headers.split(";")
        if any(name not in names for name in _REQUIRED):
            raise SignatureInvalidError("the signature leaves out the host or the date", hint="Sign both headers.")
        date_key = date_keys.get(claim.date)
        if date_key is None:
            raise SignatureInvalidError(f"no key is known for the day {claim.date}", hint="Sign it anew.")
        wanted = self.signature(claim, date_key, method, url, headers, body)
        if not hmac.compare_digest(wanted, claim.signature):
            raise SignatureInvalidError(
                "the signature does not fit the request",
                hint="Check the secret access key, and that nothing between client and server changes the request.",
            )

    def signature(self, claim: Claim, date_key: str, method: bytes, url: bytes, headers: Headers, body: bytes) -> str:
        """What the holder of the key signs such a request with, hex."""
        text = _canonical(method, url, claim.headers.split(";"), headers, body)
        scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
        digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
        sent = headers.get(b"x-amz-date", b"").decode("latin-1")
        to_sign = f"AWS4-HMAC-SHA256\n{sent}\n{scope}\n{digest}"
        return hmac.digest(self._key(date_key, claim), to_sign.encode(), "sha256").hex()

    def _key(self, date_key: str, claim: Claim) -> bytes:
        known = self._derived.get((date_key, claim.region, claim.service))
        if known is None:
            if len(self._derived) >= _MAX_DERIVED:
                self._derived.clear()
            known = bytes.fromhex(date_key)
            for part in (claim.region, claim.service, "aws4_request"):
                known = hmac.digest(known, part.encode(), "sha256")
            self._derived[date_key, claim.region, claim.service] = known
        return known


def date_key(secret: str, date: str) -> str:
    """What an access key's secret makes of a day, hex: enough to sign for that day, and for no other."""
    return hmac.digest(f"AWS4{secret}".encode(), date.encode(), "sha256").hex()


@lru_cache(maxsize=256)
def _moment(sent: str) -> datetime:
    """The time in X-Amz-Date; all requests of a second have the same."""
    return datetime.strptime(sent, _TIME).replace(tzinfo=UTC)


def signed_headers(secret: str, key_id: str, path: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """The headers of a POST (names in lower case, `host` among them) with those that sign it for now."""
    sent = datetime.now(UTC).strftime(_TIME)
    every = {**headers, "x-amz-date": sent}
    claim = Claim(key_id, sent[:8], _OWN_REGION, "sagemaker", ";".join(sorted(every)), "")
    encoded = {name.encode(): value.encode("latin-1", "replace") for name, value in every.items()}
    signature = Signatures().signature(claim, date_key(secret, claim.date), b"POST", path.encode(), encoded, body)
    credential = f"{key_id}/{claim.date}/{claim.region}/{claim.service}/aws4_request"
    words = f"Credential={credential}, SignedHeaders={claim.headers}, Signature={signature}"
    return {**every, "authorization": f"AWS4-HMAC-SHA256 {words}"}


def _check_time(sent: str, claim: Claim, now: datetime) -> None:
    try:
        at = _moment(sent)
    except ValueError:
        raise SignatureInvalidError("the request has no valid X-Amz-Date", hint="Let an AWS client make it.") from None
    if abs(now - at) > _MAXIMUM_SKEW or sent[:8] != claim.date:
        raise SignatureInvalidError(
            f"the request was signed for {sent}, now it is {now.strftime(_TIME)}", hint="Set the client's clock."
        )


def _canonical(method: bytes, url: bytes, names: list[str], headers: Headers, body: bytes) -> str:
    path, _, query = url.decode("latin-1").partition("?")
    lines = [f"{name}:{' '.join(headers.get(name.encode(), b'').decode('latin-1').split())}\n" for name in names]
    parameters = "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part))
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join(
        (method.decode("latin-1"), quote(path, safe="/~"), parameters, "".join(lines), ";".join(names), digest)
    )

"""Authentication of the HTTP APIs: a CA token, the identity that a middleware found, or the Django session."""

import time
from typing import Final, cast

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from ipc.django_app.ca_key import current_ca_key
from ipc.django_app.identity import ALL_PERMISSIONS, CAToken, Identity
from ipc.django_app.middleware import IPCHttpRequest, ca_token_of, identity_of
from ipc.django_app.proof_errors import ProofRefused
from ipc.protocol import ca_tokens, tokens
from ipc.protocol.errors import IPCError, TokenError, UnauthenticatedError
from ipc.protocol.signed_tokens import bearer_of, check_address, claimed_algorithm

CHALLENGE: Final = 'Bearer realm="exprsn"'


class CATokenAuthentication(BaseAuthentication):
    """Makes ``request.user`` the `Identity` of a CA token (``Authorization: Bearer``), and ``request.auth`` the token.

    Every other token is refused: who shows one is held to it, also where a session or the development bypass would do
    without. A view that takes broker tokens, too, has what authenticates those before this.
    """

    def authenticate(self, request: Request) -> tuple[Identity, CAToken] | None:
        """Return the identity and what the token says, or None where there is none.

        Raises:
            ProofRefused: the token proves nothing, or one is in the address (401), or there is no CA to check it with
                (503).

        """
        try:
            check_address(request.META.get("QUERY_STRING", ""))
        except UnauthenticatedError as error:
            raise ProofRefused(error) from error
        text = bearer_of(request.headers.get("Authorization", ""))
        if text is None:
            return None
        # By what its header claims, which proves nothing: it only decides what is said of a token that is refused.
        if claimed_algorithm(text) == tokens.ALGORITHM:
            raise ProofRefused(
                TokenError(
                    "this looks like a broker token, which counts at the bridge: what is taken here is a CA token"
                )
            )
        try:
            claims = current_ca_key().verify(text)
            ca_tokens.check_claims(claims, now_s=time.time())
        except IPCError as error:
            raise ProofRefused(error) from error
        token = CAToken(claims)
        http = cast(IPCHttpRequest, request._request)
        http.ca_token, http.ipc_identity = token, token.identity
        return token.identity, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the signature is DRF's
        """Return the challenge that a 401 must carry (RFC 9110 section 15.5.2)."""
        return CHALLENGE


class RequestIdentityAuthentication(SessionAuthentication):
    """Makes ``request.user`` an `Identity`; without one the answer is 401.

    Somebody logged in to the admin has the primary key of their user as ``user_id``, as text: a name can change, and
    then their posts would belong to nobody. A session is a cookie, so it needs the CSRF token; a header does not.
    """

    def authenticate(self, request: Request) -> tuple[Identity, CAToken | None] | None:
        """Return the identity, and the mock CA token where the development bypass gave one.

        Raises:
            PermissionDenied: a session without its CSRF token.

        """
        identity = identity_of(request._request)
        if identity is not None:
            return identity, ca_token_of(request._request)
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        roles = {name for name, has_it in (("staff", user.is_staff), ("admin", user.is_superuser)) if has_it}
        identity = Identity(
            user_id=str(user.pk),
            permissions=ALL_PERMISSIONS,
            roles=frozenset(roles),
            admin_permissions=frozenset(user.get_all_permissions()) if roles else frozenset(),
        )
        cast(IPCHttpRequest, request._request).ipc_identity = identity
        return identity, None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the signature is DRF's
        """Return the challenge that a 401 must carry (RFC 9110 section 15.5.2)."""
        return CHALLENGE

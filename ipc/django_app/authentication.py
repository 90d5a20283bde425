"""Authentication of the HTTP APIs: the identity that a middleware found, else the Django session."""

from typing import cast

from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from ipc.django_app.identity import ALL_PERMISSIONS, Identity
from ipc.django_app.middleware import IPCHttpRequest, identity_of


class RequestIdentityAuthentication(SessionAuthentication):
    """Makes ``request.user`` an `Identity`; without one the answer is 401.

    Somebody logged in to the admin has the primary key of their user as ``user_id``, as text: a name can change, and
    then their posts would belong to nobody. A session is a cookie, so it needs the CSRF token; a header does not.
    """

    def authenticate(self, request: Request) -> tuple[Identity, None] | None:
        """Return the identity.

        Raises:
            PermissionDenied: a session without its CSRF token.

        """
        identity = identity_of(request._request)
        if identity is not None:
            return identity, None
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        roles = {name for name, has_it in (("staff", user.is_staff), ("admin", user.is_superuser)) if has_it}
        identity = Identity(user_id=str(user.pk), permissions=ALL_PERMISSIONS, roles=frozenset(roles))
        cast(IPCHttpRequest, request._request).ipc_identity = identity
        return identity, None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the signature is DRF's
        """Return the challenge that a 401 must carry (RFC 9110 section 15.5.2)."""
        return 'Bearer realm="exprsn"'

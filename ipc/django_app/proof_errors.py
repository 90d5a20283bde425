"""What DRF is told when a proof of who asks is not taken. In a module of its own, since DRF loads it early."""

from rest_framework.exceptions import AuthenticationFailed

from ipc.protocol.errors import IPCError


class ProofRefused(AuthenticationFailed):
    """An error of the protocol, as DRF wants to be told of it: it adds the challenge, and counts nobody as asking."""

    def __init__(self, error: IPCError) -> None:
        super().__init__(error.message)
        self.error = error
        self.status_code = error.code.http_status

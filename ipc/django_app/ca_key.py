"""The public key that CA tokens are verified with: that of the CA in ``CERTS_DIR``.

The file is read for each token, which takes a tenth of a millisecond, so that a renewed CA counts at once.
"""

import logging
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from ipc.django_app.conf import conf
from ipc.protocol.ca_tokens import CAKey
from ipc.protocol.errors import UnavailableError

logger = logging.getLogger(__name__)


def current_ca_key() -> CAKey:
    """Return the key.

    Raises:
        UnavailableError: there is no CA, or none that holds now; where it was looked for is in the log only.

    """
    path = conf.ca_file
    if path is None:
        raise UnavailableError("CA tokens cannot be checked: CERTS_DIR is not set here")
    try:
        # Those behind the first are the CAs above the one that signs.
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
        key = CAKey.of(certificate.public_key())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        logger.warning("CA tokens cannot be checked: %s: %s", path, error)
        raise UnavailableError("CA tokens cannot be checked: this service has no CA that it can read") from error
    if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
        logger.warning("CA tokens cannot be checked: %s does not hold now", path)
        raise UnavailableError("CA tokens cannot be checked: the CA has expired, or does not hold yet")
    return key

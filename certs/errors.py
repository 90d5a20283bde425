"""What can go wrong with certificates, each as one sentence for whoever started the command.

CertificateError
├── MissingCertificateError     the file is not there
├── UnreadableCertificateError  the file cannot be read, or holds something else
├── ExpiredCertificateError     the certificate is past its last day, or before its first
├── PairMismatchError           the key is not the certificate's
├── UnusableAuthorityError      the CA cannot sign what was asked for
├── InvalidNameError            not a service, host name or address
└── BadAssertionError           a proof of identity that proves nothing
"""


class CertificateError(Exception):
    """The root: its text says what was wrong, where, and what to do."""


class MissingCertificateError(CertificateError):
    """A certificate or a key file is not there."""


class UnreadableCertificateError(CertificateError):
    """A file cannot be read, or is not what it should be."""


class ExpiredCertificateError(CertificateError):
    """A certificate is not valid today."""


class PairMismatchError(CertificateError):
    """A private key and a certificate do not belong together."""


class UnusableAuthorityError(CertificateError):
    """A CA is no CA, is incomplete, or has no key to sign with."""


class InvalidNameError(CertificateError):
    """A name is not a service, a host name or an address."""


class BadAssertionError(CertificateError):
    """An assertion proves nothing.

    Args:
        message: why.
        impostor: the service that the certificate and its key did prove, where it said to be another.

    """

    def __init__(self, message: str, *, impostor: str = "") -> None:
        super().__init__(message)
        self.impostor = impostor

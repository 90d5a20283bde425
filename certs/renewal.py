"""What `gencerts` does: finds the certificates that must be made anew, says why, and makes them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from certs.authority import ROOT_NAME, Authority, new_root_key, root_of
from certs.errors import CertificateError, MissingCertificateError, PairMismatchError, UnusableAuthorityError
from certs.names import CA, AlternativeName, alternative_names, names_of, united
from certs.pair import KeyType, Pair, check_dates, key_type_of, new_key
from certs.store import CertificateStore

RENEW_BEFORE: Final = timedelta(days=30)
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for. ``key_type`` None keeps what is there; without ``force``, so do the names that were added."""

    services: Sequence[str]
    days: int = 365
    key_type: KeyType | None = None
    names: tuple[AlternativeName, ...] = ()
    force: bool = False
    company: Authority | None = None


@dataclass(slots=True)
class Outcome:
    """How many certificates of services were made for the first time, made anew, and left as they were."""

    made: int = 0
    renewed: int = 0
    fresh: int = 0


def renew(store: CertificateStore, order: Order, report: Report) -> Outcome:
    """Bring the store to what the order asks, as the only writer, and say each step.

    Raises:
        CertificateError: the CA cannot sign.
        OSError: the directory cannot be written.

    """
    outcome = Outcome()
    with store.writing(on_wait=lambda: report(f"another run is writing to {store.directory}: waiting for it")):
        for path in store.harden_keys():
            report(f"{path.name}: others could read it, its mode is 0600 now")
        authority = _prepare_authority(store, order, report)
        for service in order.services:
            previous, reason = _inspect(store, service, authority, order)
            if reason is None:
                outcome.fresh += 1
                continue
            _make(store, service, authority, order, previous)
            report(f"{service}: {'made' if reason == 'missing' else 'renewed'} ({reason})")
            if reason == "missing":
                outcome.made += 1
            else:
                outcome.renewed += 1
    return outcome


def renewal_reason(
    pair: Pair, authority: Authority, *, names: Sequence[AlternativeName], key_type: KeyType | None
) -> str | None:
    """Say why a pair must be made anew, or None when it is as good as a new one."""
    return next(_reasons(pair, authority, names, key_type), None)


def _reasons(
    pair: Pair, authority: Authority, names: Sequence[AlternativeName], key_type: KeyType | None
) -> Iterator[str]:
    certificate = pair.certificate
    if not authority.signed(certificate):
        yield "not signed by this CA"
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    if left <= timedelta(0):
        yield "expired"
    # With a CA that ends as soon, a new certificate would end no later.
    if left <= RENEW_BEFORE and certificate.not_valid_after_utc < authority.certificate.not_valid_after_utc:
        yield f"expires in {left.days} days"
    if pair.chain != authority.chain:
        yield "sends another chain than the CA's"
    missing = [str(name.value) for name in names if name not in names_of(certificate)]
    if missing:
        yield f"lacks {', '.join(missing)}"
    if key_type is not None and key_type is not key_type_of(pair.key):
        yield f"has no {key_type} key"


def _prepare_authority(store: CertificateStore, order: Order, report: Report) -> Authority:
    if order.company is not None:
        return _adopt(store, order.company, report)
    present = store.read_authority()
    if present is None:
        key = new_root_key(order.key_type or KeyType.RSA)
        authority = root_of(key)
        store.write(CA, authority.certificates, key)
        report(f"{ROOT_NAME.rfc4514_string()}: made (missing)")
        return authority
    authority = Authority(*present)
    path = store.certificate_path(CA)
    if authority.key is None or authority.certificate.subject != ROOT_NAME:
        check_dates(authority.certificate, path, advice="give --ca-cert and --ca-key of a CA that is still valid")
        return authority
    if authority.certificate.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE:
        return authority
    authority = root_of(authority.key)
    store.write_certificates(CA, authority.certificates)
    report(f"{ROOT_NAME.rfc4514_string()}: renewed with the same key")
    return authority


def _adopt(store: CertificateStore, company: Authority, report: Report) -> Authority:
    """Take a company's CA for this store. Its key is used and not kept: it stays where the company guards it."""
    try:
        present = store.read_authority()
    except CertificateError:
        present = None
    if present != (company.certificates, None):
        # The key goes first: an old key beside the new certificate would be a mismatch.
        store.remove_key(CA)
        store.write_certificates(CA, company.certificates)
        report(f"{company.certificate.subject.rfc4514_string()}: now the CA here")
    return company


def _inspect(
    store: CertificateStore, service: str, authority: Authority, order: Order
) -> tuple[Pair | None, str | None]:
    try:
        pair = store.read(service)
    except MissingCertificateError:
        return None, "missing"
    except PairMismatchError:
        return None, "key and certificate do not match"
    except CertificateError:
        return None, "unreadable"
    if order.force:
        return pair, "forced"
    wanted = united(alternative_names(service), order.names)
    return pair, renewal_reason(pair, authority, names=wanted, key_type=order.key_type)


def _make(store: CertificateStore, service: str, authority: Authority, order: Order, previous: Pair | None) -> None:
    if authority.key is None:
        raise UnusableAuthorityError(
            f"{store.key_path(CA)} is not there, so nothing can be signed for {service}: put it back,"
            f" give --ca-cert and --ca-key, or remove {store.certificate_path(CA)} for a new CA"
        )
    key_type, names = order.key_type or KeyType.RSA, united(alternative_names(service), order.names)
    if previous is not None:
        key_type = order.key_type or key_type_of(previous.key)
        if not order.force:
            names = united(names, names_of(previous.certificate))
    key = new_key(key_type)
    certificate = authority.issue(service, names, key, days=order.days)
    store.write(service, (certificate, *authority.chain), key)

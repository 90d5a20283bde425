"""Which certificates are made anew, and that the others are left alone."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certs.authority import Authority, root_of
from certs.errors import ExpiredCertificateError, PairMismatchError, UnusableAuthorityError
from certs.names import alternative_names, names_of, parse_alternative_name
from certs.pair import KeyType, Pair, certificates_to_pem, key_type_of, new_key
from certs.renewal import Order, Outcome, renew
from certs.store import CertificateStore
from tests.certs import companies

SERVICES = ["exprsn-timeline", "exprsn-bridge", "localhost"]


def run(store: CertificateStore, order: Order | None = None) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    return renew(store, order or Order(services=SERVICES), lines.append), lines


def content(store: CertificateStore) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(store.directory.glob("*.pem"))}


def authority_of(store: CertificateStore) -> Authority:
    present = store.read_authority()
    assert present is not None
    return Authority(*present)


def test_an_empty_directory_gets_everything(tmp_path: Path) -> None:
    """The CA and each service, all of which it signed."""
    store = CertificateStore(tmp_path / "certs")
    outcome, lines = run(store, Order(services=SERVICES, key_type=KeyType.EC))
    assert outcome == Outcome(made=3)
    assert len(lines) == 4
    authority = authority_of(store)
    assert all(authority.signed(store.read(service).certificate) for service in SERVICES)


def test_a_second_run_changes_nothing(store: CertificateStore) -> None:
    """Every file is the same to the byte, and nothing is reported."""
    before = content(store)
    assert run(store) == (Outcome(fresh=3), [])
    assert content(store) == before


@pytest.mark.parametrize("suffix", ["cert", "key"])
def test_what_is_missing_is_made_alone(store: CertificateStore, suffix: str) -> None:
    """Half a pair is no pair; the other services keep theirs."""
    others = store.read("exprsn-bridge").certificate, authority_of(store).certificate
    (store.directory / f"exprsn-timeline-{suffix}.pem").unlink()
    assert run(store) == (Outcome(made=1, fresh=2), ["exprsn-timeline: made (missing)"])
    assert (store.read("exprsn-bridge").certificate, authority_of(store).certificate) == others


@pytest.mark.parametrize(
    ("days", "reason"), [(29, "expires in 28 days"), (30, "expires in 29 days"), (-1, "expired"), (31, None)]
)
def test_what_ends_within_thirty_days_is_renewed(store: CertificateStore, days: int, reason: str | None) -> None:
    """Thirty days is the line, and what is past its end is over it."""
    key = new_key(KeyType.EC)
    authority = authority_of(store)
    certificate = authority.issue("exprsn-timeline", alternative_names("exprsn-timeline"), key, days=max(days, 1))
    if days < 0:
        certificate = _expired(authority, certificate)
    store.write("exprsn-timeline", [certificate], key)
    outcome, lines = run(store)
    assert lines == ([] if reason is None else [f"exprsn-timeline: renewed ({reason})"])
    assert (outcome.renewed, outcome.fresh) == ((0, 3) if reason is None else (1, 2))


def _expired(authority: Authority, certificate: x509.Certificate) -> x509.Certificate:
    """Sign the same certificate with dates of the past."""
    assert authority.key is not None
    start = certificate.not_valid_before_utc - timedelta(days=10)
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(certificate.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
    )
    return builder.sign(authority.key, hashes.SHA256())


def test_what_another_ca_signed_is_renewed(store: CertificateStore, tmp_path: Path) -> None:
    """A certificate that was left from an earlier CA of the same name."""
    other = CertificateStore(tmp_path / "other")
    run(other, Order(services=["exprsn-timeline"], key_type=KeyType.EC))
    pair = other.read("exprsn-timeline")
    store.write("exprsn-timeline", [pair.certificate], pair.key)
    outcome, lines = run(store)
    assert outcome == Outcome(renewed=1, fresh=2)
    assert lines == ["exprsn-timeline: renewed (not signed by this CA)"]


def test_a_mismatched_pair_is_renewed(store: CertificateStore) -> None:
    """A key that was restored from another time."""
    store.key_path("exprsn-timeline").write_bytes(store.key_path("exprsn-bridge").read_bytes())
    assert run(store)[1] == ["exprsn-timeline: renewed (key and certificate do not match)"]
    assert isinstance(store.read("exprsn-timeline"), Pair)


def test_an_unreadable_certificate_is_renewed(store: CertificateStore) -> None:
    """A file that was cut off."""
    store.certificate_path("exprsn-timeline").write_bytes(b"-----BEGIN CERT")
    assert run(store)[1] == ["exprsn-timeline: renewed (unreadable)"]


def test_force_renews_every_service_and_keeps_the_ca(store: CertificateStore) -> None:
    """Clients that trust ca-cert.pem go on trusting."""
    before = content(store)
    outcome, _ = run(store, Order(services=SERVICES, force=True))
    after = content(store)
    assert outcome == Outcome(renewed=3)
    assert {name for name in before if before[name] == after[name]} == {"ca-cert.pem", "ca-key.pem"}


def test_a_further_name_is_added_and_stays(store: CertificateStore) -> None:
    """Asked for once, it is still there after a renewal that does not mention it; --force begins anew."""
    name = parse_alternative_name("timeline.example.org")
    assert run(store, Order(services=["exprsn-timeline"], names=(name,)))[1] == [
        "exprsn-timeline: renewed (lacks timeline.example.org)"
    ]
    assert run(store)[0] == Outcome(fresh=3)
    run(store, Order(services=["exprsn-timeline"], key_type=KeyType.EC))
    assert name in names_of(store.read("exprsn-timeline").certificate)
    run(store, Order(services=["exprsn-timeline"], force=True))
    assert name not in names_of(store.read("exprsn-timeline").certificate)


def test_another_kind_of_key_is_made_when_asked_and_stays(store: CertificateStore) -> None:
    """A renewal without --key-type keeps the kind that is there."""
    assert run(store, Order(services=["exprsn-timeline"], key_type=KeyType.EC))[1] == [
        "exprsn-timeline: renewed (has no ec key)"
    ]
    run(store, Order(services=["exprsn-timeline"], force=True))
    assert key_type_of(store.read("exprsn-timeline").key) is KeyType.EC


def test_an_expiring_root_is_renewed_with_its_key(store: CertificateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services' certificates stay valid under it."""
    key = authority_of(store).key
    assert key is not None
    with monkeypatch.context() as shorter:
        shorter.setattr("certs.authority._CA_LIFETIME", timedelta(days=20))
        store.write_certificates("ca", root_of(key).certificates)
    outcome, lines = run(store)
    assert lines == ["CN=Exprsn Root CA,O=Exprsn: renewed with the same key"]
    assert outcome == Outcome(fresh=3)


def test_a_lost_ca_certificate_means_a_new_ca(store: CertificateStore) -> None:
    """And every service's certificate with it."""
    store.certificate_path("ca").unlink()
    outcome, lines = run(store)
    assert lines[0] == "CN=Exprsn Root CA,O=Exprsn: made (missing)"
    assert outcome == Outcome(renewed=3)


def test_a_lost_ca_key_matters_only_when_something_is_to_be_signed(store: CertificateStore) -> None:
    """A fresh store needs no key; otherwise a sentence says what can be done."""
    store.key_path("ca").unlink()
    assert run(store) == (Outcome(fresh=3), [])
    store.key_path("exprsn-timeline").unlink()
    with pytest.raises(UnusableAuthorityError, match=r"nothing can be signed for exprsn-timeline: put it back"):
        run(store)


def test_a_mismatched_ca_is_never_replaced_silently(store: CertificateStore) -> None:
    """It is what the clients trust."""
    before = store.key_path("localhost").read_bytes()
    store.key_path("ca").write_bytes(before)
    with pytest.raises(PairMismatchError):
        run(store)
    assert store.key_path("ca").read_bytes() == before


def test_a_companys_ca_takes_over_and_its_key_is_not_kept(store: CertificateStore) -> None:
    """All services are signed by it, send its intermediate, and a further run needs neither file nor key."""
    authority = companies.company()
    outcome, lines = run(store, Order(services=SERVICES, company=authority))
    assert outcome == Outcome(renewed=3)
    assert lines[0] == "CN=Middle: now the CA here"
    assert not store.key_path("ca").exists()
    assert store.read("exprsn-timeline").chain == authority.chain
    assert run(store) == (Outcome(fresh=3), [])
    assert run(store, Order(services=SERVICES, company=authority)) == (Outcome(fresh=3), [])


def test_a_certificate_without_the_cas_chain_is_renewed(store: CertificateStore) -> None:
    """Its signature holds, but a client that has only the root could not follow it up."""
    root = companies.make("Root")
    first, key = companies.make("Middle", issuer=root)
    run(store, Order(services=["exprsn-timeline"], company=Authority((first, root[0]), key)))
    store.write_certificates("exprsn-timeline", [store.read("exprsn-timeline").certificate])
    _, lines = run(store, Order(services=["exprsn-timeline"], company=Authority((first, root[0]), key)))
    assert lines == ["exprsn-timeline: renewed (sends another chain than the CA's)"]


def test_a_certificate_that_ends_with_its_ca_is_not_renewed_again_and_again(store: CertificateStore) -> None:
    """A CA with twenty days left can give no more than twenty days."""
    authority = companies.company(days=20)
    run(store, Order(services=SERVICES, company=authority))
    assert run(store, Order(services=SERVICES, company=authority)) == (Outcome(fresh=3), [])


def test_an_expired_companys_ca_asks_for_another(store: CertificateStore) -> None:
    """Its key is not here, so it cannot be renewed here."""
    store.key_path("ca").unlink()
    store.certificate_path("ca").write_bytes(certificates_to_pem([companies.make("Root", days=-1)[0]]))
    with pytest.raises(ExpiredCertificateError, match="give --ca-cert and --ca-key of a CA that is still valid"):
        run(store)

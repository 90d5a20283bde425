"""A company's own CA: which are taken, and what is said about the others."""

from pathlib import Path

import pytest

from certs.company import company_authority
from certs.errors import CertificateError, ExpiredCertificateError, PairMismatchError, UnusableAuthorityError
from tests.certs import companies


def test_a_root_is_taken(tmp_path: Path) -> None:
    """A CA that signs itself sends no chain: its clients have it."""
    root, key = companies.make("Root")
    authority = company_authority(*companies.write(tmp_path, key, root))
    assert authority.certificates == (root,)
    assert authority.chain == ()


@pytest.mark.parametrize("turned", [False, True])
def test_an_intermediate_is_taken_with_its_root(tmp_path: Path, *, turned: bool) -> None:
    """Whatever the order in the file, the one that signs comes first, and is what servers send."""
    root = companies.make("Root")
    middle, key = companies.make("Middle", issuer=root)
    bundle = [root[0], middle] if turned else [middle, root[0]]
    authority = company_authority(*companies.write(tmp_path, key, *bundle))
    assert authority.certificates == (middle, root[0])
    assert authority.chain == (middle,)


def test_an_intermediate_without_its_root_is_refused(tmp_path: Path) -> None:
    """Clients that get only ca-cert.pem could not follow it up; the sentence names what is missing."""
    middle, key = companies.make("Middle", issuer=companies.make("Root"))
    with pytest.raises(UnusableAuthorityError, match="ends at CN=Middle: add the certificate of its issuer, CN=Root"):
        company_authority(*companies.write(tmp_path, key, middle))


def test_a_namesake_of_the_root_does_not_do(tmp_path: Path) -> None:
    """The issuer is known by its signature and not by its name."""
    middle, key = companies.make("Middle", issuer=companies.make("Root"))
    with pytest.raises(UnusableAuthorityError, match="ends at CN=Middle"):
        company_authority(*companies.write(tmp_path, key, middle, companies.make("Root")[0]))


def test_what_is_no_ca_is_refused(tmp_path: Path) -> None:
    """A server's certificate cannot sign."""
    root = companies.make("Root")
    leaf, key = companies.make("Leaf", issuer=root, ca=False)
    with pytest.raises(UnusableAuthorityError, match=r"CN=Leaf in .* is not a CA"):
        company_authority(*companies.write(tmp_path, key, leaf, root[0]))


def test_another_key_is_refused(tmp_path: Path) -> None:
    """A key that is of none of the certificates is the wrong file."""
    root, _ = companies.make("Root")
    _, other = companies.make("Other")
    with pytest.raises(PairMismatchError, match=r"company-key\.pem is not the key of a certificate in .*company\.pem"):
        company_authority(*companies.write(tmp_path, other, root))


def test_an_expired_ca_is_refused(tmp_path: Path) -> None:
    """What it signs would be refused by every client."""
    root, key = companies.make("Root", days=-1)
    with pytest.raises(ExpiredCertificateError, match=r"expired on .*: give a CA that is still valid"):
        company_authority(*companies.write(tmp_path, key, root))


def test_an_expired_root_above_is_refused_too(tmp_path: Path) -> None:
    """The chain is as good as its weakest certificate."""
    root = companies.make("Root", days=-1)
    middle, key = companies.make("Middle", issuer=root)
    with pytest.raises(ExpiredCertificateError):
        company_authority(*companies.write(tmp_path, key, middle, root[0]))


def test_a_root_that_allows_no_ca_below_it_is_refused(tmp_path: Path) -> None:
    """Its path length is what clients check."""
    root = companies.make("Root", path_length=0)
    middle, key = companies.make("Middle", issuer=root)
    with pytest.raises(UnusableAuthorityError, match=r"CN=Root in .* allows 0 CAs below it, not 1"):
        company_authority(*companies.write(tmp_path, key, middle, root[0]))


def test_missing_files_are_sentences(tmp_path: Path) -> None:
    """A wrong path on the command line is no traceback."""
    with pytest.raises(CertificateError, match=r"there is no .*nothing\.pem"):
        company_authority(tmp_path / "nothing.pem", tmp_path / "nothing-key.pem")

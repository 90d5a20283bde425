"""Forms that scripts and buttons post: filled in, or refused with all that is wrong with them in one line."""

from typing import TypeVar

from django import forms

from ipc.protocol.errors import BadMessageError

FormT = TypeVar("FormT", bound=forms.Form)


def filled(form: FormT) -> FormT:
    """Return a form that is valid.

    Raises:
        BadMessageError: with the first mistake of each field.

    """
    if not form.is_valid():
        raise BadMessageError("; ".join(f"{name}: {said[0]}" for name, said in form.errors.items()))
    return form

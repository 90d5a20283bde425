"""Choosing what a token permits: the forms of permissions that there are, and lines for particular ones."""

from collections.abc import Sequence
from typing import Any, Final

from django import forms

from ipc.protocol.errors import IPCError
from ipc.protocol.permissions import MAX_PERMISSIONS, check_permissions

MEANINGS: Final = {
    "emit:*": "emit every event",
    "subscribe:*": "hear every event",
    "call:*": "call every operation",
    "serve:*": "serve every resource",
    "jsonlex": "have expressions evaluated",
    "state": "use the state of stateful tokens",
    "*": "everything, as who operates the mesh",
}
MAX_TEXT: Final = 16 * 1024
HELP: Final = "Others, one a line: emit:<pattern>, subscribe:<pattern>, call:<resource>.<op>, serve:<resource>."


class PermissionsWidget(forms.MultiWidget):
    """Boxes for the usual ones, and a field for others."""

    def __init__(self) -> None:
        choices = [(name, f"{name}: {meaning}") for name, meaning in MEANINGS.items()]
        attrs = {
            "rows": 3,
            "placeholder": "emit:post:*\ncall:posts.read",
            "spellcheck": "false",
            "aria-label": "Other permissions",
        }
        lines = forms.Textarea(attrs=attrs)
        super().__init__({"usual": forms.CheckboxSelectMultiple(choices=choices), "others": lines})

    def decompress(self, value: Any) -> list[Any]:
        """Return what is ticked: nothing at first, since what a token permits is for people to choose."""
        return [value or [], ""]


class PermissionsField(forms.MultiValueField):
    """The permissions of a token, to a list of them."""

    widget = PermissionsWidget

    def __init__(self, **options: Any) -> None:
        choices = [(name, name) for name in MEANINGS]
        fields = (
            forms.MultipleChoiceField(choices=choices, required=False),
            forms.CharField(required=False, max_length=MAX_TEXT),
        )
        nothing = {"required": "A token that permits nothing is of no use: choose a permission."}
        super().__init__(fields, require_all_fields=False, error_messages=nothing, help_text=HELP, **options)

    def compress(self, data_list: Sequence[Any]) -> list[str]:
        """Return what is ticked and what is written, each once.

        Raises:
            ValidationError: there are too many, or something is no permission.

        """
        usual, lines = data_list
        chosen = list(dict.fromkeys([*usual, *(line.strip() for line in lines.splitlines() if line.strip())]))
        if len(chosen) > MAX_PERMISSIONS:
            raise forms.ValidationError(f"A token has at most {MAX_PERMISSIONS} permissions, these are {len(chosen)}.")
        try:
            check_permissions(chosen)
        except IPCError as error:
            raise forms.ValidationError(error.message) from error
        return chosen

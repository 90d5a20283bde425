"""What Django and DRF raise, as the errors that a caller gets; what is not named here is a bug of the owner."""

import itertools
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.fields import get_error_detail

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import (
    BadMessageError,
    ConflictError,
    ForbiddenError,
    IPCError,
    NotFoundError,
    UnavailableError,
    ValidationFailedError,
)

MAX_ERRORS: Final = 50
"""How many members, or items, of what a caller has sent wrongly are named to it."""


def ipc_error(error: Exception) -> IPCError | None:
    """Return what a caller is told of an exception, None for one that is unforeseen."""
    if isinstance(error, IPCError):
        return error
    return _refusal(error) or _database_error(error)


def _refusal(error: Exception) -> IPCError | None:
    match error:
        case Http404() | ObjectDoesNotExist() | exceptions.NotFound():
            return NotFoundError(_text(error, "there is no such thing"))
        case PermissionDenied() | exceptions.PermissionDenied() | exceptions.NotAuthenticated():
            return ForbiddenError(_text(error, "you may not do this"))
        case exceptions.ValidationError() | DjangoValidationError():
            return invalid(error.detail if isinstance(error, exceptions.ValidationError) else get_error_detail(error))
        case exceptions.MethodNotAllowed():
            return BadMessageError(str(error.detail), code=ErrorCode.METHOD_NOT_ALLOWED)
        case exceptions.Throttled():
            wait_s = getattr(error, "wait", None)
            after_ms = None if wait_s is None else int(wait_s * 1000)
            return UnavailableError(str(error.detail), code=ErrorCode.TOO_SLOW, retry_after_ms=after_ms)
        case _:
            return None


def invalid(detail: Any) -> ValidationFailedError:
    """Return the error for values that were refused, with the errors of each field in ``details``."""
    errors = plain(detail)
    if not isinstance(errors, dict):
        errors = {"data": errors if isinstance(errors, list) else [errors]}
    return ValidationFailedError(f"the values are wrong in: {', '.join(errors)[:500]}", details=errors)


def plain(detail: Any) -> Any:
    """Return the details of DRF as JSON, the first of them where there are very many."""
    if isinstance(detail, dict):
        return {str(name)[:100]: plain(part) for name, part in itertools.islice(detail.items(), MAX_ERRORS)}
    if isinstance(detail, list | tuple):
        return [plain(part) for part in itertools.islice(detail, MAX_ERRORS)]
    return str(detail)


def _database_error(error: Exception) -> IPCError | None:
    match error:
        case IntegrityError():
            return ConflictError("this does not go together with what is stored: it exists already, or is in use")
        case DataError():
            return ValidationFailedError("a value is none that the database can store")
        case OperationalError() | InterfaceError():
            return UnavailableError("the database cannot be used right now, try again")
        case _:
            return None


def _text(error: Exception, otherwise: str) -> str:
    # What Django says of a missing object names the model, and nothing more.
    return str(error) or otherwise

"""What AWS says when it refuses: its code, its status and its words."""

from botocore.exceptions import ClientError

DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException", "Forbidden"})
ABSENT = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound"})


def code_of(error: ClientError) -> str:
    """Return the error's code, such as `AccessDenied`; a HEAD request has nothing but the status, such as `404`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def words_of(error: ClientError) -> str:
    """Return what AWS says about it."""
    return str(error.response.get("Error", {}).get("Message", error))


def is_denied(error: ClientError) -> bool:
    """Tell whether permission is what is missing."""
    return code_of(error) in DENIED


def is_absent(error: ClientError) -> bool:
    """Tell whether the object is what is missing."""
    return code_of(error) in ABSENT

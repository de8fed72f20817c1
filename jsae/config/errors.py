"""The one kind of error that a user can fix: a wrong parameter, a damaged file, a run that diverged."""

__all__ = ["JsaeError"]


class JsaeError(Exception):
    """An error with one sentence that names the place and the fix; stages print it without a traceback."""

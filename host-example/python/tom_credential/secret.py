"""Secret: a string that is never printed."""

import hmac

REDACTION = "[REDACTED]"


class Secret:
    """A password, a private key, a token. However it is printed, it reads "[REDACTED]"; reveal() gives the text itself.

    It isn't pickled: what is pickled lands in files and queues. Reveal what must go into another process. Two are compared
    in a time that depends on nothing but their lengths.
    """

    __slots__ = ("_text",)

    def __init__(self, text):
        if isinstance(text, Secret):
            text = text.reveal()
        if not isinstance(text, str):
            raise TypeError(f"a Secret is made of a str, not of {type(text).__name__}")
        self._text = text

    def reveal(self):
        """The text. Every call is a place where a secret may leak."""
        return self._text

    def __repr__(self):
        return REDACTION

    def __format__(self, _):
        return REDACTION

    def __bool__(self):
        return self._text != ""

    def __eq__(self, other):
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(*(s._text.encode("utf-8", "surrogatepass") for s in (self, other)))

    __hash__ = None

    def __copy__(self):
        return self

    def __deepcopy__(self, _):
        return self

    def __reduce_ex__(self, _):
        raise TypeError("a Secret isn't pickled; reveal() what must go into another process")

"""Failures of jobs. Those that are permanent aren't repeated."""


class TomException(Exception):
    pass


class GatingException(TomException):
    pass


class TransientException(TomException):
    pass


class PermanentException(TomException):
    pass


class AuthenticationException(PermanentException):
    pass

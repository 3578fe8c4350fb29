"""The one tree of errors.

::

    BezoarError                 exit 3
    ├── UsageError              exit 2   the request is wrong
    │   ├── ParameterError               a value outside its range (also a ValueError)
    │   └── UnknownNameError             a method, code or built-in that does not exist (also a LookupError)
    ├── InputError              exit 2   the input cannot be read or audited
    ├── ModelError              exit 3   the model under audit hangs or crashes
    ├── ContractError           exit 3   a method does not do what its kind promises
    └── OutputError             exit 3   a result cannot be written
"""


class BezoarError(Exception):
    """Base of every error that Bezoar raises on purpose. Its text is one line for a person."""

    exit_status = 3


class UsageError(BezoarError):
    """The request is wrong: a person can mend it by asking differently."""

    exit_status = 2


class ParameterError(UsageError, ValueError):
    """A parameter is outside its range or of the wrong type."""


class UnknownNameError(UsageError, LookupError):
    """No method, code or built-in data set has this name, or its plugin is broken."""


class InputError(BezoarError):
    """The input is missing, unreadable, hostile or unfit for what was asked."""

    exit_status = 2


class ModelError(BezoarError):
    """The model under audit hangs, or ends the process that it runs in: nothing can be said of it."""


class ContractError(BezoarError):
    """A method, often a plugin's, does not keep what methods of its kind promise (see :mod:`bezoar.checks`)."""


class OutputError(BezoarError):
    """A result cannot be written: no permission, no space, or something is in the way."""

"""The error that ends the demo."""


class DemoFailed(Exception):
    """A check failed, or a part of the demo did not start, stop or answer in time.

    Attributes:
        evidence: the end of a log or the output of a command, to print below the message; may be empty.
    """

    def __init__(self, message: str, evidence: str = "") -> None:
        super().__init__(message)
        self.evidence = evidence

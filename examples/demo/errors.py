"""What can go wrong in the demo: whatever it is, the demo stops and says so."""


class DemoFailed(Exception):
    """The promise was not kept, or a part did not come up.

    Attributes:
        evidence: lines of a log, an output, anything to look at; may be empty.
    """

    def __init__(self, sentence: str, evidence: str = "") -> None:
        super().__init__(sentence)
        self.evidence = evidence

"""The log lines about the beginning and the end of open transactions that block partitions."""

import time
from collections.abc import Mapping

import structlog

from consumer.model.topic_status import OpenTransaction

_log = structlog.get_logger()


class TransactionLines:
    """Logs each transaction that has been open for too long, and its end."""

    def __init__(self) -> None:
        self._known: Mapping[int, tuple[OpenTransaction, float]] = {}

    def update(self, transactions: Mapping[int, tuple[OpenTransaction, float]]) -> None:
        """Log what has changed since the last call. The values are the transactions and their ages in seconds."""
        for partition, (transaction, _) in self._known.items():
            if not _is_same(transaction, transactions.get(partition)):
                _log.info(
                    "The transaction is over, and the partition continues",
                    action="transaction_over",
                    partition=partition,
                    offset=transaction.start_offset,
                    after_s=round(time.time() - (transaction.begun_ms or 0) / 1000, 1),
                )
        for partition, (transaction, age_s) in transactions.items():
            if not _is_same(transaction, self._known.get(partition)):
                _log.warning(
                    "An open transaction blocks the partition: end it, or stop its producer",
                    action="transaction_open",
                    partition=partition,
                    offset=transaction.start_offset,
                    open_s=round(age_s, 1),
                    producer=transaction.producer,
                )
        self._known = transactions


def _is_same(transaction: OpenTransaction, other: tuple[OpenTransaction, float] | None) -> bool:
    return other is not None and other[0].start_offset == transaction.start_offset

"""What operators do with the records that were refused.

letters    one letter, and finding some                      queries.sql
locating   where in a record's bytes it is wrong (pure)
retry      the same bytes through the same path again
report     tables and documents for a terminal, a pipe
commands   `python -m consumer dead-letters …`
"""

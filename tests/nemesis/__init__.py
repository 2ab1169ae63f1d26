"""Random faults against real servers, for an hour (`make faults`) or overnight (`make soak`).

`python -m tests.nemesis --minutes 60 --seed 1` plays rounds of a few minutes, each with a topic and a database of its
own. Agents and foreign producers publish, consumers start and stop, and the seed determines the faults of Kafka,
PostgreSQL, the network and the consumers. Then all faults end: every record must be stored within a bound, and is
accounted for.

    rounds         plays rounds until the time is over, prints the summary, and lists the rounds that once failed
    round          one round: calm, outage, faults, recovery, checks
    environment    the servers, each behind a proxy
    publishers     starts and stops the agents (agent) and the foreign producer (producer); each writes a ledger
    fleet          the consumers, and what is measured of them
    schedule       draws the faults: which, when, for how long
    faults/        the faults of the network, Kafka, PostgreSQL and the consumers, and an operator's retries
    liveness       L1 to L6, each with its bound
    check          the checks at the end of a round
"""

"""Faults with real processes, and a checker that says what they cost.

::

    __main__    ``make chaos``: runs faults, prints the report
    faults      the table: what is done to whom
    world       one run: Redis, nodes, clients and authors; from the first message to the verdict
    nodes, redis, proxy, authors, clients, probes
                the parts of a world
    report      verdicts -> a table, a file and a picture for each
    checker     history -> verdict; pure
    history     what happened, as plain values
"""

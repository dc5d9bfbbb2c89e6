"""Durable counters for what happens on a chain: each event once, whatever reorganises, ends or fails.

    with opened(config.state, FAMILIES) as ledger:
        stream = ledger.stream("ethereum", confirmations=12, start_block=21_000_000, deep_reorgs=Event(DEEP_REORGS, ETHEREUM))
        yield Plan((ledger.job(pace, {target: (stream, source)}, check="logs", families=ALL, columns=columns),))

**In an exporter.** That is all of its wiring, in `build`: the poller runs the job as any other, and so owns its time, outcome
and errors; each read is one `advance`. The job's columns are the totals on disk and, beside them, `columns` of where streams
stand: all of it is on the page under the key of the job, from the first page on. `ledger.job` keeps the ledger's families from
the poller, which would begin a second series of each at 0. At a reload the new ledger shares the open file with the old one:
no event counts twice, whoever is still at work, and in one step the new job's columns take the place of the old one's. Other
`confirmations` hold from then on; another `start_block` has no effect on a stream that has begun, which is logged.

**What is counted.** A block counts once `confirmations` blocks stand on it. Its amounts, and the block up to which everything
is counted (the cursor, with its hash), go to disk in one transaction; memory follows the disk. So an end at any instant
leaves totals and cursor in agreement, and a restart goes on from both. What is shallower is in `Standing.unconfirmed`, read
anew each time: it shows within one block, and may go away.

**How a range is read.** The hash of its last block, its logs, the hash of the block before it, and the hash of its last block
again. The same last block before and after means one chain all along, and the block before it ties it to what was counted.
Otherwise all of it is thrown away and read again. A range that a source refuses is halved, down to one block.

**Sums are exact.** Integers stay integers, of any size; floats are added as the exact fractions that they are, and rounded
once, when shown. A total depends neither on the order of events nor on how they were cut into ranges, and it never goes down
by rounding.

**A reorganisation deeper than that** is a `DeepReorgError`, and a counter of its own. The cursor goes back to the newest
remembered block that is still part of the chain, and counting goes on from there. Counters never go down: what was counted
on the abandoned branch stays, and what happened on both branches counts twice. A few hundred blocks are remembered, of those
with events all of the newest, and ever fewer behind them, so a fork is found to within a fraction of its depth. Where nothing
matches, it is another chain: it is counted from where the stream began.

**Counters on the page.** `Page.count` adds floats, and its sum would part from the stored one in the last digit; after a
restart the counter might go down by that, which Prometheus takes for a reset. So the ledger hands over absolute totals as
columns, which do not expire.

**The file** belongs to one process at a time, which holds `<name>.lock` beside it, and is shared within it. A damaged one is moved aside as
`<name>.corrupt-<UTC time>` and everything is counted anew from the start block. One that is not ours, or from a newer version,
is refused and left as it is. Within `looking()`, as at `--once`, a file that another process has is copied into memory as it is
on disk: what is counted beyond it is shown and not kept. While the disk refuses, nothing is counted, and nothing is lost: it is all still on the chain.
"""

from occ.ledger.ledger import Ledger, looking, opened
from occ.ledger.store import LedgerError
from occ.ledger.stream import BlockRefusedError, DeepReorgError, Logged, LogSource, Standing, Stream

__all__ = [
    "BlockRefusedError",
    "DeepReorgError",
    "Ledger",
    "LedgerError",
    "LogSource",
    "Logged",
    "Standing",
    "Stream",
    "looking",
    "opened",
]

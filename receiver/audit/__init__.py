"""The audit: a chain of records in the database, seals over the rows it records, and signed checkpoints outside of it.

`chain` is the record, `checkpoints` the signature, `verify` judges both with the public key alone; `seal` is the part that
writes in the database, `export` takes it out, `keeping` watches over it while the receiver runs.
"""

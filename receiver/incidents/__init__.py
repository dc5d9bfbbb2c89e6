"""What is wrong in one place, who leads, what was done, and when it was over.

`watch` opens, joins, escalates and resolves by what alerts say; `room` is what people do. The timeline is the audit.
"""

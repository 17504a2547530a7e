"""The fleet: many boxes of one authority, their templates, enrolment and certificates.

It runs at the authority, never on a box. What a box does for it is in `edge.adapters.enrolment`.
"""

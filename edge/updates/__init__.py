"""Signed updates of a box and of a fleet, in the manner of TUF; see docs/updates.md.

The authority's side makes and signs what boxes may install, and opens it to them in waves. The
box's side fetches it, tries it, and goes back by itself. All rules of TUF are python-tuf's.
"""

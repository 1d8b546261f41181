"""The console: HTTP interface and pages for those who watch the junctions and open corridors.

Everything that is specific to a city comes through :class:`~greenband.console.centre.Centre`; this
package is about who may ask for what, about saying it, and about showing it.
"""

"""Stands in for xtquant, which runs on Windows beside QMT alone."""

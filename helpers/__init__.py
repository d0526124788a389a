"""Data sets, arrangements, models, runs and claims behind the book's notebooks."""

"""The record's store: one writer, append-only tables, group commit, projections; see docs/reference/store.md."""

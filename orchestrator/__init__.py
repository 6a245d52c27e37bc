"""The shell: API, command line, executor, storage and people."""

"""What a planner takes to a meeting: files and one self-contained HTML page."""

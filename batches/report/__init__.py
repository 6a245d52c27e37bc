"""From a record to its report: plain contents, BatchML, PDF source."""

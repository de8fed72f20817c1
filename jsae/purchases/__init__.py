"""From an event log to the n-gram model of purchases (appendix A.4.1)."""

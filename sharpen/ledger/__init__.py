"""Inside the ledger: its tables and file, what a round's collection came to, and looking after a run folder."""

//! What the ledger says of days.

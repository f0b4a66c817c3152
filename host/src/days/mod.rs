//! Whole days: what the ledger of a pipeline says of them, and asking stores for what they have.

pub mod asking;

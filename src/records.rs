//! What cck remembers of its changes: the audit trail, the records for undo, the copies of a key.

pub mod audit;
pub(crate) mod runs;
pub(crate) mod scrub;
pub(crate) mod state;
pub mod undo;

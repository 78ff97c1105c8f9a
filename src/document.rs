//! Everything that touches the disk, in one place, so that its promise can be read and tested there.

pub mod edit;
pub mod lock;
mod signals;
pub mod store;

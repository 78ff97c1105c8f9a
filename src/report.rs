//! A decision as text for people and as JSON for programs.

pub mod json;
pub(crate) mod names;
pub mod text;

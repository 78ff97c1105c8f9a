//! A decision as text for people and as JSON for programs.

pub mod json;
mod names;
pub mod text;

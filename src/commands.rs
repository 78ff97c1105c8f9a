//! The commands, one file each: its arguments and its `run`.

pub(crate) mod approve;
pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod completions;
pub(crate) mod get_key;
pub(crate) mod helper;
pub(crate) mod in_force;
pub(crate) mod man;
pub(crate) mod profile;
pub(crate) mod rotate;
pub(crate) mod run;
pub(crate) mod set_key;
pub(crate) mod target;
pub(crate) mod undo;
pub(crate) mod unset_key;
pub(crate) mod usage;
pub(crate) mod verify;

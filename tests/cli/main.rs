//! The command line from outside: the real binary, a HOME of its own, a cleared environment.

mod truth;

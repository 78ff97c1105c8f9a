//! Gathers the environment, hands it to the library, exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cck::guard::close();
    let mut context = cck::context::Context::from_process();
    cck::run(&mut context).into()
}

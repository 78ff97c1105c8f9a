//! The binary: everything else is in the library.

/// musl's own locks for every piece of memory, and gives what is freed back to the system at once: a brokered call waits for both.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    cck::main()
}

//! The binary: everything else is in the library.

/// musl's own allocator takes a lock for each piece of memory, and returns what is freed to the system at once: a brokered call
/// would wait for both.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    cck::main()
}

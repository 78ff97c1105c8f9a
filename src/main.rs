fn main() -> std::process::ExitCode {
    cck::main()
}

//! The `dataserver` program.

fn main() -> std::process::ExitCode {
    dataserver::cli::main()
}

//! The `trasvase` binary: parse, run, exit.

fn main() -> std::process::ExitCode {
    trasvase::run(std::env::args_os())
}

//! The `tracer` binary: command line in, exit status out.

use std::io::Write as _;
use std::process::ExitCode;

use tracer::cli::{Cli, exit_status};
use tracer::commands;

fn main() -> ExitCode {
    let read = commands::settings_file::load().and_then(|defaults| {
        Cli::read_with(std::env::args_os(), &defaults)
            .map_err(|error| commands::settings_file::refused(&error))
    });
    let cli = match read {
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error:#}");
            return ExitCode::from(exit_status::USAGE);
        }
        Ok(read) => read,
    };
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => {
            // `--help | head` may close the pipe; there is nobody left to tell.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let verb = cli.into_verb();
    let verbose = verb.is_verbose();
    match commands::run(verb) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let text = commands::error_text(&error, verbose);
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(commands::error_status(&error).unwrap_or(exit_status::RUN_TIME))
        }
    }
}

//! `nix-instantiate`, as far as the crate goes: the smallest program around the evaluator.

use std::io::Write;
use std::process::ExitCode;

use snowglobe_nix::instantiate::Request;
use snowglobe_nix::{LocalHost, Options, RenderOptions, evaluate};

fn main() -> ExitCode {
    let mut options = Options {
        base_path: std::env::current_dir()
            .map_or_else(|_| "/".to_owned(), |path| path.display().to_string()),
        ..Options::default()
    };
    let request = match Request::parse_args(std::env::args().skip(1), &mut options) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut host = LocalHost::from_env();
    host.search_path
        .splice(0..0, request.search_path.iter().cloned());
    let mut out = Vec::new();
    let result = evaluate(&host, options, |nix| {
        nix.instantiate(&request, &mut out)
            .map_err(|fault| nix.report(fault))
    });
    let mut stdout = std::io::stdout();
    match result.map(|result| (stdout.write_all(&out), result)) {
        Ok((Ok(()), Ok(()))) => ExitCode::SUCCESS,
        Ok((_, Err(error))) => {
            eprintln!("{}", error.render(RenderOptions::default()));
            ExitCode::FAILURE
        }
        Ok((Err(error), _)) | Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

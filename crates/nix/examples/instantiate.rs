//! `nix-instantiate` on the real file system, for experiments and comparisons; `--memory` says how
//! much the values took.

use std::io::{Read, Write};

use snowglobe_nix::instantiate::{Input, Request};
use snowglobe_nix::{LocalHost, Options, RenderOptions, evaluate};

fn main() {
    let mut host = LocalHost::from_env();
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let memory = words
        .iter()
        .position(|word| word == "--memory")
        .map(|at| words.remove(at))
        .is_some();
    let directory = std::env::current_dir().expect("there is a current directory");
    let mut options = Options {
        base_path: directory.display().to_string(),
        ..Options::default()
    };
    let mut request = Request::parse_args(words, &mut options).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        std::process::exit(2)
    });
    for input in &mut request.inputs {
        if *input == Input::File("-".to_owned()) {
            let mut text = Vec::new();
            std::io::stdin()
                .read_to_end(&mut text)
                .expect("standard input can be read");
            *input = Input::Text(
                String::from_utf8_lossy(&text).into_owned(),
                "«stdin»".to_owned(),
            );
        }
    }
    host.search_path
        .splice(0..0, request.search_path.iter().cloned());
    let result = evaluate(&host, options, |nix| {
        let result = nix.instantiate(&request).map_err(|fault| nix.report(fault));
        if memory {
            eprintln!("{} MiB of values", nix.memory() >> 20);
        }
        result
    })
    .expect("a thread can be started");
    match result {
        Ok(out) => std::io::stdout().write_all(&out).unwrap_or_default(),
        Err(error) => {
            eprint!(
                "{}",
                error.render(RenderOptions {
                    full_trace: request.show_trace,
                    ..RenderOptions::default()
                })
            );
            std::process::exit(1);
        }
    }
}

//! A small `nix-instantiate` on the real file system, for experiments and comparisons:
//! `instantiate [--eval] [--strict] [--json|--xml|--raw] [-E] [-A PATH] [--arg N E] [--argstr N V] [-I P] [--parse] FILE|EXPR`.

use std::io::{Read, Write};

use snowglobe_nix::{
    Fault, LocalHost, Options, Origin, RenderOptions, SearchPathEntry, Value, evaluate,
};

#[derive(Default)]
struct Args {
    eval: bool,
    strict: bool,
    json: bool,
    xml: bool,
    raw: bool,
    no_location: bool,
    parse: bool,
    expression: bool,
    show_trace: bool,
    memory: bool,
    attrs: Vec<String>,
    args: Vec<(String, String, bool)>,
    inputs: Vec<String>,
}

fn main() {
    let mut host = LocalHost::from_env();
    let mut options = Options {
        base_path: std::env::current_dir().unwrap().display().to_string(),
        ..Options::default()
    };
    let mut args = Args::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap_or_default();
        match word.as_str() {
            "--eval" => args.eval = true,
            "--strict" => args.strict = true,
            "--json" => args.json = true,
            "--xml" => args.xml = true,
            "--raw" => args.raw = true,
            "--no-location" => args.no_location = true,
            "--parse" => args.parse = true,
            "-E" | "--expr" => args.expression = true,
            "--show-trace" => args.show_trace = true,
            "--memory" => args.memory = true,
            "--trace-verbose" => options.trace_verbose = true,
            "--abort-on-warn" => options.abort_on_warn = true,
            "--extra-experimental-features" => {
                let feature = next();
                options.pipe_operators |= feature.contains("pipe-operators");
                options.toml_timestamps |= feature.contains("parse-toml-timestamps");
            }
            "-A" | "--attr" => args.attrs.push(next()),
            "--arg" => args.args.push((next(), next(), false)),
            "--argstr" => args.args.push((next(), next(), true)),
            "-I" => host.search_path.insert(0, SearchPathEntry::parse(&next())),
            _ => args.inputs.push(word),
        }
    }
    let result = evaluate(&host, options, |nix| {
        let run = || -> Result<Vec<u8>, Fault> {
            let mut out = Vec::new();
            let mut given = Vec::new();
            for (name, text, is_text) in &args.args {
                let value = if *is_text {
                    nix.value_of(&snowglobe_nix::Data::Text(text.clone()))
                } else {
                    nix.expression(text, "«string»")?
                };
                given.push((name.clone(), value));
            }
            let given = nix.attrs_from(&given);
            for input in &args.inputs {
                let text = if input == "-" {
                    let mut text = Vec::new();
                    let _ = std::io::stdin().read_to_end(&mut text);
                    Some((text, "«stdin»"))
                } else if args.expression {
                    Some((input.clone().into_bytes(), "«string»"))
                } else {
                    None
                };
                if args.parse {
                    let (text, origin) = match text {
                        Some((text, name)) => (text, Origin::Text(name.to_owned())),
                        None => (
                            std::fs::read(input).unwrap_or_default(),
                            Origin::File(input.clone()),
                        ),
                    };
                    nix.check(&text, origin)?;
                    continue;
                }
                let value = match text {
                    Some((text, name)) => nix.expression(&String::from_utf8_lossy(&text), name)?,
                    None => nix.file(input)?,
                };
                let paths = if args.attrs.is_empty() {
                    vec![String::new()]
                } else {
                    args.attrs.clone()
                };
                for path in paths {
                    let path: Vec<String> = path
                        .split('.')
                        .filter(|part| !part.is_empty())
                        .map(str::to_owned)
                        .collect();
                    let value = nix.select_path(value, &path, given)?;
                    if !args.eval {
                        if let Value::Attrs(attrs) = value
                            && let Some(path) = nix.attr(attrs, "drvPath")?
                        {
                            out.extend(nix.string(path)?.0);
                        }
                    } else if args.raw {
                        out.extend(nix.string(value)?.0);
                        continue;
                    } else if args.json {
                        out.extend(nix.json(value, false)?.0.into_bytes());
                    } else if args.xml {
                        out.extend(nix.xml(value, args.strict, !args.no_location)?);
                        continue;
                    } else {
                        out.extend(nix.print(value, args.strict)?);
                    }
                    out.push(b'\n');
                }
            }
            if args.memory {
                eprintln!("{} MiB of values", nix.memory() >> 20);
            }
            Ok(out)
        };
        run().map_err(|fault| nix.report(fault))
    })
    .expect("a thread");
    match result {
        Ok(out) => {
            let _ = std::io::stdout().write_all(&out);
        }
        Err(error) => {
            eprint!(
                "{}",
                error.render(RenderOptions {
                    full_trace: args.show_trace,
                    ..RenderOptions::default()
                })
            );
            std::process::exit(1);
        }
    }
}

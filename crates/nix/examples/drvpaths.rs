//! `drvpaths FILE`: the `drvPath` of every package attribute, one a line, for comparisons with
//! `nix-env -qaP --drv-path`. Attributes that do not evaluate are counted.

use snowglobe_nix::{Attrs, Evaluator, Fault, LocalHost, Options, Value, evaluate};

#[derive(Default)]
struct Count {
    good: usize,
    bad: usize,
}

fn walk<'a>(nix: &Evaluator<'a>, attrs: &Attrs<'a>, prefix: &str, count: &mut Count) {
    for name in nix.names(attrs) {
        let path = || -> Result<Option<String>, Fault> {
            let Some(Value::Attrs(package)) = nix.attr(attrs, &name)? else {
                return Ok(None);
            };
            if !nix.is_derivation(package)? {
                return Ok(None);
            }
            match nix.attr(package, "drvPath")? {
                Some(path) => Ok(Some(
                    String::from_utf8_lossy(&nix.string(path)?.0).into_owned(),
                )),
                None => Ok(None),
            }
        };
        match path() {
            Ok(Some(path)) => {
                println!("{prefix}{name} {path}");
                count.good += 1;
            }
            Ok(None) => {
                if let Ok(Some(Value::Attrs(inner))) = nix.attr(attrs, &name)
                    && let Ok(Some(Value::Bool(true))) = nix.attr(inner, "recurseForDerivations")
                {
                    walk(nix, inner, &format!("{prefix}{name}."), count);
                }
            }
            Err(fault) => {
                eprintln!("{prefix}{name}: {}", nix.report(fault));
                count.bad += 1;
            }
        }
    }
}

fn main() {
    let file = std::env::args().nth(1).expect("usage: drvpaths FILE");
    let host = LocalHost::from_env();
    let directory = std::env::current_dir().expect("there is a current directory");
    let options = Options {
        base_path: directory.display().to_string(),
        ..Options::default()
    };
    let count = evaluate(&host, options, |nix| {
        let none = nix.attrs_from(&[]);
        let mut count = Count::default();
        match nix.file(&file).and_then(|value| nix.auto_call(value, none)) {
            Ok(Value::Attrs(packages)) => walk(nix, packages, "", &mut count),
            Ok(_) => eprintln!("error: not a set of packages"),
            Err(fault) => eprint!("{}", nix.report(fault).render(Default::default())),
        }
        eprintln!("{} MiB of values", nix.memory() >> 20);
        count
    })
    .expect("a thread can be started");
    eprintln!(
        "{} derivations, {} attributes that do not evaluate",
        count.good, count.bad
    );
}

//! Builds by a process, with the environment that Nix gives to builders, in a sandbox.
//!
//! The contract is Nix's: an empty environment but for the derivation's attributes and a few fixed
//! names, the inputs (and nothing else) in `/nix/store`, an empty `/build` to work in, outputs at
//! the paths in `$out` and the like, no network unless the output's hash is fixed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fs_err as fs;
use sha2::Digest as _;
use snowglobe_plan::{Derivation, DerivationOutput, StorePath};
use snowglobe_sandbox::{Access, Network, Sandbox};

use crate::{Error, Realiser, reference_graph, references};

/// How processes build.
#[derive(Clone, Debug)]
pub struct Options {
    /// `NIX_BUILD_CORES`.
    pub cores: usize,
    /// A build that takes longer fails.
    pub time_limit: Duration,
    /// Where logs go, one file a derivation.
    pub logs: PathBuf,
    /// Keep the folder of a failed build.
    pub keep_failed: bool,
    /// So many builds at a time.
    pub jobs: usize,
    /// Asked again and again: whether to stop.
    pub stop: Stop,
}

/// Says whether builds should stop.
#[derive(Clone)]
pub struct Stop(Arc<dyn Fn() -> bool + Send + Sync>);

impl Stop {
    /// Asks a function.
    pub fn when(asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(asked))
    }

    /// Never stops.
    pub fn never() -> Self {
        Self::when(|| false)
    }

    pub(crate) fn wanted(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stop({})", self.wanted())
    }
}

/// How often a build looks whether it should stop.
const TICK: Duration = Duration::from_millis(100);

/// Lines of a failed build's log in its error.
const TAIL: usize = 25;

impl<'a> Realiser<'a> {
    /// Makes all outputs of a derivation by running its builder.
    pub(crate) fn make_by_process(
        &self,
        drv: &StorePath,
        derivation: &'a Derivation,
    ) -> Result<(), Error> {
        let name = &derivation.name;
        if derivation.system != "x86_64-linux" {
            return Err(Error::System {
                name: name.clone(),
                system: derivation.system.clone(),
            });
        }
        let roots = self.graph.inputs(derivation).into_iter().cloned().collect();
        let inputs = self.closure(&roots, &BTreeSet::new())?;
        let stage = self.store.stage()?;
        let build = stage.path().join("build");
        let store = stage.path().join("store");
        fs::create_dir(&build)?;
        fs::create_dir(&store)?;

        let mut sandbox = Sandbox::new(inputs.installed.layers());
        let fixed = derivation.outputs.values().any(|o| o.fixed.is_some());
        sandbox.network(if fixed { Network::Host } else { Network::None });
        sandbox.bind(&build, "/build", Access::ReadWrite);
        sandbox.bind(&store, "/nix/store", Access::ReadWrite);
        for input in &inputs.paths {
            self.show(&mut sandbox, &store, input)?;
        }
        let environment = self.environment(derivation, &build)?;
        let builder = rewrite(&derivation.builder, derivation);
        let mut command = sandbox.command(&builder);
        command.args(derivation.args.iter().map(|arg| rewrite(arg, derivation)));
        command.envs(environment).current_dir("/build");

        fs::create_dir_all(&self.options.logs)?;
        let log = self.options.logs.join(format!("{}.log", drv.base_name()));
        self.world.building(name, true);
        let status = run(command, &log, &self.options, name);
        self.world.building(name, false);
        let status = status?;
        if let Err(status) = status {
            let kept = self.options.keep_failed.then(|| stage.keep().join("build"));
            return Err(Error::Failed {
                name: name.clone(),
                status,
                tail: tail(&log)?,
                log,
                kept,
            });
        }
        for (output, made) in &derivation.outputs {
            let staged = store.join(made.path.base_name());
            if staged.symlink_metadata().is_err() {
                return Err(Error::NoOutput {
                    name: name.clone(),
                    output: output.clone(),
                });
            }
            check_fixed(derivation, made, &staged)?;
        }
        let outputs: BTreeSet<&StorePath> = derivation.outputs.values().map(|o| &o.path).collect();
        for made in derivation.outputs.values() {
            let staged = store.join(made.path.base_name());
            let candidates = inputs.paths.iter().chain(outputs.iter().copied());
            let references = references::scan(&staged, candidates)?;
            self.store.add(&made.path, &staged, references)?;
        }
        Ok(())
    }

    /// The builder's environment; writes the files that `passAsFile` and structured attributes ask for.
    fn environment(
        &self,
        derivation: &Derivation,
        build: &Path,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut env: BTreeMap<String, String> = BTreeMap::new();
        let fixed = [
            ("PATH", "/path-not-set"),
            ("HOME", "/homeless-shelter"),
            ("NIX_STORE", "/nix/store"),
            ("NIX_BUILD_TOP", "/build"),
            ("TMPDIR", "/build"),
            ("TEMPDIR", "/build"),
            ("TMP", "/build"),
            ("TEMP", "/build"),
            ("PWD", "/build"),
            ("TERM", "xterm-256color"),
            ("NIX_LOG_FD", "2"),
        ];
        env.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.insert("NIX_BUILD_CORES".to_owned(), self.options.cores.to_string());
        if let Some(json) = derivation.env.get("__json") {
            let mut attributes: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&rewrite(json, derivation)).map_err(io::Error::from)?;
            reference_graph::expand(derivation, self.store, &mut attributes)?;
            // The outputs' paths are an attribute of their own for the builder, by name.
            let outputs = derivation.outputs.iter();
            let outputs = outputs.map(|(name, output)| (name.clone(), output.path.as_str().into()));
            attributes.insert(
                "outputs".to_owned(),
                serde_json::Value::Object(outputs.collect()),
            );
            let text = serde_json::to_vec(&attributes).map_err(io::Error::from)?;
            fs::write(build.join(".attrs.json"), text)?;
            fs::write(
                build.join(".attrs.sh"),
                shell_attributes(&attributes, derivation),
            )?;
            env.insert(
                "NIX_ATTRS_JSON_FILE".to_owned(),
                "/build/.attrs.json".to_owned(),
            );
            env.insert(
                "NIX_ATTRS_SH_FILE".to_owned(),
                "/build/.attrs.sh".to_owned(),
            );
            return Ok(env);
        }
        reference_graph::write_files(derivation, self.store, build)?;
        let as_files: BTreeSet<&str> = derivation
            .env
            .get("passAsFile")
            .map_or("", String::as_str)
            .split_whitespace()
            .collect();
        for (name, value) in &derivation.env {
            let value = rewrite(value, derivation);
            if as_files.contains(name.as_str()) {
                let file = format!(".attr-{}", base32(&sha2::Sha256::digest(name)));
                fs::write(build.join(&file), value)?;
                env.insert(format!("{name}Path"), format!("/build/{file}"));
            } else {
                env.insert(name.clone(), value);
            }
        }
        Ok(env)
    }

    /// Lets a build see one store object at its real path.
    fn show(&self, sandbox: &mut Sandbox, store: &Path, path: &StorePath) -> Result<(), Error> {
        let object = self.store.object(path);
        let place = store.join(path.base_name());
        let data = fs::symlink_metadata(&object)?;
        if data.is_symlink() {
            symlink(fs::read_link(&object)?, &place)?;
            return Ok(());
        }
        if data.is_dir() {
            fs::create_dir(&place)?;
        } else {
            fs::write(&place, "")?;
        }
        sandbox.bind(&object, path.as_str(), Access::ReadOnly);
        Ok(())
    }
}

/// Runs the builder with its output in `log`; the inner error is its status in words.
fn run(
    mut command: snowglobe_sandbox::Command,
    log: &Path,
    options: &Options,
    name: &str,
) -> Result<Result<(), String>, Error> {
    let world = |source: snowglobe_sandbox::Error| Error::World {
        what: format!("the sandbox of '{name}' failed"),
        source: source.into(),
    };
    let file = fs::File::create(log)?;
    command.stdout(file.file().try_clone()?);
    command.stderr(file.into_file());
    let mut child = command.spawn().map_err(world)?;
    let limit = options.time_limit;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.wait_timeout(TICK).map_err(world)? {
            break status;
        }
        if options.stop.wanted() {
            child.kill();
            return Err(Error::Stopped {
                name: name.to_owned(),
            });
        }
        if start.elapsed() > limit {
            child.kill();
            return Ok(Err(format!("no end after {} s", limit.as_secs())));
        }
    };
    Ok(if status.success() {
        Ok(())
    } else {
        Err(status.to_string())
    })
}

/// Structured attributes as bash variables: what has a form in bash.
fn shell_attributes(
    attributes: &serde_json::Map<String, serde_json::Value>,
    derivation: &Derivation,
) -> String {
    use serde_json::Value;
    let quote = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let simple = |value: &Value| match value {
        Value::String(text) => Some(quote(text)),
        Value::Number(number) if number.is_i64() => Some(number.to_string()),
        Value::Bool(true) => Some("1".to_owned()),
        Value::Bool(false) | Value::Null => Some(String::new()),
        _ => None,
    };
    let name_ok = |name: &str| {
        name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut text = String::new();
    let mut outputs = String::new();
    for (name, output) in &derivation.outputs {
        outputs.push_str(&format!(
            "[{}]={} ",
            quote(name),
            quote(output.path.as_str())
        ));
    }
    text.push_str(&format!("declare -A outputs=({outputs})\n"));
    for (name, value) in attributes {
        if !name_ok(name) || name == "outputs" {
            continue;
        }
        match value {
            Value::Array(items) => {
                if let Some(items) = items.iter().map(&simple).collect::<Option<Vec<_>>>() {
                    text.push_str(&format!("declare -a {name}=({})\n", items.join(" ")));
                }
            }
            Value::Object(items) => {
                let items: Option<Vec<_>> = items
                    .iter()
                    .map(|(key, item)| Some(format!("[{}]={}", quote(key), simple(item)?)))
                    .collect();
                if let Some(items) = items {
                    text.push_str(&format!("declare -A {name}=({})\n", items.join(" ")));
                }
            }
            other => {
                if let Some(item) = simple(other) {
                    text.push_str(&format!("declare {name}={item}\n"));
                }
            }
        }
    }
    text
}

/// Replaces what `builtins.placeholder` left by the outputs' paths.
fn rewrite(text: &str, derivation: &Derivation) -> String {
    let mut text = text.to_owned();
    for (name, output) in &derivation.outputs {
        let placeholder = format!(
            "/{}",
            base32(&sha2::Sha256::digest(format!("nix-output:{name}")))
        );
        if text.contains(&placeholder) {
            text = text.replace(&placeholder, output.path.as_str());
        }
    }
    text
}

/// Nix's base 32: the digits of the number, least significant byte first.
pub(crate) fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
    let length = (bytes.len() * 8).div_ceil(5);
    let digit = |n: usize| {
        let (byte, shift) = (n * 5 / 8, n * 5 % 8);
        let high = bytes.get(byte + 1).map_or(0, |next| u16::from(*next) << 8);
        ((u16::from(bytes[byte]) | high) >> shift) & 31
    };
    (0..length)
        .rev()
        .map(|n| char::from(DIGITS[usize::from(digit(n))]))
        .collect()
}

/// Compares a fixed output with its hash; outputs that are not fixed pass.
pub(crate) fn check_fixed(
    derivation: &Derivation,
    output: &DerivationOutput,
    staged: &Path,
) -> Result<(), Error> {
    let Some(fixed) = &output.fixed else {
        return Ok(());
    };
    let mut bytes = Vec::new();
    if fixed.recursive {
        nar(staged, &mut bytes)?;
    } else {
        fs::File::open(staged)?.read_to_end(&mut bytes)?;
    }
    let hex = |digest: &[u8]| data_encoding::HEXLOWER.encode(digest);
    let found = match fixed.algorithm.as_str() {
        "md5" => hex(&md5::Md5::digest(&bytes)),
        "sha1" => hex(&sha1::Sha1::digest(&bytes)),
        "sha256" => hex(&sha2::Sha256::digest(&bytes)),
        "sha512" => hex(&sha2::Sha512::digest(&bytes)),
        "blake3" => blake3::hash(&bytes).to_hex().to_string(),
        other => format!("unknown algorithm {other}"),
    };
    if found == fixed.hash {
        return Ok(());
    }
    Err(Error::HashMismatch {
        name: derivation.name.clone(),
        expected: format!("{}:{}", fixed.algorithm, fixed.hash),
        found: format!("{}:{found}", fixed.algorithm),
    })
}

/// A tree in Nix's archive format: length-prefixed strings, each padded to eight bytes.
pub(crate) fn nar(path: &Path, to: &mut Vec<u8>) -> io::Result<()> {
    put(to, b"nix-archive-1");
    nar_node(path, to)
}

fn nar_node(path: &Path, to: &mut Vec<u8>) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let data = fs::symlink_metadata(path)?;
    put(to, b"(");
    put(to, b"type");
    if data.is_symlink() {
        put(to, b"symlink");
        put(to, b"target");
        put(to, fs::read_link(path)?.as_os_str().as_bytes());
    } else if data.is_dir() {
        put(to, b"directory");
        let mut names: Vec<_> = fs::read_dir(path)?
            .map(|e| e.map(|e| e.file_name()))
            .collect::<Result<_, _>>()?;
        names.sort();
        for name in names {
            for text in [&b"entry"[..], b"(", b"name", name.as_bytes(), b"node"] {
                put(to, text);
            }
            nar_node(&path.join(&name), to)?;
            put(to, b")");
        }
    } else {
        put(to, b"regular");
        if snowglobe_store::is_executable(data.permissions().mode()) {
            put(to, b"executable");
            put(to, b"");
        }
        put(to, b"contents");
        put(to, &fs::read(path)?);
    }
    put(to, b")");
    Ok(())
}

fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u64).to_le_bytes());
    to.extend(bytes);
    to.resize(to.len().next_multiple_of(8), 0);
}

/// The last lines of a log, indented.
fn tail(log: &Path) -> io::Result<String> {
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL)..];
    Ok(last
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_nix_s() {
        // nix-hash --type sha256 --to-base32 of the empty string's digest.
        let empty = sha2::Sha256::digest(b"");
        assert_eq!(
            base32(&empty),
            "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
        );
    }

    #[test]
    fn nar_hashes_are_nix_s() {
        // nix-hash --type sha256 of a file holding "hello\n".
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "hello\n").unwrap();
        let mut bytes = Vec::new();
        nar(&file, &mut bytes).unwrap();
        assert_eq!(
            data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&bytes)),
            "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13"
        );
    }
}

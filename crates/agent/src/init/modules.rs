//! Kernel modules.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::Errno;
use rustix::system::finit_module;

use super::{Result, failed, run_program, say};

/// Loads the initrd's modules, in the order of the list. Those that fail are tried again after the
/// others: some need one that their dependencies do not name (libcrc32c its algorithm).
pub fn load_of_initrd() -> Result {
    const LIST: &str = "/etc/modules.load";
    let list = match fs::read_to_string(LIST) {
        Ok(list) => list,
        // A kernel with everything built in.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(format_args!("read {LIST}"))(error)),
    };
    let lines = list.lines().map(str::trim);
    let mut left: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    loop {
        let mut failures = Vec::new();
        for path in &left {
            let module = File::open(path).map_err(failed(format_args!("open {path}")))?;
            match finit_module(&module, c"", 0) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => failures.push((*path, error)),
            }
        }
        if failures.len() == left.len() {
            for (path, error) in failures {
                // It may be for hardware that is not there; what is needed is missed later, by name.
                say(&format!("cannot load {path}: {error}"));
            }
            return Ok(());
        }
        left = failures.into_iter().map(|(path, _)| path).collect();
    }
}

/// Loads modules of the machine's own root with what they need: by system calls where that is all there
/// is to it, since a `modprobe` costs as much as a hundred of them; else by `modprobe`, which knows
/// aliases and options.
pub fn load(names: &[String]) -> Result {
    let wanted = names
        .iter()
        .map(|name| plain(name))
        .filter(|name| !is_loaded(name));
    let wanted: Vec<String> = wanted.collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let directory = Path::new("/usr/lib/modules").join(release);
    let read = |file: &str| fs::read_to_string(directory.join(file)).unwrap_or_default();
    let dependencies = Dependencies::parse(&read("modules.dep"), &wanted);
    let builtin = read("modules.builtin");
    let options = options();
    let mut left = Vec::new();
    for name in wanted {
        let words = |text: &str| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == name)
        };
        let simple = dependencies.0.get(&name).filter(|_| !words(&options));
        match simple {
            Some(paths) if paths.iter().all(|path| insert(&directory.join(path))) => {}
            None if builtin.lines().any(|line| module_name(line) == name) => {}
            _ => left.push(name),
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("/usr/sbin/modprobe");
    run_program("modules", command.arg("--all").arg("--quiet").args(left))
}

/// Loads one module whose dependencies are there.
fn insert(path: &Path) -> bool {
    /// `MODULE_INIT_COMPRESSED_FILE`: the kernel unpacks it.
    const COMPRESSED: i32 = 4;
    let name = module_name(&path.to_string_lossy());
    if is_loaded(&name) {
        return true;
    }
    let Ok(file) = File::open(path) else {
        return false;
    };
    let flags = if path.extension().is_some_and(|extension| extension != "ko") {
        COMPRESSED
    } else {
        0
    };
    matches!(finit_module(&file, c"", flags), Ok(()) | Err(Errno::EXIST))
}

/// What the administrator says about modules, as far as it could concern those that are loaded here:
/// dashes are underscores.
fn options() -> String {
    let mut text = String::new();
    for place in [
        "/etc/modprobe.d",
        "/run/modprobe.d",
        "/usr/lib/modprobe.d",
        "/lib/modprobe.d",
    ] {
        for file in fs::read_dir(place).into_iter().flatten().flatten() {
            let lines = fs::read_to_string(file.path()).unwrap_or_default();
            // A blacklist is about what devices ask for.
            for line in lines
                .lines()
                .filter(|line| !line.trim_start().starts_with(['#', 'b']))
            {
                text += &plain(line);
                text.push('\n');
            }
        }
    }
    text
}

/// Paths of modules in the order of loading, by the name of the last.
struct Dependencies(BTreeMap<String, Vec<PathBuf>>);

impl Dependencies {
    /// Reads those that are wanted from `modules.dep`, which lists what to load last first.
    fn parse(text: &str, wanted: &[String]) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let of = |(path, needs): (&str, &str)| {
            let name = module_name(path);
            let order = || {
                needs
                    .split_whitespace()
                    .rev()
                    .chain([path])
                    .map(PathBuf::from)
                    .collect()
            };
            wanted.contains(&name).then(|| (name, order()))
        };
        Self(lines.filter_map(of).collect())
    }
}

fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    plain(file.split('.').next().unwrap_or(file))
}

fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn is_loaded(name: &str) -> bool {
    Path::new("/sys/module").join(name).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_first() {
        let text = "kernel/fs/fuse/fuse.ko.xz:\nkernel/net/nf-tables.ko.xz: kernel/net/b.ko.xz kernel/net/a.ko.xz\n";
        let dependencies = Dependencies::parse(text, &["nf_tables".to_owned(), "none".to_owned()]);
        let order: Vec<PathBuf> = [
            "kernel/net/a.ko.xz",
            "kernel/net/b.ko.xz",
            "kernel/net/nf-tables.ko.xz",
        ]
        .map(PathBuf::from)
        .to_vec();
        assert_eq!(dependencies.0.len(), 1);
        assert_eq!(dependencies.0["nf_tables"], order);
    }
}

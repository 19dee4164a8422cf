//! `snowglobe doctor`.

use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use snowglobe_machines::{Accelerator, ProbeInput, Request, choose};
use snowglobe_report::Paint;
use snowglobe_sandbox::{Ids, Sandbox};

use crate::error::{Kind, Result, chain};
use crate::places::Places;
use crate::prepare::Factory;
use crate::progress::Reporter;
use crate::workshop::Workshop;

/// `doctor`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  snowglobe doctor\n  snowglobe doctor --json | jq -r 'select(.health != \"good\") | .hint'\n\nExit status: 0 if tests can run here, 3 if not."
)]
pub struct Doctor {
    /// Print JSON, one finding a line
    #[arg(long)]
    pub json: bool,
    /// Do not use the network
    #[arg(long)]
    pub offline: bool,
}

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Good,
    /// Tests run, but slower or not all of them.
    Lacking,
    /// No test runs.
    Broken,
}

/// Something that was looked at.
struct Finding {
    what: &'static str,
    health: Health,
    words: String,
    hint: Option<String>,
}

fn good(what: &'static str, words: impl Into<String>) -> Finding {
    Finding {
        what,
        health: Health::Good,
        words: words.into(),
        hint: None,
    }
}

fn lacking(what: &'static str, words: impl Into<String>, hint: &str) -> Finding {
    Finding {
        health: Health::Lacking,
        hint: Some(hint.to_owned()),
        ..good(what, words)
    }
}

fn broken(what: &'static str, words: impl Into<String>, hint: &str) -> Finding {
    Finding {
        health: Health::Broken,
        ..lacking(what, words, hint)
    }
}

/// Looks at the host.
pub fn run(command: &Doctor) -> Result {
    let places = Places::from_environment()?;
    let mut findings = vec![processors(), memory()];
    findings.extend(namespaces());
    findings.push(sandbox());
    findings.push(kvm());
    findings.push(room("cache", &places.cache, 8 << 30));
    findings.push(room("runs", &places.state, 1 << 30));
    if !command.offline {
        findings.extend(registries(&places));
    }
    let mut out = std::io::stdout().lock();
    let paint = Paint::for_stdout();
    for finding in &findings {
        if command.json {
            let line = serde_json::json!({
                "what": finding.what,
                "health": match finding.health {
                    Health::Good => "good",
                    Health::Lacking => "lacking",
                    Health::Broken => "broken",
                },
                "words": finding.words,
                "hint": finding.hint,
            });
            writeln!(out, "{line}")?;
            continue;
        }
        let mark = match finding.health {
            Health::Good => paint.good("✓"),
            Health::Lacking => paint.warn("!"),
            Health::Broken => paint.bad("✗"),
        };
        writeln!(out, "{mark} {:12} {}", finding.what, finding.words)?;
        if let Some(hint) = &finding.hint {
            writeln!(out, "  {:12} {} {hint}", "", paint.good("hint:"))?;
        }
    }
    let usable = findings
        .iter()
        .all(|finding| finding.health != Health::Broken);
    if !command.json {
        let verdict = if usable {
            "tests can run here"
        } else {
            "tests cannot run here yet"
        };
        writeln!(out, "{verdict}")?;
    }
    Ok(if usable {
        Kind::Passed
    } else {
        Kind::Environment
    })
}

fn processors() -> Finding {
    let name = rustix::system::uname();
    let machine = name.machine().to_string_lossy().into_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let words = format!(
        "{cores} × {machine}, Linux {}",
        name.release().to_string_lossy()
    );
    if machine != "x86_64" {
        return broken("processor", words, "Snowglobe runs on x86_64 only");
    }
    good("processor", words)
}

fn memory() -> Finding {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib >> 10)
    };
    let (Some(all), Some(free)) = (mib("MemTotal:"), mib("MemAvailable:")) else {
        return lacking("memory", "unknown", "/proc/meminfo cannot be read");
    };
    let words = format!("{free} MiB of {all} MiB available");
    if free < 1536 {
        return lacking(
            "memory",
            words,
            "a machine takes 1024 MiB unless its `virtualisation.memorySize` says otherwise",
        );
    }
    good("memory", words)
}

/// What the kernel lets ordinary users do.
fn namespaces() -> Vec<Finding> {
    let number = |path: &str| -> Option<u64> {
        let text = std::fs::read_to_string(path).ok()?;
        text.trim().parse().ok()
    };
    let mut findings = Vec::new();
    if number("/proc/sys/user/max_user_namespaces") == Some(0) {
        findings.push(broken(
            "namespaces",
            "user namespaces are switched off",
            "as root: sysctl user.max_user_namespaces=15000",
        ));
    }
    if rustix::process::geteuid().is_root() {
        return findings;
    }
    if number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        findings.push(broken(
            "namespaces",
            "ordinary users may not make user namespaces",
            "as root: sysctl kernel.unprivileged_userns_clone=1",
        ));
    }
    if number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        findings.push(lacking(
            "namespaces",
            "AppArmor restricts the user namespaces of ordinary users, as Ubuntu does since 24.04",
            "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give snowglobe an AppArmor profile with `userns,`",
        ));
    }
    findings
}

/// Runs a program as every build does.
fn sandbox() -> Finding {
    let tried = || -> std::result::Result<(), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let program = folder.path().join("program");
        std::fs::write(&program, snowglobe_agent_binary::AGENT)
            .map_err(|error| error.to_string())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).map_err(|error| error.to_string())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), mode).map_err(|error| error.to_string())?;
        let mut sandbox = Sandbox::new([folder.path()]);
        sandbox.ids(Ids::Range);
        // That it starts is all that is asked: it finds no machine around it and ends.
        let mut child = sandbox
            .command("/program")
            .arg("--help")
            .spawn()
            .map_err(|error| chain(&error))?;
        child.kill();
        Ok(())
    };
    match tried() {
        Ok(()) => good("sandbox", "programs run in namespaces of their own"),
        Err(error) => {
            let (words, hint) = error.split_once("hint: ").unwrap_or((
                &error,
                "run as root, or in a container that allows user namespaces (docker run --privileged)",
            ));
            broken("sandbox", words.trim(), hint.trim())
        }
    }
}

fn kvm() -> Finding {
    const WHAT: &str = "KVM";
    const SLOWER: &str = "machines are emulated: everything works, but slower";
    if !Path::new("/dev/kvm").exists() {
        return lacking(WHAT, "the host has no /dev/kvm", SLOWER);
    }
    let all = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    if rustix::fs::access("/dev/kvm", all).is_err() {
        return lacking(
            WHAT,
            "you may not open /dev/kvm, so machines are emulated",
            "as root: `usermod --append --groups kvm USER`, then log in again",
        );
    }
    // Whether it works is tried with what the first run downloads.
    let tried = || -> Result<(Accelerator, String)> {
        let reporter = Arc::new(Reporter::default());
        let workshop = Workshop::open(true, reporter.clone())?;
        let factory = Factory::new(&workshop, "", reporter)?;
        let tools = factory.tools(false)?;
        let tools = snowglobe_machines::Tools::from_environment(tools.layers().to_vec());
        let kernel = factory.images().kernel();
        let kernel = kernel.map_err(crate::prepare::image_error)?;
        let input = ProbeInput {
            tools: &tools,
            kernel: &kernel,
            cache: &workshop.places.cache,
        };
        let choice = choose(Request::Auto, &input)
            .map_err(|error| crate::error::CliError::environment(chain(&error)))?;
        Ok((choice.accelerator, choice.reason))
    };
    match tried() {
        Ok((Accelerator::Kvm, reason)) => good(WHAT, reason),
        Ok((Accelerator::Tcg, reason)) => lacking(WHAT, reason, SLOWER),
        Err(_) => good(
            WHAT,
            "/dev/kvm exists; the first run tries whether it works",
        ),
    }
}

fn room(what: &'static str, path: &Path, wanted: u64) -> Finding {
    // What does not exist yet will be made on the file system of its nearest parent.
    let nearest = path.ancestors().find(|path| path.exists());
    let nearest: PathBuf = nearest.unwrap_or(Path::new("/")).to_owned();
    let free = match rustix::fs::statvfs(&nearest) {
        Ok(system) => system.f_bavail * system.f_frsize,
        Err(error) => {
            return broken(
                what,
                format!("{}: {error}", path.display()),
                "SNOWGLOBE_CACHE and SNOWGLOBE_STATE choose other folders",
            );
        }
    };
    let words = format!(
        "{}: {:.1} GiB free",
        path.display(),
        free as f64 / f64::from(1 << 30)
    );
    if rustix::fs::access(&nearest, rustix::fs::Access::WRITE_OK).is_err() {
        return broken(
            what,
            format!("{}: you may not write there", nearest.display()),
            "SNOWGLOBE_CACHE and SNOWGLOBE_STATE choose other folders",
        );
    }
    if free < wanted {
        return lacking(
            what,
            words,
            "`snowglobe cache gc` and `snowglobe runs gc` make room; SNOWGLOBE_CACHE and SNOWGLOBE_STATE choose other disks",
        );
    }
    good(what, words)
}

/// How long a registry is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

fn registries(places: &Places) -> Vec<Finding> {
    let proxied = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    if let Some(proxy) = proxied {
        return vec![match reach(&authority(&proxy, 3128)) {
            Ok(()) => good("network", format!("the proxy {proxy} answers")),
            Err(error) => broken(
                "network",
                format!("the proxy {proxy}: {error}"),
                "HTTP_PROXY and HTTPS_PROXY name it",
            ),
        }];
    }
    let mirror = std::env::var("SNOWGLOBE_MIRROR").ok();
    let debian = mirror.unwrap_or_else(|| "http://deb.debian.org/debian".to_owned());
    let all = [
        (debian.as_str(), "the packages of all machines"),
        ("https://registry.npmjs.org", "packages of Node.js"),
        ("https://pypi.org", "packages of Python"),
    ];
    let have = places.cache.join("archive").exists();
    let tries = std::thread::scope(|scope| {
        let tries = all.map(|(url, _)| scope.spawn(move || reach(&authority(url, 80))));
        tries.map(|one| one.join().unwrap_or_else(|_| Err("failed".to_owned())))
    });
    let mut findings = Vec::new();
    for ((url, what), tried) in all.iter().zip(tries) {
        findings.push(match tried {
            Ok(()) => good("network", format!("{url} can be reached ({what})")),
            Err(error) => {
                let words = format!("{url}: {error} ({what})");
                let hint = "SNOWGLOBE_MIRROR names another mirror; HTTP_PROXY is used";
                // What is in the cache needs no network.
                if *what == "the packages of all machines" && !have {
                    broken("network", words, hint)
                } else {
                    lacking("network", words, hint)
                }
            }
        });
    }
    findings
}

/// Host and port of an address.
fn authority(url: &str, port: u16) -> String {
    let port = if url.starts_with("https:") { 443 } else { port };
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    let host = host.rsplit('@').next().unwrap_or(host);
    let numbered = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if numbered {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

fn reach(authority: &str) -> std::result::Result<(), String> {
    let addresses = authority
        .to_socket_addrs()
        .map_err(|error| error.to_string())?;
    let mut last = "it has no address".to_owned();
    for address in addresses.take(3) {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn addresses_have_hosts_and_ports() {
        for (url, expect) in [
            ("http://deb.debian.org/debian", "deb.debian.org:80"),
            ("https://pypi.org", "pypi.org:443"),
            ("http://user:word@proxy:8080/", "proxy:8080"),
            ("proxy.local", "proxy.local:80"),
        ] {
            assert_eq!(authority(url, 80), expect);
        }
    }
}

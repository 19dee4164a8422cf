//! Package layers: what a test's packages add to the base.
//!
//! apt decides which packages that means and in which order they are configured; it sees a small
//! archive made of the part of Debian that the wanted packages can need, and has no network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use snowglobe_archive::Package;
use snowglobe_sandbox::{Access, Sandbox};

use crate::base::{OWNERS, install_sandbox, write_policy};
use crate::cache::{Bucket, key};
use crate::owners::Renumbering;
use crate::tools::make_directory;
use crate::{BaseTree, Error, Images, Result};

/// Where a layer keeps those files of `/etc` that must not lie there, because what is in `/etc` is
/// for the configuration to say. Views link to them.
pub const ETC_ASIDE: &str = "/usr/share/snowglobe/etc";

/// Entries of `/etc` that layers keep in place: data that programs read however they are
/// configured.
pub(crate) const ETC_KEPT: &[&str] = &[
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ssl",
    "ca-certificates",
    "ca-certificates.conf",
    "fonts",
    "X11",
    "dbus-1",
    "security",
    "gss",
    "ethertypes",
    "protocols",
    "services",
    "rpc",
    "netconfig",
    "mke2fs.conf",
    "terminfo",
    "mime.types",
    "magic",
    "magic.mime",
    "perl",
    "python3",
    "python3.13",
    "xdg",
    "gtk-2.0",
    "gtk-3.0",
    "gtk-4.0",
    "ImageMagick-7",
    "java-17-openjdk",
    "java-21-openjdk",
    "java-25-openjdk",
    ".java",
    "vulkan",
    "OpenCL",
    "glvnd",
    "postgresql-common",
    "sgml",
    "xml",
    "emacs",
    "groff",
    "texmf",
    "R",
    "alsa",
    "ghc",
    "erlang",
    "iproute2",
    "lynx",
    "vim",
    "debian_version",
    "protobuf",
    "gnome",
    "gdk-pixbuf-2.0",
    "pango",
    "binfmt.d",
    "lvm",
    "firefox-esr",
    "firefox",
    "chromium",
    "chromium.d",
    "libreoffice",
    "maven",
    "ant",
    "ruby",
    "lighttpd-mime",
    "mono",
    "openal",
    "pkcs11",
    "cupshelpers",
    "sane.d",
    "selinux",
];

const SOLVE_LIMIT: Duration = Duration::from_secs(120);
const INSTALL_LIMIT: Duration = Duration::from_secs(1800);
/// Changes when the recipe does.
const RECIPE: &str = "packages 2";
const PRUNE: &str = include_str!("../scripts/prune.pl");
const IMAGE: &str = "image.erofs";
/// Where apt sees the archive inside.
const REPOSITORY: &str = "/mnt/work/repository";
/// Options of every call of apt.
const APT: &str = "-y -qq -o APT::Install-Recommends=false -o APT::Sandbox::User=root \
    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io \
    -o Dir::Etc::sourcelist=/mnt/work/sources.list -o Dir::Etc::sourceparts=/dev/null \
    -o Acquire::Languages=none -o APT::Update::Post-Invoke-Success::= -o Dir::Cache::srcpkgcache= \
    -o Dir::Cache::pkgcache=";

/// The base as a layer of machines.
#[derive(Clone, Debug)]
pub struct BaseImage {
    /// The unpacked file system, for sandboxes.
    pub tree: PathBuf,
    /// The image, for machines.
    pub image: PathBuf,
    /// Changes when the content does.
    pub key: String,
    lists: PathBuf,
}

/// What some packages add to the base.
#[derive(Clone, Debug)]
pub struct PackageLayer {
    /// The unpacked layer, to be stacked on the base in sandboxes.
    pub tree: PathBuf,
    /// Changes when the content does.
    pub key: String,
    lists: PathBuf,
    base_lists: PathBuf,
}

impl BaseImage {
    /// Paths of a package's files and directories in a machine; `None` if the base has no such
    /// package.
    pub fn files(&self, package: &str) -> Result<Option<Vec<PathBuf>>> {
        read_list(&self.lists, package)
    }

    /// Names of its packages.
    pub fn packages(&self) -> Result<BTreeSet<String>> {
        names(&self.lists)
    }
}

impl PackageLayer {
    /// Paths of a package's files and directories in a machine, whether the package is in this layer
    /// or in the base; `None` if it is in neither. Files of `/etc` are listed where they are:
    /// in place, or below [`ETC_ASIDE`].
    pub fn files(&self, package: &str) -> Result<Option<Vec<PathBuf>>> {
        match read_list(&self.lists, package)? {
            None => read_list(&self.base_lists, package),
            found => Ok(found),
        }
    }

    /// Names of its packages, without those of the base.
    pub fn packages(&self) -> Result<BTreeSet<String>> {
        names(&self.lists)
    }
}

impl Images {
    /// The base as tree and image.
    pub fn base(&self) -> Result<BaseImage> {
        // The tools are needed for the image; they arrive while the base is made.
        let (base, tools) = std::thread::scope(|scope| {
            let tools = scope.spawn(|| self.tools(&[]));
            let base = self.base_tree();
            (
                base,
                tools
                    .join()
                    .unwrap_or_else(|p| std::panic::resume_unwind(p)),
            )
        });
        let (base, tools) = (base?, tools?);
        let parts = [(base.part("etc"), "etc"), (base.part("var"), "var")];
        let image = self.image(&base.key, IMAGE, "write the image of the base", |entry| {
            self.write_erofs(&tools, &base.tree(), &parts, entry)
        })?;
        Ok(BaseImage {
            tree: base.tree(),
            image,
            lists: base.lists(),
            key: base.key,
        })
    }

    /// The layer of some Debian packages over the base, with everything that they depend on. apt's
    /// recommendations are not followed.
    pub fn packages(&self, names: &BTreeSet<String>) -> Result<PackageLayer> {
        // Unknown names are reported before anything is done.
        for name in names {
            self.snapshot().require(name)?;
        }
        let (base, key, entry) = std::thread::scope(|scope| {
            // The tools, and what must be downloaded most likely, come while the base is made.
            let tools = scope.spawn(|| self.tools(&[]));
            if !self.has_base()? {
                scope.spawn(|| self.prefetch(names));
            }
            let base = self.base_tree()?;
            // What the base has makes no difference, so that more tests share a layer.
            let present = crate::packages::names(&base.lists())?;
            let names: &BTreeSet<String> = &names.difference(&present).cloned().collect();
            let mut parts = vec![RECIPE, PRUNE, OWNERS, self.snapshot().id(), &base.key];
            parts.extend(ETC_KEPT);
            parts.extend(names.iter().map(String::as_str));
            let key = key("packages", &parts);
            let entry = self.make_intact(Bucket::Trees, &key, "install packages", |entry| {
                self.install(&base, names, entry)
            })?;
            tools
                .join()
                .unwrap_or_else(|p| std::panic::resume_unwind(p))?;
            Ok::<_, Error>((base, key, entry))
        })?;
        Ok(PackageLayer {
            lists: entry.join("lists"),
            base_lists: base.lists(),
            tree: entry.join("tree"),
            key,
        })
    }

    /// The image of a layer, for machines.
    pub fn package_image(&self, layer: &PackageLayer) -> Result<PathBuf> {
        let tools = self.tools(&[])?;
        let step = "write the image of the packages";
        self.image(&layer.key, IMAGE, step, |entry| {
            self.write_erofs(&tools, &layer.tree, &[], entry)
        })
    }

    fn install(&self, base: &BaseTree, names: &BTreeSet<String>, entry: &Path) -> Result<()> {
        let (tree, overlay) = (entry.join("tree"), entry.join("overlay"));
        let work = entry.join("work");
        for directory in [&tree, &overlay, &work] {
            make_directory(directory)?;
        }
        write_policy(&work)?;
        fs::write(work.join("owners.pl"), OWNERS)?;
        fs::write(work.join("prune.pl"), PRUNE)?;
        fs::write(work.join("kept"), ETC_KEPT.join("\n"))?;
        // What apt writes while it chooses is not wanted; and an unsynced overlay mounts only once.
        let mut choosing = install_sandbox([base.tree()], &work);
        choosing.discard_writes();
        let mut sandbox = install_sandbox([base.tree()], &work);
        sandbox.writable_unsynced(&tree, &overlay).bind(
            work.join("policy-rc.d"),
            "/usr/sbin/policy-rc.d",
            Access::ReadOnly,
        );

        if !names.is_empty() {
            let packages = self.solve(base, names, &work, &choosing)?;
            self.provide(&packages, &work)?;
            let _step = self.step("install packages");
            let list: Vec<&str> = names.iter().map(String::as_str).collect();
            // A new cluster in every layer would be thrown away.
            let script = format!(
                "apt-get update {APT} >&2; mkdir -p /etc/postgresql-common/createcluster.d; \
                 echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/snowglobe.conf; \
                 apt-get install {APT} {}; rm -f /etc/postgresql-common/createcluster.d/snowglobe.conf; \
                 if [ -x /usr/bin/fc-cache ]; then \
                 find /usr/share/fonts -type d -exec touch -d @1 {{}} +; fc-cache -f; fi",
                list.join(" ")
            );
            self.shell(&sandbox, "install packages", &script, INSTALL_LIMIT)
                .map_err(|error| unsolvable(error, names))?;
        }
        let _step = self.step("prune the layer");
        self.finish(base, entry)
    }

    /// Asks apt which packages are needed.
    fn solve(
        &self,
        base: &BaseTree,
        names: &BTreeSet<String>,
        work: &Path,
        sandbox: &Sandbox,
    ) -> Result<Vec<Package>> {
        let candidates = self.candidates(names)?;
        let repository = work.join("repository");
        fs::create_dir(&repository)?;
        let mut text = String::new();
        for package in candidates.values() {
            let _ = writeln!(text, "{}", package.stanza());
        }
        fs::write(repository.join("Packages"), text)?;
        fs::write(
            work.join("sources.list"),
            format!("deb [trusted=yes] file:{REPOSITORY} ./\n"),
        )?;

        let list = names
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        let ask = || {
            let _step = self.step("choose packages");
            let script = format!(
                "apt-get update {APT} >&2; apt-get install {APT} --print-uris {list} | grep \"^'\" || :"
            );
            self.shell(sandbox, "choose packages", &script, SOLVE_LIMIT)
        };
        let answer = std::thread::scope(|scope| {
            let prefetch = scope.spawn(|| self.prefetch(names));
            let answer = ask();
            // A wrong guess is no error; what is really missing is downloaded again.
            drop(prefetch.join());
            answer
        })
        .map_err(|error| unsolvable(error, names))?;

        let by_file: BTreeMap<String, &Package> = candidates
            .values()
            .map(|package| (package.apt_file_name(), package))
            .collect();
        let mut packages = Vec::new();
        for line in answer.lines() {
            // 'file:/…/pool/…' NAME SIZE HASH
            let file = line.split_whitespace().nth(1).unwrap_or_default();
            let package = by_file.get(file).ok_or_else(|| Error::Step {
                step: "choose packages".into(),
                status: "apt answered what nobody asked".into(),
                output: line.to_owned(),
            })?;
            packages.push((*package).clone());
        }
        // Nothing to do is an answer, but for names that the base does not have an error.
        if packages.is_empty() && !names.is_subset(&crate::packages::names(&base.lists())?) {
            let check = format!("apt-get install {APT} -s {}", list);
            self.shell(sandbox, "choose packages", &check, SOLVE_LIMIT)
                .map_err(|error| unsolvable(error, names))?;
        }
        Ok(packages)
    }

    /// Every package that could be chosen: all alternatives, all providers.
    fn candidates(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, Package>> {
        let index = self.snapshot().index();
        let mut found = BTreeMap::new();
        let mut queue: VecDeque<String> = names.iter().cloned().collect();
        let mut seen: BTreeSet<String> = names.clone();
        while let Some(name) = queue.pop_front() {
            let Some(package) = index.package(&name)? else {
                continue;
            };
            for relation in package.dependencies() {
                for alternative in relation.alternatives {
                    for name in index.providers(&alternative)? {
                        if seen.insert(name.clone()) {
                            queue.push_back(name);
                        }
                    }
                }
            }
            found.insert(name, package);
        }
        Ok(found)
    }

    /// Puts the packages where apt expects them.
    fn provide(&self, packages: &[Package], work: &Path) -> Result<()> {
        let wanted = packages
            .iter()
            .map(|package| self.archive().wanted(package))
            .collect::<snowglobe_archive::Result<Vec<_>>>()?;
        self.archive()
            .downloads()
            .get_each(&wanted, |number, path| {
                let target = work.join("repository").join(packages[number].file_name());
                if let Some(parent) = target.parent() {
                    fs::create_dir_all(parent)?;
                }
                // A link where the file system has them, else a copy.
                match fs::hard_link(path, &target) {
                    Err(_) => Ok(fs::copy(path, &target).map(drop)?),
                    Ok(()) => Ok::<_, Error>(()),
                }
            })
    }

    fn finish(&self, base: &BaseTree, entry: &Path) -> Result<()> {
        let (tree, work) = (entry.join("tree"), entry.join("work"));
        let etc = |name: &str| {
            let own = tree.join("etc").join(name);
            if own.exists() {
                own
            } else {
                base.tree().join("etc").join(name)
            }
        };
        let names = work.join("etc");
        fs::create_dir(&names)?;
        for name in ["passwd", "group"] {
            fs::copy(etc(name), names.join(name))?;
        }
        fs::write(work.join("table"), Renumbering::of(&names)?.table())?;
        // Not in the overlay, which must not be changed behind its back, but over the bare base.
        let mut bare = install_sandbox([base.tree()], &work);
        bare.bind(&tree, "/mnt/layer", Access::ReadWrite).bind(
            base.lists(),
            "/mnt/lists",
            Access::ReadOnly,
        );
        let script = "perl /mnt/work/prune.pl /mnt/layer /mnt/lists /mnt/work/kept; \
             perl /mnt/work/owners.pl /mnt/work/table /mnt/layer; \
             find /mnt/work/repository -mindepth 1 -delete 2>/dev/null || :";
        self.shell(&bare, "prune the layer", script, INSTALL_LIMIT)?;
        let lists = work.join("lists");
        if lists.is_dir() {
            // Written by root of the name space: files of ours, to be read by everybody.
            fs::rename(&lists, entry.join("lists"))?;
        } else {
            fs::create_dir(entry.join("lists"))?;
        }
        for path in [work, entry.join("overlay")] {
            crate::remove::remove_tree(&path)?;
        }
        Ok(())
    }
}

fn unsolvable(error: Error, names: &BTreeSet<String>) -> Error {
    match error {
        Error::Step { output, .. }
            if output.contains("E: Unable to") || output.contains("unmet dep") =>
        {
            Error::Unsolvable {
                packages: names.iter().cloned().collect(),
                output,
            }
        }
        error => error,
    }
}

fn names(lists: &Path) -> Result<BTreeSet<String>> {
    fs::read_dir(lists)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Reads the list of a package: paths as they are in a machine.
fn read_list(lists: &Path, package: &str) -> Result<Option<Vec<PathBuf>>> {
    if package.contains('/') || package.starts_with('.') {
        return Ok(None);
    }
    let text = match fs::read_to_string(lists.join(package)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    Ok(Some(
        text.lines()
            .filter(|line| *line != "/.")
            .map(in_machine)
            .collect(),
    ))
}

/// Where a path of a package lies in a machine.
fn in_machine(path: &str) -> PathBuf {
    let merged = ["/bin/", "/sbin/", "/lib/", "/lib64/"];
    if merged.iter().any(|prefix| path.starts_with(prefix)) {
        return PathBuf::from(format!("/usr{path}"));
    }
    if let Some(rest) = path.strip_prefix("/etc/") {
        let first = rest.split('/').next().unwrap_or_default();
        if !ETC_KEPT.contains(&first) {
            return PathBuf::from(format!("{ETC_ASIDE}/{rest}"));
        }
    }
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_a_machine() {
        for (path, expected) in [
            ("/usr/bin/x", "/usr/bin/x"),
            ("/bin/x", "/usr/bin/x"),
            (
                "/lib/systemd/system/x.service",
                "/usr/lib/systemd/system/x.service",
            ),
            ("/etc/ssl/x", "/etc/ssl/x"),
            (
                "/etc/nginx/mime.types",
                "/usr/share/snowglobe/etc/nginx/mime.types",
            ),
            ("/etc", "/etc"),
            ("/var/lib/x", "/var/lib/x"),
        ] {
            assert_eq!(in_machine(path), Path::new(expected));
        }
    }
}

//! The initial RAM disk: the agent as `/init`, and the kernel modules that it loads.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use liblzma::read::XzDecoder;

use crate::cache::key;
use crate::{BaseTree, Error, Images, Result};

const FILE: &str = "initrd";
const MODULE_LIMIT: u64 = 64 << 20;

/// Modules that every machine needs before it has its root, or that are loaded here because loading
/// them later takes a process each. What they depend on comes with them.
///
/// crc32c comes first: others ask for it when they are loaded. The last group is what the rules of a
/// NixOS firewall use, which is on unless it is turned off.
const MODULES: &[&str] = &[
    "crc32c_generic",
    "virtio_blk",
    "erofs",
    "overlay",
    "ext4",
    "virtio_net",
    "virtio_rng",
    "autofs4",
    "virtio_balloon",
    "qemu_fw_cfg",
    "nf_tables",
    "nft_compat",
    "nf_conntrack",
    "xt_conntrack",
    "xt_tcpudp",
    "xt_pkttype",
    "xt_LOG",
    "nf_log_syslog",
    "ipt_rpfilter",
    "ip6t_rpfilter",
];

impl Images {
    /// The initial RAM disk for an agent (a static program).
    pub fn initrd(&self, agent: &[u8]) -> Result<PathBuf> {
        let base = self.base_tree()?;
        let digest = blake3::hash(agent).to_hex();
        let mut parts = vec!["2", base.key.as_str(), digest.as_str()];
        parts.extend(MODULES);
        let key = key("initrd", &parts);
        self.image(&key, FILE, "write the initial RAM disk", |entry| {
            let modules = Modules::read(&base)?;
            let mut order = Vec::new();
            for name in MODULES {
                modules.add(name, &mut order)?;
            }
            let mut cpio = Cpio::new(std::io::BufWriter::new(fs::File::create(entry.join(FILE))?));
            for directory in ["dev", "proc", "sys", "run", "etc", "root", "mnt", "modules"] {
                cpio.directory(directory)?;
            }
            // Until devtmpfs is mounted, messages go here.
            cpio.device("dev/console", 5, 1)?;
            let mut list = String::new();
            for path in &order {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let name = format!("modules/{}", name.trim_end_matches(".xz"));
                cpio.file(&name, 0o644, &unpack(&modules.directory.join(path))?)?;
                list.push_str(&format!("/{name}\n"));
            }
            cpio.file("etc/modules.load", 0o644, list.as_bytes())?;
            cpio.file("init", 0o755, agent)?;
            cpio.finish()
        })
    }
}

/// `modules.dep` and its directory.
struct Modules {
    directory: PathBuf,
    /// Path and dependencies by name of the module.
    all: BTreeMap<String, (PathBuf, Vec<PathBuf>)>,
    builtin: String,
}

impl Modules {
    fn read(base: &BaseTree) -> Result<Self> {
        let directory = base.modules()?;
        let mut all = BTreeMap::new();
        for line in fs::read_to_string(directory.join("modules.dep"))?.lines() {
            let Some((path, needs)) = line.split_once(':') else {
                continue;
            };
            let needs = needs.split_whitespace().map(PathBuf::from).collect();
            all.insert(name(Path::new(path)), (PathBuf::from(path), needs));
        }
        let builtin = fs::read_to_string(directory.join("modules.builtin"))?;
        Ok(Self {
            directory,
            all,
            builtin,
        })
    }

    /// Adds a module after what it needs.
    fn add(&self, wanted: &str, order: &mut Vec<PathBuf>) -> Result<()> {
        let Some((path, needs)) = self.all.get(wanted) else {
            if self
                .builtin
                .lines()
                .any(|line| name(Path::new(line)) == wanted)
            {
                return Ok(());
            }
            return Err(Error::Malformed {
                path: self.directory.clone(),
                reason: format!("the kernel has no module '{wanted}'"),
            });
        };
        // `modules.dep` lists what to load last first.
        for path in needs.iter().rev().chain([path]) {
            if !order.contains(path) {
                order.push(path.clone());
            }
        }
        Ok(())
    }
}

/// Name of a module from its path; dashes and underscores are the same.
fn name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    file.split('.').next().unwrap_or_default().replace('-', "_")
}

fn unpack(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    if path.extension().is_some_and(|extension| extension == "xz") {
        XzDecoder::new(file)
            .take(MODULE_LIMIT)
            .read_to_end(&mut bytes)?;
    } else {
        file.take(MODULE_LIMIT).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Writes the archive format "newc" that the kernel unpacks.
struct Cpio<W> {
    out: W,
    inode: u32,
    offset: usize,
}

impl<W: Write> Cpio<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            inode: 0,
            offset: 0,
        }
    }

    fn directory(&mut self, name: &str) -> Result<()> {
        self.entry(name, 0o040_755, (0, 0), &[])
    }

    fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.entry(name, 0o100_000 | mode, (0, 0), content)
    }

    fn device(&mut self, name: &str, major: u32, minor: u32) -> Result<()> {
        self.entry(name, 0o020_600, (major, minor), &[])
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) -> Result<()> {
        self.inode += 1;
        let fields = [
            self.inode,
            mode,
            0,
            0,
            1,
            0,
            content.len() as u32,
            0,
            0,
            device.0,
            device.1,
            name.len() as u32 + 1,
            0,
        ];
        let mut header = String::from("070701");
        for field in fields {
            header.push_str(&format!("{field:08x}"));
        }
        self.put(header.as_bytes())?;
        self.put(name.as_bytes())?;
        self.put(&[0])?;
        self.pad(4)?;
        self.put(content)?;
        self.pad(4)
    }

    fn finish(mut self) -> Result<()> {
        self.inode = 0;
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        self.pad(512)?;
        Ok(self.out.flush()?)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.offset += bytes.len();
        Ok(self.out.write_all(bytes)?)
    }

    fn pad(&mut self, to: usize) -> Result<()> {
        let zeros = vec![0; self.offset.next_multiple_of(to) - self.offset];
        self.put(&zeros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpio_is_aligned_and_ends() {
        let mut bytes = Vec::new();
        let mut cpio = Cpio::new(&mut bytes);
        cpio.directory("etc").unwrap();
        cpio.file("etc/x", 0o644, b"hello").unwrap();
        cpio.finish().unwrap();
        assert_eq!(bytes.len() % 512, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("070701"));
        assert!(text.contains("TRAILER!!!") && text.contains("etc/x\0"));
        let second = text.find("etc/x").unwrap() - 110;
        assert_eq!((second % 4, &text[second..second + 6]), (0, "070701"));
    }

    #[test]
    fn modules_come_after_what_they_need() {
        let modules = Modules {
            directory: "/m".into(),
            all: BTreeMap::from([
                (
                    "a".into(),
                    ("a.ko.xz".into(), vec!["b.ko.xz".into(), "c.ko.xz".into()]),
                ),
                ("c".into(), ("c.ko.xz".into(), vec![])),
            ]),
            builtin: "kernel/x/virtio-pci.ko\n".into(),
        };
        let mut order = Vec::new();
        for name in ["c", "a", "virtio_pci"] {
            modules.add(name, &mut order).unwrap();
        }
        assert_eq!(order, ["c.ko.xz", "b.ko.xz", "a.ko.xz"].map(PathBuf::from));
        assert!(modules.add("nonsense", &mut order).is_err());
    }
}

//! Makes images: `images CACHE (tools | base | packages NAME…)`, with timings.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use snowglobe_archive::{Archive, Progress, Settings};
use snowglobe_images::{Cache, Images, ToolSet};

struct Print(Instant, Mutex<()>);

impl Progress for Print {
    fn planned(&self, files: usize, bytes: u64) {
        eprintln!(
            "{:7.2} {files} files, {:.1} MB to download",
            self.0.elapsed().as_secs_f64(),
            bytes as f64 / 1e6
        );
    }
    fn started(&self, step: &str) {
        let _guard = self.1.lock();
        eprintln!("{:7.2} > {step}", self.0.elapsed().as_secs_f64());
    }
    fn finished(&self, step: &str) {
        eprintln!("{:7.2} < {step}", self.0.elapsed().as_secs_f64());
    }
    fn note(&self, text: &str) {
        eprintln!("{:7.2} ! {text}", self.0.elapsed().as_secs_f64());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [cache, command, names @ ..] = words.as_slice() else {
        eprintln!("usage: images CACHE (tools | base | packages NAME…)");
        std::process::exit(2);
    };
    let progress: Arc<dyn Progress> = Arc::new(Print(Instant::now(), Mutex::new(())));
    let cache = Cache::open(Path::new(cache))?;
    let archive = Archive::new(
        cache.root(),
        Settings {
            progress: progress.clone(),
            ..Settings::default()
        },
    );
    let snapshot = archive.open_current_or_fetch()?;
    let images = Images::new(cache, archive, snapshot, progress);
    let start = Instant::now();
    match command.as_str() {
        "tools" => {
            let sets: Vec<ToolSet> = names
                .iter()
                .filter_map(|name| match name.as_str() {
                    "ocr" => Some(ToolSet::Ocr),
                    "tpm" => Some(ToolSet::Tpm),
                    "uefi" => Some(ToolSet::Uefi),
                    "nix" => Some(ToolSet::Nix),
                    _ => None,
                })
                .collect();
            println!("{:?}", images.tools(&sets)?);
        }
        "base" => {
            println!("{:?}", images.base()?);
            println!("{:?}", images.kernel()?);
        }
        "initrd" => println!("{:?}", images.initrd(&std::fs::read(&names[0])?)?),
        "list" => {
            for entry in images.cache().entries()? {
                println!(
                    "{:>6} MB {} {}",
                    entry.size >> 20,
                    entry.bucket.name(),
                    entry.key
                );
            }
        }
        "rm" => println!("{:?}", images.cache().remove(&names[0])?),
        "gc" => println!(
            "{:?}",
            images.cache().collect(snowglobe_images::Limits {
                max_size: Some(names[0].parse()?),
                older_than: None
            })?
        ),
        "packages" => {
            let layer = images.packages(&names.iter().cloned().collect())?;
            let image = images.package_image(&layer)?;
            println!("{layer:?}\n{}\n{:?}", image.display(), layer.packages()?);
        }
        _ => return Err("unknown command".into()),
    }
    eprintln!("{:?}", start.elapsed());
    Ok(())
}

//! Looks things up in Debian's archive: `archive CACHE (update | show NAME… | closure NAME… | fetch NAME…)`.

use std::path::Path;
use std::time::Instant;

use snowglobe_archive::{Archive, Deb, Result, Settings, close};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [cache, command, names @ ..] = words.as_slice() else {
        eprintln!("usage: archive CACHE (update | show NAME… | closure NAME… | fetch NAME…)");
        std::process::exit(2);
    };
    let start = Instant::now();
    let archive = Archive::new(Path::new(cache), Settings::default());
    let snapshot = match command.as_str() {
        "update" => archive.update()?,
        _ => archive.open_current_or_fetch()?,
    };
    eprintln!(
        "{}: {} packages, opened in {:?}",
        snapshot.id(),
        snapshot.index().len(),
        start.elapsed()
    );
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match command.as_str() {
        "show" => {
            for name in &names {
                let start = Instant::now();
                let package = snapshot.require(name)?;
                eprintln!("found in {:?}", start.elapsed());
                print!("{}", package.stanza());
            }
        }
        "npm" => println!(
            "{:?}",
            archive.downloads().npm(names[0], names[1], names[2])?
        ),
        "pypi" => {
            let (path, file) = archive.downloads().pypi(names[0], names[1], names[2])?;
            let root = Path::new(cache).join("wheel");
            fs_err::create_dir_all(&root)?;
            println!(
                "{file}: {:?}",
                archive.downloads().unpack_wheel(&path, &root)?
            );
        }
        "closure" | "fetch" => {
            let closure = close(&snapshot, &names, &[])?;
            let bytes: u64 = closure.values().map(|package| package.size()).sum();
            eprintln!(
                "{} packages, {bytes} bytes, {:?}",
                closure.len(),
                start.elapsed()
            );
            if command == "closure" {
                for package in closure.values() {
                    println!(
                        "{:10} {} {}",
                        package.size(),
                        package.name(),
                        package.version()
                    );
                }
                return Ok(());
            }
            let wanted: Vec<_> = closure
                .values()
                .map(|package| archive.wanted(package))
                .collect::<Result<_>>()?;
            let root = Path::new(cache).join("unpacked");
            fs_err::create_dir_all(&root)?;
            archive.downloads().get_each(&wanted, |_, path| {
                Deb::open(path)?.unpack(&root, &|_| true).map(drop)
            })?;
            eprintln!("all there after {:?}", start.elapsed());
        }
        _ => {}
    }
    Ok(())
}

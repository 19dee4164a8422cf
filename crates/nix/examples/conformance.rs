//! `conformance DIR`: runs CppNix's language test suite in a checkout of its repository.

fn main() {
    let Some(directory) = std::env::args().nth(1) else {
        eprintln!("usage: conformance DIR");
        std::process::exit(2);
    };
    match snowglobe_nix::conformance::lang(std::path::Path::new(&directory)) {
        Ok(summary) => print!("{summary}"),
        Err(error) => {
            eprintln!("error: {directory}: {error}");
            std::process::exit(1);
        }
    }
}

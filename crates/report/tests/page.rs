//! The page in a real browser; only with `SNOWGLOBE_E2E=1` and Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;

fn chromium() -> Option<PathBuf> {
    if std::env::var("SNOWGLOBE_E2E").as_deref() != Ok("1") {
        eprintln!("skipped: SNOWGLOBE_E2E is not 1");
        return None;
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.exists());
    if found.is_none() {
        eprintln!("skipped: no Chromium");
    }
    found
}

/// The page's document after its scripts have run.
fn document(chromium: &Path, folder: &Path, page: &Path) -> String {
    let profile = folder.join("profile");
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--window-size=1400,900",
            "--timeout=30000",
            "--virtual-time-budget=3000",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_failure_is_open_when_the_page_is() {
    let Some(chromium) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"seq":0,"elapsed":0,"wall":1,"type":"run-started","format":1,"version":"0","title":"t"}"#,
        r#"{"seq":1,"elapsed":1,"wall":1,"type":"planned","test":"t","machines":[{"name":"m"}],"vlans":[1],"script":"m.succeed('x')"}"#,
        r#"{"seq":2,"elapsed":2,"wall":1,"machine":"m","span":1,"type":"call-started","method":"succeed","arguments":"\"<b>x</b>\"","location":{"file":"t.nix","line":9,"scriptLine":1,"source":"m.succeed('x')"}}"#,
        r#"{"seq":3,"elapsed":9,"wall":1,"machine":"m","span":1,"type":"call-finished","ok":false,"error":"it failed","duration":7}"#,
        r#"{"seq":4,"elapsed":9,"wall":1,"type":"failure","class":"E","message":"<script>bad</script>","location":{"file":"t.nix","line":9,"scriptLine":1,"source":"m.succeed('x')"}}"#,
        r#"{"seq":5,"elapsed":9,"wall":1,"type":"hovercraft","eels":12}"#,
        r#"{"seq":6,"elapsed":9,"wall":1,"type":"run-finished","outcome":"failed","duration":9}"#,
    ];
    std::fs::write(folder.path().join("events.jsonl"), lines.join("\n") + "\n").unwrap();
    let page = folder.path().join("report.html");
    std::fs::write(&page, snowglobe_report::page(folder.path()).unwrap()).unwrap();
    let document = document(&chromium, folder.path(), &page);
    assert!(document.contains("data-ready=\"2\""), "{document}");
    assert!(
        document.contains("E: &lt;script&gt;bad&lt;/script&gt;"),
        "{document}"
    );
    assert!(document.contains("t.nix:9"), "{document}");
    assert!(
        document.contains("m.succeed(\"&lt;b&gt;x&lt;/b&gt;\")"),
        "{document}"
    );
    assert!(
        document.contains("class=\"row bad  title picked\""),
        "{document}"
    );
}

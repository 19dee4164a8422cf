//! Being told what happens.

/// Receives what an archive or an image builder is doing. All methods may be called from several
/// threads at once; the defaults ignore everything.
pub trait Progress: Send + Sync {
    /// Files of this total size will be downloaded, besides those announced before.
    fn planned(&self, files: usize, bytes: u64) {
        let _ = (files, bytes);
    }

    /// So many more bytes were received; negative when a damaged file has to be read again.
    fn received(&self, bytes: i64) {
        let _ = bytes;
    }

    /// A planned file is complete.
    fn fetched(&self, name: &str) {
        let _ = name;
    }

    /// A step starts, such as "configure the base layer".
    fn started(&self, step: &str) {
        let _ = step;
    }

    /// A step has ended, whether well or not.
    fn finished(&self, step: &str) {
        let _ = step;
    }

    /// Whether nobody wants the work any more; asked again and again, it then ends as soon as it can.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Something that the user should know although work goes on, such as a retry.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}

//! Host names, looked up once for many requests.
//!
//! The HTTP library asks for the address before each request, even when it has a connection; a
//! hundred files would be a hundred lookups, and each that a name server drops costs five seconds.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long an answer is good.
const LIFE: Duration = Duration::from_secs(60);

/// A resolver that remembers.
#[derive(Default)]
pub(crate) struct Remembering {
    inner: DefaultResolver,
    known: Mutex<HashMap<String, (Instant, Vec<SocketAddr>)>>,
}

impl std::fmt::Debug for Remembering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembering").finish_non_exhaustive()
    }
}

impl Resolver for Remembering {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return self.inner.resolve(uri, config, timeout);
        };
        let key = format!("{scheme}://{}:{:?}", authority.host(), authority.port_u16());
        // Held while asking, so that several connections opened at once ask once.
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((when, addresses)) = known.get(&key)
            && when.elapsed() < LIFE
        {
            let mut result = self.empty();
            for address in addresses {
                result.push(*address);
            }
            return Ok(result);
        }
        let result = self.inner.resolve(uri, config, timeout)?;
        known.insert(key, (Instant::now(), result.iter().copied().collect()));
        Ok(result)
    }
}

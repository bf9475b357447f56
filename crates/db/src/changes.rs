//! What transactions say that they change, on its way to whoever keeps a copy in memory.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

/// Who is told.
pub(crate) type Watchers = Arc<RwLock<Vec<Box<dyn Fn(&str) + Send + Sync>>>>;

/// What one call's closure has said, until its transaction is over. Then it is passed on, whatever came of it: an outcome
/// that is not known may have been a commit. If the caller has left, whoever holds the closure last passes it on.
pub(crate) struct Changes {
    watchers: Watchers,
    said: Mutex<Vec<String>>,
}

impl Changes {
    pub(crate) fn new(watchers: &Watchers) -> Arc<Changes> {
        Arc::new(Changes {
            watchers: watchers.clone(),
            said: Mutex::default(),
        })
    }

    /// A closure may run several times.
    pub(crate) fn add(&self, said: Vec<String>) {
        if !said.is_empty() {
            self.said.lock().extend(said);
        }
    }

    pub(crate) fn tell(&self) {
        let said = std::mem::take(&mut *self.said.lock());
        for watcher in self.watchers.read().iter() {
            said.iter().for_each(|what| watcher(what));
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.tell();
    }
}

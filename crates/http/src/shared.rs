//! What all handlers share.

use std::sync::Arc;

use vestibule_dialect::Dialects;
use vestibule_identity::Identity;

use crate::layers::{OwnPaths, RequestIds};
use crate::settings::{App, HttpSettings};

/// Axum's state.
pub(crate) type Shared = Arc<Everything>;

pub(crate) struct Everything {
    pub(crate) identity: Identity,
    pub(crate) dialects: Dialects,
    pub(crate) settings: HttpSettings,
    pub(crate) request_ids: RequestIds,
    pub(crate) own_paths: OwnPaths,
}

pub(crate) fn share(app: App, own_paths: OwnPaths) -> Shared {
    let request_ids = RequestIds::new(|bytes| app.identity.ports().random.fill(bytes));
    Arc::new(Everything {
        identity: app.identity,
        dialects: app.dialects,
        settings: app.settings,
        request_ids,
        own_paths,
    })
}

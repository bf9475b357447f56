//! `vestibule config`

use serde_json::json;

use crate::cli::Output;
use crate::settings::Settings;

pub(super) fn config(settings: &Settings, output: Output) -> anyhow::Result<()> {
    let row = |entry: &crate::settings::Entry| {
        vec![
            entry.name.to_owned(),
            entry.value.clone().unwrap_or_else(|| "-".to_owned()),
            entry.origin.to_string(),
        ]
    };
    let rows: Vec<_> = settings.entries.iter().map(row).collect();
    output.table(
        &json!({ "settings": settings.entries }),
        &["SETTING", "VALUE", "FROM"],
        &rows,
    )
}

//! What the dialect layer adds: a refused request through it, less what layers and a bare JSON handler cost anyhow.

use anyhow::Result;
use hyper::StatusCode;
use serde_json::json;

use super::{CLIENTS, Case, case, told};
use crate::load::{Client, Fresh, get, post};
use crate::report::Wanted::AtMost;
use crate::stage::{Measured, Stage, same};

pub const CASE: Case = case(
    "dialect",
    "POST /authorize/refresh-token, refused before the database",
    round,
);

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let ask = post(
        "/authorize/refresh-token",
        None,
        &json!({ "refreshToken": "" }),
    )?;
    let mut json = ask.clone();
    *json.uri_mut() = "/json".parse()?;
    let bare = get("/", None)?;
    stage.serve_bare("User-agent: *\nDisallow: /\n".into())?;
    let bare_bytes = stage.load_bare(CLIENTS, &bare)?.cpu_each();
    let bare_json = stage.load_bare(CLIENTS, &json)?.cpu_each();
    let layers = stage
        .load(same(CLIENTS, |_| get("/robots.txt", None))?)?
        .cpu_each();
    let refused = (0..CLIENTS).map(|_| {
        let ask = ask.clone();
        Box::new(Fresh(move || ask.clone(), StatusCode::BAD_REQUEST)) as Box<dyn Client>
    });
    let through = stage.load(refused.collect())?.cpu_each();
    let added = (through - layers) - (bare_json - bare_bytes);
    Ok(vec![told(
        "processor time on top of typed code",
        "µs",
        AtMost(15.0),
        added,
    )])
}

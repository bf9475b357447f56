//! stub
pub async fn demo(_: crate::settings::Settings) -> anyhow::Result<()> { Ok(()) }

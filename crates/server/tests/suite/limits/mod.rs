//! Limits: the documented table driven to its numbers, and who must not be shut out by whom.

mod forwarded;
mod owner;
mod table;

use std::net::IpAddr;

use serde_json::json;

use crate::app::{Reply, TestApp};
use crate::browser::ORIGIN;

const HOST: &str = "lms.acme.test";
const PASSWORD: &str = "violet-harbour-42-lanterns";
const WRONG: &str = "wrong-password-1";

async fn login(app: &TestApp, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    app.post(HOST, "/api/login", &[], body).await
}

async fn lms_login(app: &TestApp, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    app.post(HOST, "/authorize/login", &[], body).await
}

/// The hosted page, in a browser with these cookies.
async fn page_login(app: &TestApp, email: &str, password: &str, cookie: &str) -> Reply {
    let headers = [ORIGIN, ("cookie", cookie)];
    let form = [("email", email), ("password", password)];
    app.post_form(HOST, "/sign-in", &headers, &form).await
}

/// `name=value` of a cookie just set.
fn set_cookie(reply: &Reply, name: &str) -> Option<String> {
    let lines = reply.headers.get_all("set-cookie").iter();
    let mut pairs = lines.filter_map(|line| line.to_str().unwrap().split(';').next());
    let found = pairs.find(|pair| pair.split('=').next() == Some(name))?;
    Some(found.to_owned())
}

/// The n-th of many clients, each in a block of its own.
fn stranger(n: usize) -> IpAddr {
    let [a, b] = u16::try_from(n).unwrap().to_be_bytes();
    IpAddr::from([198, 18, a, b])
}

//! A refresh that answers new tokens, which the client uses next: one row read and written, on the disk before the answer,
//! and two signatures.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Case, between, case, plain, refresh, told};
use crate::bound;
use crate::load::{self, Ask, Client, Clients, Sample, get, post};
use crate::report::Wanted::{AtLeast, AtMost, Nothing};
use crate::server::Server;
use crate::stage::{Measured, Person, Stage};

pub const CASE: Case = case(
    "rotation",
    "GET /api/refresh with the token just answered, 64 clients",
    round,
);

struct Turning(Ask);

impl Client for Turning {
    fn request(&mut self) -> Ask {
        self.0.clone()
    }

    fn answer(&mut self, status: StatusCode, body: &Bytes) -> bool {
        let next = token(body).and_then(|token| get("/api/refresh", Some(&token)));
        match next {
            Ok(ask) if status == StatusCode::OK => {
                self.0 = ask;
                true
            }
            _ => false,
        }
    }
}

fn token(body: &Bytes) -> Result<String> {
    let said: Value = serde_json::from_slice(body)?;
    Ok(said["userToken"]
        .as_str()
        .context("no userToken")?
        .to_owned())
}

/// One for each of the people, who sign in for it.
pub fn clients(stage: &Stage, server: &Server, people: &[Person]) -> Result<Clients> {
    let turning = |person: &Person| -> Result<Box<dyn Client>> {
        let body = json!({ "email": person.email, "password": person.password });
        let ask = post("/api/login", None, &body)?;
        let reply = stage.runtime.block_on(load::once(server.port, ask))?;
        let token = token(&reply.body)?;
        Ok(Box::new(Turning(get("/api/refresh", Some(&token))?)))
    };
    people.iter().map(turning).collect()
}

/// Against changes that each wait for an fsync of their own, so many a second.
pub fn of_syncs(ours: &Sample, alone: f64) -> Vec<Measured> {
    let ratio = ours.throughput() / alone;
    vec![
        told("of an fsync for each request", "×", AtLeast(10.0), ratio),
        told("fsyncs, each by itself", "/s", Nothing, alone),
    ]
}

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let people = stage.people.clone();
    let clients = clients(stage, &stage.server, &people)?;
    let mut bare = post("/json", None, &json!({ "token": people[0].access }))?;
    bare.headers_mut().remove("authorization");
    let syncs = |together| {
        let seconds = stage.seconds() / 4.0;
        bound::syncs(&stage.folder, seconds, together, Duration::ZERO)
    };
    let (alone, shared) = (syncs(1)?, syncs(64)?);
    let bound = || refresh::signed(stage, &bare, 2.0);
    let ([before, after], ours) = between(bound, || stage.load(clients))?;
    let bound = f64::midpoint(before, after);
    let what = "processor time, in a bare JSON handler and two signatures";
    let mut figures = of_syncs(&ours, alone);
    figures.extend([
        told(what, "×", AtMost(3.0), ours.cpu_each() / bound),
        told("writes that share an fsync by 64", "/s", Nothing, shared),
    ]);
    figures.extend(plain(&ours));
    Ok(figures)
}

//! Each act as the request that asks for it.

use std::fmt::Display;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::journal::{Act, Got};
use super::server::Site;
use super::web::{Reply, Web};

/// Where acts are done, and with which key of the tenant.
#[derive(Debug, Clone)]
pub(crate) struct Desk<'a> {
    pub(crate) web: Web,
    pub(crate) site: &'a Site,
    pub(crate) key: String,
}

/// What became of a request that was answered.
pub(crate) type Answer = Result<Got, Reply>;

impl Desk<'_> {
    /// Does an act. An error if no answer came.
    pub(crate) fn perform(&self, act: &Act) -> Result<Answer> {
        match act {
            Act::Register { email, password } => {
                let body = json!({ "email": email, "password": password, "name": "Ada Lovelace" });
                self.tokens(self.web.post("/api/register", &[], &body)?)
            }
            Act::Verify { token, .. } => {
                self.tokens(self.web.get(&format!("/api/verify-email/{token}"), &[])?)
            }
            Act::SignIn {
                email,
                password,
                lms,
                ..
            } => self.sign_in(email, password, *lms),
            Act::Refresh { token, .. } => self.refresh(token),
            Act::SignOut { token, .. } => self.sign_out(token),
            Act::Forgot { email } => {
                let path = "/authorize/forgot-password";
                let reply = self.web.post(
                    path,
                    &[bearer(&self.key).as_pair()],
                    &json!({ "email": email }),
                )?;
                good(reply, |reply| Got {
                    token: text(&reply["data"]["response"]["data"]["token"]),
                    ..Got::default()
                })
            }
            Act::Reset {
                token, password, ..
            } => {
                let body = json!({ "token": token, "newPassword": password });
                good(self.web.post("/api/reset-password", &[], &body)?, |_| {
                    Got::default()
                })
            }
            Act::Mint { email, uid } => self.mint(&self.key, email, uid),
            Act::Open { token, .. } => {
                let reply = self.web.get(&format!("/login/?token={token}"), &[])?;
                Ok(match reply.cookie() {
                    Some(token) if reply.status == 303 => Ok(Got {
                        token,
                        ..Got::default()
                    }),
                    _ => Err(reply),
                })
            }
            Act::CreateKey { name } => self.create_key(name),
            Act::RevokeKey { id, .. } => {
                self.site.command(&["api-key", "revoke", id])?;
                Ok(Ok(Got::default()))
            }
        }
    }

    fn tokens(&self, reply: Reply) -> Result<Answer> {
        good(reply, |reply| Got {
            token: text(&reply["userToken"]),
            access: text(&reply["userToken"]),
            ..Got::default()
        })
    }

    fn sign_in(&self, email: &str, password: &str, lms: bool) -> Result<Answer> {
        let body = json!({ "email": email, "password": password });
        if !lms {
            return self.tokens(self.web.post("/api/login", &[], &body)?);
        }
        good(self.web.post("/authorize/login", &[], &body)?, |reply| {
            let data = &reply["data"]["response"]["data"];
            Got {
                token: text(&data["refresh-token"]),
                access: text(&data["token"]),
                ..Got::default()
            }
        })
    }

    /// Takes either kind of refresh token; the learning platform's is no JWT and does not turn.
    fn refresh(&self, token: &str) -> Result<Answer> {
        if token.starts_with("eyJ") {
            let reply = self.web.get("/api/refresh", &[bearer(token).as_pair()]);
            return self.tokens(reply?);
        }
        let body = json!({ "refreshToken": token });
        let reply = self.web.post("/authorize/refresh-token", &[], &body)?;
        good(reply, |reply| Got {
            token: token.to_owned(),
            access: text(&reply["data"]["response"]["data"]["token"]),
            ..Got::default()
        })
    }

    fn sign_out(&self, access: &str) -> Result<Answer> {
        let bearer = bearer(access);
        let headers = [bearer.as_pair()];
        let reply = self.web.get("/account/v1/session", &headers)?;
        if reply.status != 200 {
            return Ok(Err(reply));
        }
        let id = text(&reply.json()["session"]["id"]);
        let path = format!("/account/v1/sessions/{id}");
        good(self.web.send("DELETE", &path, &headers, None)?, |_| {
            Got::default()
        })
    }

    /// Exchanges a partner's secret with any key.
    pub(crate) fn mint(&self, key: &str, email: &str, uid: &str) -> Result<Answer> {
        let body = json!({ "email": email, "uid": uid });
        let reply = self
            .web
            .post("/v1/user/token", &[bearer(key).as_pair()], &body)?;
        good(reply, |reply| Got {
            token: text(&reply["token"]),
            id: text(&reply["userID"]),
            ..Got::default()
        })
    }

    fn create_key(&self, name: &str) -> Result<Answer> {
        let args = ["api-key", "create", "--tenant", "torture", "--name", name];
        let said = self.site.command(&[&args[..], &["--json"]].concat())?;
        let said: Value = serde_json::from_str(&said).context("api-key create --json")?;
        let (token, id) = (text(&said["key"]), text(&said["id"]));
        ensure!(!token.is_empty() && !id.is_empty(), "no key in {said}");
        Ok(Ok(Got {
            token,
            id,
            ..Got::default()
        }))
    }
}

/// A bearer header.
#[derive(Debug)]
pub(crate) struct Bearer(String);

impl Bearer {
    pub(crate) fn as_pair(&self) -> (&str, &str) {
        ("authorization", &self.0)
    }
}

pub(crate) fn bearer(token: impl Display) -> Bearer {
    Bearer(format!("Bearer {token}"))
}

fn good(reply: Reply, read: impl FnOnce(&Value) -> Got) -> Result<Answer> {
    Ok(if (200..300).contains(&reply.status) {
        Ok(read(&reply.json()))
    } else {
        Err(reply)
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

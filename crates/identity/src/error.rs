//! What can go wrong, in words every surface translates once: a dialect by its table, pages as text, the native API as problem+json.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal: $message:literal,)+) => {
        /// A stable reason. Its `code` never changes; `message` is the default text for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $name,)+ }

        impl Kind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)+];

            /// The stable snake_case name, as dialect files and logs write it.
            pub fn code(self) -> &'static str {
                match self { $(Kind::$name => $code,)+ }
            }

            /// The default message for people.
            pub fn message(self) -> &'static str {
                match self { $(Kind::$name => $message,)+ }
            }

            /// The kind of that code.
            pub fn from_code(code: &str) -> Option<Kind> {
                match code { $($code => Some(Kind::$name),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// The body is not what its content type says: broken JSON, bad UTF-8, NUL bytes.
    MalformedBody = "malformed_body": "The request body could not be read.",
    /// A field has the wrong type or is too long.
    MalformedInput = "malformed_input": "A field has the wrong type.",
    BodyTooLarge = "body_too_large": "The request body is too large.",
    BodyTooSlow = "body_too_slow": "The request body did not arrive in time.",
    NotFound = "not_found": "There is nothing here.",
    MethodNotAllowed = "method_not_allowed": "This method is not allowed here.",
    MissingEmail = "missing_email": "The e-mail address is missing.",
    InvalidEmail = "invalid_email": "The e-mail address is not valid.",
    MissingPassword = "missing_password": "The password is missing.",
    /// The password breaks the tenant's policy; the detail says how.
    WeakPassword = "weak_password": "The password is too weak.",
    MissingName = "missing_name": "The name is missing.",
    InvalidName = "invalid_name": "The name is not valid.",
    MissingUid = "missing_uid": "The uid is missing.",
    /// A known person came with another partner secret.
    UidMismatch = "uid_mismatch": "The uid does not match this e-mail address.",
    /// No key, an unknown one, a revoked one, another tenant's one.
    UnauthorizedKey = "unauthorized_key": "The private key is missing or not valid.",
    ExpiredKey = "expired_key": "The private key has expired.",
    /// A private key came from a browser page.
    BrowserOrigin = "browser_origin": "A private key must never be used from a web page.",
    SameEmail = "same_email": "This is the address that the account has already.",
    EmailTaken = "email_taken": "This e-mail address is already registered.",
    RegistrationClosed = "registration_closed": "Registration is closed.",
    /// Unknown account, wrong password, no password, suspended: told alike.
    InvalidCredentials = "invalid_credentials": "E-mail address or password is wrong.",
    UnknownTenant = "unknown_tenant": "The domain is not known.",
    /// Several tenants know this person; the caller must name one.
    AmbiguousTenant = "ambiguous_tenant": "The domain is missing.",
    /// No bearer token, or one that is not valid here.
    Unauthorized = "unauthorized": "Sign in first.",
    /// Something that asks for the password, of an account without one, long after the sign-in.
    SignInAgain = "sign_in_again": "Sign in once more, and try again within 15 minutes.",
    Forbidden = "forbidden": "This is not allowed.",
    MissingToken = "missing_token": "The token is missing.",
    /// A one-time token that is unknown, used, expired or another tenant's.
    InvalidToken = "invalid_token": "The link or code is not valid or was used already.",
    /// Digits of a mail, typed where that mail was asked for, that are not those of the mail.
    InvalidCode = "invalid_code": "The code is not right. Take it from the latest mail.",
    /// A mailed code that nothing fits any more: expired, used, or tried too often.
    SpentCode = "spent_code": "This code can no longer be used. Follow the link in the mail, or have a new mail sent.",
    MissingRefreshToken = "missing_refresh_token": "The refresh token is missing.",
    InvalidRefreshToken = "invalid_refresh_token": "The refresh token is not valid.",
    MissingProvider = "missing_provider": "The provider is missing.",
    InvalidProvider = "invalid_provider": "The provider is not available.",
    MissingProviderData = "missing_provider_data": "The provider's token is missing.",
    InvalidProviderData = "invalid_provider_data": "The provider's token is not valid.",
    MissingCaptcha = "missing_captcha": "The captcha answer is missing.",
    InvalidCaptcha = "invalid_captcha": "The captcha answer is not valid.",
    /// A login token that is missing, foreign, or used up.
    InvalidLoginToken = "invalid_login_token": "This sign-in link is not valid.",
    ExpiredLoginToken = "expired_login_token": "This sign-in link has expired.",
    /// A browser asked for a login without going there (image, frame, fetch).
    NotANavigation = "not_a_navigation": "Open this address in a browser tab.",
    WrongRole = "wrong_role": "This account does not have the role needed here.",
    InvalidDestination = "invalid_destination": "The destination is not valid.",
    /// A link of the caller's own whose host the tenant does not list.
    LinkNotAllowed = "link_not_allowed": "The link is not allowed.",
    RateLimited = "rate_limited": "Too many tries. Wait a little.",
    /// More passwords than the machine can hash just now.
    Overloaded = "overloaded": "The server is busy. Try again in a moment.",
    /// The database or an upstream does not answer; what happened is not known.
    Unavailable = "unavailable": "The service is not available just now.",
    Internal = "internal": "Something went wrong on our side.",
}

/// A refusal or failure: its kind, words for people, and for the log where it arose and why.
pub struct Error {
    pub kind: Kind,
    detail: Option<Cow<'static, str>>,
    reason: Option<(&'static str, u32)>,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u32>,
    location: &'static Location<'static>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    #[track_caller]
    pub fn new(kind: Kind) -> Error {
        Error {
            kind,
            detail: None,
            reason: None,
            retry_after: None,
            location: Location::caller(),
            source: None,
        }
    }

    /// A refusal whose text says more than the kind does. The text reaches the client: no secrets.
    #[track_caller]
    pub fn with_detail(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Error {
        Error {
            detail: Some(detail.into()),
            ..Error::new(kind)
        }
    }

    /// The same with a stable name for what the detail says, and the number in it (0 where there is none): surfaces that
    /// speak other languages have words of their own for it.
    pub fn because(self, reason: &'static str, number: usize) -> Error {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Error {
            reason: Some((reason, number)),
            ..self
        }
    }

    /// What the detail says, by a stable name, and the number in it.
    pub fn reason(&self) -> Option<(&'static str, u32)> {
        self.reason
    }

    /// Too many tries; `seconds` until the next may pass.
    #[track_caller]
    pub fn rate_limited(seconds: u32) -> Error {
        Error {
            retry_after: Some(seconds.max(1)),
            ..Error::new(Kind::RateLimited)
        }
    }

    /// The mailed code was tried too often; `seconds` until it would have expired.
    #[track_caller]
    pub(crate) fn spent_code(seconds: u32) -> Error {
        Error {
            retry_after: Some(seconds.max(1)),
            ..Error::new(Kind::SpentCode)
        }
    }

    /// A fault of ours, its cause kept for the log.
    #[track_caller]
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error {
            source: Some(source.into()),
            ..Error::new(Kind::Internal)
        }
    }

    #[track_caller]
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error {
            source: Some(source.into()),
            retry_after: Some(1),
            ..Error::new(Kind::Unavailable)
        }
    }

    /// The words for people: the detail where there is one, else the kind's own.
    pub fn message(&self) -> &str {
        self.detail
            .as_deref()
            .unwrap_or_else(|| self.kind.message())
    }

    /// The words beyond the kind's own.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The same error with words for people beyond the kind's own. They reach the client: no secrets.
    pub(crate) fn saying(self, detail: &'static str) -> Error {
        Error {
            detail: Some(detail.into()),
            ..self
        }
    }

    /// Where in our code it arose, for the log.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl From<Kind> for Error {
    #[track_caller]
    fn from(kind: Kind) -> Error {
        Error::new(kind)
    }
}

impl From<vestibule_db::Error> for Error {
    #[track_caller]
    fn from(error: vestibule_db::Error) -> Error {
        use vestibule_db::Error as Db;
        match error {
            Db::Busy
            | Db::OutcomeUnknown
            | Db::Unavailable { .. }
            | Db::Closed
            | Db::Damaged(_)
            | Db::Full
            | Db::ReadOnly => Error::unavailable(error),
            other => Error::internal(other),
        }
    }
}

impl From<vestibule_crypto::HashError> for Error {
    #[track_caller]
    fn from(error: vestibule_crypto::HashError) -> Error {
        match error {
            vestibule_crypto::HashError::Overloaded { retry_after_secs } => {
                let retry_after = Some(u32::try_from(retry_after_secs).unwrap_or(u32::MAX));
                Error {
                    retry_after,
                    ..Error::new(Kind::Overloaded)
                }
            }
            other => Error::internal(other),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {self}", self.kind.code(), self.location)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

/// What operations answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

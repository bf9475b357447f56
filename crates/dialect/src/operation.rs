//! The operations that a route may call: their inputs, what they give to replies, and how they can fail.

use vestibule_identity::Kind;

/// What an input must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// A text of at most 200 characters; only blanks is missing.
    Line,
    /// A text of at most 2,048 characters; only blanks is missing.
    Text,
    /// An e-mail address; only blanks is missing.
    Email,
    /// A key or token of at most 16 KiB; only blanks is missing.
    Token,
    /// Kept to the letter, at most 16 KiB; only blanks is missing.
    Secret,
    /// Kept to the letter; only the empty text is missing.
    Password,
    /// true or 1, false or 0 or 2, or these as texts.
    Flag,
    /// A list of texts.
    Texts,
    /// An object of texts and whole numbers.
    Object,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The route must name it and the request must bring it.
    Required,
    /// The request must bring it if the route names it.
    WhenNamed,
    Optional,
}

#[derive(Debug)]
pub(crate) struct InputSpec {
    pub name: &'static str,
    pub kind: InputKind,
    pub presence: Presence,
    pub missing: Kind,
    pub malformed: Kind,
}

/// Whom a token of the reply may speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Nobody,
    Account,
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    ExchangePartnerToken,
    SignInPassword,
    Register,
    VerifyEmail,
    ResendVerification,
    RefreshSession,
    ForgotPassword,
    ResetPassword,
    EmailExists,
    SignInProvider,
    OpenBrowser,
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub name: &'static str,
    pub verb: Verb,
    pub inputs: &'static [InputSpec],
    /// What replies may name besides `tenant`, `now` and tokens.
    pub gives: &'static [&'static str],
    pub subject: Subject,
    /// How it fails beyond its inputs and what may happen to every route.
    pub raises: &'static [Kind],
}

/// What may happen to every route, whatever its operation.
pub(crate) const EVERYWHERE: &[Kind] = &[
    Kind::MalformedBody,
    Kind::MalformedInput,
    Kind::BodyTooLarge,
    Kind::NotFound,
    Kind::MethodNotAllowed,
    Kind::RateLimited,
    Kind::Overloaded,
    Kind::Unavailable,
    Kind::Internal,
];

impl Operation {
    pub(crate) fn named(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }

    pub(crate) fn input(&self, name: &str) -> Option<&'static InputSpec> {
        self.inputs.iter().find(|input| input.name == name)
    }

    /// The browser's routes answer with pages, not with a reply of the file.
    pub(crate) fn is_browser(&self) -> bool {
        self.verb == Verb::OpenBrowser
    }
}

const fn input(
    name: &'static str,
    kind: InputKind,
    presence: Presence,
    missing: Kind,
    malformed: Kind,
) -> InputSpec {
    InputSpec {
        name,
        kind,
        presence,
        missing,
        malformed,
    }
}

use InputKind::{Email, Flag, Line, Object, Password, Secret, Text, Texts, Token};
use Presence::{Optional, Required, WhenNamed};

const EMAIL: InputSpec = input(
    "email",
    Email,
    Required,
    Kind::MissingEmail,
    Kind::InvalidEmail,
);
const PASSWORD: InputSpec = input(
    "password",
    Password,
    Required,
    Kind::MissingPassword,
    Kind::MalformedInput,
);
const CAPTCHA: InputSpec = input(
    "captcha",
    Token,
    Optional,
    Kind::MissingCaptcha,
    Kind::InvalidCaptcha,
);
const ONE_TIME: InputSpec = input(
    "token",
    Token,
    Required,
    Kind::MissingToken,
    Kind::InvalidToken,
);
const SIGNED_IN: &[&str] = &["user", "session", "team"];

/// Every operation, in the order of the documentation.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "exchange_partner_token",
        verb: Verb::ExchangePartnerToken,
        inputs: &[
            input(
                "key",
                Token,
                Required,
                Kind::UnauthorizedKey,
                Kind::UnauthorizedKey,
            ),
            EMAIL,
            input(
                "uid",
                Secret,
                Required,
                Kind::MissingUid,
                Kind::MalformedInput,
            ),
        ],
        gives: &["user"],
        subject: Subject::Account,
        raises: &[
            Kind::UnauthorizedKey,
            Kind::ExpiredKey,
            Kind::BrowserOrigin,
            Kind::UidMismatch,
            Kind::Forbidden,
        ],
    },
    Operation {
        name: "sign_in_password",
        verb: Verb::SignInPassword,
        inputs: &[EMAIL, PASSWORD],
        gives: SIGNED_IN,
        subject: Subject::Session,
        raises: &[Kind::InvalidCredentials],
    },
    Operation {
        name: "register",
        verb: Verb::Register,
        inputs: &[
            EMAIL,
            PASSWORD,
            input("name", Line, Required, Kind::MissingName, Kind::InvalidName),
            CAPTCHA,
        ],
        gives: SIGNED_IN,
        subject: Subject::Session,
        raises: &[
            Kind::EmailTaken,
            Kind::WeakPassword,
            Kind::RegistrationClosed,
            Kind::MissingCaptcha,
        ],
    },
    Operation {
        name: "verify_email",
        verb: Verb::VerifyEmail,
        inputs: &[ONE_TIME],
        gives: SIGNED_IN,
        subject: Subject::Session,
        raises: &[],
    },
    Operation {
        name: "resend_verification",
        verb: Verb::ResendVerification,
        inputs: &[
            input(
                "token",
                Token,
                Required,
                Kind::Unauthorized,
                Kind::Unauthorized,
            ),
            CAPTCHA,
        ],
        gives: SIGNED_IN,
        subject: Subject::Session,
        raises: &[Kind::MissingCaptcha],
    },
    Operation {
        name: "refresh_session",
        verb: Verb::RefreshSession,
        inputs: &[
            input(
                "token",
                Token,
                Required,
                Kind::MissingRefreshToken,
                Kind::InvalidRefreshToken,
            ),
            input(
                "rotate",
                Flag,
                Optional,
                Kind::MalformedInput,
                Kind::MalformedInput,
            ),
        ],
        gives: SIGNED_IN,
        subject: Subject::Session,
        raises: &[],
    },
    Operation {
        name: "forgot_password",
        verb: Verb::ForgotPassword,
        inputs: &[
            EMAIL,
            input(
                "notify",
                Flag,
                Optional,
                Kind::MalformedInput,
                Kind::MalformedInput,
            ),
            input(
                "link",
                Text,
                Optional,
                Kind::LinkNotAllowed,
                Kind::LinkNotAllowed,
            ),
            input(
                "proof",
                Token,
                Optional,
                Kind::Unauthorized,
                Kind::Unauthorized,
            ),
        ],
        gives: &["reset_token"],
        subject: Subject::Nobody,
        raises: &[],
    },
    Operation {
        name: "reset_password",
        verb: Verb::ResetPassword,
        inputs: &[ONE_TIME, PASSWORD],
        gives: &["user"],
        subject: Subject::Nobody,
        raises: &[Kind::WeakPassword],
    },
    Operation {
        name: "email_exists",
        verb: Verb::EmailExists,
        inputs: &[EMAIL],
        gives: &["exists"],
        subject: Subject::Nobody,
        raises: &[],
    },
    Operation {
        name: "sign_in_provider",
        verb: Verb::SignInProvider,
        inputs: &[
            input(
                "provider",
                Line,
                Required,
                Kind::MissingProvider,
                Kind::InvalidProvider,
            ),
            input(
                "token",
                Token,
                Required,
                Kind::MissingProviderData,
                Kind::InvalidProviderData,
            ),
        ],
        gives: SIGNED_IN,
        subject: Subject::Session,
        raises: &[],
    },
    Operation {
        name: "open_browser",
        verb: Verb::OpenBrowser,
        inputs: &[
            input(
                "login_token",
                Token,
                Optional,
                Kind::InvalidLoginToken,
                Kind::InvalidLoginToken,
            ),
            input(
                "access_token",
                Token,
                WhenNamed,
                Kind::InvalidLoginToken,
                Kind::InvalidLoginToken,
            ),
            input(
                "roles",
                Texts,
                WhenNamed,
                Kind::InvalidDestination,
                Kind::InvalidDestination,
            ),
            input(
                "onboarding",
                Flag,
                Optional,
                Kind::MalformedInput,
                Kind::MalformedInput,
            ),
            input(
                "return_to",
                Text,
                Optional,
                Kind::MalformedInput,
                Kind::MalformedInput,
            ),
            input(
                "destination",
                Line,
                WhenNamed,
                Kind::InvalidDestination,
                Kind::InvalidDestination,
            ),
            input(
                "placeholders",
                Object,
                WhenNamed,
                Kind::InvalidDestination,
                Kind::InvalidDestination,
            ),
        ],
        gives: &[],
        subject: Subject::Nobody,
        raises: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for operation in OPERATIONS {
            assert_eq!(
                Operation::named(operation.name).unwrap().verb,
                operation.verb
            );
            for input in operation.inputs {
                assert!(
                    std::ptr::eq(operation.input(input.name).unwrap(), input),
                    "{} {}",
                    operation.name,
                    input.name
                );
            }
        }
    }
}

//! The table of operations.

use vestibule_identity::Kind;

use super::InputKind::{Email, Flag, Line, Object, Password, Proof, Secret, Text, Texts, Token};
use super::Presence::{Optional, Required, WhenNamed};
use super::{InputKind, InputSpec, Operation, Presence, Subject, Verb};

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
        inputs: &[EMAIL, PASSWORD, CAPTCHA],
        gives: SIGNED_IN,
        subject: Subject::Session,
        raises: &[Kind::InvalidCredentials, Kind::MissingCaptcha],
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
                Proof,
                Optional,
                Kind::Unauthorized,
                Kind::Unauthorized,
            ),
            CAPTCHA,
        ],
        gives: &["reset_token"],
        subject: Subject::Nobody,
        raises: &[Kind::MissingCaptcha],
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

//! The operations that a route may call: their inputs, what they give to replies, and how they can fail.

mod table;

use vestibule_identity::Kind;

pub(crate) use table::OPERATIONS;

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
    /// A key or token that a stranger lacks: what can be neither counts as none.
    Proof,
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
    Kind::BodyTooSlow,
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

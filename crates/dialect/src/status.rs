//! The HTTP status that a kind of error has of itself.

use http::StatusCode;
use vestibule_identity::Kind;

/// The status of a kind wherever nothing gives it another.
pub fn natural_status(kind: Kind) -> StatusCode {
    match kind {
        Kind::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
        Kind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::EmailTaken => StatusCode::CONFLICT,
        Kind::UnknownTenant => StatusCode::MISDIRECTED_REQUEST,
        Kind::RateLimited | Kind::SpentCode => StatusCode::TOO_MANY_REQUESTS,
        Kind::Overloaded | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::BrowserOrigin
        | Kind::RegistrationClosed
        | Kind::Forbidden
        | Kind::SignInAgain
        | Kind::NotANavigation
        | Kind::WrongRole => StatusCode::FORBIDDEN,
        Kind::UidMismatch
        | Kind::UnauthorizedKey
        | Kind::ExpiredKey
        | Kind::InvalidCredentials
        | Kind::Unauthorized
        | Kind::InvalidRefreshToken
        | Kind::InvalidProviderData
        | Kind::InvalidLoginToken
        | Kind::ExpiredLoginToken => StatusCode::UNAUTHORIZED,
        Kind::MalformedBody
        | Kind::MalformedInput
        | Kind::MissingEmail
        | Kind::InvalidEmail
        | Kind::SameEmail
        | Kind::MissingPassword
        | Kind::WeakPassword
        | Kind::MissingName
        | Kind::InvalidName
        | Kind::MissingUid
        | Kind::AmbiguousTenant
        | Kind::MissingToken
        | Kind::InvalidToken
        | Kind::InvalidCode
        | Kind::MissingRefreshToken
        | Kind::MissingProvider
        | Kind::InvalidProvider
        | Kind::MissingProviderData
        | Kind::MissingCaptcha
        | Kind::InvalidCaptcha
        | Kind::InvalidDestination
        | Kind::LinkNotAllowed => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_caller_got_wrong_is_never_a_400() {
        for (kind, status) in [
            (Kind::NotFound, 404),
            (Kind::MethodNotAllowed, 405),
            (Kind::BodyTooLarge, 413),
            (Kind::RateLimited, 429),
            (Kind::Overloaded, 503),
            (Kind::Unavailable, 503),
            (Kind::Internal, 500),
            (Kind::Unauthorized, 401),
        ] {
            assert_eq!(natural_status(kind).as_u16(), status, "{kind:?}");
        }
    }
}

//! The first page a newcomer may see.

use super::{APP, EMAIL, PASSWORD, acme_with_ada, leads_to, page, refused, sign_in, submit};
use crate::app::on_both;

const FORM: [(&str, &str); 4] = [
    ("first_name", "Ada"),
    ("last_name", "King"),
    ("locale", "de"),
    ("timezone", "Europe/Berlin"),
];

on_both! {
    async fn it_saves_and_leads_on(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let shown = page(&app, "/onboarding?next=/dash", &cookie).await;
        assert!(shown.status(200).body.contains("value=\"Pooja\""), "{}", shown.body);
        leads_to(&submit(&app, "/onboarding?next=/dash", &cookie, &FORM).await, "/dash");
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!((&*account.first_name, &*account.last_name, &*account.locale, &*account.timezone, account.onboarded), ("Ada", "King", "de", "Europe/Berlin", true));
        leads_to(&submit(&app, "/onboarding", &cookie, &FORM).await, APP);
    }

    async fn wrong_fields_are_told_above_what_was_typed(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let before = app.identity.user(&cx, EMAIL).await.unwrap();
        for (name, value) in [("locale", "not a locale!"), ("timezone", "Nowhere/<b>"), ("first_name", "a\nb"), ("first_name", &"x".repeat(500))] {
            let form = FORM.map(|field| if field.0 == name { (name, value) } else { field });
            let reply = submit(&app, "/onboarding", &cookie, &form).await;
            refused(&reply, 400);
            assert!(!reply.body.contains("<b>") && reply.body.contains("King"), "{name}: {}", reply.body);
        }
        assert_eq!(app.identity.user(&cx, EMAIL).await.unwrap(), before);
    }

    async fn it_is_for_the_signed_in(app: TestApp) {
        acme_with_ada(&app).await;
        leads_to(&page(&app, "/onboarding?next=/dash", "").await, "/sign-in?next=%2Fonboarding%3Fnext%3D%2Fdash");
        leads_to(&submit(&app, "/onboarding", "", &FORM).await, "/sign-in?next=%2Fonboarding");
    }

    async fn no_field_grants_anything(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        for path in ["/onboarding", "/account/profile"] {
            let more = [("role", "Admin"), ("email", "eve@evil.test"), ("email_verified", "true"), ("id", "x"), ("unique_id", "x"), ("mobile", "1")];
            submit(&app, path, &cookie, &[&FORM[..], &more].concat()).await.status(303);
        }
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!((&*account.role, &*account.email, &*account.unique_id, &*account.mobile), ("Trainee", EMAIL, "", ""));
    }
}

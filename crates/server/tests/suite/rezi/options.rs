//! Where the link leads: onboarding, its way out, and options that are not ours.

use std::time::Duration;

use super::{EMAIL, HOST, login_token, refused};
use crate::app::{Reply, TestApp, on_both};
use crate::hostile::PATHS;

const APP: &str = "https://app.acme.test/";

/// Where a link's close button leads, as the page writes it.
async fn close_button(app: &TestApp, reply: &Reply) -> String {
    let (location, cookie) = (reply.header("location"), reply.session_cookie().unwrap());
    assert!(location.starts_with("/onboarding"), "{location}");
    let page = app.get(HOST, location, &[("cookie", &cookie)]).await;
    let button = page
        .status(200)
        .body
        .split("id=\"close\"")
        .nth(1)
        .unwrap_or_else(|| panic!("no close button in {}", page.body));
    button
        .split('"')
        .nth(1)
        .unwrap()
        .replace("&amp;", "&")
        .replace("&#x2f;", "/")
}

async fn follow(app: &TestApp, token: &str, options: &[(&str, &str)]) -> Reply {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("token", token)
        .extend_pairs(options)
        .finish();
    app.get(HOST, &format!("/login/?{query}"), &[]).await
}

on_both! {
    async fn onboarding_opens_when_asked_for(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        for asked in ["true", "True", "TRUE"] {
            let reply = follow(&app, &token, &[("openOnboarding", asked), ("closeOnboardingRedirect", "/dashboard/education")]).await;
            assert_eq!(close_button(&app, &reply).await, "/dashboard/education", "{asked}");
        }
        let reply = follow(&app, &token, &[("openOnboarding", "true")]).await;
        assert_eq!(close_button(&app, &reply).await, APP);
        for not in ["false", "", "1", "yes", "true ", "truely", "null"] {
            let reply = follow(&app, &token, &[("openOnboarding", not), ("closeOnboardingRedirect", "/dashboard")]).await;
            assert_eq!((reply.status.as_u16(), reply.header("location")), (303, APP), "{not:?}");
        }
        let reply = follow(&app, &token, &[("closeOnboardingRedirect", "/dashboard")]).await;
        assert_eq!(reply.header("location"), APP);
    }

    async fn internal_ways_out_are_kept(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        for path in ["/", "/dashboard/education", "/a?b=c&d=e", "/a#part", "/a?b=%2Fc", "/mail/ada@example.com", "/100%25", "/account"] {
            let reply = follow(&app, &token, &[("openOnboarding", "true"), ("closeOnboardingRedirect", path)]).await;
            assert_eq!(close_button(&app, &reply).await, path);
        }
    }

    async fn hostile_ways_out_are_dropped(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        for hostile in PATHS.iter() {
            for onboarding in ["true", "false"] {
                let reply = follow(&app, &token, &[("openOnboarding", onboarding), ("closeOnboardingRedirect", hostile)]).await;
                // What no text may hold is refused as a whole.
                if hostile.contains('\0') && reply.status == 400 {
                    refused(&reply, 400, &token);
                    continue;
                }
                assert_eq!(reply.status, 303, "{hostile:?}: {}", reply.body);
                assert!(!reply.header("location").contains("evil"), "{hostile:?}: {}", reply.header("location"));
                assert!(reply.headers.get_all("set-cookie").iter().all(|line| line.to_str().unwrap().starts_with("__Host-vestibule")), "{hostile:?}");
                match onboarding {
                    "true" => assert_eq!(close_button(&app, &reply).await, APP, "{hostile:?}"),
                    _ => assert_eq!(reply.header("location"), APP, "{hostile:?}"),
                }
            }
        }
    }

    async fn the_onboarding_page_trusts_its_address_no_more(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        let cookie = follow(&app, &token, &[]).await.session_cookie().unwrap();
        for hostile in PATHS.iter() {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", hostile).finish();
            let page = app.get(HOST, &format!("/onboarding?{query}"), &[("cookie", &cookie)]).await;
            let button = page.status(200).body.split("id=\"close\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            assert_eq!(button.replace("&#x2f;", "/"), APP, "{hostile:?}");
            let form = [("first_name", "Ada"), ("last_name", "L"), ("locale", "en-US"), ("timezone", "UTC")];
            let headers = [("cookie", &*cookie), ("origin", "https://lms.acme.test")];
            let saved = app.post_form(HOST, &format!("/onboarding?{query}"), &headers, &form).await;
            assert_eq!((saved.status.as_u16(), saved.header("location")), (303, APP), "{hostile:?}");
        }
    }

    async fn unknown_options_travel_on_to_the_app(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        let unknown = [("utm_source", "a b&c"), ("x", "1"), ("x", "2"), ("ünï", "ö"), ("empty", "")];
        let expected = "utm_source=a+b%26c&x=1&x=2&%C3%BCn%C3%AF=%C3%B6&empty=";
        assert_eq!(follow(&app, &token, &unknown).await.header("location"), format!("{APP}?{expected}"));
        let mut options = vec![("openOnboarding", "true")];
        options.extend(unknown);
        let reply = follow(&app, &token, &options).await;
        assert_eq!(close_button(&app, &reply).await, format!("{APP}?{expected}"), "also past onboarding");
        let headers = [("cookie", &*reply.session_cookie().unwrap()), ("origin", "https://lms.acme.test")];
        let form = [("first_name", "Ada"), ("last_name", "L"), ("locale", "en-US"), ("timezone", "UTC")];
        let saved = app.post_form(HOST, reply.header("location"), &headers, &form).await;
        assert_eq!((saved.status.as_u16(), saved.header("location")), (303, &*format!("{APP}?{expected}")));
        options.push(("closeOnboardingRedirect", "/dash?y=1"));
        assert_eq!(close_button(&app, &follow(&app, &token, &options).await).await, format!("/dash?y=1&{expected}"));
    }

    async fn an_option_named_like_one_of_ours_travels_too(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        for (close, out) in [(None, APP), (Some("/dash"), "/dash")] {
            let mut options = vec![("openOnboarding", "true"), ("next", "/theirs"), ("notice", "saved")];
            options.extend(close.map(|close| ("closeOnboardingRedirect", close)));
            assert_eq!(close_button(&app, &follow(&app, &token, &options).await).await, format!("{out}?next=%2Ftheirs&notice=saved"));
        }
        assert_eq!(follow(&app, &token, &[("next", "//evil.test")]).await.header("location"), format!("{APP}?next=%2F%2Fevil.test"));
    }

    async fn the_token_travels_nowhere(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        for options in [&[][..], &[("openOnboarding", "true")], &[("openOnboarding", "true"), ("closeOnboardingRedirect", "/x")], &[("Token", "y"), ("t", "z")]] {
            let reply = follow(&app, &token, options).await;
            assert!(!reply.header("location").contains(&token), "{options:?}");
            for known in ["token=", "openOnboarding", "closeOnboardingRedirect"] {
                assert!(!reply.header("location").contains(known), "{known} in {}", reply.header("location"));
            }
        }
    }

    async fn a_known_option_given_twice_is_refused(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let (first, second) = (login_token(&app, &key, EMAIL).await, login_token(&app, &key, "other@example.com").await);
        for query in [
            format!("token={first}&token={second}"),
            format!("token={first}&closeOnboardingRedirect=/a&closeOnboardingRedirect=/b"),
            format!("token={first}&openOnboarding=true&openOnboarding=false"),
        ] {
            refused(&app.get(HOST, &format!("/login/?{query}"), &[]).await, 400, &first);
        }
        app.pass(Duration::from_secs(600));
        assert_eq!(follow(&app, &first, &[]).await.status, 303);
    }

    async fn the_sign_in_page_leads_to_onboarding_as_well(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, "correct horse battery", "Trainee").await;
        let page = app.get(HOST, "/login/?openOnboarding=true&closeOnboardingRedirect=/dash&utm=1", &[]).await;
        let next = page.status(200).body.split("name=\"next\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let next = next.replace("&amp;", "&").replace("&#x2f;", "/");
        assert!(next.starts_with("/onboarding?"), "{next}");
        let form = [("email", EMAIL), ("password", "correct horse battery"), ("next", &*next)];
        let reply = app.post_form(HOST, "/sign-in", &[("origin", "https://lms.acme.test")], &form).await;
        assert_eq!(reply.header("location"), next);
        assert_eq!(close_button(&app, &reply).await, "/dash?utm=1");
    }

    async fn without_an_app_the_account_page_is_home(app: TestApp) {
        let cx = app.apply("slug = 'bare'\nname = 'Bare'\ndomains = ['lms.acme.test']\ndialects = ['rezi']").await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        assert_eq!(follow(&app, &token, &[]).await.header("location"), "/account");
    }
}

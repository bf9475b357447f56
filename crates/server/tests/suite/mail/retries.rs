//! Each mail arrives once where the network lets it, again where nobody can know, and never after its time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vestibule_identity::MailJob;

use super::sink::{Behaviour, Sink};
use super::{post, worker};
use crate::app::{TestApp, at_once, on_both};
use crate::enclaive::{OTHER_PASSWORD, PASSWORD, forgot, registered, reset};

const SOON: Duration = Duration::from_secs(10);

fn ids(sink: &Sink) -> Vec<String> {
    let mut ids: Vec<String> = sink
        .take()
        .iter()
        .map(|mail| mail.header("Message-ID"))
        .collect();
    ids.sort();
    ids
}

async fn audience(app: &TestApp, count: usize) {
    for index in 0..count {
        registered(app, &format!("p{index}@team.example")).await;
    }
}

on_both! {
    async fn what_was_sent_is_not_sent_again(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        registered(&app, "ada@team.example").await;
        sink.behave(&[Behaviour::Chatty]);
        assert_eq!(worker.run_once().await.unwrap(), 1);
        for wait in [0, 10, 121, 3_600, 86_400] {
            app.pass(Duration::from_secs(wait));
            assert_eq!(worker.run_once().await.unwrap(), 0);
        }
        assert_eq!(sink.take().len(), 1);
    }

    async fn temporary_refusals_and_lost_connections_are_tried_again_later(app: TestApp) {
        let (_, sink, _) = post(&app).await;
        for behaviour in [
            Behaviour::Greet("421 4.3.2 busy"),
            Behaviour::Mail("451 4.3.0 not now"),
            Behaviour::Rcpt("450 4.2.1 greylisted"),
            Behaviour::Rcpt("452 4.2.2 mailbox full"),
            Behaviour::Data("451 4.3.0 not now"),
            Behaviour::Dot("451 4.3.0 not now"),
            Behaviour::Dot("421 4.3.2 closing"),
            Behaviour::DropAtOnce,
            Behaviour::DropAfterRcpt,
            Behaviour::DropAfterDot,
        ] {
            // Connections are kept; a greeting needs a new one.
            let worker = worker(&app, &[("smtp_url", &sink.url())]);
            let email = format!("p{}@team.example", app.identity.now().0);
            registered(&app, &email).await;
            sink.behave(&[behaviour]);
            assert_eq!(worker.run_once().await.unwrap(), 1, "{behaviour:?}");
            let arrived = sink.take();
            assert!(arrived.iter().all(|mail| !mail.acknowledged), "{behaviour:?}");
            assert_eq!(worker.run_once().await.unwrap(), 0, "{behaviour:?}: not at once");
            app.pass(SOON);
            assert_eq!(worker.run_once().await.unwrap(), 1, "{behaviour:?}");
            let again = sink.take();
            assert_eq!(again.len(), 1, "{behaviour:?}");
            assert_eq!(again[0].to, [format!("TO:<{email}>")]);
            for first in &arrived {
                assert_eq!(first.header("Message-ID"), again[0].header("Message-ID"), "{behaviour:?}");
                assert_eq!(first.parts(), again[0].parts(), "{behaviour:?}");
            }
            app.pass(SOON);
        }
    }

    async fn permanent_refusals_are_given_up(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        for behaviour in [
            Behaviour::Mail("550 5.7.1 not from you"),
            Behaviour::Rcpt("550 5.1.1 no such user"),
            Behaviour::Rcpt("553 5.1.3 bad address"),
            Behaviour::Data("554 5.5.0 no"),
            Behaviour::Dot("554 5.7.1 spam"),
            Behaviour::Dot("552 5.3.4 too big"),
        ] {
            registered(&app, &format!("p{}@team.example", app.identity.now().0)).await;
            sink.behave(&[behaviour]);
            assert_eq!(worker.run_once().await.unwrap(), 1, "{behaviour:?}");
            sink.take();
            for wait in [1, 10, 121, 3_600, 7_200] {
                app.pass(Duration::from_secs(wait));
                assert_eq!(worker.run_once().await.unwrap(), 0, "{behaviour:?} after {wait} s");
            }
            assert!(sink.take().is_empty());
        }
    }

    async fn a_server_that_wants_nobody_now_has_not_refused_the_mail(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        registered(&app, "ada@team.example").await;
        sink.behave(&[Behaviour::Greet("554 5.7.1 no service for your address")]);
        assert_eq!(worker.run_once().await.unwrap(), 1);
        app.pass(SOON);
        assert_eq!(worker.run_once().await.unwrap(), 1);
        assert_eq!(sink.take().len(), 1);
    }

    async fn the_same_message_id_at_every_try_and_another_for_every_mail(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        audience(&app, 3).await;
        sink.behave(&[Behaviour::DropAfterDot, Behaviour::Dot("451 later"), Behaviour::Dot("451 later")]);
        let mut seen = Vec::new();
        for _ in 0..4 {
            worker.run_once().await.unwrap();
            seen.extend(ids(&sink));
            app.pass(Duration::from_secs(600));
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
        seen.sort();
        for pair in seen.chunks(2) {
            assert_eq!(pair[0], pair[1]);
        }
        seen.dedup();
        assert_eq!(seen.len(), 3);
    }

    async fn tries_come_later_and_later(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        registered(&app, "ada@team.example").await;
        sink.behave(&[Behaviour::Rcpt("450 greylisted"); 1_000]);
        let mut tries = Vec::new();
        for second in 0..1_800_u64 {
            if worker.run_once().await.unwrap() == 1 {
                tries.push(second);
            }
            app.pass(Duration::from_secs(1));
        }
        let pauses: Vec<u64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");
        assert!((5..=7).contains(&pauses[0]) && (8..=10).contains(&tries.len()), "{tries:?}");
    }

    async fn a_notice_outlives_a_server_that_is_away_for_two_days(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        forgot(&app, "ada@team.example").await.status(200);
        let token = app.mailed_token(vestibule_identity::MailKind::ResetPassword).await;
        reset(&app, &token, OTHER_PASSWORD).await.status(200);
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nowhere = worker(&app, &[("smtp_url", &format!("smtp://{}", closed.local_addr().unwrap()))]);
        drop(closed);
        for _ in 0..48 {
            nowhere.run_once().await.unwrap();
            app.pass(Duration::from_secs(3_600));
        }
        let sink = Sink::start().await;
        app.pass(Duration::from_secs(3_700));
        assert_eq!(worker(&app, &[("smtp_url", &sink.url())]).run_once().await.unwrap(), 1);
        assert_eq!(sink.take().len(), 1);
    }

    async fn a_mail_whose_link_is_dead_is_not_sent(app: TestApp) {
        let (cx, sink, worker) = post(&app).await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        forgot(&app, "ada@team.example").await.status(200);
        app.pass(Duration::from_secs(3_601));
        assert_eq!(worker.run_once().await.unwrap(), 0);
        forgot(&app, "ada@team.example").await.status(200);
        app.pass(Duration::from_secs(3_599));
        assert_eq!(worker.run_once().await.unwrap(), 1, "a second before its end");
        registered(&app, "late@team.example").await;
        app.pass(Duration::from_secs(86_401));
        assert_eq!(worker.run_once().await.unwrap(), 0);
        let to: Vec<String> = sink.take().into_iter().flat_map(|mail| mail.to).collect();
        assert_eq!(to, ["TO:<ada@team.example>"]);
    }

    async fn a_mail_that_failed_until_its_time_was_over_is_dropped(app: TestApp) {
        let (cx, sink, worker) = post(&app).await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        forgot(&app, "ada@team.example").await.status(200);
        sink.behave(&[Behaviour::Rcpt("450 greylisted"); 100]);
        for _ in 0..90 {
            worker.run_once().await.unwrap();
            app.pass(Duration::from_secs(60));
        }
        sink.behave(&[]);
        app.pass(Duration::from_secs(86_400));
        assert_eq!(worker.run_once().await.unwrap(), 0);
        assert!(sink.take().is_empty());
    }

    async fn no_tenant_takes_every_place_at_the_post(app: TestApp) {
        let (acme, _) = (app.acme().await, app.zeta().await);
        audience(&app, 6).await;
        let of_acme = |jobs: &[MailJob]| jobs.iter().filter(|job| job.tenant.id == acme.tenant.id).count();
        let first = app.identity.claim_mail_of_each(5, 4, Vec::new()).await.unwrap();
        assert_eq!((first.len(), of_acme(&first)), (4, 4), "its own share");
        let busy = vec![acme.tenant.id.clone()];
        assert!(app.identity.claim_mail_of_each(5, 4, busy).await.unwrap().is_empty());
        let others = vec![acme.tenant.id.chars().rev().collect(), acme.tenant.id[1..].to_owned()];
        assert_eq!(app.identity.claim_mail_of_each(5, 4, others).await.unwrap().len(), 2);
    }

    async fn a_mail_in_the_hands_of_a_worker_that_died_is_sent_after_its_lease(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        audience(&app, 3).await;
        let claimed = app.identity.claim_mail(2).await.unwrap();
        let mut lost: Vec<String> = claimed.iter().map(|job| job.message_id.clone()).collect();
        lost.sort();
        drop(claimed);
        assert_eq!(worker.run_once().await.unwrap(), 1, "the one that nobody had claimed");
        sink.take();
        app.pass(Duration::from_secs(119));
        assert_eq!(worker.run_once().await.unwrap(), 0);
        app.pass(Duration::from_secs(2));
        assert_eq!(worker.run_once().await.unwrap(), 2);
        assert_eq!(ids(&sink), lost);
        app.pass(Duration::from_secs(600));
        assert_eq!(worker.run_once().await.unwrap(), 0);
    }

    async fn two_workers_never_send_one_mail_twice(app: TestApp) {
        let (_, sink, first) = post(&app).await;
        let second = worker(&app.second_node().await, &[("smtp_url", &sink.url())]);
        for round in 1..=3 {
            for index in 0..24 {
                registered(&app, &format!("r{round}p{index}@team.example")).await;
            }
            let workers = [first.clone(), second.clone(), first.clone(), second.clone()];
            let counts = at_once(4, |index| {
                let worker = workers[index].clone();
                async move { worker.run_once().await.unwrap() }
            })
            .await;
            assert_eq!(counts.iter().sum::<usize>(), 24, "{counts:?}");
            let mut ids = ids(&sink);
            assert_eq!(ids.len(), 24);
            ids.dedup();
            assert_eq!(ids.len(), 24, "a mail came twice");
        }
    }

    async fn one_mail_that_cannot_go_holds_no_other_up(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        audience(&app, 6).await;
        sink.behave(&[Behaviour::DropAtOnce, Behaviour::Rcpt("550 no"), Behaviour::Rcpt("450 later"), Behaviour::Dot("554 spam")]);
        assert_eq!(worker.run_once().await.unwrap(), 6);
        assert_eq!(sink.take().iter().filter(|mail| mail.acknowledged).count(), 2);
        app.pass(SOON);
        assert_eq!(worker.run_once().await.unwrap(), 2, "the dropped one and the greylisted one");
    }

    async fn several_mails_share_a_connection(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        audience(&app, 10).await;
        assert_eq!(worker.run_once().await.unwrap(), 10);
        assert!(sink.connections() < 10, "{}", sink.connections());
    }

    async fn the_workers_loop_sends_what_comes_and_stops_when_told(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        let (stop, stopping) = watch::channel(false);
        let running = tokio::spawn(Arc::clone(&worker).run(stopping));
        audience(&app, 5).await;
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, sink.holds(5)).await.expect("five mails");
        stop.send_replace(true);
        tokio::time::timeout(patience, running).await.expect("it stops").unwrap();
        let mut ids = ids(&sink);
        ids.dedup();
        assert_eq!(ids.len(), 5);
        assert_eq!(worker.run_once().await.unwrap(), 0, "what was in hand was reported");
        assert!(sink.commands().iter().any(|command| command.starts_with("QUIT")));
    }
}

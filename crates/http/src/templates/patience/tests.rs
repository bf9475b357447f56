//! Slow templates, and who waits for them.

use std::fmt::Formatter;
use std::iter::from_fn;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use minijinja::context;
use minijinja::value::{Object, Value};
use vestibule_identity::Tenant;

use super::*;
use crate::site::sample_tenant;
use crate::templates::{base, own, render};

const PAGE: &str = "verify-email.html";

/// A tenant with an id of its own: nobody else's engines are in the way.
fn tenant(id: &str, template: &str) -> Tenant {
    let tenant = sample_tenant(&format!("[templates]\n'{PAGE}' = '''{template}'''"));
    Tenant {
        id: id.into(),
        ..tenant
    }
}

fn shown(tenant: &Arc<Tenant>, email: impl Into<Value>) -> String {
    let values = context! { email => email.into(), ..base(Some(tenant), "r1", "en") };
    render(Some(tenant), "en", PAGE, values).unwrap()
}

fn is_ours(html: &str) -> bool {
    html.contains("<title>")
}

fn is_marked(tenant: &Arc<Tenant>, language: &'static str) -> bool {
    own::engines_of(tenant, language).all(|own| own.pace.is_slow())
}

/// Takes thousands of empty `with` for each step that is counted: some 0.8 seconds of processor time.
fn slow(end: &str) -> String {
    let each = "{% for i in [1,2,3,4,5,6,7,8] %}".repeat(4);
    let ends = "{% endfor %}".repeat(4);
    let inner = "{%with%}{%endwith%}".repeat(3_000);
    format!("{each}{inner}{ends}{end}")
}

#[test]
fn a_slow_template_is_used_once() {
    let first = Arc::new(tenant("slow", &slow("theirs")));
    assert!(!is_marked(&first, "en"));
    assert_eq!(shown(&first, "ada@example.com"), "theirs");
    assert!(is_marked(&first, "en") && is_marked(&first, "de"));
    assert!(is_ours(&shown(&first, "ada@example.com")));
    let changed = Arc::new(tenant("slow", "changed"));
    assert!(!is_marked(&changed, "en"));
    assert_eq!(shown(&changed, "ada@example.com"), "changed");
    assert_eq!(shown(&changed, "ada@example.com"), "changed");
}

#[test]
fn one_that_is_slow_to_fail_is_used_once_too() {
    let slow = Arc::new(tenant("fails", &slow("{{ email.x.y }}")));
    assert!(is_ours(&shown(&slow, "ada@example.com")));
    assert!(is_marked(&slow, "en"));
}

/// Shown once something has been heard twice: a value is written for its length, and then for the page.
#[derive(Debug)]
struct Hears(Mutex<Receiver<()>>);

impl Object for Hears {
    fn render(self: &Arc<Self>, f: &mut Formatter<'_>) -> std::fmt::Result {
        let heard = self.0.lock().recv_timeout(Duration::from_secs(30));
        f.write_str(if heard.is_ok() { "heard" } else { "alone" })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn others_go_on_while_a_template_renders() {
    let theirs = Arc::new(tenant("waits", "{{ email }}"));
    let rendering = theirs.clone();
    let html = tokio::spawn(async move {
        let (tell, hear) = channel();
        // It has this task's worker, or none.
        tokio::spawn(async move { [(); 2].map(|()| tell.send(())) });
        shown(&rendering, Value::from_object(Hears(Mutex::new(hear))))
    });
    assert_eq!(html.await.unwrap(), "heard");

    // Without a turn ours is shown; a tenant with words alone needs none.
    let of_words = Arc::new(Tenant {
        id: "says".into(),
        ..sample_tenant("texts.en.verify.title = 'Own words'")
    });
    let all: Vec<_> = from_fn(|| TURNS.take(Duration::ZERO)).collect();
    assert!(!all.is_empty());
    assert!(is_ours(&shown(&theirs, "ada@example.com")));
    assert!(shown(&of_words, "ada@example.com").contains("Own words"));
    drop(all);
    assert_eq!(shown(&theirs, "ada@example.com"), "ada@example.com");
}

/// One tenant's flood takes no turns from the others, as far as its templates are dear.
#[test]
fn dear_templates_do_not_queue() {
    let pace = Pace::default();
    let cheap = Duration::from_millis(2);
    assert!(!pace.learn(cheap));
    let all: Vec<_> = from_fn(|| pace.come()).take(50).collect();
    assert_eq!(all.len(), 50);
    drop(all);
    let dear = Pace::default();
    assert!(!dear.learn(Duration::from_millis(90)));
    let (first, second, third) = (dear.come(), dear.come(), dear.come());
    assert!(first.is_some() && second.is_some() && third.is_none());
    drop(first);
    assert!(dear.come().is_some());
    assert!(dear.learn(Duration::from_millis(101)) && dear.is_slow());
    assert!(!dear.learn(Duration::from_millis(101)), "told once");
}

#[test]
fn a_turn_that_is_given_back_is_the_next_ones() {
    let turns = Turns::new(1);
    let turn = turns.take(Duration::ZERO);
    assert!(turn.is_some() && turns.take(Duration::ZERO).is_none());
    std::thread::scope(|scope| {
        let next = scope.spawn(|| turns.take(Duration::from_secs(30)).is_some());
        drop(turn);
        assert!(next.join().unwrap());
    });
    assert!(turns.take(Duration::ZERO).is_some());
}

#![allow(warnings, clippy::all)]
use std::time::Instant;
use vestibule_db::*;
async fn bench(db: &Db, name: &str) {
    db.write(|tx| tx.exec("CREATE TABLE IF NOT EXISTS b (id BIGINT PRIMARY KEY, v TEXT)", &[])).await.unwrap();
    db.write(|tx| tx.exec("DELETE FROM b", &[])).await.unwrap();
    let mut next = 0i64;
    for writers in [1i64, 8, 64] {
        let per = if writers == 1 { 600 } else { 4000 / writers };
        let t = Instant::now(); let c0 = db.commits();
        let tasks: Vec<_> = (0..writers).map(|w| { let db = db.clone(); let base = next + w * per; tokio::spawn(async move {
            for i in 0..per { db.write(move |tx| tx.exec("INSERT INTO b (id, v) VALUES ($1, $2)", &params![base + i, "some text for the row"])).await.unwrap(); } }) }).collect();
        for t in tasks { t.await.unwrap(); }
        let n = writers * per; next += n;
        println!("{name} {writers} writers: {:.0} writes/s, {} writes in {} commits", n as f64 / t.elapsed().as_secs_f64(), n, db.commits() - c0);
    }
    let t = Instant::now(); let n = 2000;
    for i in 0..n { db.read(move |tx| tx.opt("SELECT v FROM b WHERE id = $1", &params![i], |r| r.get::<String>(0))).await.unwrap(); }
    println!("{name} reads one by one {:.0}/s", n as f64 / t.elapsed().as_secs_f64());
    db.write(|tx| tx.exec("DROP TABLE b", &[])).await.unwrap();
}
#[tokio::main]
async fn main() {
    for url in std::env::args().skip(1) {
        match Db::open(&Options::new(&url)).await { Ok(db) => bench(&db, &url).await, Err(e) => println!("{url}: {e}") }
    }
}

//! Plays a dialect's recorded exchanges against a fresh server, through the real router and database.

mod outside;
mod stage;

use vestibule_dialect::Dialects;
use vestibule_dialect::examples::{Example, Received, Step};

use stage::Stage;

/// How one example went.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Outcome {
    pub file: String,
    pub title: String,
    /// Steps whose answers were the expected ones.
    pub passed: usize,
    /// What was wrong with the first that was not.
    pub failure: Option<String>,
}

/// Plays each example on a server of its own. An error means that the stage could not be set, not that an example failed.
pub async fn replay(
    dialects: &Dialects,
    dialect: &str,
    examples: &[Example],
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(examples.len());
    for example in examples {
        let mut outcome = Outcome {
            file: example.file.clone(),
            title: example.title.clone(),
            passed: 0,
            failure: None,
        };
        match Stage::set(dialects, dialect, &example.given).await {
            Err(error) => outcome.failure = Some(format!("what is given: {error:#}")),
            Ok(mut stage) => {
                outcome.failure = play(&mut stage, &example.step, &mut outcome.passed)
                    .await
                    .err();
                stage.clear().await;
            }
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

async fn play(stage: &mut Stage, steps: &[Step], passed: &mut usize) -> Result<(), String> {
    for step in steps {
        let told = |error: String| format!("step {} ({}): {error}", *passed + 1, step.request);
        one(stage, step).await.map_err(told)?;
        *passed += 1;
    }
    Ok(())
}

async fn one(stage: &mut Stage, step: &Step) -> Result<(), String> {
    if let Some(span) = &step.after {
        stage.leap(span)?;
    }
    if step.variables().iter().any(|name| name == "mail.token") {
        stage.read_mail().await?;
    }
    let request = step.request(stage.variables())?;
    let received: Received = stage.send(request).await?;
    step.matches(&received, stage.variables())?;
    stage.save(step.saved(&received)?);
    Ok(())
}

//! `cargo xtask soak`: the real program under mixed load for a long time, stopped with SIGTERM and SIGKILL by turns.
//!
//! Each publisher numbers its messages and sends each until it is acknowledged, so every subscriber must see every
//! number after the one before: at QoS 1 some again, at QoS 2 each once. That needs no memory, however long it runs.
//! Beside the numbers it looks at what creeps: resident memory within one life of the process and from life to life,
//! and the size of the data folder. Every clean session that passes by must leave nothing behind.

mod chance;
mod field;
mod passer;
mod publisher;
mod subscriber;
mod watch;

use std::{
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use restante_model::QoS;
use restante_testkit::{Broker, executables};

use chance::Chance;
use field::Field;
use publisher::Publisher;
use subscriber::{Habit, Subscriber};
use watch::Watch;

/// Minutes unless told otherwise.
const MINUTES: u64 = 10;

/// Lives of the process in one run, at most one a minute: by turns ended with SIGKILL and SIGTERM.
const LIVES: u64 = 8;

/// How long subscribers may take for the rest, once nothing is published any more.
const END_LIMIT: Duration = Duration::from_secs(300);

/// The qualities of service of the publishers, and of the subscriptions of each habit.
const QUALITIES: [QoS; 4] = [
    QoS::AtLeastOnce,
    QoS::ExactlyOnce,
    QoS::AtLeastOnce,
    QoS::ExactlyOnce,
];
const HABITS: [Habit; 3] = [Habit::Stays, Habit::Wanders, Habit::Sleeps];

/// Clean sessions that come and go at once.
const PASSERS: u64 = 4;

/// Runs as the options say.
///
/// # Errors
/// A sentence: the options are wrong, the program cannot be built, or what was found.
pub(crate) fn command(options: &[&str]) -> Result<(), String> {
    let mut minutes = MINUTES;
    let mut seed = std::process::id().into();
    for option in options.chunks(2) {
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|error| format!("{}: {text:?}: {error}", option[0]))
        };
        match option {
            ["--minutes", text] => minutes = number(text)?.max(1),
            ["--seed", text] => seed = number(text)?,
            _ => {
                return Err(format!(
                    "soak does not know {option:?}; it takes --minutes N and --seed S"
                ));
            }
        }
    }
    let program = built()?;
    println!("soak: {minutes} min, seed {seed}, {}", program.display());
    let broker = Broker::builder()
        .executable(&program)
        // Nothing may be pushed out: what is missing must be lost.
        .session("max_mqueue_len", "100000000")
        .session("max_mqueue_bytes", "\"64GiB\"")
        .start();
    run(broker, Duration::from_secs(60 * minutes), Chance::new(seed))
}

/// The program, as its users build it; `RESTANTE_BIN` names another.
fn built() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("RESTANTE_BIN") {
        return Ok(path.into());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "restante"])
        .status();
    match status {
        Ok(status) if status.success() => {}
        other => return Err(format!("cannot build restante: {other:?}")),
    }
    let program = executables::tools_folder()
        .with_file_name("release")
        .join("restante");
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("there is no {}", program.display()))
    }
}

fn run(mut broker: Broker, time: Duration, mut chance: Chance) -> Result<(), String> {
    let field = Field::new(broker.address(), 2 * HABITS.len() as u64);
    let lives = LIVES.min(time.as_secs() / 60).max(2);
    let life = time / u32::try_from(lives).unwrap_or(1);
    let mut watch = Watch::default();
    thread::scope(|scope| {
        let (field, mut seeds) = (&field, chance.split());
        let publishers: Vec<_> = QUALITIES
            .iter()
            .enumerate()
            .map(|(number, qos)| {
                let publisher = Publisher::new(field, number, *qos, seeds.split());
                scope.spawn(move || publisher.run())
            })
            .collect();
        for (number, habit) in HABITS.iter().cycle().take(2 * HABITS.len()).enumerate() {
            let qos = QUALITIES[number % 2];
            let subscriber = Subscriber::new(field, number, *habit, qos, seeds.split());
            scope.spawn(move || subscriber.run());
        }
        for number in 0..PASSERS {
            let chance = seeds.split();
            scope.spawn(move || passer::run(field, number, chance));
        }

        for number in 0..lives {
            watch.live(&broker, field, Instant::now() + life);
            if number + 1 == lives {
                break;
            }
            if number % 2 == 0 {
                broker.kill();
                println!("killed");
            } else {
                let status = broker.stop();
                println!("stopped: {status}");
                if !status.success() {
                    field.find(format!("SIGTERM ended it with {status}"));
                }
            }
            thread::sleep(chance.up_to(Duration::from_secs(1)));
            let begun = Instant::now();
            broker.start();
            println!("started in {} ms", begun.elapsed().as_millis());
            field.moved(broker.address());
        }
        field.stop_publishing();
        let mut sent = Vec::new();
        for publisher in publishers {
            match publisher.join() {
                Ok(count) => sent.push(count),
                Err(_) => field.find("a publisher of ours panicked".to_owned()),
            }
        }
        field.all_was_sent(sent, Instant::now() + END_LIMIT);
    });
    watch.judge(&broker, &field);
    let findings = field.findings();
    println!("{}", field.totals());
    if findings.is_empty() {
        println!("good: nothing lost, nothing twice at QoS 2, nothing that grows");
        return Ok(());
    }
    Err(format!(
        "found:\n  {}\nits last lines:\n{}",
        findings.join("\n  "),
        last_lines(&broker.output())
    ))
}

fn last_lines(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

//! What the process writes to its standard error: one line per event, as text or JSON with the same fields.
//!
//! Every line carries `code`, a word that does not change from version to version; the sentence beside it may. Lines
//! that repeat are throttled by their code ([`throttle`]).

pub mod throttle;

mod text;

use std::{sync::Arc, time::Instant};

use tracing_subscriber::{
    Layer, Registry,
    filter::LevelFilter,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

use crate::config::{LogFormat, LogLevel};
use throttle::{Throttle, ThrottleLayer};

/// Makes the subscriber that writes all lines.
pub fn subscriber<W>(
    format: LogFormat,
    level: LogLevel,
    throttle: Arc<Throttle>,
    writer: W,
) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The library complains about a failed write with `eprintln!`, which panics when standard error is closed.
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => Box::new(lines.event_format(text::Text)),
        LogFormat::Json => Box::new(
            lines
                .json()
                .flatten_event(true)
                .with_target(false)
                .with_current_span(false)
                .with_span_list(false),
        ),
    };
    tracing_subscriber::registry()
        .with(lines)
        .with(ThrottleLayer::new(throttle))
        .with(filter(level))
}

/// Writes one line for each code of which lines were left out.
pub fn report_repeated(throttle: &Throttle, now: Instant, ending: bool) {
    for repeated in throttle.take_report(now, ending) {
        let (of, count) = (&*repeated.code, repeated.count);
        let message = "lines of this code were left out";
        if repeated.error {
            tracing::error!(code = throttle::REPEATED, of, count, message);
        } else {
            tracing::warn!(code = throttle::REPEATED, of, count, message);
        }
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written by `work`, without the time stamps.
    fn written(format: LogFormat, level: LogLevel, work: impl FnOnce(&Throttle)) -> String {
        let written = Written::default();
        let throttle = Arc::new(Throttle::default());
        let writer = written.clone();
        let subscriber = subscriber(format, level, throttle.clone(), move || writer.clone());
        tracing::subscriber::with_default(subscriber, || work(&throttle));
        let bytes = written.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn untimed(text: &str) -> Vec<&str> {
        text.lines().map(|line| line.split_once(' ').unwrap().1).collect()
    }

    #[test]
    fn a_text_line_has_level_message_code_and_fields() {
        let text = written(LogFormat::Text, LogLevel::Info, |_| {
            tracing::info!(code = "client-left", client = "a b", count = 3, why = ?Some("x"), "it left");
            tracing::warn!(code = "taken-over", client = "plain");
            tracing::debug!(code = "not-shown");
        });
        let lines = untimed(&text);
        assert_eq!(
            lines,
            [
                r#"INFO  it left code=client-left client="a b" count=3 why="Some(\"x\")""#,
                "WARN  code=taken-over client=plain",
            ]
        );
        let time = text.split(' ').next().unwrap();
        assert!(
            time.starts_with("20") && time.ends_with('Z') && time.contains('T'),
            "{time}"
        );
    }

    /// A client id is a stranger's text: it must not be able to write lines of its own.
    #[test]
    fn strangers_cannot_forge_lines() {
        let evil = "x\n2026-01-01T00:00:00Z ERROR code=forged \u{1b}[31m";
        let text = written(LogFormat::Text, LogLevel::Info, |_| {
            tracing::info!(code = "client-left", client = evil, other = %evil, "about {evil}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'));
        let json = written(LogFormat::Json, LogLevel::Info, |_| {
            tracing::info!(code = "client-left", client = evil, "about {evil}");
        });
        assert_eq!(json.lines().count(), 1, "{json}");
    }

    #[test]
    fn a_json_line_has_the_same_fields() {
        let json = written(LogFormat::Json, LogLevel::Info, |_| {
            tracing::info!(code = "client-left", client = "a b", count = 3, "it left");
        });
        assert!(json.starts_with("{\"timestamp\":\"20"), "{json}");
        assert!(
            json.trim_end().ends_with(
                r#","level":"INFO","message":"it left","code":"client-left","client":"a b","count":3}"#
            ),
            "{json}"
        );
    }

    #[test]
    fn repeated_lines_are_left_out_and_counted() {
        let text = written(LogFormat::Text, LogLevel::Info, |throttle| {
            for _ in 0..throttle::LINES_PER_PERIOD + 5 {
                tracing::warn!(code = "again");
            }
            tracing::warn!(code = "other");
            report_repeated(throttle, Instant::now(), true);
        });
        let lines = untimed(&text);
        assert_eq!(
            lines.iter().filter(|line| **line == "WARN  code=again").count(),
            throttle::LINES_PER_PERIOD
        );
        assert_eq!(
            lines[throttle::LINES_PER_PERIOD..],
            [
                "WARN  code=other",
                "WARN  lines of this code were left out code=log-repeated of=again count=5"
            ]
        );
    }
}

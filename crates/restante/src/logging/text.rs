//! A log line for people: time, level, sentence, `code=word`, the other fields.

use std::fmt::{self, Debug, Write};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// A longer value is cut: a topic may have 65,535 bytes.
const VALUE_CHARS_MAX: usize = 256;

/// The format of text lines.
pub(super) struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        write!(writer, " {:5}", level(*event.metadata().level()))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        if !fields.message.is_empty() {
            write!(writer, " {}", fields.message)?;
        }
        writeln!(writer, "{}", fields.others)
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        // Writing to a string cannot fail.
        if field.name() == "message" {
            for c in value.chars() {
                let _ = if c.is_control() {
                    write!(self.message, "{}", c.escape_default())
                } else {
                    self.message.write_char(c)
                };
            }
            return;
        }
        let cut = match value.char_indices().nth(VALUE_CHARS_MAX) {
            Some((at, _)) => &value[..at],
            None => value,
        };
        let dots = if cut.len() < value.len() { "…" } else { "" };
        let bare = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\');
        let _ = if !cut.is_empty() && cut.chars().all(bare) {
            write!(self.others, " {}={cut}{dots}", field.name())
        } else {
            write!(self.others, " {}={cut:?}{dots}", field.name())
        };
    }
}

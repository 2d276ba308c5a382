//! SQL templates: a user's statement with `${variables}`, as a statement with the server's own parameters.
//!
//! A variable outside quotes becomes a bound parameter. `'${topic}'`, alone in its quotes, is what users write too, and
//! becomes one as well. Anywhere else within quotes `${` is refused with its position: nothing is ever pasted into a
//! text, and a text that is stored as it stands, `${…}` and all, is hardly what was meant. Comments are left out.

mod lint;
mod scan;

#[cfg(test)]
mod tests;

use crate::{template::nearest::nearest, template::unfit, trouble::Unfit};
use scan::{Kind, Piece, Scanner};

/// Whose SQL: what quotes, what is a comment, and how a parameter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlDialect {
    /// MySQL and MariaDB: `?`, double-quoted texts, back-quoted names, backslashes in texts, `#` comments.
    MySql,
    /// PostgreSQL: `$1`, double-quoted names, `$tag$` texts, comments within comments.
    Postgres,
}

/// A statement that can be prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlTemplate {
    /// The statement with its parameters, without comments.
    pub text: String,
    /// What each parameter holds, in their order; a variable that is used twice stands here twice.
    pub variables: Vec<Box<str>>,
    /// What looks like a mistake and is none that can be proved (C4).
    pub warnings: Vec<Unfit>,
}

impl SqlTemplate {
    /// Reads a statement whose variables must be among `known`.
    ///
    /// # Errors
    /// With the position: an unknown variable, a quote, comment or `${` that is never closed, `${` within other text,
    /// more than one statement, a parameter in the server's own form, nothing at all.
    pub fn parse(text: &str, dialect: SqlDialect, known: &[&str]) -> Result<SqlTemplate, Unfit> {
        let mut template = SqlTemplate {
            text: String::with_capacity(text.len()),
            variables: Vec::new(),
            warnings: Vec::new(),
        };
        let mut pieces = Vec::new();
        let mut ended = false;
        for piece in Scanner::new(text, dialect) {
            let piece = piece?;
            if ended && !matches!(piece.kind, Kind::Space | Kind::Comment | Kind::End) {
                let why = "a second statement begins here: write each statement as a text of its own";
                return Err(unfit(text, piece.at, why));
            }
            ended |= piece.kind == Kind::End;
            template.take(text, &piece, dialect, known)?;
            pieces.push(piece);
        }
        template.text.truncate(template.text.trim_end().len());
        if template.text.is_empty() {
            return Err(unfit(text, 0, "there is no statement here"));
        }
        template.warnings = lint::words_like_variables(text, &pieces, known);
        Ok(template)
    }

    /// The first word of the statement, in small letters: `insert`, `update`, …
    pub fn verb(&self) -> String {
        let word = self.text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let end = word
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(word.len());
        word[..end].to_ascii_lowercase()
    }

    fn take(
        &mut self,
        text: &str,
        piece: &Piece<'_>,
        dialect: SqlDialect,
        known: &[&str],
    ) -> Result<(), Unfit> {
        match piece.kind {
            Kind::Comment => self.text.push(' '),
            Kind::End => {}
            Kind::Variable => self.parameter(text, piece.at, piece.inner(), dialect, known)?,
            Kind::Text if is_one_variable(piece.inner()) => {
                let name = &piece.inner()[2..piece.inner().len() - 1];
                self.parameter(text, piece.at + piece.opening, name, dialect, known)?;
            }
            Kind::Text | Kind::Name | Kind::Hint => {
                if let Some(within) = piece.text.find("${") {
                    let why = match piece.kind {
                        Kind::Text => {
                            "a variable within a quoted text is not replaced: take it out of the quotes and put the \
                             parts together with concat(…), or leave it alone in its quotes"
                        }
                        _ => {
                            "a variable can stand for a value only, not for a name or a part of the statement"
                        }
                    };
                    return Err(unfit(text, piece.at + within, why));
                }
                self.text.push_str(piece.text);
            }
            Kind::Marker => {
                let why = format!(
                    "{} is a parameter without a name: write ${{topic}} or another variable instead",
                    piece.text
                );
                return Err(unfit(text, piece.at, why));
            }
            Kind::Space | Kind::Word | Kind::Symbol => self.text.push_str(piece.text),
        }
        Ok(())
    }

    fn parameter(
        &mut self,
        text: &str,
        at: usize,
        name: &str,
        dialect: SqlDialect,
        known: &[&str],
    ) -> Result<(), Unfit> {
        let name = name.trim();
        if !known.contains(&name) {
            return Err(unfit(text, at, unknown(name, known)));
        }
        self.variables.push(name.into());
        match dialect {
            SqlDialect::MySql => self.text.push('?'),
            SqlDialect::Postgres => {
                self.text.push('$');
                self.text.push_str(&self.variables.len().to_string());
            }
        }
        Ok(())
    }
}

/// The sentence about a variable that is not there.
fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("there is no variable ${{{name}}} here; did you mean ${{{near}}}?"),
        None => {
            let all: Vec<String> = known.iter().map(|name| format!("${{{name}}}")).collect();
            format!(
                "there is no variable ${{{name}}} here; there are {}",
                all.join(", ")
            )
        }
    }
}

/// `${…}` and nothing else.
fn is_one_variable(inner: &str) -> bool {
    inner.starts_with("${") && inner.find('}') == Some(inner.len() - 1)
}

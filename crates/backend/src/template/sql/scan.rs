//! Cuts a statement into pieces: what is quoted, what is a comment, what is a variable.

use super::SqlDialect;
use crate::{template::unfit, trouble::Unfit};

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Blanks and line ends.
    Space,
    /// A word or a number.
    Word,
    /// One sign.
    Symbol,
    /// A quoted text.
    Text,
    /// A quoted name.
    Name,
    /// A comment.
    Comment,
    /// A comment that the server reads: `/*! … */`, `/*+ … */`.
    Hint,
    /// `${…}`.
    Variable,
    /// A parameter as servers and drivers write it.
    Marker,
    /// A semicolon.
    End,
}

/// A part of the statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// All of it, quotes included.
    pub(super) text: &'a str,
    /// How long what opens it is, and what closes it.
    pub(super) opening: usize,
    closing: usize,
}

impl<'a> Piece<'a> {
    /// Without quotes, or the name of a variable.
    pub(super) fn inner(&self) -> &'a str {
        &self.text[self.opening..self.text.len() - self.closing]
    }
}

/// Goes through a statement. Stops at the first thing that is never closed.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    dialect: SqlDialect,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, dialect: SqlDialect) -> Scanner<'a> {
        Scanner { text, at: 0, dialect }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes `length` bytes as a piece.
    fn piece(&mut self, kind: Kind, length: usize, opening: usize, closing: usize) -> Piece<'a> {
        let piece = Piece {
            kind,
            at: self.at,
            text: &self.text[self.at..self.at + length],
            opening,
            closing,
        };
        self.at += length;
        piece
    }

    /// Nothing more can be made out of the rest.
    fn lost(&mut self, why: &str) -> Unfit {
        let complaint = unfit(self.text, self.at, why);
        self.at = self.text.len();
        complaint
    }

    fn next_piece(&mut self) -> Result<Piece<'a>, Unfit> {
        let rest = self.rest();
        let mysql = self.dialect == SqlDialect::MySql;
        let bytes = rest.as_bytes();
        let second = bytes.get(1).copied().unwrap_or(0);
        match bytes[0] {
            b'$' if second == b'{' => match rest.find('}') {
                Some(end) => Ok(self.piece(Kind::Variable, end + 1, 2, 1)),
                None => Err(self.lost("this ${ is never closed: a } is missing")),
            },
            b'$' if !mysql && second.is_ascii_digit() => {
                let digits = bytes[1..].iter().take_while(|b| b.is_ascii_digit()).count();
                Ok(self.piece(Kind::Marker, digits + 1, 0, 0))
            }
            b'$' if !mysql => match dollar_tag(rest) {
                Some(tag) => match rest[tag.len()..].find(tag) {
                    Some(end) => Ok(self.piece(Kind::Text, end + 2 * tag.len(), tag.len(), tag.len())),
                    None => Err(self.lost(&format!("the text that {tag} begins is never closed"))),
                },
                None => Ok(self.piece(Kind::Symbol, 1, 0, 0)),
            },
            b'?' if mysql => Ok(self.piece(Kind::Marker, 1, 0, 0)),
            // The driver would take it for a parameter.
            b':' if mysql && (second.is_ascii_lowercase() || second == b'_') => {
                let letters = bytes[1..].iter().take_while(|b| is_word(**b)).count();
                Ok(self.piece(Kind::Marker, letters + 1, 0, 0))
            }
            b'\'' => self.quoted(Kind::Text, b'\'', 0, mysql),
            b'"' if mysql => self.quoted(Kind::Text, b'"', 0, true),
            b'"' => self.quoted(Kind::Name, b'"', 0, false),
            b'`' if mysql => self.quoted(Kind::Name, b'`', 0, false),
            b'E' | b'e' if !mysql && second == b'\'' => self.quoted(Kind::Text, b'\'', 1, true),
            b'-' if is_line_comment(rest, mysql) => Ok(self.line_comment()),
            b'#' if mysql => Ok(self.line_comment()),
            b'/' if second == b'*' => self.block_comment(),
            b';' => Ok(self.piece(Kind::End, 1, 0, 0)),
            byte if byte.is_ascii_whitespace() => {
                let blanks = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
                Ok(self.piece(Kind::Space, blanks, 0, 0))
            }
            byte if is_word(byte) => {
                let end = (0..bytes.len())
                    .find(|&i| !is_word(bytes[i]) && (bytes[i] != b'$' || bytes.get(i + 1) == Some(&b'{')))
                    .unwrap_or(bytes.len());
                Ok(self.piece(Kind::Word, end, 0, 0))
            }
            _ => Ok(self.piece(Kind::Symbol, 1, 0, 0)),
        }
    }

    /// A quoted piece whose quote stands `before` bytes further on. Two quotes are one; a backslash may take the next.
    fn quoted(&mut self, kind: Kind, quote: u8, before: usize, backslash: bool) -> Result<Piece<'a>, Unfit> {
        let bytes = self.rest().as_bytes();
        let mut at = before + 1;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' if backslash => at += 2,
                byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
                byte if byte == quote => return Ok(self.piece(kind, at + 1, before + 1, 1)),
                _ => at += 1,
            }
        }
        Err(self.lost(&format!("this {} is never closed", char::from(quote))))
    }

    fn line_comment(&mut self) -> Piece<'a> {
        let rest = self.rest();
        let end = rest.find('\n').unwrap_or(rest.len());
        self.piece(Kind::Comment, end, 0, 0)
    }

    fn block_comment(&mut self) -> Result<Piece<'a>, Unfit> {
        let rest = self.rest();
        let kind = match rest.as_bytes().get(2) {
            Some(b'!' | b'+') => Kind::Hint,
            _ => Kind::Comment,
        };
        let mut depth = 1_usize;
        let mut at = 2;
        while depth > 0 {
            let Some(step) = rest.get(at..).and_then(|rest| rest.find(['*', '/'])) else {
                return Err(self.lost("this /* is never closed"));
            };
            at += step;
            if rest[at..].starts_with("*/") {
                depth -= 1;
                at += 2;
            } else if rest[at..].starts_with("/*") && self.dialect == SqlDialect::Postgres {
                depth += 1;
                at += 2;
            } else {
                at += 1;
            }
        }
        Ok(self.piece(kind, at, 2, 2))
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Result<Piece<'a>, Unfit>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.text.len()).then(|| self.next_piece())
    }
}

/// Letters, digits, underscores and whatever is not ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// `--`; in MySQL only before a blank or the end.
fn is_line_comment(rest: &str, mysql: bool) -> bool {
    let Some(after) = rest.strip_prefix("--") else {
        return false;
    };
    !mysql
        || after
            .bytes()
            .next()
            .is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
}

/// `$$` or `$tag$` at the start of `rest`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 1;
    let tag = &rest.as_bytes()[1..end];
    let fits = tag.iter().all(|b| is_word(*b)) && !tag.first().is_some_and(u8::is_ascii_digit);
    fits.then(|| &rest[..=end])
}

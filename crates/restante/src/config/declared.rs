//! What a setting is: its name, what it takes, what it means, and how it reaches the draft.
//!
//! The one list of them is in [`super::settings`]; names, ranges, the reference, `config show` and the checks all
//! come from it.

use std::net::{IpAddr, SocketAddr};

use super::{draft::Draft, given::Given, nearest::nearest, number::Span};

/// One setting of the file, or of a pool, a keep or a hook (then `D` is its draft).
pub(crate) struct Setting<D = Draft> {
    /// The section, or empty for the top of the file. In a pool, a keep or a hook: the table within it (`tls`), or empty.
    pub(crate) section: &'static str,
    /// The name within the section.
    pub(crate) name: &'static str,
    /// What it does, in one or two sentences.
    pub(crate) meaning: &'static str,
    /// What it takes, and where it goes.
    pub(crate) slot: Slot<D>,
}

/// Something that is wrong with a value.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// Which item of a list; none where it is the value as a whole.
    pub(crate) item: Option<usize>,
    /// What is wrong, for the user.
    pub(crate) what: String,
}

impl Wrong {
    fn all(what: String) -> Wrong {
        Wrong { item: None, what }
    }
}

/// What a setting takes, and how it is read from and written to the draft.
pub(crate) enum Slot<D = Draft> {
    Number {
        span: Span,
        get: fn(&D) -> u64,
        set: fn(&mut D, u64),
    },
    /// One of some words. An index beyond them is "not chosen yet": the default depends on another setting.
    Choice {
        words: &'static [&'static str],
        get: fn(&D) -> usize,
        set: fn(&mut D, usize),
    },
    /// True or false; `None` as for [`Slot::Choice`].
    Flag {
        get: fn(&D) -> Option<bool>,
        set: fn(&mut D, bool),
    },
    Path {
        get: fn(&D) -> String,
        set: fn(&mut D, &str),
    },
    Address {
        get: fn(&D) -> Option<SocketAddr>,
        set: fn(&mut D, Option<SocketAddr>),
    },
    Addresses {
        get: fn(&D) -> Vec<SocketAddr>,
        set: fn(&mut D, Vec<SocketAddr>),
    },
    /// A text with a form of its own.
    Text {
        takes: &'static str,
        get: fn(&D) -> String,
        set: fn(&mut D, &str) -> Result<(), String>,
    },
    /// A list of such texts. A list of one may be written as the text alone.
    Texts {
        takes: &'static str,
        max: usize,
        check: fn(&str) -> Result<(), String>,
        get: fn(&D) -> Vec<String>,
        set: fn(&mut D, Vec<String>),
    },
}

/// Most addresses to listen on.
const ADDRESSES_MAX: usize = 16;

/// What all environment variables of ours begin with.
pub(crate) const VARIABLE_PREFIX: &str = "RESTANTE__";

impl Setting {
    /// `RESTANTE__SESSION__MAX_MQUEUE_LEN`.
    pub(crate) fn variable(&self) -> String {
        format!(
            "{VARIABLE_PREFIX}{}",
            self.key().replace('.', "__").to_uppercase()
        )
    }
}

impl<D> Setting<D> {
    /// `session.max_mqueue_len`.
    pub(crate) fn key(&self) -> String {
        if self.section.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }

    /// Puts what the user gave into the draft, or says everything that is wrong with it.
    pub(crate) fn set(&self, draft: &mut D, given: &Given<'_>) -> Result<(), Vec<Wrong>> {
        match &self.slot {
            Slot::Addresses { set, .. } => set(draft, addresses(given)?),
            Slot::Texts { max, check, set, .. } => set(draft, texts(given, *max, *check)?),
            _ => self
                .set_one(draft, given)
                .map_err(|what| vec![Wrong::all(what)])?,
        }
        Ok(())
    }

    fn set_one(&self, draft: &mut D, given: &Given<'_>) -> Result<(), String> {
        match &self.slot {
            Slot::Number { span, set, .. } => set(draft, span.read(given)?),
            Slot::Choice { words, set, .. } => set(draft, choice(words, given)?),
            Slot::Path { set, .. } => match given.text()? {
                "" => return Err("a path cannot be empty".to_owned()),
                path if path.contains('\0') => return Err("a path cannot hold a NUL character".to_owned()),
                path => set(draft, path),
            },
            Slot::Address { set, .. } => match given.text()?.trim() {
                "" => set(draft, None),
                text => set(draft, Some(address(text)?)),
            },
            Slot::Flag { set, .. } => match given {
                Given::Flag(flag) => set(draft, *flag),
                other => return Err(format!("expected true or false, found {}", other.name())),
            },
            Slot::Text { set, .. } => set(draft, given.text()?)?,
            Slot::Addresses { .. } | Slot::Texts { .. } => {}
        }
        Ok(())
    }

    /// The draft's value, as the file would have it.
    pub(crate) fn show(&self, draft: &D) -> String {
        match &self.slot {
            Slot::Number { span, get, .. } => span.show(get(draft)),
            Slot::Choice { words, get, .. } => quoted(words.get(get(draft)).copied().unwrap_or_default()),
            Slot::Path { get, .. } => quoted(&get(draft)),
            Slot::Address { get, .. } => {
                quoted(&get(draft).map(|address| address.to_string()).unwrap_or_default())
            }
            Slot::Addresses { get, .. } => {
                let items: Vec<String> = get(draft).iter().map(|item| quoted(&item.to_string())).collect();
                format!("[{}]", items.join(", "))
            }
            Slot::Flag { get, .. } => get(draft).map_or_else(String::new, |flag| flag.to_string()),
            Slot::Text { get, .. } => quoted(&get(draft)),
            Slot::Texts { get, .. } => {
                let items: Vec<String> = get(draft).iter().map(|item| quoted(item)).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }

    /// Whether the draft has a value that can be shown; otherwise the default depends on another setting.
    pub(crate) fn is_chosen(&self, draft: &D) -> bool {
        match &self.slot {
            Slot::Choice { words, get, .. } => get(draft) < words.len(),
            Slot::Flag { get, .. } => get(draft).is_some(),
            _ => true,
        }
    }

    /// What it takes, in words, for the reference.
    pub(crate) fn takes(&self) -> String {
        match &self.slot {
            Slot::Number { span, .. } => span.to_string(),
            Slot::Choice { words, .. } => words
                .iter()
                .map(|word| format!("`\"{word}\"`"))
                .collect::<Vec<_>>()
                .join(", "),
            Slot::Path { .. } => "a path".to_owned(),
            Slot::Address { .. } => "an IP address and port, or `\"\"` for none".to_owned(),
            Slot::Addresses { .. } => format!("1 to {ADDRESSES_MAX} IP addresses with ports"),
            Slot::Flag { .. } => "`true`, `false`".to_owned(),
            Slot::Text { takes, .. } | Slot::Texts { takes, .. } => (*takes).to_owned(),
        }
    }

    /// The kind of value, in a word or two, for the reference.
    pub(crate) fn kind(&self) -> &'static str {
        use super::number::Unit;
        match &self.slot {
            Slot::Number { span, .. } => match span.unit {
                Unit::Count => "number",
                Unit::Seconds => "duration, whole seconds",
                Unit::Milliseconds => "duration",
                Unit::Bytes => "size",
            },
            Slot::Choice { .. } => "word",
            Slot::Path { .. } => "path",
            Slot::Address { .. } => "address",
            Slot::Addresses { .. } => "addresses",
            Slot::Flag { .. } => "flag",
            Slot::Text { .. } => "text",
            Slot::Texts { .. } => "texts",
        }
    }
}

/// A TOML string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The index of a word, or what to write instead.
fn choice(words: &[&str], given: &Given<'_>) -> Result<usize, String> {
    let word = given.text()?;
    words.iter().position(|known| *known == word).ok_or_else(|| {
        let all = words
            .iter()
            .map(|known| format!("\"{known}\""))
            .collect::<Vec<_>>()
            .join(", ");
        match nearest(word, words.iter().copied()) {
            Some(near) => format!("\"{word}\" is none of {all}; did you mean \"{near}\"?"),
            None => format!("\"{word}\" is none of {all}"),
        }
    })
}

fn texts(
    given: &Given<'_>,
    max: usize,
    check: fn(&str) -> Result<(), String>,
) -> Result<Vec<String>, Vec<Wrong>> {
    let items: Vec<Result<&str, String>> = match given {
        Given::List(items) => items.iter().map(Given::text).collect(),
        Given::Text(text) => vec![Ok(text)],
        other => {
            let what = format!("expected a list of texts, found {}", other.name());
            return Err(vec![Wrong::all(what)]);
        }
    };
    if items.len() > max {
        let what = format!("{} are too many; it takes up to {max}", items.len());
        return Err(vec![Wrong::all(what)]);
    }
    let mut texts = Vec::with_capacity(items.len());
    let mut wrong = Vec::new();
    for (item, text) in items.into_iter().enumerate() {
        match text.and_then(|text| check(text).map(|()| text)) {
            Ok(text) => texts.push(text.to_owned()),
            Err(what) => wrong.push(Wrong {
                item: Some(item),
                what,
            }),
        }
    }
    if wrong.is_empty() { Ok(texts) } else { Err(wrong) }
}

fn addresses(given: &Given<'_>) -> Result<Vec<SocketAddr>, Vec<Wrong>> {
    let all = |what: String| vec![Wrong::all(what)];
    let texts: Vec<Result<&str, String>> = match given {
        Given::List(items) => items.iter().map(Given::text).collect(),
        Given::Variable(text) => text.split(',').map(Ok).collect(),
        Given::Text(text) => vec![Ok(text)],
        other => {
            return Err(all(format!(
                "expected a list of addresses, found {}",
                other.name()
            )));
        }
    };
    if texts.is_empty() {
        return Err(all("the list is empty: nobody could connect".to_owned()));
    }
    if texts.len() > ADDRESSES_MAX {
        let count = texts.len();
        return Err(all(format!(
            "{count} addresses are too many; it takes up to {ADDRESSES_MAX}"
        )));
    }
    let mut addresses: Vec<SocketAddr> = Vec::with_capacity(texts.len());
    let mut wrong = Vec::new();
    for (item, text) in texts.into_iter().enumerate() {
        match text.and_then(|text| address(text.trim())) {
            Ok(address) if address.port() != 0 && addresses.contains(&address) => wrong.push(Wrong {
                item: Some(item),
                what: format!("{address} is listed twice"),
            }),
            Ok(address) => addresses.push(address),
            Err(what) => wrong.push(Wrong {
                item: Some(item),
                what,
            }),
        }
    }
    if wrong.is_empty() {
        Ok(addresses)
    } else {
        Err(wrong)
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| not_an_address(text))
}

/// What keeps a text from being an address with a port.
fn not_an_address(text: &str) -> String {
    let parts = text.rsplit_once(':');
    if let Some((host, port)) = parts
        && format!("{host}:0").parse::<SocketAddr>().is_ok()
    {
        return match !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()) {
            true => format!("\"{text}\": the port {port} is out of range; it takes 0 to 65535"),
            false => format!("\"{text}\": \"{port}\" is not a port; it takes 0 to 65535"),
        };
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        let example = SocketAddr::new(ip, 1883);
        return format!("\"{text}\" has no port; write \"{example}\"");
    }
    let example = match parts.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) => format!("127.0.0.1:{port} or [::1]:{port}"),
        None => "127.0.0.1:1883 or [::1]:1883".to_owned(),
    };
    format!("\"{text}\" is not an IP address with a port, like {example}")
}

//! What all kinds of pools take.

use super::{
    pool::{HasBasis, Tls},
    table::Part,
};
use crate::config::{
    declared::{Setting, Slot},
    number::Unit,
    settings::{narrow, number, or_unlimited, span},
};

/// Connections of one pool.
const CONNECTIONS_MAX: u64 = 256;
const TIMEOUT_MILLIS_MAX: u64 = 10 * 60_000;
const RETURNED_MAX: u64 = 1_000_000;
const SECONDS_MAX: u64 = 36_500 * 86_400;
/// A longer text in a connection's settings could only be a mistake.
const TEXT_BYTES_MAX: usize = 1_024;

const ONE_LINE: &str = "a text of one line";
const PATH: &str = "a path, or `\"\"` for none";

/// Takes a text of one line.
pub(super) fn one_line(text: &str) -> Result<(), String> {
    if text.contains(char::is_control) {
        return Err("it cannot hold control characters".to_owned());
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("it is longer than {TEXT_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// Takes `host:port`.
pub(super) fn host_and_port(text: &str, example: &str) -> Result<(), String> {
    one_line(text)?;
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!("\"{text}\" has no port; write it like {example}"));
    };
    let bare_ipv6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    if host.is_empty() || bare_ipv6 || host.contains(['/', '@', ' ', ',']) {
        return Err(format!("\"{text}\" is not a host with a port, like {example}"));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!(
            "\"{text}\": \"{port}\" is not a port; it takes 1 to 65535"
        )),
    }
}

/// A text of one line that reaches the basis.
const fn line<D>(
    section: &'static str,
    name: &'static str,
    takes: &'static str,
    get: fn(&D) -> String,
    set: fn(&mut D, &str) -> Result<(), String>,
    meaning: &'static str,
) -> Setting<D> {
    Setting {
        section,
        name,
        meaning,
        slot: Slot::Text { takes, get, set },
    }
}

/// Sets a field that is a text of one line.
pub(super) fn put(field: &mut String, text: &str) -> Result<(), String> {
    one_line(text)?;
    text.clone_into(field);
    Ok(())
}

fn tls<D: HasBasis>(draft: &mut D) -> &mut Tls {
    draft.basis_mut().tls.get_or_insert_with(Tls::default)
}

fn of_tls<D: HasBasis>(draft: &D, field: fn(&Tls) -> &String) -> String {
    draft.basis().tls.as_ref().map(field).cloned().unwrap_or_default()
}

pub(super) const fn basis<D: HasBasis + 'static>() -> [Setting<D>; 7] {
    [
        line(
            "",
            "username",
            ONE_LINE,
            |draft: &D| draft.basis().username.clone(),
            |draft, text| put(&mut draft.basis_mut().username, text),
            "The user to log in as; `\"\"` is none.",
        ),
        line(
            "",
            "password_file",
            PATH,
            |draft: &D| draft.basis().password_file.clone(),
            |draft, text| put(&mut draft.basis_mut().password_file, text),
            "A file with nothing but the password, read at the start; it should be of mode 0600. A relative path \
             starts at the working directory.",
        ),
        number(
            "",
            "pool_size",
            span(Unit::Count, 1, CONNECTIONS_MAX),
            |draft: &D| draft.basis().pool_size.into(),
            |draft, number| draft.basis_mut().pool_size = narrow(number),
            "Connections; everything of one topic goes through one of them, in order.",
        ),
        number(
            "",
            "connect_timeout",
            span(Unit::Milliseconds, 10, TIMEOUT_MILLIS_MAX),
            |draft: &D| draft.basis().connect_timeout_millis,
            |draft, number| draft.basis_mut().connect_timeout_millis = number,
            "The longest time for a new connection, login included; beyond it the database counts as away.",
        ),
        number(
            "",
            "command_timeout",
            span(Unit::Milliseconds, 10, TIMEOUT_MILLIS_MAX),
            |draft: &D| draft.basis().command_timeout_millis,
            |draft, number| draft.basis_mut().command_timeout_millis = number,
            "The longest time for one request; beyond it the connection is given up and the database counts as away.",
        ),
        number(
            "",
            "max_returned_count",
            or_unlimited(Unit::Count, 1, RETURNED_MAX, 0),
            |draft: &D| draft.basis().returned_max,
            |draft, number| draft.basis_mut().returned_max = number,
            "The most messages of one fetch, for keeps and hooks whose `offline_opts` do not say.",
        ),
        number(
            "",
            "time_range",
            or_unlimited(Unit::Seconds, 1, SECONDS_MAX, 0),
            |draft: &D| draft.basis().time_range,
            |draft, number| draft.basis_mut().time_range = number,
            "Only messages younger than this are fetched, for keeps and hooks whose `offline_opts` do not say.",
        ),
    ]
}

pub(super) const fn tls_settings<D: HasBasis + 'static>() -> [Setting<D>; 5] {
    [
        line(
            "tls",
            "ca",
            PATH,
            |draft: &D| of_tls(draft, |tls| &tls.ca),
            |draft, text| put(&mut tls(draft).ca, text),
            "The certificates that are trusted, as PEM; `\"\"` is those of the system.",
        ),
        line(
            "tls",
            "certificate",
            PATH,
            |draft: &D| of_tls(draft, |tls| &tls.certificate),
            |draft, text| put(&mut tls(draft).certificate, text),
            "Our own certificate, as PEM, where the server asks for one.",
        ),
        line(
            "tls",
            "key",
            PATH,
            |draft: &D| of_tls(draft, |tls| &tls.key),
            |draft, text| put(&mut tls(draft).key, text),
            "Its key, as PEM.",
        ),
        line(
            "tls",
            "server_name",
            ONE_LINE,
            |draft: &D| of_tls(draft, |tls| &tls.server_name),
            |draft, text| put(&mut tls(draft).server_name, text),
            "The name that the server's certificate must have; `\"\"` is the host's.",
        ),
        Setting {
            section: "tls",
            name: "verify",
            meaning: "Whether the server's certificate is checked. Without it anybody in between can read along.",
            slot: Slot::Flag {
                get: |draft: &D| Some(draft.basis().tls.as_ref().is_none_or(|tls| tls.verify)),
                set: |draft, flag| tls(draft).verify = flag,
            },
        },
    ]
}

pub(super) const fn tls_part<D: HasBasis + 'static>() -> Part<D> {
    Part {
        name: "tls",
        about: "There = TLS, even if empty; absent = plain.",
        open: |draft: &mut D| {
            tls(draft);
        },
        is_there: |draft| draft.basis().tls.is_some(),
    }
}

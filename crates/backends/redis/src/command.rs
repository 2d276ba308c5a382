//! A command on its way, and the slot of a cluster that its key lies in.

use redis::{Cmd, ErrorKind, RedisError, ServerError, Value};

/// Slots of a cluster.
pub(crate) const SLOTS: u16 = 16_384;

/// A command, and where it must go in a cluster.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) cmd: Cmd,
    /// The slot of its key; `None` = any node can answer.
    pub(crate) slot: Option<u16>,
}

/// What the server answered to one command.
pub(crate) type Reply = Result<Value, ServerError>;

impl Command {
    /// A command about one key.
    pub(crate) fn new(name: &str, key: &[u8]) -> Command {
        let mut cmd = redis::cmd(name);
        cmd.arg(key);
        Command {
            cmd,
            slot: Some(slot(key)),
        }
    }

    /// A command about no key.
    pub(crate) fn keyless(name: &str) -> Command {
        Command {
            cmd: redis::cmd(name),
            slot: None,
        }
    }

    /// One more argument.
    pub(crate) fn arg(mut self, argument: &[u8]) -> Command {
        self.cmd.arg(argument);
        self
    }

    /// More arguments.
    pub(crate) fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        for argument in arguments {
            self.cmd.arg(argument);
        }
        self
    }
}

/// A value, or the error that a server may put in its place.
pub(crate) fn reply(value: Value) -> Reply {
    match value {
        Value::ServerError(error) => Err(error),
        value => Ok(value),
    }
}

/// The server's words about an error, without its code where that says nothing.
pub(crate) fn words(error: &ServerError) -> String {
    match error.details() {
        Some(details) if error.code() == "ERR" => details.to_owned(),
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}

/// What a driver's error says, in a sentence's half.
pub(crate) fn driver_words(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => format!(
            "the login was refused: {}",
            error.detail().unwrap_or("the server does not say why")
        ),
        _ => error.to_string(),
    }
}

/// The slot of a key: what is between the first `{` and the next `}` where that is something, else all of it.
pub(crate) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let behind = &key[open + 1..];
        let close = behind.iter().position(|&byte| byte == b'}')?;
        (close > 0).then(|| &behind[..close])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        // The check value of CRC-16/XMODEM.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot(b"foo{{bar}}zap"), crc16(b"{bar") % SLOTS);
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
    }
}

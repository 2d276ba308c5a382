//! One non-blocking connection, and the loop that serves many of them on one thread.
//!
//! Many packets per write and per read: whatever is to be sent collects in one buffer; one read takes up to
//! [`SCRATCH_BYTES`] and is cut into packets where it lies.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::error::BenchError;
use crate::wire::{self, Cut, Frame, Keep, Protocol};

/// Bytes read at once, and so the largest packet that can be read is a little less.
pub(crate) const SCRATCH_BYTES: usize = 256 << 10;

/// Bytes that wait to be written to one connection before nothing more is made for it.
pub(crate) const OUT_BYTES_MAX: usize = 128 << 10;

/// How long a poll sleeps at most, so that deadlines are seen.
pub(crate) const TURN: Duration = Duration::from_millis(50);

/// Events taken from one poll.
const EVENTS: usize = 1_024;

/// How long a connection may take to be opened or to answer the handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

/// Where the broker is and how it is spoken to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
    /// Receive maximum announced (5.0).
    pub(crate) receive_maximum: u16,
}

/// A connection.
pub(crate) struct Link {
    stream: TcpStream,
    /// What is to be sent; filled by whoever owns the link.
    pub(crate) out: Vec<u8>,
    written: usize,
    /// The beginning of a packet whose rest has not come.
    carry: Vec<u8>,
    client: String,
}

impl Target {
    /// Opens a connection and says CONNECT; the answer is read by whoever serves the link.
    pub(crate) fn begin(&self, client: String, keep: Keep) -> Result<Link, BenchError> {
        let unreachable = |source| BenchError::Unreachable {
            address: self.address,
            source,
        };
        let stream = BlockingStream::connect_timeout(&self.address, HANDSHAKE_LIMIT).map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        stream.set_nonblocking(true).map_err(unreachable)?;
        let mut link = Link {
            stream: TcpStream::from_std(stream),
            out: Vec::new(),
            written: 0,
            carry: Vec::new(),
            client,
        };
        wire::put_connect(
            self.protocol,
            &link.client,
            keep,
            self.receive_maximum,
            &mut link.out,
        );
        Ok(link)
    }
}

impl Link {
    /// Whose it is.
    pub(crate) fn client(&self) -> &str {
        &self.client
    }

    /// Reads what there is and hands every packet to `take`, with the buffer for answers. Returns true when the
    /// broker has closed.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        mut take: impl FnMut(Frame<'_>, &mut Vec<u8>) -> Result<(), BenchError>,
    ) -> Result<bool, BenchError> {
        loop {
            let kept = self.carry.len();
            if kept == scratch.len() {
                return Err(self.unreadable("a packet larger than the tool's read buffer"));
            }
            scratch[..kept].copy_from_slice(&self.carry);
            let space = scratch.len() - kept;
            let count = match self.stream.read(&mut scratch[kept..]) {
                Ok(0) => return Ok(true),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(true),
                Err(error) => return Err(self.lost(error)),
            };
            let mut rest = &scratch[..kept + count];
            loop {
                match wire::cut(rest) {
                    Cut::Whole(frame, length) => {
                        take(frame, &mut self.out)?;
                        rest = &rest[length..];
                    }
                    Cut::Partly => break,
                    Cut::Broken => return Err(self.unreadable("a length of more than four bytes")),
                }
            }
            self.carry.clear();
            self.carry.extend_from_slice(rest);
            // A short read has emptied the socket, and the next byte raises a new edge: one system call saved.
            if count < space {
                return Ok(false);
            }
        }
    }

    /// Writes what waits, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> Result<(), BenchError> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.out.drain(..self.written);
                    self.written = 0;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    fn lost(&self, source: io::Error) -> BenchError {
        BenchError::Lost {
            client: self.client.clone(),
            source,
        }
    }

    /// The error for a close that was not asked for.
    pub(crate) fn closed(&self) -> BenchError {
        self.lost(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the broker closed the connection",
        ))
    }

    fn unreadable(&self, what: &str) -> BenchError {
        BenchError::Unreadable {
            client: self.client.clone(),
            what: what.to_owned(),
        }
    }
}

/// Checks a CONNACK; returns whether there was a session.
pub(crate) fn connack(client: &str, frame: &Frame<'_>) -> Result<bool, BenchError> {
    match (frame.kind(), frame.body) {
        (wire::CONNACK, [flags, 0, ..]) => Ok(flags & 1 == 1),
        (wire::CONNACK, [_, code, ..]) => Err(refused(client, "CONNACK", *code)),
        _ => Err(BenchError::Unreadable {
            client: client.to_owned(),
            what: format!("packet type {} before CONNACK", frame.kind()),
        }),
    }
}

/// Checks a SUBACK for one filter; always true, so that it can end a conversation.
pub(crate) fn suback(client: &str, frame: &Frame<'_>) -> Result<bool, BenchError> {
    match frame.body.last() {
        Some(code) if *code <= 2 => Ok(true),
        code => Err(refused(client, "SUBACK", code.copied().unwrap_or(0xff))),
    }
}

fn refused(client: &str, packet: &'static str, code: u8) -> BenchError {
    BenchError::Refused {
        client: client.to_owned(),
        packet,
        code,
    }
}

/// Talks to one connection at a time, packet by packet: for what comes before and after the hot loops.
pub(crate) struct Talk {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As the caller said.
    Over,
    /// The broker closed.
    Closed,
}

impl Talk {
    pub(crate) fn new() -> Result<Talk, BenchError> {
        Ok(Talk {
            poll: Poll::new()?,
            events: Events::with_capacity(4),
            scratch: vec![0; 64 << 10],
        })
    }

    /// Writes what waits, then reads, until `take` returns true or the broker closes.
    pub(crate) fn converse(
        &mut self,
        link: &mut Link,
        mut take: impl FnMut(Frame<'_>, &mut Vec<u8>) -> Result<bool, BenchError>,
    ) -> Result<Ending, BenchError> {
        let deadline = Instant::now() + HANDSHAKE_LIMIT;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut link.stream, Token(0), interest)?;
        let mut over = false;
        let mut closed = false;
        link.flush()?;
        while !over && !closed {
            closed = link.read(&mut self.scratch, |frame, out| {
                over |= take(frame, out)?;
                Ok(())
            })?;
            if over || closed {
                break;
            }
            if Instant::now() >= deadline {
                return Err(link.lost(io::ErrorKind::TimedOut.into()));
            }
            link.flush()?;
            poll_once(&mut self.poll, &mut self.events)?;
        }
        if !closed {
            link.flush()?;
        }
        self.poll.registry().deregister(&mut link.stream)?;
        Ok(if over { Ending::Over } else { Ending::Closed })
    }

    /// Waits for the CONNACK; returns whether the broker had a session.
    pub(crate) fn connack(&mut self, link: &mut Link) -> Result<bool, BenchError> {
        let client = link.client.clone();
        let mut present = false;
        let ending = self.converse(link, |frame, _| {
            present = connack(&client, &frame)?;
            Ok(true)
        })?;
        match ending {
            Ending::Over => Ok(present),
            Ending::Closed => Err(link.closed()),
        }
    }

    /// Subscribes and waits for the SUBACK.
    pub(crate) fn subscribe(
        &mut self,
        link: &mut Link,
        protocol: Protocol,
        filter: &str,
        qos: u8,
    ) -> Result<(), BenchError> {
        wire::put_subscribe(protocol, filter, qos, &mut link.out);
        let client = link.client.clone();
        let ending = self.converse(link, |frame, _| {
            // Anything else is a message of before, and not ours.
            Ok(frame.kind() == wire::SUBACK && suback(&client, &frame)?)
        })?;
        match ending {
            Ending::Over => Ok(()),
            Ending::Closed => Err(link.closed()),
        }
    }
}

/// Readiness of many links on one thread. A link is known by its index.
pub(crate) struct Reactor {
    poll: Poll,
    events: Events,
    /// For reads; shared by all links of the thread.
    pub(crate) scratch: Vec<u8>,
}

impl Reactor {
    pub(crate) fn new() -> Result<Reactor, BenchError> {
        Ok(Reactor {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            scratch: vec![0; SCRATCH_BYTES],
        })
    }

    /// Serves a link from now on.
    pub(crate) fn register(&self, link: &mut Link, index: usize) -> Result<(), BenchError> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        Ok(self
            .poll
            .registry()
            .register(&mut link.stream, Token(index), interest)?)
    }

    /// Waits, at most [`TURN`], and writes the indexes of links that are ready into `ready`.
    pub(crate) fn turn(&mut self, ready: &mut Vec<usize>) -> Result<(), BenchError> {
        ready.clear();
        poll_once(&mut self.poll, &mut self.events)?;
        ready.extend(self.events.iter().map(index));
        Ok(())
    }
}

fn index(event: &Event) -> usize {
    event.token().0
}

fn poll_once(poll: &mut Poll, events: &mut Events) -> Result<(), BenchError> {
    match poll.poll(events, Some(TURN)) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error.into()),
        _ => Ok(()),
    }
}

//! Which node of a cluster serves which slot.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use redis::Value;
use restante_backend::trouble::{Asked, Away};

use crate::{client::text, command::SLOTS, config::split, node::Node};

/// Most nodes that are kept beside the masters because a redirection named them.
const STRANGERS_MAX: usize = 256;

/// The masters and their slots, as one node told them.
pub(crate) struct SlotMap {
    masters: Vec<Arc<Node>>,
    /// Which of the masters has each slot.
    slots: Vec<Option<u16>>,
    /// Nodes that redirections named and that are no masters of this map.
    strangers: Mutex<HashMap<Box<str>, Arc<Node>>>,
    next: AtomicUsize,
}

impl SlotMap {
    /// Reads the answer to CLUSTER SLOTS, which `seed` gave. Masters that are among the `known` keep their connections.
    pub(crate) fn read(
        value: &Value,
        seed: &Node,
        known: &[Arc<Node>],
        connections: usize,
    ) -> Result<SlotMap, String> {
        let Value::Array(ranges) = value else {
            return Err("the answer to CLUSTER SLOTS is no list".to_owned());
        };
        let mut masters: Vec<Arc<Node>> = Vec::new();
        let mut slots = vec![None; usize::from(SLOTS)];
        for range in ranges {
            let (first, last, host, port) =
                master(range).ok_or("the answer to CLUSTER SLOTS cannot be read")?;
            // A node that does not know its own address leaves it empty: it is the one that was asked.
            let host = if host.is_empty() {
                split(seed.address(), port).map_or(String::new(), |(host, _)| host.to_owned())
            } else {
                host
            };
            let address = if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            };
            let listed = masters.iter().position(|node| node.address() == address);
            let index = listed.unwrap_or_else(|| {
                let same = known.iter().find(|node| node.address() == address).cloned();
                masters.push(same.unwrap_or_else(|| Arc::new(Node::new(&address, port, connections))));
                masters.len() - 1
            });
            let index = u16::try_from(index).map_err(|_| "the cluster has too many masters")?;
            slots
                .get_mut(usize::from(first)..=usize::from(last))
                .ok_or("the answer to CLUSTER SLOTS names slots that cannot be")?
                .fill(Some(index));
        }
        if masters.is_empty() {
            return Err("the cluster serves no slots".to_owned());
        }
        Ok(SlotMap {
            masters,
            slots,
            strangers: Mutex::new(HashMap::new()),
            next: AtomicUsize::new(0),
        })
    }

    /// The masters.
    pub(crate) fn masters(&self) -> &[Arc<Node>] {
        &self.masters
    }

    /// Who serves a slot; any master when it does not matter.
    pub(crate) fn node(&self, slot: Option<u16>) -> Asked<Arc<Node>> {
        let index = match slot {
            Some(slot) => self
                .slots
                .get(usize::from(slot))
                .copied()
                .flatten()
                .map(usize::from),
            None => Some(self.next.fetch_add(1, Ordering::Relaxed) % self.masters.len()),
        };
        let node = index.and_then(|index| self.masters.get(index));
        node.cloned().ok_or_else(|| Away {
            why: format!("redis cluster: no node serves slot {}", slot.unwrap_or_default()),
        })
    }

    /// The node at an address that a redirection named.
    pub(crate) fn at(&self, address: &str, connections: usize) -> Arc<Node> {
        if let Some(node) = self.masters.iter().find(|node| node.address() == address) {
            return Arc::clone(node);
        }
        let mut strangers = self.strangers.lock();
        if strangers.len() >= STRANGERS_MAX && !strangers.contains_key(address) {
            strangers.clear();
        }
        let node = strangers
            .entry(address.into())
            .or_insert_with(|| Arc::new(Node::new(address, 0, connections)));
        Arc::clone(node)
    }
}

/// First slot, last slot, host and port of the master of one range.
fn master(range: &Value) -> Option<(u16, u16, String, u16)> {
    let Value::Array(parts) = range else { return None };
    let number = |value: &Value| match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    };
    let (first, last) = (number(parts.first()?)?, number(parts.get(1)?)?);
    let Value::Array(master) = parts.get(2)? else {
        return None;
    };
    let host = match master.first()? {
        Value::Nil => String::new(),
        value => text(value)?,
    };
    (first <= last).then_some((first, last, host, number(master.get(1)?)?))
}

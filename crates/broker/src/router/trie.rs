//! Filters with wildcards, by level.

use hashbrown::HashMap;
use slab::Slab;

/// A tree of levels; each node names the filters that end there.
pub(super) struct Trie {
    nodes: Slab<Node>,
}

#[derive(Default)]
struct Node {
    children: HashMap<Box<str>, usize>,
    plus: Option<usize>,
    /// Filters that end at this level.
    here: Vec<u32>,
    /// Filters that end with `#` below this level.
    rest: Vec<u32>,
}

const ROOT: usize = 0;

impl Default for Trie {
    fn default() -> Trie {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Trie { nodes }
    }
}

impl Trie {
    pub(super) fn insert(&mut self, filter: &str, id: u32) {
        let mut at = ROOT;
        for level in filter.split('/') {
            if level == "#" {
                self.nodes[at].rest.push(id);
                return;
            }
            at = match self.child(at, level) {
                Some(child) => child,
                None => {
                    let child = self.nodes.insert(Node::default());
                    if level == "+" {
                        self.nodes[at].plus = Some(child);
                    } else {
                        self.nodes[at].children.insert(level.into(), child);
                    }
                    child
                }
            };
        }
        self.nodes[at].here.push(id);
    }

    pub(super) fn remove(&mut self, filter: &str, id: u32) {
        // The way down, so that empty nodes can be taken away on the way up.
        let mut way: Vec<(usize, &str)> = Vec::new();
        let mut at = ROOT;
        for level in filter.split('/') {
            if level == "#" {
                self.nodes[at].rest.retain(|&known| known != id);
                break;
            }
            let Some(child) = self.child(at, level) else {
                return;
            };
            way.push((at, level));
            at = child;
        }
        if !filter.ends_with('#') {
            self.nodes[at].here.retain(|&known| known != id);
        }
        while let Some((parent, level)) = way.pop() {
            if !self.nodes[at].is_empty() {
                return;
            }
            self.nodes.remove(at);
            if level == "+" {
                self.nodes[parent].plus = None;
            } else {
                self.nodes[parent].children.remove(level);
            }
            at = parent;
        }
    }

    /// The filters with exactly this text (a plain one and any number of shared ones).
    pub(super) fn ids(&self, filter: &str) -> &[u32] {
        let mut at = ROOT;
        for level in filter.split('/') {
            if level == "#" {
                return &self.nodes[at].rest;
            }
            match self.child(at, level) {
                Some(child) => at = child,
                None => return &[],
            }
        }
        &self.nodes[at].here
    }

    /// Calls `found` for each filter that matches a topic name, each once.
    pub(super) fn each_match(&self, topic: &str, found: &mut impl FnMut(u32)) {
        // `#` and `+` in the first level do not match topics that begin with `$` [MQTT-4.7.2-1].
        let reserved = topic.starts_with('$');
        if !reserved {
            self.nodes[ROOT].rest.iter().for_each(|&id| found(id));
        }
        self.walk(ROOT, Some(topic), reserved, found);
    }

    fn walk(&self, at: usize, rest: Option<&str>, reserved: bool, found: &mut impl FnMut(u32)) {
        let node = &self.nodes[at];
        let Some(rest) = rest else {
            node.here.iter().for_each(|&id| found(id));
            return;
        };
        let (level, rest) = match rest.split_once('/') {
            Some((level, rest)) => (level, Some(rest)),
            None => (rest, None),
        };
        let named = node.children.get(level).copied();
        let any = if reserved { None } else { node.plus };
        for child in [named, any].into_iter().flatten() {
            self.nodes[child].rest.iter().for_each(|&id| found(id));
            self.walk(child, rest, false, found);
        }
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    fn child(&self, at: usize, level: &str) -> Option<usize> {
        let node = &self.nodes[at];
        if level == "+" {
            node.plus
        } else {
            node.children.get(level).copied()
        }
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_empty() && self.rest.is_empty()
    }
}

//! A Rust file as a flat list of tokens with their lines: comments are gone, and text is not mistaken for code.
//!
//! Groups are kept as their brackets. Code inside macros is seen like any other.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Features whose code is for tests only.
const FEATURES_OF_TESTS: &[&str] = &["conformance", "sim", "table", "inprocess"];

/// One token: an identifier, a mark, a bracket, or a literal as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) tokens: Vec<Token>,
}

impl Source {
    pub(crate) fn read(path: &str, text: &str) -> Source {
        let stream: TokenStream = text
            .parse()
            .unwrap_or_else(|error| panic!("{path} is not Rust: {error}"));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Source { tokens }
    }

    /// The text of the token at an index, or nothing.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// Whether these tokens begin at the index.
    pub(crate) fn begins(&self, index: usize, tokens: &[&str]) -> bool {
        tokens
            .iter()
            .enumerate()
            .all(|(offset, token)| self.text(index + offset) == *token)
    }

    /// The lines at which these tokens begin.
    pub(crate) fn lines_of(&self, tokens: &[&str]) -> Vec<usize> {
        let starts = (0..self.tokens.len()).filter(|&index| self.begins(index, tokens));
        starts.map(|index| self.tokens[index].line).collect()
    }

    /// The code that is there when nothing is tested.
    pub(crate) fn without_tests(&self) -> Source {
        let mut tokens = Vec::new();
        let mut index = 0;
        while index < self.tokens.len() {
            match self.attribute_of_tests(index) {
                Some(after) => index = self.after_item(after),
                None => {
                    tokens.push(self.tokens[index].clone());
                    index += 1;
                }
            }
        }
        Source { tokens }
    }

    /// The modules that are declared for tests only and stand in files of their own: by name, or by the file that
    /// a `path` attribute names beside the source.
    fn modules_of_tests(&self) -> Vec<Module> {
        let mut names = Vec::new();
        for index in 0..self.tokens.len() {
            let Some(mut at) = self.attribute_of_tests(index) else {
                continue;
            };
            let mut beside = None;
            if self.begins(at, &["#", "[", "path", "="]) {
                beside = Some(
                    self.text(at + 4)
                        .trim_matches('"')
                        .trim_end_matches(".rs")
                        .to_owned(),
                );
                at = self.closing(at + 1) + 1;
            }
            while self.text(at) != "mod" && at < self.after_item(index) {
                at += 1;
            }
            if self.text(at) == "mod" && self.text(at + 2) == ";" {
                let below = || Module::Below(self.text(at + 1).to_owned());
                names.push(beside.map_or_else(below, Module::Beside));
            }
        }
        names
    }

    /// Where an attribute that leaves its item to tests ends, if one begins here.
    fn attribute_of_tests(&self, index: usize) -> Option<usize> {
        let inner = self.begins(index, &["#", "!", "["]);
        if !self.begins(index, &["#", "["]) && !inner {
            return None;
        }
        let open = index + 1 + usize::from(inner);
        let end = self.closing(open);
        let words: Vec<&str> = (open + 1..end).map(|at| self.text(at)).collect();
        let tested = match words.first().copied() {
            Some("test") => words.len() == 1,
            Some("cfg") => {
                let feature = |word: &str| FEATURES_OF_TESTS.contains(&word.trim_matches('"'));
                !words.contains(&"not") && words.iter().any(|word| *word == "test" || feature(word))
            }
            _ => false,
        };
        tested.then_some(if inner { self.tokens.len() } else { end + 1 })
    }

    /// Behind the item that begins here: past its body, or its semicolon or comma.
    fn after_item(&self, mut index: usize) -> usize {
        while index < self.tokens.len() {
            match self.text(index) {
                "{" => return self.closing(index) + 1,
                ";" | "," => return index + 1,
                // The end of what the item stands in: a last field or variant.
                "}" => return index,
                "(" | "[" => index = self.closing(index) + 1,
                _ => index += 1,
            }
        }
        index
    }

    /// The bracket that closes the one at the index.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for index in open..self.tokens.len() {
            match self.text(index) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth -= 1;
                    if depth == 0 {
                        return index;
                    }
                }
                _ => {}
            }
        }
        self.tokens.len()
    }
}

/// Where the file of a module is: beside its parent's, or in the folder of its parent's children.
enum Module {
    Beside(String),
    Below(String),
}

/// A module that is for tests only: a file, and a folder for what is below it.
pub(crate) struct TestModule {
    stem: String,
}

impl TestModule {
    pub(crate) fn holds(&self, path: &str) -> bool {
        path.strip_prefix(&self.stem)
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

/// All that the given files declare for tests only.
pub(crate) fn files_of_tests(sources: &[(String, Source)]) -> Vec<TestModule> {
    let mut modules = Vec::new();
    for (path, source) in sources {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let below = match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => path.trim_end_matches(".rs").to_owned(),
        };
        modules.extend(source.modules_of_tests().into_iter().map(|module| TestModule {
            stem: match module {
                Module::Beside(name) => format!("{folder}/{name}"),
                Module::Below(name) => format!("{below}/{name}"),
            },
        }));
    }
    modules
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(Token {
                    text: open.to_owned(),
                    line,
                });
                flatten(group.stream(), tokens);
                let line = group.span_close().start().line;
                tokens.push(Token {
                    text: close.to_owned(),
                    line,
                });
            }
            // A comment of documentation is an attribute to the compiler, and none of our business.
            other => tokens.push(Token {
                text: other.to_string(),
                line,
            }),
        }
    }
}

#[test]
fn code_of_tests_is_left_out() {
    let text = r#"
        fn kept() { call("// no comment"); } // .unwrap()
        #[cfg(test)] mod tests;
        #[cfg(any(test, feature = "sim"))] pub(crate) mod disk { fn gone() {} }
        struct Both { #[cfg(test)] gone: u8, kept: [u8; 2] }
        #[cfg(not(test))] fn kept() {}
        #[test] fn gone() { let x = { 1; }; }
        #[cfg(feature = "mimalloc")] fn kept() {}
        #[cfg(test)] #[path = "log_tests.rs"] mod more;
    "#;
    let source = Source::read("x", text);
    let rest = source.without_tests();
    assert_eq!(rest.lines_of(&["kept"]).len(), 4);
    assert!(rest.lines_of(&["gone"]).is_empty(), "{rest:?}");
    assert_eq!(source.lines_of(&["gone"]), [4, 5, 7]);
    assert!(rest.lines_of(&["unwrap"]).is_empty());
    let modules = files_of_tests(&[("crates/a/src/log.rs".to_owned(), source)]);
    assert_eq!(modules.len(), 2);
    assert!(modules[1].holds("crates/a/src/log_tests.rs"));
    assert!(modules[0].holds("crates/a/src/log/tests.rs"));
    assert!(modules[0].holds("crates/a/src/log/tests/more.rs"));
    assert!(!modules[0].holds("crates/a/src/log/tests_of_another.rs"));
}

//! A command's syntax line as the tree of arguments that COMMAND DOCS shows.
//!
//! The line is the one notation that a person writes and reads; the tree is made from it, so that
//! the two cannot disagree.
//!
//! ```text
//! key value [NX | XX] [EX seconds | KEEPTTL] [tag [tag ...]]
//!
//! key   value   oneof, optional        oneof, optional          tag, optional, multiple
//!               NX (pure token)        seconds (token EX)
//!               XX (pure token)        KEEPTTL (pure token)
//! ```
//!
//! A word in capitals is a token; what follows it in the same brackets is what it introduces.
//! `x [x ...]` is `x` once or more. `<a | b>` is a choice that must be made.

use crate::spec::{Begin, Command, Find};

/// A name made of the parts' names is at most so long.
const NAME_BYTES_MAX: usize = 35;

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name, in lower case.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The word that introduces it, or that it is.
    pub token: Option<String>,
    /// May be left out.
    pub optional: bool,
    /// May be given again.
    pub multiple: bool,
    /// Is introduced by its token every time that it is given again.
    pub multiple_token: bool,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A key; the index of the key spec that declares it.
    Key(usize),
    /// A value of the type of this name.
    Plain(&'static str),
    /// Nothing but its token.
    PureToken,
    /// One of these.
    OneOf(Vec<Argument>),
    /// All of these, in order.
    Block(Vec<Argument>),
}

impl Kind {
    /// The type's name in COMMAND DOCS.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Key(_) => "key",
            Kind::Plain(name) => name,
            Kind::PureToken => "pure-token",
            Kind::OneOf(_) => "oneof",
            Kind::Block(_) => "block",
        }
    }
}

/// The arguments of a command. `first` is the index of the first argument in the syntax:
/// one behind the command's name, two behind a subcommand's.
pub fn arguments(command: &Command, first: usize) -> Vec<Argument> {
    let mut words = Words::of(command.doc.syntax);
    let mut arguments = sequence(parse(&mut words));
    let mut place = Place { command, at: Some(first) };
    place.walk(&mut arguments);
    arguments
}

/// What the brackets say, before names mean anything.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Word(String),
    Dots,
    Optional(Vec<Vec<Item>>),
    Choice(Vec<Vec<Item>>),
}

struct Words<'a>(std::iter::Peekable<std::vec::IntoIter<&'a str>>);

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Words<'a> {
        let mut words = Vec::new();
        for chunk in text.split_whitespace() {
            let mut rest = chunk;
            while let Some(at) = rest.find(['[', ']', '<', '>', '|']) {
                words.extend([&rest[..at], &rest[at..=at]]);
                rest = &rest[at + 1..];
            }
            words.push(rest);
        }
        words.retain(|word| !word.is_empty());
        Words(words.into_iter().peekable())
    }
}

/// Alternatives up to the closing bracket or the end.
fn alternatives(words: &mut Words<'_>) -> Vec<Vec<Item>> {
    let mut all = vec![parse(words)];
    while words.0.next_if_eq(&"|").is_some() {
        all.push(parse(words));
    }
    words.0.next();
    all
}

/// Items up to a bar, a closing bracket or the end.
fn parse(words: &mut Words<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some(word) = words.0.next_if(|word| !matches!(*word, "|" | "]" | ">")) {
        items.push(match word {
            "[" => Item::Optional(alternatives(words)),
            "<" => Item::Choice(alternatives(words)),
            "..." => Item::Dots,
            word => Item::Word(word.into()),
        });
    }
    items
}

fn is_token(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_uppercase()) && !word.contains(|c: char| c.is_lowercase())
        || word.contains(|c: char| c.is_ascii_punctuation() && !matches!(c, '-' | '_' | ':' | '/'))
}

/// Arguments of a row of items: repetitions are folded, tokens joined to what they introduce.
fn sequence(items: Vec<Item>) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut from = 0;
    for (at, item) in items.iter().enumerate() {
        let Some(repeated) = repetition(item).filter(|row| items[from..at].ends_with(row)) else {
            continue;
        };
        let start = at - repeated.len();
        arguments.extend(row(&items[from..start]));
        let mut again = group(repeated);
        again.multiple = true;
        again.multiple_token = again.token.is_some();
        arguments.push(again);
        from = at + 1;
    }
    arguments.extend(row(&items[from..]));
    arguments
}

/// What `[x ...]` repeats.
fn repetition(item: &Item) -> Option<&[Item]> {
    let Item::Optional(alternatives) = item else { return None };
    match &alternatives[..] {
        [only] if only.last() == Some(&Item::Dots) && only.len() > 1 => {
            Some(&only[..only.len() - 1])
        }
        _ => None,
    }
}

/// Arguments of a row without repetitions. A token takes the word behind it.
fn row(items: &[Item]) -> Vec<Argument> {
    let mut arguments: Vec<Argument> = Vec::new();
    let mut items = items.iter().peekable();
    while let Some(item) = items.next() {
        match item {
            Item::Word(word) if is_token(word) => {
                let behind = items.next_if(|next| match next {
                    Item::Word(next) => !is_token(next),
                    Item::Choice(_) => true,
                    _ => false,
                });
                match behind {
                    Some(next) => arguments.push(introduced(word, row(std::slice::from_ref(next)))),
                    None => arguments.push(pure_token(word)),
                }
            }
            Item::Word(word) => arguments.push(plain(word)),
            Item::Dots => {
                if let Some(last) = arguments.last_mut() {
                    last.multiple = true;
                }
            }
            Item::Choice(alternatives) => arguments.push(choice(alternatives)),
            Item::Optional(alternatives) => {
                arguments.push(Argument { optional: true, ..choice(alternatives) });
            }
        }
    }
    arguments
}

/// The argument that stands between brackets.
fn choice(alternatives: &[Vec<Item>]) -> Argument {
    if let [only] = alternatives {
        return group(only);
    }
    let arguments: Vec<_> = alternatives.iter().map(|items| group(items)).collect();
    let name = choice_name(&arguments);
    argument(name, Kind::OneOf(arguments), None)
}

/// Choices that many commands share have a name in Redis; others are called by what they offer.
fn choice_name(arguments: &[Argument]) -> String {
    let token = arguments[0].token.as_deref();
    match token {
        Some("NX" | "XX") => "condition".into(),
        Some("EX" | "PX") => "expiration".into(),
        Some("ASYNC") => "async".into(),
        Some("BEFORE" | "LEFT" | "MIN") => "where".into(),
        _ => joined(arguments),
    }
}

/// The names of the parts, as long as that is a name.
fn joined(arguments: &[Argument]) -> String {
    let name = arguments.iter().map(|argument| &argument.name[..]).collect::<Vec<_>>().join("_");
    if name.len() <= NAME_BYTES_MAX { name } else { "arguments".into() }
}

/// One argument of several items: a token with all that it introduces, or a block.
fn group(items: &[Item]) -> Argument {
    let mut arguments = sequence(items.to_vec());
    if arguments.len() == 1 {
        return arguments.remove(0);
    }
    if let [Item::Word(token), rest @ ..] = items
        && is_token(token)
    {
        let rest = sequence(rest.to_vec());
        return introduced(token, rest);
    }
    argument(joined(&arguments), Kind::Block(arguments), None)
}

fn introduced(token: &str, mut arguments: Vec<Argument>) -> Argument {
    if arguments.len() == 1 && arguments[0].token.is_none() {
        return Argument { token: Some(token.into()), ..arguments.remove(0) };
    }
    argument(joined(&arguments), Kind::Block(arguments), Some(token))
}

fn pure_token(token: &str) -> Argument {
    argument(token.to_lowercase(), Kind::PureToken, Some(token))
}

fn plain(name: &str) -> Argument {
    argument(name.to_lowercase(), Kind::Plain("string"), None)
}

fn argument(name: String, kind: Kind, token: Option<&str>) -> Argument {
    let token = token.map(str::to_string);
    Argument { name, kind, token, optional: false, multiple: false, multiple_token: false }
}

/// The type that an argument of this name has in a command.
fn type_of(name: &str, command: &Command) -> &'static str {
    const INTEGERS: &[&str] = &[
        "bit",
        "bits",
        "client-id",
        "count",
        "cursor",
        "db",
        "decrement",
        "destination-db",
        "duration",
        "end",
        "entries-added",
        "entries-read",
        "entriesread",
        "frequency",
        "increment",
        "index",
        "index1",
        "index2",
        "len",
        "limit",
        "maxage",
        "maxsize",
        "milliseconds",
        "min-idle-time",
        "min-match-len",
        "ms",
        "num-matches",
        "numfields",
        "numkeys",
        "numlocal",
        "numreplicas",
        "offset",
        "port",
        "protover",
        "rank",
        "seconds",
        "start",
        "stop",
        "timeout",
        "ttl",
        "version",
        "weight",
    ];
    const DOUBLES: &[&str] = &["height", "latitude", "longitude", "radius", "score", "width"];
    let group = command.group.name();
    match name {
        "pattern" => "pattern",
        "increment" if command.name.ends_with("float") => "double",
        "timeout" if matches!(group, "list" | "sorted-set") => "double",
        "start" | "stop" | "end" if group == "stream" || command.name == "zrange" => "string",
        "min" | "max" if command.name.contains("score") || command.name == "zcount" => "double",
        _ if name.starts_with("unix-time") => "unix-time",
        _ if INTEGERS.contains(&name) => "integer",
        _ if DOUBLES.contains(&name) => "double",
        _ => "string",
    }
}

/// Where among the arguments of a request the walk is, as long as that is certain.
struct Place<'a> {
    command: &'a Command,
    at: Option<usize>,
}

impl Place<'_> {
    fn walk(&mut self, arguments: &mut [Argument]) {
        for argument in arguments {
            self.visit(argument);
        }
    }

    fn visit(&mut self, argument: &mut Argument) {
        if argument.token.is_some() {
            self.at = self.at.map(|at| at + 1);
        }
        let token = argument.token.clone();
        match &mut argument.kind {
            Kind::Plain(kind) => {
                *kind = type_of(&argument.name, self.command);
                if let Some(spec) = self.key_here(token.as_deref()) {
                    argument.kind = Kind::Key(spec);
                }
                self.at = self.at.map(|at| at + 1);
            }
            Kind::Block(inner) => self.walk(inner),
            Kind::OneOf(inner) => {
                let start = self.at;
                for one in inner {
                    self.at = start;
                    self.visit(one);
                }
                self.at = None;
            }
            Kind::Key(_) | Kind::PureToken => {}
        }
        if argument.optional || argument.multiple {
            self.at = None;
        }
    }

    /// The spec that declares the argument here a key.
    fn key_here(&self, token: Option<&str>) -> Option<usize> {
        self.command.keys.iter().position(|spec| match spec.begin {
            Begin::Keyword(word, _) | Begin::Option(word, ..) => token == Some(word),
            Begin::Search(_) => false,
            Begin::Index(begin) | Begin::IndexIf(begin, _) => self.at.is_some_and(|at| {
                let begin = begin as usize;
                match spec.find {
                    Find::Range { last, step } if last >= 0 => {
                        let behind = at.checked_sub(begin);
                        behind.is_some_and(|n| n <= last as usize && n % step as usize == 0)
                    }
                    Find::Range { .. } => at == begin,
                    Find::KeyNum { first, .. } => at == begin + first as usize,
                    Find::Half => at == begin,
                    Find::Anywhere => false,
                }
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::*;

    fn tree_of(syntax: &'static str, keys: &'static [KeySpec]) -> String {
        let command =
            declare("test", Group::Generic, AtLeast(1)).keys(keys).since("1.0.0").syntax(syntax);
        arguments(&command, 1).iter().map(text_of).collect::<Vec<_>>().join(" ")
    }

    fn text_of(argument: &Argument) -> String {
        let many = |list: &[Argument]| list.iter().map(text_of).collect::<Vec<_>>().join(" ");
        let mut text = match &argument.kind {
            Kind::OneOf(list) => format!("oneof({})", many(list)),
            Kind::Block(list) => format!("{}({})", argument.name, many(list)),
            Kind::PureToken => String::new(),
            Kind::Key(spec) => format!("{}:key{spec}", argument.name),
            Kind::Plain(kind) => format!("{}:{kind}", argument.name),
        };
        if let Some(token) = &argument.token {
            text = format!("{token}{}{text}", if text.is_empty() { "" } else { "=" });
        }
        let marks =
            [(argument.optional, "?"), (argument.multiple, "+"), (argument.multiple_token, "t")];
        marks.iter().filter(|(is, _)| *is).for_each(|(_, mark)| text += mark);
        text
    }

    const FIRST: &[KeySpec] = &[KeySpec::at(1, RO)];

    type Case = (&'static str, &'static [KeySpec], &'static str);

    static CASES: &[Case] = &[
        ("", &[], ""),
        ("key value [NX | XX]", FIRST, "key:key0 value:string oneof(NX XX)?"),
        ("key [EX seconds | PERSIST]", FIRST, "key:key0 oneof(EX=seconds:integer PERSIST)?"),
        ("key [key ...]", &[KeySpec::from(1, 1, RO)], "key:key0+"),
        ("key value [key value ...]", &[KeySpec::from(1, 2, OW)], {
            "key_value(key:key0 value:string)+"
        }),
        ("numkeys key [key ...] [LIMIT limit]", &[KeySpec::counted(1, 1, RO)], {
            "numkeys:integer key:key0+ LIMIT=limit:integer?"
        }),
        ("[protover [AUTH username password] [SETNAME clientname]]", &[], {
            "arguments(protover:integer \
             AUTH=username_password(username:string password:string)? \
             SETNAME=clientname:string?)?"
        }),
        ("[section [section ...]]", &[], "section:string?+"),
        ("[PREFIX prefix [PREFIX prefix ...]]", &[], "PREFIX=prefix:string?+t"),
        ("<ON | OFF> pattern", &[], "oneof(ON OFF) pattern:pattern"),
        ("[ID client-id [client-id ...]]", &[], "ID=client-id:integer?+"),
        (
            "source destination [DB destination-db] [REPLACE]",
            { &[KeySpec::at(1, RO), KeySpec::at(2, OW)] },
            "source:key0 destination:key1 DB=destination-db:integer? REPLACE?",
        ),
    ];

    #[test]
    fn trees() {
        for (syntax, keys, tree) in CASES {
            assert_eq!(tree_of(syntax, keys), *tree, "{syntax}");
        }
    }
}

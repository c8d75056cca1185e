//! What a server tells about itself, as its replies say it: INFO and what is in it, the slow log,
//! clients, prefixes. Redis, Valkey and Redstart tell it alike; what one of them does not tell is
//! missing here.

use redis_protocol::resp2::types::OwnedFrame;
use std::collections::BTreeMap;

/// INFO, field by field.
#[derive(Clone, Debug, Default)]
pub struct Info {
    fields: BTreeMap<String, String>,
}

/// What a command has cost since the server began to count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommandCost {
    /// Its name: `get`, `config|set`.
    pub name: String,
    /// How often it ran.
    pub calls: u64,
    /// How long it took in all, in microseconds.
    pub us: f64,
    /// How often it failed.
    pub failed: u64,
    /// How often it was refused before it ran.
    pub rejected: u64,
    /// Percentiles of its durations as the server names them, in microseconds.
    pub percentiles_us: Vec<(String, f64)>,
}

/// A database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Db {
    /// Its number.
    pub number: usize,
    /// Its keys.
    pub keys: u64,
    /// Those with a deadline.
    pub expires: u64,
    /// How long these have left on average, in milliseconds.
    pub mean_ttl_ms: u64,
}

/// An entry of the slow log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slow {
    /// Its number.
    pub id: i64,
    /// When it was, in seconds since the Unix epoch.
    pub at_s: i64,
    /// How long it took, in microseconds.
    pub us: i64,
    /// Its words, as far as the log keeps them.
    pub words: Vec<Vec<u8>>,
    /// Who sent it.
    pub client: Vec<u8>,
}

/// A client: the fields of a line of CLIENT LIST.
#[derive(Clone, Debug, Default)]
pub struct Client {
    fields: BTreeMap<String, String>,
}

/// What is known of keys that begin alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prefix {
    /// How they begin; empty for all others.
    pub name: Vec<u8>,
    /// How many there are.
    pub keys: u64,
    /// What they take.
    pub bytes: u64,
    /// Lookups that found one.
    pub hits: u64,
    /// Lookups that found none, by the reason.
    pub misses: Vec<(String, u64)>,
    /// Bytes that were written to them.
    pub bytes_in: u64,
    /// Bytes that were read of them.
    pub bytes_out: u64,
    /// How long half of their commands took at most, in microseconds.
    pub p50_us: u64,
    /// How long 99 of 100 took at most.
    pub p99_us: u64,
}

impl Info {
    /// Reads the text of INFO. A line that has no name is passed over.
    pub fn read(text: &[u8]) -> Info {
        let text = String::from_utf8_lossy(text);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once(':'));
        let fields = pairs.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()));
        Info { fields: fields.collect() }
    }

    /// A field, where the server has it.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field that is a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?
            .trim_end_matches('%')
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    }

    /// A field that is a count; none where the server does not have it.
    pub fn count(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// What it is and which version.
    pub fn product(&self) -> String {
        let redis = self.text("redis_version").unwrap_or("of an unknown version");
        match (self.text("redstart_version"), self.text("valkey_version")) {
            (Some(own), _) => format!("Redstart {own}"),
            (None, Some(valkey)) => format!("Valkey {valkey}"),
            (None, None) => format!("Redis {redis}"),
        }
    }

    /// The databases that have keys, by number.
    pub fn dbs(&self) -> Vec<Db> {
        let dbs = self.fields.iter().filter_map(|(name, value)| {
            let number = name.strip_prefix("db")?.parse().ok()?;
            let pairs = Pairs::read(value);
            Some(Db {
                number,
                keys: pairs.count("keys"),
                expires: pairs.count("expires"),
                mean_ttl_ms: pairs.count("avg_ttl"),
            })
        });
        let mut dbs: Vec<Db> = dbs.collect();
        dbs.sort_by_key(|db| db.number);
        dbs
    }

    /// What each command has cost, by name.
    pub fn commands(&self) -> Vec<CommandCost> {
        let costs = self.fields.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("cmdstat_")?;
            let pairs = Pairs::read(value);
            let times = self.text(&format!("latency_percentiles_usec_{name}")).unwrap_or_default();
            let percentiles = Pairs::read(times).0.into_iter();
            Some(CommandCost {
                name: name.to_owned(),
                calls: pairs.count("calls"),
                us: pairs.number("usec"),
                failed: pairs.count("failed_calls"),
                rejected: pairs.count("rejected_calls"),
                percentiles_us: percentiles
                    .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                    .collect(),
            })
        });
        costs.collect()
    }

    /// The error replies by their first word.
    pub fn errors(&self) -> Vec<(&str, u64)> {
        let errors = self.fields.iter().filter_map(|(name, value)| {
            Some((name.strip_prefix("errorstat_")?, Pairs::read(value).count("count")))
        });
        errors.collect()
    }
}

/// A value of INFO's that has several parts: `keys=1,expires=0`.
struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Pairs<'a> {
    fn read(value: &'a str) -> Pairs<'a> {
        Pairs(value.split(',').filter_map(|pair| pair.split_once('=')).collect())
    }

    fn number(&self, name: &str) -> f64 {
        let value = self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    fn count(&self, name: &str) -> u64 {
        self.number(name) as u64
    }
}

impl Slow {
    /// Reads the reply of SLOWLOG GET.
    pub fn read_all(reply: OwnedFrame) -> Vec<Slow> {
        array(reply).into_iter().filter_map(Slow::read).collect()
    }

    fn read(entry: OwnedFrame) -> Option<Slow> {
        let mut parts = array(entry).into_iter();
        let mut number = || match parts.next() {
            Some(OwnedFrame::Integer(number)) => Some(number),
            _ => None,
        };
        let (id, at_s, us) = (number()?, number()?, number()?);
        let words = array(parts.next()?).into_iter().map(bytes).collect();
        // Servers before Redis 4 do not tell who it was.
        let client = parts.next().map(bytes).unwrap_or_default();
        Some(Slow { id, at_s, us, words, client })
    }
}

impl Client {
    /// Reads the text of CLIENT LIST.
    pub fn read_all(text: &[u8]) -> Vec<Client> {
        let text = String::from_utf8_lossy(text);
        text.lines().map(Client::read).filter(|client| !client.fields.is_empty()).collect()
    }

    fn read(line: &str) -> Client {
        let pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
        Client { fields: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    /// A field; empty where the server does not have it.
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// A field that is a count; 0 where the server does not have it.
    pub fn count(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }
}

impl Prefix {
    /// Reads the reply of PREFIX.STATS.
    pub fn read_all(reply: OwnedFrame) -> Vec<Prefix> {
        array(reply).into_iter().map(Prefix::read).collect()
    }

    fn read(reply: OwnedFrame) -> Prefix {
        let mut prefix = Prefix::default();
        for (name, value) in pairs(reply) {
            let number = count_of(&value);
            match &name[..] {
                "prefix" => prefix.name = bytes(value),
                "keys" => prefix.keys = number,
                "bytes" => prefix.bytes = number,
                "hits" => prefix.hits = number,
                "misses" => {
                    let causes = pairs(value).into_iter();
                    prefix.misses = causes.map(|(name, value)| (name, count_of(&value))).collect();
                }
                "bytes-in" => prefix.bytes_in = number,
                "bytes-out" => prefix.bytes_out = number,
                "p50-usec" => prefix.p50_us = number,
                "p99-usec" => prefix.p99_us = number,
                _ => {}
            }
        }
        prefix
    }

    /// Lookups that found none.
    pub fn missed(&self) -> u64 {
        self.misses.iter().map(|(_, count)| count).sum()
    }

    /// The part of the lookups that found one; none without lookups.
    pub fn hit_ratio(&self) -> Option<f64> {
        let lookups = self.hits + self.missed();
        (lookups > 0).then(|| self.hits as f64 / lookups as f64)
    }
}

/// The parts of an array; none where the reply is something else.
pub fn array(reply: OwnedFrame) -> Vec<OwnedFrame> {
    match reply {
        OwnedFrame::Array(parts) => parts,
        _ => vec![],
    }
}

/// The bytes of a string; an error's are its text, a number's its digits.
pub fn bytes(reply: OwnedFrame) -> Vec<u8> {
    match reply {
        OwnedFrame::BulkString(bytes) | OwnedFrame::SimpleString(bytes) => bytes,
        OwnedFrame::Error(text) => text.into_bytes(),
        OwnedFrame::Integer(number) => number.to_string().into_bytes(),
        OwnedFrame::Array(_) | OwnedFrame::Null => vec![],
    }
}

/// A count; 0 where the reply is something else.
pub fn count_of(reply: &OwnedFrame) -> u64 {
    match reply {
        OwnedFrame::Integer(number) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

/// A map, which is an array of names and values in RESP2.
pub fn pairs(reply: OwnedFrame) -> Vec<(String, OwnedFrame)> {
    let mut parts = array(reply).into_iter();
    let mut pairs = vec![];
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        pairs.push((String::from_utf8_lossy(&bytes(name)).into_owned(), value));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis_protocol::resp2::decode::decode;

    #[test]
    fn info_is_read_with_what_is_missing_and_what_is_broken() {
        let text = b"# Clients\r\nredis_version:7.0.15\r\nos:Linux: 6\r\nnonsense\r\n\
            db3:keys=2,expires=1,avg_ttl=900\r\ndb10:keys=x\r\ndbx:keys=1\r\n\
            cmdstat_get:calls=4,usec=10,usec_per_call=2.50,rejected_calls=1,failed_calls=0\r\n\
            latency_percentiles_usec_get:p50=1.5,p99=9,p99.9=oops\r\n\
            errorstat_ERR:count=7\r\nused_memory_peak_perc:97.50%\r\n";
        let info = Info::read(text);
        assert_eq!(info.product(), "Redis 7.0.15");
        assert_eq!(info.text("os"), Some("Linux: 6"));
        assert_eq!(info.number("used_memory_peak_perc"), Some(97.5));
        assert_eq!((info.count("os"), info.count("missing")), (None, None));
        let numbers: Vec<(usize, u64)> = info.dbs().iter().map(|db| (db.number, db.keys)).collect();
        assert_eq!(numbers, [(3, 2), (10, 0)]);
        let commands = info.commands();
        assert_eq!((commands.len(), commands[0].calls, commands[0].rejected), (1, 4, 1));
        let percentiles = [("p50".to_owned(), 1.5), ("p99".to_owned(), 9.0)];
        assert_eq!(commands[0].percentiles_us, percentiles);
        assert_eq!(info.errors(), [("ERR", 7)]);
    }

    fn reply(text: &str) -> OwnedFrame {
        decode(text.as_bytes()).expect("it is a reply").expect("it is whole").0
    }

    #[test]
    fn slow_log_prefixes_and_clients_are_read() {
        let slow = "*2\r\n*6\r\n:7\r\n:1700000000\r\n:1500\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n\
            $14\r\n127.0.0.1:1234\r\n$0\r\n\r\n*1\r\n+what\r\n";
        let slow = Slow::read_all(reply(slow));
        assert_eq!(slow.len(), 1);
        assert_eq!((slow[0].id, slow[0].us, &slow[0].words[1][..]), (7, 1500, &b"a"[..]));
        let prefixes = "*1\r\n*8\r\n$6\r\nprefix\r\n$5\r\nuser:\r\n$4\r\nhits\r\n:3\r\n\
            $6\r\nmisses\r\n*4\r\n$5\r\nnever\r\n:1\r\n$7\r\nexpired\r\n:0\r\n\
            $8\r\np99-usec\r\n:12\r\n";
        let prefixes = Prefix::read_all(reply(prefixes));
        assert_eq!((&prefixes[0].name[..], prefixes[0].p99_us), (&b"user:"[..], 12));
        assert_eq!(prefixes[0].hit_ratio(), Some(0.75));
        assert_eq!(Prefix::read_all(OwnedFrame::Error("ERR off".into())), []);
        let clients = Client::read_all(b"id=3 addr=a:1 name= tot-mem=99 cmd=client|list\n\n");
        assert_eq!(clients.len(), 1);
        assert_eq!((clients[0].count("tot-mem"), clients[0].text("cmd")), (99, "client|list"));
        assert_eq!((clients[0].count("age"), clients[0].text("user")), (0, ""));
    }
}

//! Every error text of the data model, Redis's to the letter, in one place.
//!
//! A handler returns one with `?`; the engine or the session writes it as the reply.

use redstart_protocol::Reply;
use std::borrow::Cow;

/// A client's mistake, as the text of the error reply without the leading `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Cow<'static, [u8]>);

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl Error {
            $($(#[$doc])* pub const $name: Error = Error(Cow::Borrowed($text.as_bytes()));)*
        }
    };
}

texts! {
    /// Options that do not exist or do not go together.
    SYNTAX = "ERR syntax error";
    /// The key holds another type.
    WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
    /// A pattern that takes too long to be matched.
    PATTERN_TOO_LONG = "ERR The pattern takes too long to be matched against the names";
    /// SORT by keys that the user may not read.
    SORT_BY_DENIED = "ERR BY option of SORT denied due to insufficient ACL permissions.";
    /// SORT that returns what the user may not read.
    SORT_GET_DENIED = "ERR GET option of SORT denied due to insufficient ACL permissions.";
    /// SORT with patterns that lead to too many keys.
    SORT_TOO_MUCH = "ERR SORT would look up too much at once by its patterns";
    /// No id of a stream's entry.
    INVALID_STREAM_ID = "ERR Invalid stream ID specified as stream command argument";
    /// A range that begins behind the greatest id.
    INVALID_START_ID = "ERR invalid start ID for the interval";
    /// A range that ends before the least id.
    INVALID_END_ID = "ERR invalid end ID for the interval";
    /// Both ways to say which entries are too old.
    TWO_BOUNDS = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
    /// A length below zero.
    MAXLEN_NEGATIVE = "ERR The MAXLEN argument must be >= 0.";
    /// A limit below zero.
    LIMIT_NEGATIVE = "ERR The LIMIT argument must be >= 0.";
    /// A limit, and nothing to be limited.
    LIMIT_WITHOUT_BOUND =
        "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
    /// A limit where all that is too old goes.
    LIMIT_WITHOUT_TILDE = "ERR syntax error, LIMIT cannot be used without the special ~ option";
    /// XTRIM that does not say which entries are too old.
    XTRIM_UNBOUND = "ERR syntax error, XTRIM must be called with a trimming strategy";
    /// The content of a message of nobody.
    AUTO_NO_PRODUCER = "ERR syntax error, IDMPAUTO requires a non-empty producer ID";
    /// Two ways to name a message.
    IDMP_TWICE = "ERR syntax error, IDMP/IDMPAUTO specified multiple times";
    /// A message of nobody.
    IDMP_NO_PRODUCER = "ERR syntax error, IDMP requires a non-empty producer ID";
    /// A message without a name.
    IDMP_NO_MESSAGE = "ERR syntax error, IDMP requires a non-empty idempotent ID";
    /// A message that is known by its name, and an id that the client chose.
    IDMP_WITH_ID =
        "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs";
    /// The least id, which no entry has.
    XADD_ZERO_ID = "ERR The ID specified in XADD must be greater than 0-0";
    /// An id that is not behind all others.
    XADD_SMALL_ID = "ERR The ID specified in XADD is equal or smaller than the target stream \
        top item";
    /// There is an entry of the greatest id.
    STREAM_EXHAUSTED = "ERR The stream has exhausted the last possible ID, unable to add more \
        items";
    /// An entry that no block can hold.
    ENTRY_TOO_LARGE = "ERR Elements are too large to be stored";
    /// A count of entries below zero.
    ENTRIES_ADDED = "ERR entries_added must be positive";
    /// A last id before the one that is given as removed.
    XSETID_BELOW_DELETED = "ERR The ID specified in XSETID is smaller than the provided \
        max_deleted_entry_id";
    /// A last id before one that was removed.
    XSETID_BELOW_OWN_DELETED = "ERR The ID specified in XSETID is smaller than current \
        max_deleted_entry_id";
    /// A last id before that of an entry.
    XSETID_BELOW_TOP = "ERR The ID specified in XSETID is smaller than the target stream top item";
    /// Fewer entries added than there are.
    XSETID_FEW_ADDED = "ERR The entries_added specified in XSETID is smaller than the target \
        stream length";
    /// XGROUP of a key that is not there.
    XGROUP_NO_KEY = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you \
        may want to use the MKSTREAM option to create an empty stream automatically.";
    /// XGROUP CREATE of a group that is there.
    BUSY_GROUP = "BUSYGROUP Consumer Group name already exists";
    /// A count of entries read that is none.
    ENTRIES_READ = "ERR value for ENTRIESREAD must be positive or -1";
    /// XREADGROUP without its group.
    MISSING_GROUP = "ERR Missing GROUP option for XREADGROUP";
    /// New entries are asked for, and it is not said for which group.
    NEW_WITHOUT_GROUP = "ERR The > ID can be specified only when calling XREADGROUP using the \
        GROUP <group> <consumer> option.";
    /// XREADGROUP CLAIM of no time.
    MIN_IDLE = "ERR min-idle-time is not an integer or out of range";
    /// The same below zero.
    MIN_IDLE_NEGATIVE = "ERR min-idle-time must be a positive integer";
    /// XCLAIM of no time.
    XCLAIM_MIN_IDLE = "ERR Invalid min-idle-time argument for XCLAIM";
    /// XAUTOCLAIM of no time.
    XAUTOCLAIM_MIN_IDLE = "ERR Invalid min-idle-time argument for XAUTOCLAIM";
    /// A count of entries that is not positive.
    COUNT_ABOVE_ZERO = "ERR COUNT must be > 0";
    /// A count of ids that is no positive number.
    ID_COUNT = "ERR Number of IDs must be a positive integer";
    /// More ids announced than given.
    ID_COUNT_MISMATCH = "ERR The `numids` parameter must match the number of arguments";
    /// INCREX ENX without a time.
    ENX_WITHOUT_TIME = "ERR ENX flag requires an expiration";
    /// INCREX BYINT of no integer.
    INCREMENT_NOT_INTEGER = "ERR Increment is not an integer or out of range";
    /// INCREX BYFLOAT of no number.
    INCREMENT_NOT_FLOAT = "ERR Increment is not a valid float";
    /// INCREX BYFLOAT beyond all numbers.
    INCREMENT_INFINITE = "ERR BYFLOAT increment cannot be Infinity";
    /// INCREX BYFLOAT of a value beyond all numbers.
    VALUE_INFINITE = "ERR value cannot be Infinity";
    /// INCREX within bounds that are no integers.
    BOUND_NOT_INTEGER = "ERR LBOUND or UBOUND is not an integer or out of range";
    /// INCREX within bounds that are no numbers.
    BOUND_NOT_FLOAT = "ERR LBOUND or UBOUND is not a valid float";
    /// INCREX within bounds between which there is nothing.
    BOUNDS_CROSSED = "ERR LBOUND can't be greater than UBOUND";
    /// INCREX SATURATE that adds more than an integer can say.
    INCREMENT_OVERFLOW = "ERR applied increment would overflow";
    /// XREAD of at most nothing.
    MAXCOUNT_ABOVE_ZERO = "ERR MAXCOUNT must be a positive integer";
    /// The same in bytes.
    MAXSIZE_ABOVE_ZERO = "ERR MAXSIZE must be a positive integer";
    /// XREAD of less in all than of one stream.
    MAXCOUNT_BELOW_COUNT = "ERR MAXCOUNT must be greater than or equal to COUNT";
    /// XNACK that does not say how.
    XNACK_MODE = "ERR mode must be SILENT, FAIL, or FATAL";
    /// XNACK of a count that is none.
    RETRYCOUNT_NEGATIVE = "ERR RETRYCOUNT must be >= 0";
    /// XIDMPRECORD of nobody.
    PRODUCER_EMPTY = "ERR producer ID must be non-empty";
    /// XIDMPRECORD of a message without a name.
    MESSAGE_EMPTY = "ERR idempotent ID must be non-empty";
    /// XIDMPRECORD of an entry that is not there.
    NO_SUCH_MESSAGE = "ERR No such message in stream";
    /// XIDMPRECORD of a message that is another entry.
    MESSAGE_OF_OTHER_ID =
        "ERR IID already exists for this producer with a different stream ID";
    /// XCFGSET of nothing.
    XCFGSET_NOTHING = "ERR At least one parameter must be specified";
    /// How long messages are remembered.
    IDMP_DURATION = "ERR IDMP-DURATION must be between 1 and 86400 seconds";
    /// How many messages are remembered.
    IDMP_MAXSIZE = "ERR IDMP-MAXSIZE must be between 1 and 10000 entries";
    /// Not a 64-bit signed integer.
    NOT_INTEGER = "ERR value is not an integer or out of range";
    /// An integer beyond 32 bits where only those are taken.
    NOT_32_BITS =
        "ERR value is out of range, value must between -2147483648 and 2147483647";
    /// Not a float.
    NOT_FLOAT = "ERR value is not a valid float";
    /// The result leaves 64 bits.
    OVERFLOW = "ERR increment or decrement would overflow";
    /// DECRBY's argument has no negation.
    DECREMENT_OVERFLOW = "ERR decrement would overflow";
    /// INCRBYFLOAT's result is not a number.
    NAN_OR_INFINITY = "ERR increment would produce NaN or Infinity";
    /// HINCRBY of a field that holds something else.
    HASH_NOT_INTEGER = "ERR hash value is not an integer";
    /// HINCRBYFLOAT of a field that holds something else.
    HASH_NOT_FLOAT = "ERR hash value is not a float";
    /// HINCRBYFLOAT by an infinity.
    INCREMENT_NOT_FINITE = "ERR value is NaN or Infinity";
    /// A count that has no negation.
    NOT_NEGATABLE = "ERR value is out of range, value must between -9223372036854775807 and \
        9223372036854775807";
    /// A count that asks for too much.
    OUT_OF_RANGE = "ERR value is out of range";
    /// A field's time to live before now.
    EXPIRE_NEGATIVE = "ERR invalid expire time, must be >= 0";
    /// A command on a hash's fields without them.
    NO_FIELDS = "ERR Mandatory argument FIELDS is missing or not at the right position";
    /// A count of fields that is no positive number.
    FIELD_COUNT = "ERR Number of fields must be a positive integer";
    /// The same in HEXPIRE and its kind.
    NUM_FIELDS = "ERR Parameter `numFields` should be greater than 0";
    /// The same in HGETEX and HSETEX.
    INVALID_FIELD_COUNT = "ERR invalid number of fields";
    /// A count of fields that is not theirs.
    FIELD_COUNT_MISMATCH = "ERR The `numfields` parameter must match the number of arguments";
    /// HEXPIRE's kind, HGETEX and HSETEX: FIELDS is not there.
    FIELDS_MISSING = "ERR missing FIELDS argument";
    /// The same: FIELDS again.
    FIELDS_TWICE = "ERR FIELDS keyword specified multiple times";
    /// A command on a set's members without them.
    NO_MEMBERS = "ERR Mandatory argument MEMBERS is missing or not at the right position";
    /// A count of members that is no positive number.
    MEMBER_COUNT = "ERR Number of members must be a positive integer";
    /// The same in SEXPIRE and its kind.
    NUM_MEMBERS = "ERR Parameter `numMembers` should be greater than 0";
    /// The same in SADDEX.
    INVALID_MEMBER_COUNT = "ERR invalid number of members";
    /// A count of members that is not theirs.
    MEMBER_COUNT_MISMATCH = "ERR The `nummembers` parameter must match the number of arguments";
    /// SEXPIRE and its kind, SADDEX: MEMBERS is not there.
    MEMBERS_MISSING = "ERR missing MEMBERS argument";
    /// The same: MEMBERS again.
    MEMBERS_TWICE = "ERR MEMBERS keyword specified multiple times";
    /// SEXPIRE and its kind: MEMBERS at the end.
    MEMBERS_NEED_MORE = "ERR MEMBERS requires at least nummembers and one member argument";
    /// SADDEX with MNX and MXX.
    MNX_AND_MXX = "ERR Only one of MXX or MNX arguments can be specified";
    /// HEXPIRE and its kind: FIELDS at the end.
    FIELDS_NEED_MORE = "ERR FIELDS requires at least numfields and one field argument";
    /// More fields are announced than there are.
    ARGUMENTS = "ERR wrong number of arguments";
    /// HEXPIRE and its kind with conditions that contradict each other.
    SEVERAL_CONDITIONS = "ERR Multiple condition flags specified";
    /// HGETEX and HSETEX: an option of the other one.
    ARGUMENT_OF_OTHERS = "ERR unknown argument";
    /// HGETEX with two times.
    GETEX_TIMES =
        "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified";
    /// HSETEX with a time's name but no time.
    NO_EXPIRE_TIME = "ERR missing expire time";
    /// HSETEX with FNX and FXX.
    FNX_AND_FXX = "ERR Only one of FXX or FNX arguments can be specified";
    /// HSETEX with two times.
    SEVERAL_TIMES =
        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    /// SETRANGE before the string's beginning.
    OFFSET = "ERR offset is out of range";
    /// SETBIT and its kin beyond the longest string.
    BIT_OFFSET = "ERR bit offset is not an integer or out of range";
    /// SETBIT of what is no bit.
    BIT_VALUE = "ERR bit is not an integer or out of range";
    /// BITPOS of what is no bit.
    BIT_ARGUMENT = "ERR The bit argument must be 1 or 0.";
    /// BITOP NOT of several strings.
    BITOP_NOT = "ERR BITOP NOT must be called with a single source key.";
    /// BITFIELD with an integer's type that does not exist.
    BITFIELD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not \
        supported but i64 is.";
    /// BITFIELD with another word behind OVERFLOW.
    BITFIELD_OVERFLOW = "ERR Invalid OVERFLOW type specified";
    /// BITFIELD_RO with an operation that writes.
    BITFIELD_READ_ONLY = "ERR BITFIELD_RO only supports the GET subcommand";
    /// A string that is no HyperLogLog.
    NO_HYPERLOGLOG = "WRONGTYPE Key is not a valid HyperLogLog string value.";
    /// A HyperLogLog whose registers do not add up.
    DAMAGED_HYPERLOGLOG = "INVALIDOBJ Corrupted HLL object detected";
    /// PFDEBUG of a key that is not there.
    NO_SPECIFIED_KEY = "ERR The specified key does not exist";
    /// PFDEBUG DECODE of one that is dense.
    NOT_SPARSE = "ERR HLL encoding is not sparse";
    /// PFDEBUG SIMD with another word.
    NO_SWITCH = "ERR Argument must be ON or OFF";
    /// A string would grow beyond `proto-max-bulk-len`.
    STRING_TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    /// RENAME, DEBUG: the key does not exist.
    NO_SUCH_KEY = "ERR no such key";
    /// COPY and MOVE onto itself.
    SAME_OBJECT = "ERR source and destination objects are the same";
    /// A database index beyond `databases`.
    DB_OUT_OF_RANGE = "ERR DB index is out of range";
    /// An index that is no number at all.
    INVALID_DB = "ERR invalid DB index";
    /// SWAPDB's first argument.
    INVALID_FIRST_DB = "ERR invalid first DB index";
    /// SWAPDB's second argument.
    INVALID_SECOND_DB = "ERR invalid second DB index";
    /// SCAN's cursor.
    INVALID_CURSOR = "ERR invalid cursor";
    /// EXPIRE with NX and another condition.
    NX_AND_OTHERS =
        "ERR NX and XX, GT or LT options at the same time are not compatible";
    /// EXPIRE with GT and LT.
    GT_AND_LT = "ERR GT and LT options at the same time are not compatible";
    /// LCS with both LEN and IDX.
    LCS_BOTH = "ERR If you want both the length and indexes, please just use IDX.";
    /// LCS of keys that are not strings.
    LCS_TYPES = "ERR The specified keys must contain string values";
    /// LCS of strings whose table would not fit in memory.
    LCS_TOO_LONG = "ERR String too long for LCS";
    /// LCS whose table cannot be allocated.
    LCS_MEMORY = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    /// A count of keys that is no positive number.
    NUMKEYS = "ERR numkeys should be greater than 0";
    /// A count of keys beyond the arguments.
    NUMKEYS_BEYOND = "ERR Number of keys can't be greater than number of args";
    /// A LIMIT that is no count.
    NEGATIVE_LIMIT = "ERR LIMIT can't be negative";
    /// A count that may not be negative.
    NOT_POSITIVE = "ERR value is out of range, must be positive";
    /// A COUNT that may not be zero either.
    COUNT_NOT_POSITIVE = "ERR count should be greater than 0";
    /// A time to wait that is no number.
    TIMEOUT_NOT_FLOAT = "ERR timeout is not a float or out of range";
    /// The same, where only whole milliseconds are taken.
    TIMEOUT_NOT_INTEGER = "ERR timeout is not an integer or out of range";
    /// A time to wait before now.
    TIMEOUT_NEGATIVE = "ERR timeout is negative";
    /// A time to wait beyond all times.
    TIMEOUT_OUT_OF_RANGE = "ERR timeout is out of range";
    /// SCAN with an option of HSCAN.
    NOVALUES = "ERR NOVALUES option can only be used in HSCAN";
    /// An index beyond the ends of a list.
    INDEX = "ERR index out of range";
    /// LPOS with a RANK of zero.
    ZERO_RANK = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second \
                 ... or use negative to start from the end of the list";
    /// LPOS with a negative COUNT.
    NEGATIVE_COUNT = "ERR COUNT can't be negative";
    /// LPOS with a negative MAXLEN.
    NEGATIVE_MAXLEN = "ERR MAXLEN can't be negative";
    /// SORT by what is no number.
    NOT_SCORES = "ERR One or more scores can't be converted into double";
    /// ZADD with NX and XX.
    NX_AND_XX = "ERR XX and NX options at the same time are not compatible";
    /// ZADD with conditions that contradict each other.
    GT_LT_NX = "ERR GT, LT, and/or NX options at the same time are not compatible";
    /// ZADD with INCR and several members.
    ONE_INCREMENT = "ERR INCR option supports a single increment-element pair";
    /// ZINCRBY from one infinity by the other.
    NOT_A_NUMBER = "ERR resulting score is not a number (NaN)";
    /// A bound of scores that is no number.
    SCORE_RANGE = "ERR min or max is not a float";
    /// A bound of texts that does not begin as one.
    TEXT_RANGE = "ERR min or max not valid string range item";
    /// ZRANGE by rank with LIMIT.
    LIMIT_BY_RANK = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE \
        or BYLEX";
    /// ZRANGE by text with WITHSCORES.
    SCORES_BY_LEX = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    /// ZUNION and its kin with a weight that is no number.
    WEIGHT = "ERR weight value is not a float";
    /// A unit of length that does not exist.
    UNIT = "ERR unsupported unit provided. please use M, KM, FT, MI";
    /// A search around a member that is not there.
    NO_PLACE = "ERR could not decode requested zset member";
    /// A search whose radius is no number.
    NO_RADIUS = "ERR need numeric radius";
    /// A search with a negative radius.
    NEGATIVE_RADIUS = "ERR radius cannot be negative";
    /// A search whose box has no number for its width.
    NO_WIDTH = "ERR need numeric width";
    /// The same for its height.
    NO_HEIGHT = "ERR need numeric height";
    /// A search in a box with a negative side.
    NEGATIVE_SIDE = "ERR height or width cannot be negative";
    /// A search in a polygon without the number of its corners.
    CORNER_COUNT = "ERR invalid number of vertices";
    /// A search in a polygon with too few corners.
    THREE_CORNERS = "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices";
    /// A search for so many members that there are none.
    GEO_COUNT = "ERR COUNT must be > 0";
    /// A search for any members, but not for how many.
    ANY_WITHOUT_COUNT = "ERR the ANY argument requires COUNT argument";
    /// GEOSEARCHSTORE with an option about the reply.
    SEARCHSTORE_WITH = "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD \
        options";
    /// GEORADIUS and its kin with STORE and an option about the reply.
    RADIUS_STORE_WITH = "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH \
        and WITHCOORD options";
    /// COMMAND GETKEYS of something that is no command.
    INVALID_COMMAND = "ERR Invalid command specified";
    /// COMMAND GETKEYS of a command without keys.
    NO_KEY_ARGUMENTS = "ERR The command has no key arguments";
    /// COMMAND GETKEYS with the wrong number of arguments.
    GETKEYS_ARITY = "ERR Invalid number of arguments specified for command";
    /// COMMAND GETKEYS with arguments that do not say where the keys are.
    GETKEYS_INVALID = "ERR Invalid arguments specified for command";
    /// OBJECT FREQ while keys are not evicted by their frequency.
    NOT_LFU = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please \
        note that when switching between policies at runtime LRU and LFU data will take some time \
        to adjust.";
    /// RESTORE of a key that is there.
    BUSY_KEY = "BUSYKEY Target key name already exists.";
    /// RESTORE of what was damaged on its way, or is from a newer version.
    PAYLOAD_FOOTER = "ERR DUMP payload version or checksum are wrong";
    /// RESTORE of what is no value.
    PAYLOAD_BODY = "ERR Bad data format";
    /// RESTORE with a time to live before now.
    RESTORE_TTL_NEGATIVE = "ERR Invalid TTL value, must be >= 0";
    /// RESTORE with a time of last use in the future.
    IDLETIME_NEGATIVE = "ERR Invalid IDLETIME value, must be >= 0";
    /// RESTORE with a frequency that is none.
    FREQUENCY_RANGE = "ERR Invalid FREQ value, must be >= 0 and <= 255";
    /// OBJECT IDLETIME while keys are evicted by their frequency.
    NOT_LRU = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that \
        when switching between policies at runtime LRU and LFU data will take some time to adjust.";
    /// The client has to authenticate first.
    NO_AUTH = "NOAUTH Authentication required.";
    /// A script runs for too long.
    BUSY_SCRIPT = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or \
        SHUTDOWN NOSAVE.";
    /// A function does.
    BUSY_FUNCTION = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or \
        SHUTDOWN NOSAVE.";
    /// A client that sent MONITOR may not run commands about keys.
    MONITORS = "ERR Replica can't interact with the keyspace";
    /// MONITOR in a transaction or a script, which cannot wait for lines.
    MONITOR_DENIED = "ERR MONITOR isn't allowed for DENY BLOCKING client";
    /// CLUSTER and its kin, in a server that is in none.
    CLUSTER_DISABLED = "ERR This instance has cluster support disabled";
    /// A module cannot be loaded.
    MODULES_REFUSED = "ERR MODULE command not allowed: Redstart has no modules";
    /// ACL LOAD and SAVE.
    NO_ACL_FILE = "ERR This Redis instance is not configured to use an ACL file. You may want to \
        specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you \
        have a Redis configuration file set) in order to store users in the Redis configuration.";
    /// Memory is out.
    OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'.";
}

impl Error {
    /// What stands before a word that HEXPIRE's kind, HGETEX and HSETEX do not know.
    pub const UNKNOWN_ARGUMENT: &'static str = "ERR unknown argument: ";

    /// An error with a text made for the occasion.
    pub fn text(text: impl Into<String>) -> Error {
        Error(Cow::Owned(text.into().into_bytes()))
    }

    /// An error whose text holds bytes of the client's.
    pub fn bytes(text: Vec<u8>) -> Error {
        Error(Cow::Owned(text))
    }

    /// Too few or too many arguments. `name` is the command's, `parent|sub` for a subcommand.
    pub fn wrong_arity(name: &str) -> Error {
        Error::text(format!("ERR wrong number of arguments for '{name}' command"))
    }

    /// A time to live that is not positive or beyond the clock, in the command `name`.
    pub fn invalid_expire(name: &str) -> Error {
        Error::text(format!("ERR invalid expire time in '{name}' command"))
    }

    /// A text that quotes a word of the client's. Like Redis, shows it up to the first zero byte.
    pub fn quoting(before: &str, word: &[u8], after: &str) -> Error {
        Error(Cow::Owned([before.as_bytes(), shown(word), after.as_bytes()].concat()))
    }

    /// BITOP DIFF and its kin of a single string.
    pub fn two_source_keys(operation: &str) -> Error {
        Error::text(format!("ERR BITOP {operation} must be called with at least two source keys."))
    }

    /// ZUNION and its kin without a key.
    pub fn no_input_key(command: &str) -> Error {
        let text = format!("ERR at least 1 input key is needed for '{command}' command");
        Error(Cow::Owned(text.into_bytes()))
    }

    /// A place that is not on the map.
    pub fn off_the_map(longitude: f64, latitude: f64) -> Error {
        let text = format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
        Error(Cow::Owned(text.into_bytes()))
    }

    /// No group of a stream that is there.
    pub fn no_group(group: &[u8], key: &[u8]) -> Error {
        let parts: [&[u8]; 5] = [
            b"NOGROUP No such consumer group '",
            shown(group),
            b"' for key name '",
            shown(key),
            b"'",
        ];
        Error(Cow::Owned(parts.concat()))
    }

    /// No stream, or no group of it, that has something pending.
    pub fn no_group_pending(key: &[u8], group: &[u8]) -> Error {
        let parts: [&[u8]; 5] =
            [b"NOGROUP No such key '", shown(key), b"' or consumer group '", shown(group), b"'"];
        Error(Cow::Owned(parts.concat()))
    }

    /// The same for XREADGROUP.
    pub fn no_group_to_read(key: &[u8], group: &[u8]) -> Error {
        let Error(text) = Error::no_group_pending(key, group);
        Error(Cow::Owned([&text[..], b" in XREADGROUP with GROUP option"].concat()))
    }

    /// An option of XREADGROUP's in XREAD.
    pub fn only_xreadgroup(option: &str) -> Error {
        Error::text(format!(
            "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
        ))
    }

    /// As many ids as streams are wanted.
    pub fn unbalanced_streams(for_group: bool) -> Error {
        let (name, ids) = match for_group {
            true => ("xreadgroup", "an ID or '>'"),
            false => ("xread", "an ID, '+', or '$'"),
        };
        Error::text(format!(
            "ERR Unbalanced '{name}' list of streams: for each stream key {ids} must be specified."
        ))
    }

    /// An id of XREAD's in XREADGROUP.
    pub fn meaningless_id(id: &[u8]) -> Error {
        let id = String::from_utf8_lossy(id);
        Error::text(format!(
            "ERR The {id} ID is meaningless in the context of XREADGROUP: you want to read the \
             history of this consumer by specifying a proper ID, or use the > ID to get new \
             messages. The {id} ID would just return an empty result set."
        ))
    }

    /// An option of XCLAIM's whose number is none.
    pub fn xclaim_option(name: &str) -> Error {
        Error::text(format!("ERR Invalid {name} option argument for XCLAIM"))
    }

    /// An option that XCLAIM does not know.
    pub fn unknown_xclaim_option(word: &[u8]) -> Error {
        Error::quoting("ERR Unrecognized XCLAIM option '", word, "'")
    }

    /// An option that EXPIRE does not know.
    pub fn unsupported_option(word: &[u8]) -> Error {
        Error::quoting("ERR Unsupported option ", word, "")
    }

    /// An unknown subcommand of `container`.
    pub fn unknown_subcommand(container: &str, name: &[u8]) -> Error {
        let after = format!("'. Try {} HELP.", container.to_uppercase());
        Error::quoting("ERR unknown subcommand '", &name[..name.len().min(128)], &after)
    }

    /// A subscriber in RESP2, where replies and messages look alike, sends another command.
    pub fn listening(name: &str) -> Error {
        Error::text(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
             RESET are allowed in this context"
        ))
    }

    /// A subcommand of `container` with arguments that it does not take.
    pub fn subcommand_syntax(container: &str, name: &[u8]) -> Error {
        let before = "ERR unknown subcommand or wrong number of arguments for '";
        let after = format!("'. Try {} HELP.", container.to_uppercase());
        Error::quoting(before, &name[..name.len().min(128)], &after)
    }

    /// A command that does not exist, with the beginning of its arguments if it has any, at most
    /// 128 bytes of each part as Redis shows them.
    pub fn unknown_command<'a>(args: impl Iterator<Item = &'a [u8]>) -> Error {
        let mut args = args.peekable();
        let name = args.next().unwrap_or_default();
        let mut text = b"ERR unknown command '".to_vec();
        text.extend_from_slice(shown(&name[..name.len().min(128)]));
        if args.peek().is_none() {
            text.push(b'\'');
            return Error(Cow::Owned(text));
        }
        text.extend_from_slice(b"', with args beginning with: ");
        let start = text.len();
        for arg in args {
            let used = text.len() - start;
            if used >= 128 {
                break;
            }
            text.push(b'\'');
            text.extend_from_slice(shown(&arg[..arg.len().min(128 - used)]));
            text.extend_from_slice(b"' ");
        }
        Error(Cow::Owned(text))
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first word, by which errors are counted.
    pub fn code(&self) -> &[u8] {
        self.0.split(|&b| b == b' ').next().unwrap_or_default()
    }

    /// Writes the error as a reply.
    pub fn write(&self, reply: &mut Reply) {
        reply.error_bytes(&self.0);
    }
}

/// What is shown of a client's word: what stands before its first zero byte.
fn shown(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == 0).next().unwrap_or_default()
}

//! A test and nothing else: `patterns.luau` matches by itself exactly what Luau matches.

use mlua::{Function, Lua, Table};

/// Pieces of patterns; some make malformed patterns, which both refuse.
const PIECES: [&str; 30] = [
    "a", "b", "1", ".", "%a", "%d", "%S", "%%", "[ab]", "[^a]", "[a-c]", "[]a]", "[a-]", "[%d-]",
    "(a*)", "(b", ")", "()", "(.-)", "(%a)", "%1", "%2", "%b()", "%f[%a]", "%f[^%w]", "$", "^",
    "-", "[", "%",
];
const REPEATS: [&str; 8] = ["", "", "", "", "*", "+", "-", "?"];
const TEXT: &[u8] = b"aaabbc1(()) -]^$%";

/// Tries each function of a table on a text and a pattern, and returns all results as one text.
const TRY: &str = r##"
local from, text, pattern, init = ...
local function line(ok, ...)
    if not ok then return "refused" end
    local values = { ... }
    for n = 1, select("#", ...) do values[n] = type(values[n]) .. " " .. tostring(values[n]) end
    return table.concat(values, ", ")
end
local function all()
    local found = {}
    for one, two in from.gmatch(text, pattern) do
        table.insert(found, tostring(one) .. " " .. tostring(two))
    end
    return table.concat(found, ", ")
end
local function swapped(one, two)
    return if two then two .. "/" .. one else false
end
return table.concat({
    line(pcall(from.find, text, pattern)), line(pcall(from.find, text, pattern, init)),
    line(pcall(from.match, text, pattern)), line(pcall(from.match, text, pattern, init)),
    line(pcall(all)), line(pcall(from.gsub, text, pattern, "<%0>")),
    line(pcall(from.gsub, text, pattern, "%2<%1", 2)),
    line(pcall(from.gsub, text, pattern, swapped)),
    line(pcall(from.gsub, text, pattern, { a = "b", aa = 12, b = false })),
}, "\n")
"##;

#[test]
fn what_is_matched_here_is_what_luau_matches() {
    let lua = Lua::new();
    // With no text short enough for Luau, all are matched here.
    let source = include_str!("patterns.luau").replace("WAYS_MAX = 1e9", "WAYS_MAX = 0");
    let host = "{ string = string, step = function() end, complain = error, \
                format_number = tostring }";
    let host: Table = lua.load(host).eval().expect("a table");
    let patterns: Table = lua.load(source).call(host).expect("it loads");
    let native: Table = lua.globals().get("string").expect("it is there");
    let attempt: Function = lua.load(TRY).into_function().expect("it compiles");
    let mut random = fastrand::Rng::with_seed(3);
    let mut matched = 0;
    for _ in 0..5000 {
        let mut pattern = String::new();
        for _ in 0..random.usize(1..6) {
            pattern += random.choice(PIECES).unwrap_or_default();
            pattern += random.choice(REPEATS).unwrap_or_default();
        }
        let length = random.usize(0..12);
        let text: String =
            (0..length).map(|_| char::from(TEXT[random.usize(..TEXT.len())])).collect();
        let init = random.i32(-14..14);
        let results = |from: &Table| -> String {
            attempt.call((from, &text[..], &pattern[..], init)).expect("errors are results, too")
        };
        let (ours, theirs) = (results(&patterns), results(&native));
        assert_eq!(ours, theirs, "{pattern:?} in {text:?} from {init}");
        matched += u32::from(theirs.starts_with("number"));
    }
    assert!(matched > 500, "{matched}");
}
